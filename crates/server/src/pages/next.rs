//! Where a browser goes after a sign-in: back to the page that asked for it, and never to another site.

/// Where it goes if it came from nowhere.
const HOME: &str = "/api-keys";
/// Longer than any of our paths with its query.
const LONGEST: usize = 512;

/// A path of ours out of what a form or a query says; the first page for anything else.
///
/// A second slash or a backslash would begin another host, and browsers drop tabs and line ends out of a URL before
/// they read it.
pub(crate) fn path(asked: &str) -> &str {
    let is_ours = asked.starts_with('/')
        && !asked[1..].starts_with(['/', '\\'])
        && asked.len() <= LONGEST
        && asked.bytes().all(|byte| byte.is_ascii_graphic());
    if is_ours { asked } else { HOME }
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn g26_h10_only_a_path_of_ours_is_gone_back_to() {
        for ours in ["/", "/api-keys", "/api-keys/new?a=b", "/security#apple"] {
            assert_eq!(path(ours), ours);
        }
        for other in [
            "",
            "api-keys",
            "//evil.test",
            "/\\evil.test",
            "\\\\evil.test",
            "https://evil.test/",
            "javascript:alert(1)",
            "/\t/evil.test",
            "/\n/evil.test",
            "/ü",
            "/a b",
        ] {
            assert_eq!(path(other), "/api-keys", "{other:?}");
        }
        assert_eq!(path(&format!("/{}", "a".repeat(512))), "/api-keys");
    }
}
