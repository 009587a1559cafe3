//! `/sign-in`: by mail, in a browser.

mod code;
mod link;
mod next;

use crate::support::{Answer, TestServer, Visitor};

const ADA: &str = "ada@example.com";

/// A browser that asked for a mail to this address.
async fn asked<'a>(server: &'a TestServer, email: &str) -> Visitor<'a> {
    let mut browser = server.visitor();
    let shown = browser
        .submit("/sign-in", &[("email", email), ("next", "/security")])
        .await;
    assert_eq!(shown.location(), "/sign-in/code");
    browser
}

async fn is_signed_in(browser: &mut Visitor<'_>) -> bool {
    let shown = browser.get("/sign-in").await;
    assert_eq!(shown.status, 200);
    shown.text.contains("Confirm that it is you")
}

impl Answer {
    /// Where it leads, of a redirect.
    #[track_caller]
    fn location(&self) -> &str {
        assert_eq!(self.status, 303, "{self:?}");
        self.header("location")
    }

    #[track_caller]
    fn assert_shows(&self, text: &str) -> &Self {
        assert!(self.text.contains(text), "{text:?} is not in {self:?}");
        self
    }

    #[track_caller]
    fn assert_hides(&self, text: &str) -> &Self {
        assert!(!self.text.contains(text), "{text:?} is in {self:?}");
        self
    }
}
