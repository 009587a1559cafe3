//! What must hold on every page, in whatever state it is.

use serde_json::json;

use super::{Browser, Theme, installed};

/// Telephone, tablet, desk.
const SIZES: [(u32, u32); 3] = [(320, 640), (768, 1024), (1440, 900)];

const NOTHING_STORED: &str = "(async () => JSON.stringify([localStorage.length, sessionStorage.length,
    (await indexedDB.databases()).length, (await caches.keys()).length, document.cookie]))()";

/// A hundredth of what counts as good: where a script fills a line in, the page's foot moves by it.
const LEAST_SHIFT: f64 = 0.001;

const LAYOUT_SHIFT: &str = "new Promise(told => {
    let shift = 0;
    new PerformanceObserver(list => list.getEntries().forEach(entry => { shift += entry.hadRecentInput ? 0 : entry.value }))
        .observe({ type: 'layout-shift', buffered: true });
    setTimeout(() => told(shift), 50);
})";

impl Browser {
    /// Looks at the page in every size and both themes and leaves the pictures in `target/screenshots`.
    ///
    /// 1. Nothing of it moved while it was loaded.
    /// 2. Its scripts stored nothing, and cannot read the cookies.
    /// 3. It fits the width.
    /// 4. axe-core finds nothing.
    pub(crate) async fn inspect(&self, name: &str) {
        let shift = self.evaluate(LAYOUT_SHIFT).await;
        let shift = shift.as_f64().expect("a number");
        assert!(shift < LEAST_SHIFT, "{name}: something moved, by {shift}");
        assert_eq!(
            self.evaluate(NOTHING_STORED).await,
            r#"[0,0,0,0,""]"#,
            "{name}: something is stored"
        );
        let folder = installed::workspace().join("target/screenshots");
        std::fs::create_dir_all(&folder).expect("a folder for the pictures");
        let mut problems = Vec::new();
        let axe = self.axe().await;
        for theme in [Theme::Light, Theme::Dark] {
            for (width, height) in SIZES {
                self.look(width, height, theme).await;
                let shade = if theme == Theme::Dark { "dark" } else { "light" };
                let picture = folder.join(format!("{name}-{width}-{shade}.png"));
                std::fs::write(picture, self.picture().await).expect("the picture is written");
                let fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
                if self.evaluate(fits).await != true {
                    problems.push(format!("{width}: wider than the window"));
                }
                // What differs between tablet and desk is only room.
                if width != 768 {
                    let found = axe.run(self).await;
                    problems.extend(found.into_iter().map(|found| format!("{width} {shade}: {found}")));
                }
            }
        }
        self.cdp("Emulation.clearDeviceMetricsOverride", json!({})).await;
        self.cdp("Emulation.setEmulatedMedia", json!({ "features": [] }))
            .await;
        assert!(problems.is_empty(), "{name}: {problems:#?}");
    }
}
