//! Controls one Chromium.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::{
    By, ChromiumLikeCapabilities, DesiredCapabilities, LoggingPrefsLogLevel, TypingData, WebDriver,
    WebElement,
};

use super::chromedriver::Chromedriver;
use super::recorder::Recorder;

/// The deadline of a step. It is long since the machine may be busy.
const DEADLINE: Duration = Duration::from_secs(30);

/// The colour scheme that the page sees as the system's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Theme {
    Light,
    Dark,
}

/// A running Chromium. Dropping this ends it.
pub(crate) struct Browser {
    driver: Option<WebDriver>,
    origin: String,
    pub(crate) recorder: Recorder,
    /// Dropping it ends the browser. This must happen before `folder`, which has the browser's
    /// profile, is dropped. Rust drops fields in the order of their declaration.
    _chromedriver: Chromedriver,
    folder: TempDir,
}

impl Browser {
    /// Starts a browser. It opens paths at `origin`.
    pub(crate) async fn start(origin: &str) -> Self {
        let mut chromedriver = Chromedriver::start();
        let recorder = Recorder::start().await;
        let folder = TempDir::new().expect("a folder can be created");
        let mut capabilities = DesiredCapabilities::chrome();
        let profile = folder.path().join("profile");
        let arguments = [
            "--headless=new".to_owned(),
            // Chromium's sandbox does not run as root.
            "--no-sandbox".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--window-size=1440,900".to_owned(),
            "--lang=en-US".to_owned(),
            format!("--user-data-dir={}", profile.display()),
            format!("--proxy-server=http://{}", recorder.address),
            "--proxy-bypass-list=<-loopback>".to_owned(),
        ];
        for argument in &arguments {
            capabilities.add_arg(argument).expect("the argument is accepted");
        }
        capabilities
            .set_browser_log_level(LoggingPrefsLogLevel::All)
            .expect("the log level is accepted");
        let driver = WebDriver::new(chromedriver.url(), capabilities)
            .await
            .expect("Chromium starts");
        chromedriver.set_session(&driver.session_id().to_string());
        let browser = Self {
            driver: Some(driver),
            origin: origin.to_owned(),
            recorder,
            folder,
            _chromedriver: chromedriver,
        };
        let downloads = json!({ "behavior": "allow", "downloadPath": browser.downloads() });
        browser.cdp("Browser.setDownloadBehavior", downloads).await;
        browser
    }

    /// Ends the browser. Panics if the console has an unexpected warning or error.
    pub(crate) async fn close(self) {
        let complaints = self.complaints().await;
        assert!(complaints.is_empty(), "the console says: {complaints:#?}");
    }

    /// The console's warnings and errors since the last call, including Content-Security-Policy
    /// violations.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let entries = self.driver().browser_log().await.expect("the browser's log");
        let complaints = entries
            .into_iter()
            .filter(|entry| ["SEVERE", "WARNING"].contains(&entry.level.as_str()));
        // Ignore the missing icons of other sites.
        let is_other_icon =
            |message: &str| message.contains("/favicon.ico - ") && !message.starts_with(&self.origin);
        complaints
            .map(|entry| entry.message)
            .filter(|message| !is_other_icon(message))
            .collect()
    }

    /// Discards the console's warnings and errors so far, which the test expects.
    pub(crate) async fn discard_complaints(&self) {
        self.complaints().await;
    }

    /// Checks that the console reports only responses with this status, which the test expects.
    pub(crate) async fn expect_status(&self, status: u16) {
        let expected_text = format!("the server responded with a status of {status}");
        let complaints = self.complaints().await;
        let expected = !complaints.is_empty()
            && complaints
                .iter()
                .all(|complaint| complaint.contains(&expected_text));
        assert!(expected, "instead of {status}: {complaints:#?}");
    }

    // --- pages ---

    /// Opens a path of the service.
    pub(crate) async fn open(&self, path: &str) {
        self.visit(&format!("{}{path}", self.origin)).await;
    }

    /// Opens any address.
    pub(crate) async fn visit(&self, url: &str) {
        self.driver()
            .goto(url)
            .await
            .unwrap_or_else(|error| panic!("{url}: {error}"));
    }

    pub(crate) async fn reload(&self) {
        self.driver().refresh().await.expect("the page loads again");
    }

    /// The path, query and fragment of the page.
    pub(crate) async fn path(&self) -> String {
        let url = self
            .driver()
            .current_url()
            .await
            .expect("the browser has a URL")
            .to_string();
        url.strip_prefix(&self.origin).unwrap_or(&url).to_owned()
    }

    /// Waits until the browser shows the page at this path. Ignores query and fragment.
    pub(crate) async fn arrive(&self, path: &str) {
        self.until(&format!("the page {path}"), async || {
            let current = self.path().await;
            current.split(['?', '#']).next() == Some(path)
        })
        .await;
    }

    /// The visible text.
    pub(crate) async fn text(&self) -> String {
        let text = self
            .evaluate("document.body ? document.body.innerText : ''")
            .await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until this text is visible.
    pub(crate) async fn see(&self, text: &str) {
        self.until(text, async || self.text().await.contains(text)).await;
    }

    /// Waits until this text is gone.
    pub(crate) async fn see_no_more(&self, text: &str) {
        self.until(&format!("no more {text}"), async || {
            !self.text().await.contains(text)
        })
        .await;
    }

    /// Polls until the condition holds. Panics after a deadline; `what` names the expected event.
    pub(crate) async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let started = Instant::now();
        while !holds().await {
            if started.elapsed() > DEADLINE {
                let (path, text, complaints) =
                    (self.path().await, self.text().await, self.complaints().await);
                panic!("{what:?} did not appear at {path}; console: {complaints:#?}; the page says:\n{text}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    // --- actions ---

    /// Presses the button or link with this name.
    pub(crate) async fn press(&self, name: &str) {
        let name = quoted(name);
        let path = format!(
            "(//button|//a|//summary|//*[@role='button'])[normalize-space(.)={name} or @aria-label={name}]
             | //input[@type='submit' and @value={name}]"
        );
        self.find(&path)
            .await
            .click()
            .await
            .unwrap_or_else(|error| panic!("press {name}: {error}"));
    }

    /// Replaces the text in the field with this label.
    pub(crate) async fn fill(&self, label: &str, text: &str) {
        let field = self.field(label).await;
        field.clear().await.expect("the field can be emptied");
        field.send_keys(text).await.expect("the field accepts text");
    }

    /// Clicks the field with this label, for example a checkbox.
    pub(crate) async fn choose(&self, label: &str) {
        self.field(label)
            .await
            .click()
            .await
            .unwrap_or_else(|error| panic!("choose {label}: {error}"));
    }

    /// The field with this label.
    pub(crate) async fn field(&self, label: &str) -> WebElement {
        let label = quoted(label);
        let starts = format!("label[starts-with(normalize-space(.), {label})]");
        let path = format!(
            "//*[@id=//{starts}/@for] | //{starts}//input | //{starts}//textarea | //{starts}//select
             | //*[(self::input or self::textarea or self::select) and @aria-label={label}]"
        );
        self.find(&path).await
    }

    /// Waits for a visible element and returns the first one.
    pub(crate) async fn find(&self, xpath: &str) -> WebElement {
        let mut found = None;
        self.until(xpath, async || {
            for element in self.driver().find_all(By::XPath(xpath)).await.unwrap_or_default() {
                if element.is_displayed().await.unwrap_or(false) {
                    found = Some(element);
                    return true;
                }
            }
            false
        })
        .await;
        found.expect("`until` returns only if it is found")
    }

    /// Types keys into the focused element.
    pub(crate) async fn keys(&self, keys: impl Into<TypingData>) {
        let actions = self.driver().action_chain().send_keys(keys);
        actions.perform().await.expect("the keys can be typed");
    }

    // --- appearance ---

    /// Sets the size of the page and its colour scheme.
    pub(crate) async fn set_viewport(&self, width: u32, height: u32, theme: Theme) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
        let value = if theme == Theme::Dark { "dark" } else { "light" };
        let media = json!({ "features": [
            { "name": "prefers-color-scheme", "value": value },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ] });
        self.cdp("Emulation.setEmulatedMedia", media).await;
    }

    /// Takes a screenshot of the whole page, as a PNG.
    pub(crate) async fn picture(&self) -> Vec<u8> {
        use base64::Engine;
        let options = json!({ "format": "png", "captureBeyondViewport": true });
        let answer = self.cdp("Page.captureScreenshot", options).await;
        let text = answer["data"].as_str().expect("Chromium returns an image");
        base64::engine::general_purpose::STANDARD
            .decode(text)
            .expect("the image is base64")
    }

    // --- scripts ---

    /// Evaluates a script and returns its value. If the value is a promise, waits for its result.
    pub(crate) async fn evaluate(&self, script: &str) -> Value {
        self.runtime_evaluate(json!({ "expression": script })).await
    }

    /// Evaluates a script with these parameters of `Runtime.evaluate`. Panics if the script throws.
    pub(super) async fn runtime_evaluate(&self, mut parameters: Value) -> Value {
        parameters["awaitPromise"] = true.into();
        parameters["returnByValue"] = true.into();
        let answer = self.cdp("Runtime.evaluate", &parameters).await;
        let thrown = &answer["exceptionDetails"];
        assert!(
            thrown.is_null(),
            "{}: {thrown}",
            parameters["expression"].as_str().unwrap_or_default()
        );
        answer["result"]["value"].clone()
    }

    /// Sends a command of the Chrome DevTools Protocol.
    pub(crate) async fn cdp(&self, method: &str, parameters: impl serde::Serialize) -> Value {
        let answer = self.driver().cdp().send_raw(method, parameters).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    // --- files ---

    fn downloads(&self) -> PathBuf {
        self.folder.path().join("downloads")
    }

    /// Waits until a key file is downloaded. Moves it out of the download folder, so that the next
    /// call does not find it again.
    pub(crate) async fn downloaded(&self) -> PathBuf {
        let mut found = None;
        self.until("a download", async || {
            let entries = std::fs::read_dir(self.downloads())
                .into_iter()
                .flatten()
                .flatten();
            // The file exists before its content is complete, and complete content is JSON.
            let is_complete = |path: &PathBuf| {
                let content = std::fs::read(path).unwrap_or_default();
                path.extension().is_some_and(|end| end == "json")
                    && serde_json::from_slice::<Value>(&content).is_ok()
            };
            found = entries.map(|entry| entry.path()).find(is_complete);
            found.is_some()
        })
        .await;
        let file = found.expect("`until` returns only if it is found");
        let moved = self
            .folder
            .path()
            .join(file.file_name().expect("the file has a name"));
        std::fs::rename(&file, &moved).expect("the file can be moved");
        moved
    }

    pub(crate) fn driver(&self) -> &WebDriver {
        self.driver.as_ref().expect("the browser runs")
    }
}

impl Drop for Browser {
    /// Leaves the end of the session to chromedriver. The library's own drop would block the runtime
    /// that it needs.
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.leak().ok();
        }
    }
}

/// Quotes a string for XPath, which has no escapes.
fn quoted(text: &str) -> String {
    if text.contains('\'') {
        format!("\"{text}\"")
    } else {
        format!("'{text}'")
    }
}
