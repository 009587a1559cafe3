//! `/sign-in`: login by mail in a browser.

mod code;
mod link;
mod next;

use crate::support::{TestServer, Visitor};

const ADA: &str = "ada@example.com";

/// A browser that requested a login mail to this address.
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
