//! The page that follows a login.
//!
//! `next` comes with links and forms, so an attacker can set it. It must equal a path on a list or
//! the path of a key's page; its query is dropped. Any other value means the home page.

use tm_auth_proto::KeyId;

const HOME: &str = "/api-keys";
const PAGES: [&str; 5] = ["/api-keys", "/api-keys/new", "/security", "/activity", "/mailbox"];

/// A path of this service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Next(String);

impl Next {
    pub(crate) fn parse(requested: &str) -> Self {
        let path = requested.split_once('?').map_or(requested, |(path, _)| path);
        // Take the path from the list, so that no byte of the request is used.
        let page = PAGES.iter().find(|page| **page == path).map(ToString::to_string);
        Self(page.or_else(|| key_page(path)).unwrap_or_else(|| HOME.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// `/api-keys/{key_id}` and the pages below it that a GET opens.
fn key_page(path: &str) -> Option<String> {
    let rest = path.strip_prefix("/api-keys/")?;
    let (id, page) = rest.split_once('/').unwrap_or((rest, ""));
    let key_id: KeyId = id.parse().ok()?;
    let page = ["", "edit", "revoke"].into_iter().find(|known| *known == page)?;
    let slash = if page.is_empty() { "" } else { "/" };
    Some(format!("/api-keys/{key_id}{slash}{page}"))
}

impl std::fmt::Display for Next {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f14_g26_a_login_leads_only_to_pages_of_this_service() {
        for page in PAGES {
            assert_eq!(Next::parse(page).as_str(), page);
        }
        let key = "/api-keys/b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e";
        for page in [key.to_owned(), format!("{key}/edit"), format!("{key}/revoke")] {
            assert_eq!(Next::parse(&page).as_str(), page);
        }
        assert_eq!(Next::parse("/security?next=//evil.example").as_str(), "/security");
        for elsewhere in [
            "",
            "/",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https:evil.example",
            "https://evil.example",
            "//evil.example/api-keys",
            "javascript:alert(1)",
            "data:text/html,x",
            "/%0d%0aSet-Cookie:sid=x",
            "/security\r\nLocation: https://evil.example",
            "/security\n",
            "/\t/evil.example",
            "\t/security",
            " /security",
            "/@evil.example",
            "@evil.example",
            "/security@evil.example",
            "/security#x",
            "/security#?x",
            "//evil.example/?/security",
            "/api-keys/b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e/delete",
            "/api-keys/b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e/edit/",
            "/security/",
            "/Security",
            "/api-keys/../sign-out",
            "/api-keys/new/..",
            "/api-keys//evil.example",
            "/api-keys/b1f0c2d4",
            "/sign-out",
            "security",
            "\u{ff0f}security",
        ] {
            assert_eq!(Next::parse(elsewhere).as_str(), HOME, "{elsewhere:?}");
        }
    }
}
