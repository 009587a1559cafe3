use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use tm_auth_proto::{ApiKeyTokenRequest, RegisterApiKey};

use super::*;

fn problem_of<T: DeserializeOwned>(body: &str) -> (String, String) {
    let Err(error) = parse::<T>(body.as_bytes()) else {
        panic!("it parses")
    };
    let body = error.into_body(String::new());
    let violation = &body.field_violations[0];
    (violation.field.clone(), violation.message.clone())
}

fn problem(body: &str) -> (String, String) {
    problem_of::<ApiKeyTokenRequest>(body)
}

#[test]
fn d04_d05_r60_a_field_is_named_with_what_came_and_what_is_wanted() {
    const SECONDS: &str = "Unix seconds, a whole number";
    for (body, field, message) in [
        ("", "body", "is empty; send a JSON object".to_owned()),
        (" \n", "body", "is empty; send a JSON object".to_owned()),
        (
            r#"["a", 1, "s"]"#,
            "body",
            "is an array; send a JSON object".to_owned(),
        ),
        ("null", "body", "is null; send a JSON object".to_owned()),
        (
            "{'",
            "body",
            "is not valid JSON: key must be a string at line 1 column 2; send JSON".to_owned(),
        ),
        (
            r#"{"key_id":"a"}"#,
            "timestamp",
            format!("is missing; send {SECONDS}"),
        ),
        (
            r#"{"timestamp":1}"#,
            "key_id",
            "is missing; send a string".to_owned(),
        ),
        (
            r#"{"key_id":"a","key_id":"b"}"#,
            "key_id",
            "came twice; send it once".to_owned(),
        ),
        (
            r#"{"timestamp":"17"}"#,
            "timestamp",
            format!("is a string; send {SECONDS}"),
        ),
        (
            r#"{"timestamp":null}"#,
            "timestamp",
            format!("is null; send {SECONDS}"),
        ),
        (
            r#"{"timestamp":1.5}"#,
            "timestamp",
            format!("is a number with a fraction, or too large; send {SECONDS}"),
        ),
        (
            r#"{"timestamp":9223372036854775808}"#,
            "timestamp",
            format!("is a number out of range; send {SECONDS}"),
        ),
        (
            r#"{"timestamp":01}"#,
            "timestamp",
            "is not valid JSON: invalid number at line 1 column 15; send JSON".to_owned(),
        ),
        (
            r#"{"signature":{"SECRET":1}}"#,
            "signature",
            "is an object; send a string".to_owned(),
        ),
        (
            r#"{"key_id":"a","timestamp":1,"signature":"s"} x"#,
            "body",
            "has more after the JSON object; send one object".to_owned(),
        ),
    ] {
        assert_eq!(problem(body), (field.to_owned(), message), "{body}");
    }
}

#[test]
fn r60_nested_fields_are_named_with_their_path() {
    let problem = problem_of::<RegisterApiKey>;
    let with = |member: &str| problem(&format!(r#"{{"label":"a","public_key":"k",{member}}}"#));
    for (member, field, message) in [
        (r#""proof":[1,"s"]"#, "proof", "is an array; send a JSON object"),
        (
            r#""proof":{"signature":"s"}"#,
            "proof.timestamp",
            "is missing; send Unix seconds, a whole number",
        ),
        (
            r#""proof":{"timestamp":1,"signature":"s","more":1}"#,
            "proof.more",
            "has a name that is unknown here; send only `timestamp` or `signature`",
        ),
        (
            r#""scopes":["read","root"]"#,
            "scopes[1]",
            "is `root`; send one of `read`, `trade`, `transfer`",
        ),
        (
            r#""expires_at":"9999-12-31T23:59:59Z""#,
            "expires_at",
            "is a date-time after 9999-12-30T22:00:00Z, the last one; send an earlier one, or null for no end",
        ),
        (
            r#""allowed_ips":"1""#,
            "allowed_ips",
            "is a string; send an array",
        ),
        (
            r#""allowed_ips":[1]"#,
            "allowed_ips[0]",
            "is a number; send a string",
        ),
    ] {
        assert_eq!(with(member), (field.to_owned(), message.to_owned()), "{member}");
    }
    let (field, message) = with(&format!(r#""{}":1"#, "SECRET".repeat(10)));
    assert_eq!(field, "body");
    assert!(!message.contains("SECRET"), "{message}");
    let (field, message) = problem(r#"{"label":"a"}"#);
    assert_eq!(field, "public_key");
    assert!(message.starts_with("is missing; send a public key"), "{message}");
}

#[test]
fn r52_a_byte_order_mark_is_skipped_and_utf16_is_named() {
    let good = r#"{"key_id":"a","timestamp":1,"signature":"s"}"#;
    assert!(parse::<ApiKeyTokenRequest>(format!("\u{feff}{good}").as_bytes()).is_ok());
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let Err(error) = parse::<ApiKeyTokenRequest>(&utf16) else {
        panic!("it parses")
    };
    assert_eq!(error.message(), "body: is UTF-16, but must be UTF-8");
}

#[test]
fn d18_r57_only_plain_utf8_json_is_read_and_the_error_names_what_came() {
    let check = |pairs: &[(http::HeaderName, &str)]| {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value.parse().unwrap());
        }
        media_type::check(&headers).map_err(|error| error.message().to_owned())
    };
    for good in [
        "application/json",
        "Application/JSON; charset=\"UTF-8\"",
        "application/json;charset=utf8",
        "application/json; charset = UTF8",
    ] {
        assert_eq!(check(&[(CONTENT_TYPE, good)]), Ok(()), "{good}");
    }
    let json = (CONTENT_TYPE, "application/json");
    let long = format!("text/{}", "x".repeat(200));
    for (headers, named, left_out) in [
        (vec![], "no content-type came", "charset"),
        (vec![(CONTENT_TYPE, "text/plain")], "`text/plain` came", "charset"),
        (vec![(CONTENT_TYPE, long.as_str())], "`text/xxx", &long),
        (
            vec![(CONTENT_TYPE, "application/json; charset=utf-16")],
            "charset=utf-16` came; send the body in UTF-8",
            "encoding",
        ),
        (
            vec![(CONTENT_TYPE, "application/json; charset = utf-16")],
            "UTF-8",
            "encoding",
        ),
        (
            vec![json.clone(), (CONTENT_TYPE, "text/plain")],
            "several",
            "charset",
        ),
        (
            vec![json, (CONTENT_ENCODING, "gzip")],
            "content-encoding `gzip` came",
            "charset",
        ),
    ] {
        let problem = check(&headers).unwrap_err();
        assert!(
            problem.contains(named) && !problem.contains(left_out),
            "{problem}"
        );
    }
}
