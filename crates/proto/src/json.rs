//! Reads a JSON object member by member and refuses duplicate names.
//!
//! RFC 7515 section 4 and RFC 7519 section 4 allow a parser to refuse a duplicate name or to use
//! the last one. Two parsers that choose differently read two different tokens from the same text,
//! so this one refuses.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Unexpected, Visitor};
use serde_json::value::RawValue;

/// Maximum number of members. An access token has 15 claims; the search for duplicates takes
/// quadratic time.
pub const MAX_MEMBERS: usize = 64;

/// A JSON object whose members are not parsed yet.
#[derive(Debug)]
pub struct Object<'a> {
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
}

/// The bytes are not one JSON object with unique names and at most [`MAX_MEMBERS`] members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON object with unique member names")]
pub struct NotAnObject;

impl<'a> Object<'a> {
    /// Parses the names. Skips the values, at any depth.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, NotAnObject> {
        serde_json::from_slice(bytes).map_err(|_| NotAnObject)
    }

    /// Whether the object has a member `name`, even if its value is `null`.
    pub fn contains(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// Parses the member `name`; `None` if the object has no such member.
    pub fn read<T: Deserialize<'a>>(&self, name: &str) -> Option<Result<T, serde_json::Error>> {
        self.raw(name).map(|raw| serde_json::from_str(raw.get()))
    }

    /// Parses the member `name` as an object; `None` if the object has no such member.
    pub fn read_object(&self, name: &str) -> Option<Result<Self, NotAnObject>> {
        self.raw(name).map(|raw| Self::parse(raw.get().as_bytes()))
    }

    fn raw(&self, name: &str) -> Option<&'a RawValue> {
        let (_, raw) = self.members.iter().find(|(member, _)| member == name)?;
        Some(raw)
    }
}

#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Self::Value = Vec::with_capacity(16);
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    if members.len() == MAX_MEMBERS {
                        return Err(A::Error::custom("too many members"));
                    }
                    if members.iter().any(|(member, _)| *member == name) {
                        return Err(A::Error::custom("duplicate member name"));
                    }
                    members.push((name, value));
                }
                Ok(members)
            }
        }
        let members = deserializer.deserialize_map(Members)?;
        Ok(Self { members })
    }
}

/// Deserializes `T` from a JSON object only. A struct with a derived `Deserialize` would also
/// accept an array of its members in order, which the API does not document.
///
/// # Errors
/// Returns the deserializer's error; `expected a JSON object` if the value is something else.
pub fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct OneObject<T>(std::marker::PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for OneObject<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(serde::de::value::MapAccessDeserializer::new(map))
        }
    }
    deserializer.deserialize_map(OneObject(std::marker::PhantomData))
}

/// Deserializes Unix seconds. Like any `i64`, but the error says what is wanted.
///
/// # Errors
/// Returns the deserializer's error if the value is not a whole number in the range of `i64`.
pub fn unix_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    struct Seconds;
    impl Visitor<'_> for Seconds {
        type Value = i64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Unix seconds, a whole number")
        }

        fn visit_i64<E: Error>(self, seconds: i64) -> Result<i64, E> {
            Ok(seconds)
        }

        fn visit_u64<E: Error>(self, seconds: u64) -> Result<i64, E> {
            i64::try_from(seconds).map_err(|_| E::invalid_value(Unexpected::Unsigned(seconds), &self))
        }
    }
    deserializer.deserialize_i64(Seconds)
}

/// An RFC 3339 date-time, whose error says what is wanted.
pub(crate) struct DateTime(pub(crate) Timestamp);

impl<'de> Deserialize<'de> for DateTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = DateTime;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a date-time like 2027-01-15T08:00:00Z, or null for no end")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<DateTime, E> {
                text.parse().map(DateTime).map_err(|_| {
                    if is_too_late(text) {
                        E::invalid_value(
                            Unexpected::Other("a date-time after 9999-12-30T22:00:00Z, the last one"),
                            &"an earlier one, or null for no end",
                        )
                    } else {
                        E::invalid_value(Unexpected::Other("a string of another form"), &self)
                    }
                })
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Whether a text that does not parse is a date-time of the last hours of the year 9999.
/// [`Timestamp`] lacks them, so that it can be shown in every time zone. Programs use it for "never".
fn is_too_late(text: &str) -> bool {
    text.starts_with("9999-12-3")
        && text
            .get(..19)
            .is_some_and(|time| time.parse::<jiff::civil::DateTime>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d04_an_array_is_not_accepted_as_an_object() {
        #[derive(Debug, PartialEq, serde::Deserialize)]
        struct Point {
            x: i64,
        }
        let read = |text: &str| object::<_, Point>(&mut serde_json::Deserializer::from_str(text));
        assert_eq!(read(r#"{"x":1}"#).unwrap(), Point { x: 1 });
        assert!(
            read("[1]")
                .unwrap_err()
                .to_string()
                .contains("expected a JSON object")
        );
    }

    #[test]
    fn members_are_read_by_name() {
        let object = Object::parse(br#" {"a":1,"b":null,"c\u0064":"x","o":{"i":2}} "#).unwrap();
        assert_eq!(object.read::<i64>("a").unwrap().unwrap(), 1);
        assert!(object.read::<String>("a").unwrap().is_err());
        assert!(object.contains("b") && !object.contains("z"));
        assert_eq!(object.read::<String>("cd").unwrap().unwrap(), "x");
        assert!(object.read::<i64>("z").is_none());
        let inner = object.read_object("o").unwrap().unwrap();
        assert_eq!(inner.read::<i64>("i").unwrap().unwrap(), 2);
        assert_eq!(object.read_object("a").unwrap().unwrap_err(), NotAnObject);
    }

    #[test]
    fn a16_a_duplicate_name_is_refused_even_if_escaped() {
        for duplicate in [r#"{"a":1,"a":1}"#, r#"{"sub":1,"\u0073ub":2}"#] {
            assert_eq!(Object::parse(duplicate.as_bytes()).unwrap_err(), NotAnObject);
        }
    }

    #[test]
    fn anything_other_than_one_object_is_refused() {
        for other in [
            "",
            "[]",
            "1",
            "null",
            "{",
            "{}{}",
            "{\"a\":}",
            "{\"a\":\"\u{0}\"}",
        ] {
            assert_eq!(
                Object::parse(other.as_bytes()).unwrap_err(),
                NotAnObject,
                "{other}"
            );
        }
        assert!(Object::parse(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn a18_too_many_members_are_refused_and_deep_values_are_skipped() {
        let with = |count: usize| {
            let members: Vec<String> = (0..count).map(|index| format!("\"{index}\":0")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert!(Object::parse(with(MAX_MEMBERS).as_bytes()).is_ok());
        assert!(Object::parse(with(MAX_MEMBERS + 1).as_bytes()).is_err());
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        let deep = Object::parse(deep.as_bytes()).unwrap();
        assert!(deep.read::<serde_json::Value>("a").unwrap().is_err());
    }
}
