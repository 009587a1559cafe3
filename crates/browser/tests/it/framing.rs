//! The pages in a frame of another site.

use thirtyfour::By;

use crate::support::{Browser, Service};

#[tokio::test(flavor = "multi_thread")]
async fn h05_a_framed_page_does_not_render() {
    let service = Service::start().await;
    let browser = Browser::start(&service.origin).await;
    let sign_in = format!("{}/sign-in", service.origin);
    let framing = |inner: &str| format!("<!doctype html><title>t</title><iframe src='{inner}'></iframe>");
    browser.recorder.site("framing.test", &framing(&sign_in));
    browser
        .recorder
        .site("harmless.test", "<!doctype html><body>Log in here");
    browser
        .recorder
        .site("control.test", &framing("http://harmless.test/"));

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

    // Without the frame the page renders.
    browser.open("/sign-in").await;
    browser.see("Log in").await;
    browser.close().await;
}

async fn framed_text(browser: &Browser) -> String {
    let driver = browser.driver();
    let frame = driver.find(By::Tag("iframe")).await.expect("the frame");
    frame.enter_frame().await.expect("the frame can be entered");
    let body = driver.find(By::Tag("body")).await.expect("a body");
    let text = body.text().await.expect("the text");
    driver.enter_default_frame().await.expect("the frame can be left");
    text
}
