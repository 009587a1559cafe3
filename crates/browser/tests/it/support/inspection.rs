//! The checks of every page in every state.

use serde_json::json;

use super::{Browser, Theme, installed};

/// The sizes of a telephone, a tablet and a desktop window.
const SIZES: [(u32, u32); 3] = [(320, 640), (768, 1024), (1440, 900)];

/// A script that returns the number of items in each storage of the page, and the cookies that
/// scripts can read.
const STORED_SCRIPT: &str = "(async () => JSON.stringify([localStorage.length, sessionStorage.length,
    (await indexedDB.databases()).length, (await caches.keys()).length, document.cookie]))()";

/// The maximum cumulative layout shift. Core Web Vitals calls a shift of 0.1 good. The maximum is
/// not zero, since a script may fill in a line.
const MAX_SHIFT: f64 = 0.001;

/// A script that returns the cumulative layout shift so far.
const LAYOUT_SHIFT_SCRIPT: &str = "new Promise(resolve => {
    let shift = 0;
    new PerformanceObserver(list => list.getEntries().forEach(entry => { shift += entry.hadRecentInput ? 0 : entry.value }))
        .observe({ type: 'layout-shift', buffered: true });
    setTimeout(() => resolve(shift), 50);
})";

impl Browser {
    /// Checks the page in every size and both themes. Saves screenshots in `target/screenshots`.
    ///
    /// 1. The layout did not shift while the page loaded.
    /// 2. The page's scripts stored nothing and can read no cookie.
    /// 3. The page fits the width.
    /// 4. axe-core reports no violation, on a telephone and on a desktop.
    pub(crate) async fn inspect(&self, name: &str) {
        let shift = self.evaluate(LAYOUT_SHIFT_SCRIPT).await;
        let shift = shift.as_f64().expect("a number");
        assert!(shift < MAX_SHIFT, "{name}: the layout shifted by {shift}");
        assert_eq!(
            self.evaluate(STORED_SCRIPT).await,
            r#"[0,0,0,0,""]"#,
            "{name}: the page stored something, or a script can read a cookie"
        );
        let folder = installed::workspace().join("target/screenshots");
        std::fs::create_dir_all(&folder).expect("a folder for the pictures");
        let mut problems = Vec::new();
        let axe = self.axe().await;
        for theme in [Theme::Light, Theme::Dark] {
            for (width, height) in SIZES {
                self.set_viewport(width, height, theme).await;
                let shade = if theme == Theme::Dark { "dark" } else { "light" };
                let picture = folder.join(format!("{name}-{width}-{shade}.png"));
                std::fs::write(picture, self.picture().await).expect("the picture is written");
                let fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
                if self.evaluate(fits).await != true {
                    problems.push(format!("{width}: the page is wider than the window"));
                }
                // Skip the tablet, which shows the same elements as the desktop.
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
