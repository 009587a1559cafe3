//! Tests that a page does not render in a frame of another site.

use thirtyfour::By;

use crate::support::{Browser, Service};

#[tokio::test(flavor = "multi_thread")]
async fn h05_a_framed_page_does_not_render() {
    let service = Service::start().await;
    let browser = Browser::start(&service.origin).await;
    let sign_in = format!("{}/sign-in", service.origin);
    let page_with_frame =
        |inner: &str| format!("<!doctype html><title>t</title><iframe src='{inner}'></iframe>");
    browser.recorder.site("framing.test", &page_with_frame(&sign_in));
    browser
        .recorder
        .site("harmless.test", "<!doctype html><body>Log in here");
    browser
        .recorder
        .site("control.test", &page_with_frame("http://harmless.test/"));

    // A frame renders if its page allows it.
    browser.visit("http://control.test/").await;
    assert!(framed_text(&browser).await.contains("Log in"));
    browser.visit("http://framing.test/").await;
    let sent = browser.recorder.request_lines();
    assert!(
        sent.iter()
            .any(|line| line.starts_with(&format!("GET {sign_in} "))),
        "{sent:?}"
    );
    let text = framed_text(&browser).await;
    assert!(!text.contains("Log in"), "{text}");
    let complaints = browser.complaints().await;
    assert!(
        complaints
            .iter()
            .any(|line| line.contains("frame-ancestors 'none'")),
        "{complaints:?}"
    );

    // The page renders without a frame.
    browser.open("/sign-in").await;
    browser.see("Log in").await;
    browser.close().await;
}

/// The text in the page's frame.
async fn framed_text(browser: &Browser) -> String {
    let driver = browser.driver();
    let frame = driver
        .find(By::Tag("iframe"))
        .await
        .expect("the page has a frame");
    frame.enter_frame().await.expect("the frame can be entered");
    let body = driver.find(By::Tag("body")).await.expect("the frame has a body");
    let text = body.text().await.expect("the text can be read");
    driver.enter_default_frame().await.expect("the frame can be left");
    text
}
