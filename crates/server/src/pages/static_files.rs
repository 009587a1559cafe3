//! `GET /static/{version}/{name}`: style, scripts and the icon, all compiled into the binary.
//!
//! The version is a hash over all files, so the content of a URL never changes and browsers may
//! cache it for ever. A module imports another one by `./name`.

use std::sync::LazyLock;

use aws_lc_rs::digest::{Context, SHA256};
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use tm_auth_proto::ErrorCode;

use crate::error::ApiError;

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Name, media type, content.
const FILES: &[(&str, &str, &[u8])] = &[
    (
        "private-key.js",
        JS,
        include_bytes!("../../static/private-key.js"),
    ),
    ("copy.js", JS, include_bytes!("../../static/copy.js")),
    (
        "api-key-new.js",
        JS,
        include_bytes!("../../static/api-key-new.js"),
    ),
    ("passkey.js", JS, include_bytes!("../../static/passkey.js")),
    ("app.css", CSS, include_bytes!("../../static/app.css")),
    (
        "sign-in-link.js",
        JS,
        include_bytes!("../../static/sign-in-link.js"),
    ),
    ("mark.svg", SVG, include_bytes!("../../static/mark.svg")),
];

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Context::new(&SHA256);
    for (name, _, content) in FILES {
        hash.update(name.as_bytes());
        hash.update(content);
    }
    URL_SAFE_NO_PAD.encode(&hash.finish().as_ref()[..12])
});

/// The URL of a file. Names come from this crate's own templates, so an unknown one is a defect.
pub(crate) fn url(name: &str) -> String {
    assert!(
        FILES.iter().any(|(file, ..)| *file == name),
        "no static file {name}"
    );
    format!("/static/{}/{name}", *VERSION)
}

pub(crate) async fn serve(Path((version, name)): Path<(String, String)>) -> Result<Response, ApiError> {
    let (_, content_type, content) = FILES
        .iter()
        // Never answer an old version with new content: caches would keep it for ever.
        .find(|(file, ..)| *file == name && version == *VERSION)
        .ok_or_else(|| ApiError::new(ErrorCode::NotFound))?;
    let headers = [
        (CONTENT_TYPE, *content_type),
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok((headers, *content).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h11_no_script_stores_data_or_turns_text_into_code_or_markup() {
        let scripts: Vec<_> = FILES.iter().filter(|(_, kind, _)| *kind == JS).collect();
        assert!(!scripts.is_empty());
        for (name, _, content) in scripts {
            let script = std::str::from_utf8(content).unwrap();
            for forbidden in [
                "localStorage",
                "sessionStorage",
                "indexedDB",
                "document.cookie",
                "caches.",
                "serviceWorker",
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "Function(",
                "postMessage",
                "http://",
                "https://",
            ] {
                assert!(!script.contains(forbidden), "{name}: {forbidden}");
            }
        }
    }

    #[test]
    fn every_import_of_a_module_is_served() {
        for (name, kind, content) in FILES {
            let script = std::str::from_utf8(content).unwrap_or_default();
            for import in script.split(" from \"").skip(1).filter(|_| *kind == JS) {
                let file = import.split('"').next().unwrap_or_default();
                let file = file.strip_prefix("./").expect("an import by ./name");
                assert!(FILES.iter().any(|(known, ..)| *known == file), "{name}: {file}");
            }
        }
    }
}
