//! Variations of the client data: which are accepted, and which are refused.

use super::{SIGN_IN, SIGN_UP};
use crate::support::TestServer;
use crate::support::authenticator::{Authenticator, bend};

#[tokio::test]
async fn g18_g19_a_byte_order_mark_and_unknown_members_are_accepted() {
    let server = TestServer::start().await;
    let with_mark = |text: &[u8]| [b"\xef\xbb\xbf", text].concat();
    let more = r#""crossOrigin":false,"other_keys_can_be_added_here":"do not compare","a":{"b":1,"b":2},"tokenBinding":{"status":"supported"}"#;
    for (mark, unknown) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut authenticator = Authenticator::new();
        let mut visitor = server.visitor();
        let change = |client_data: &mut Vec<u8>| {
            if unknown {
                bend(client_data, r#""crossOrigin":false"#, more);
            }
            if mark {
                *client_data = with_mark(client_data);
            }
        };
        let options = visitor.begin(SIGN_UP).await;
        let mut made = authenticator.create(&options, &server.origin);
        change(&mut made.client_data);
        assert_eq!(visitor.finish(SIGN_UP, &made.answer()).await.status, 201);
        let options = visitor.begin(SIGN_IN).await;
        let mut used = authenticator.get(&options, &server.origin);
        change(&mut used.client_data);
        // The signature covers the bytes as they are, including the byte order mark.
        let answer = visitor.finish(SIGN_IN, &used.answer(&authenticator)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[tokio::test]
async fn g19_a_duplicate_member_is_refused() {
    let server = TestServer::start().await;
    let mut authenticator = Authenticator::new();
    server.signed_up(&mut authenticator).await;
    let mut visitor = server.visitor();
    for (from, to) in [
        (r#"{"type":"#, r#"{"type":"webauthn.x","type":"#.to_owned()),
        (
            r#","origin":"#,
            r#","origin":"https://evil.example","origin":"#.to_owned(),
        ),
        (
            r#","origin":"#,
            r#","orig\u0069n":"https://evil.example","origin":"#.to_owned(),
        ),
        (
            r#","challenge":"#,
            r#","challenge":"AAAA","challenge":"#.to_owned(),
        ),
        (
            r#","crossOrigin":false"#,
            r#","crossOrigin":false,"crossOrigin":false"#.to_owned(),
        ),
        (r#","crossOrigin":false"#, r#","a":1,"a":1"#.to_owned()),
        // Trailing bytes and a second byte order mark.
        (r#","crossOrigin":false}"#, "} ,".to_owned()),
        (r#"{"type":"#, "\u{feff}\u{feff}{\"type\":".to_owned()),
    ] {
        let options = visitor.begin(SIGN_IN).await;
        let mut used = authenticator.get(&options, &server.origin);
        bend(&mut used.client_data, from, &to);
        let answer = visitor.finish(SIGN_IN, &used.answer(&authenticator)).await;
        answer.assert_invalid("passkey_refused", "credential");

        let options = visitor.begin(SIGN_UP).await;
        let mut made = Authenticator::new().create(&options, &server.origin);
        let (from, to) = (from.replace("webauthn.get", "webauthn.create"), to);
        bend(&mut made.client_data, &from, &to);
        let answer = visitor.finish(SIGN_UP, &made.answer()).await;
        answer.assert_invalid("passkey_refused", "credential");
    }
}
