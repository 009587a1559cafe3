//! Describes why a JSON body is refused: the field, what came, and what is wanted.
//!
//! The values of a body never stand in a message: they could be secrets in the wrong field. serde
//! has only texts for its errors, so this module takes them apart.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

/// The longest name of an unknown field that a message repeats. A secret is longer.
const MAX_NAME: usize = 32;

/// Returns the field and the message. `text` is the body, which does not parse as `T`.
pub(super) fn describe<T: DeserializeOwned>(
    text: &str,
    error: serde_path_to_error::Error<serde_json::Error>,
) -> (String, String) {
    let path = known(error.path());
    let error = error.into_inner();
    let reason = reason(&error);
    if error.classify() != Category::Data {
        let place = format!("line {} column {}", error.line(), error.column());
        return (
            name(&path),
            format!("is not valid JSON: {reason} at {place}; send JSON"),
        );
    }
    if let Some(field) = quoted(&reason, "missing field ") {
        let wanted = wanted::<T>(text, &path, field).unwrap_or_else(|| "it".to_owned());
        return (member(&path, field), format!("is missing; send {wanted}"));
    }
    if let Some(field) = quoted(&reason, "duplicate field ") {
        return (member(&path, field), "came twice; send it once".to_owned());
    }
    if reason.starts_with("unknown field ") {
        let fields = reason
            .rsplit_once(", expected ")
            .map_or("none", |(_, fields)| fields);
        let fields = fields.trim_start_matches("one of ");
        // The path ends with the unknown name, if that may stand in a message.
        let field = name(&path);
        return (
            field,
            format!("has a name that is unknown here; send only {fields}"),
        );
    }
    (name(&path), mismatch(&reason))
}

/// What came and what is wanted, if the error is about a value.
fn mismatch(reason: &str) -> String {
    let Some((came, expected)) = reason.rsplit_once(", expected ") else {
        // serde has no "," where the type of an object is wrong as a whole.
        return reason.strip_prefix("expected ").map_or_else(
            || "has the wrong form; send what API.md describes".to_owned(),
            |expected| format!("has another type; send {}", plain(expected)),
        );
    };
    let came = if let Some(variant) = quoted(came, "unknown variant ") {
        if is_name(variant) {
            format!("is `{variant}`")
        } else {
            "is unknown".to_owned()
        }
    } else {
        format!("is {}", kind(came))
    };
    format!("{came}; send {}", plain(expected))
}

/// What came, without its value.
fn kind(came: &str) -> &str {
    let (problem, what) = came.split_once(": ").unwrap_or(("", came));
    match what.split(' ').next().unwrap_or_default() {
        "string" | "character" => "a string",
        "integer" if problem == "invalid value" => "a number out of range",
        "integer" => "a number",
        "floating" => "a number with a fraction, or too large",
        "boolean" => "a boolean",
        "null" | "unit" | "Option" => "null",
        "sequence" => "an array",
        "map" => "an object",
        // The words of this project's own types, which contain no value.
        "a" | "an" => what,
        _ => "something else",
    }
}

/// A description of serde, in the terms of JSON.
fn plain(expected: &str) -> String {
    match expected {
        "a sequence" => "an array".to_owned(),
        "string or map" => "a string".to_owned(),
        "i64" | "u64" | "i32" | "u32" => "a whole number".to_owned(),
        _ if expected.starts_with("struct ") => "a JSON object".to_owned(),
        _ => expected.to_owned(),
    }
}

/// What a missing field would have to be: reads the body again with a value there that is wrong for
/// every required field.
fn wanted<T: DeserializeOwned>(text: &str, path: &[String], field: &str) -> Option<String> {
    let mut body: Value = serde_json::from_str(text).ok()?;
    let mut place = &mut body;
    for segment in path {
        place = place.get_mut(segment)?;
    }
    place.as_object_mut()?.insert(field.to_owned(), Value::Bool(true));
    let error = serde_json::from_value::<T>(body).err()?;
    let (_, expected) = error
        .to_string()
        .rsplit_once(", expected ")
        .map(|(a, b)| (a.len(), plain(b)))?;
    Some(expected)
}

/// serde's text without its position.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

/// The name in backquotes after `start`.
fn quoted<'a>(reason: &'a str, start: &str) -> Option<&'a str> {
    let rest = reason.strip_prefix(start)?.strip_prefix('`')?;
    rest.split_once('`').map(|(name, _)| name)
}

/// Whether a name may stand in a message.
fn is_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(letter)
}

/// The path as far as it has names that may stand in a message.
fn known(path: &Path) -> Vec<String> {
    path.iter()
        .map_while(|segment| match segment {
            Segment::Map { key } if is_name(key) => Some(key.clone()),
            Segment::Seq { index } => Some(format!("[{index}]")),
            _ => None,
        })
        .collect()
}

fn name(path: &[String]) -> String {
    if path.is_empty() {
        return "body".to_owned();
    }
    path.join(".").replace(".[", "[")
}

fn member(path: &[String], field: &str) -> String {
    name(&[path, &[field.to_owned()]].concat())
}
