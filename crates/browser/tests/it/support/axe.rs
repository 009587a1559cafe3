//! Runs axe-core, a checker of accessibility, on the page that the browser shows.

use serde_json::{Value, json};

use super::{Browser, installed};

const AXE: &str = "crates/browser/tests/axe/node_modules/axe-core/axe.min.js";

/// A script that checks the page against WCAG 2.2, levels A and AA, and axe-core's best practices.
/// It returns one line per violation and element.
const RUN_SCRIPT: &str = "axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    resultTypes: ['violations'],
}).then(result => result.violations.flatMap(violation => violation.nodes.map(node =>
    `${violation.id}: ${node.html} (${node.any.concat(node.all, node.none).map(check => check.message).join('; ')})`)))";

/// axe-core, loaded into one page.
pub(crate) struct Axe {
    /// The id of the isolated world, an execution context for scripts that are not the page's.
    world: Value,
}

impl Browser {
    /// Loads axe-core into an isolated world, where the page's Content-Security-Policy does not
    /// apply.
    pub(crate) async fn axe(&self) -> Axe {
        let source = std::fs::read_to_string(installed::file(AXE)).expect("axe-core is text");
        let frame = self.cdp("Page.getFrameTree", json!({})).await["frameTree"]["frame"]["id"].clone();
        let options = json!({ "frameId": frame, "worldName": "axe" });
        let world = self.cdp("Page.createIsolatedWorld", options).await["executionContextId"].clone();
        let load = json!({ "expression": format!("{source};0"), "contextId": world });
        self.runtime_evaluate(load).await;
        Axe { world }
    }
}

impl Axe {
    /// Returns the violations on the page in its current state, one line per violation and element.
    pub(crate) async fn run(&self, browser: &Browser) -> Vec<String> {
        let run = json!({ "expression": RUN_SCRIPT, "contextId": self.world });
        let found = browser.runtime_evaluate(run).await;
        let lines = found.as_array().expect("a list").iter();
        lines
            .map(|line| line.as_str().unwrap_or_default().to_owned())
            .collect()
    }
}
