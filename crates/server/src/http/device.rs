//! The name of a device as users see it: its browser and system, for example "Firefox on Linux".

use http::HeaderMap;
use http::header::USER_AGENT;

/// The device that sent a request.
pub(crate) fn device(headers: &HeaderMap) -> String {
    let user_agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    coarse(user_agent.unwrap_or_default())
}

/// Maximum number of characters of the name of a program that is not a browser.
const LONGEST: usize = 40;

/// Derives the name from a `User-Agent`. Whatever the client sends, the result has only the words
/// below, or ASCII letters, digits, `-`, `_` and `.`.
fn coarse(user_agent: &str) -> String {
    let has = |word: &str| user_agent.contains(word);
    // The order matters: most browsers also name Chrome or Safari.
    let browser = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("Chromium/", "Chromium"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]
    .into_iter()
    .find(|(token, _)| has(token))
    .map(|(_, name)| name);
    let system = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]
    .into_iter()
    .find(|(token, _)| has(token))
    .map(|(_, name)| name);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, system) => {
            let program: String = user_agent
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
                .take(LONGEST)
                .collect();
            match (program.is_empty(), system) {
                (false, _) => program,
                (true, Some(system)) => system.to_owned(),
                (true, None) => "an unnamed program".to_owned(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::coarse;

    #[test]
    fn f20_a_device_is_named_coarsely_and_in_our_words() {
        for (user_agent, device) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
                "Edge on Windows",
            ),
            ("curl/8.5.0", "curl"),
            ("tm-auth/0.1.0", "tm-auth"),
            ("<script>alert(1)</script>", "an unnamed program"),
            ("", "an unnamed program"),
        ] {
            assert_eq!(coarse(user_agent), device);
        }
        assert_eq!(coarse(&"x".repeat(500)).len(), 40);
    }
}
