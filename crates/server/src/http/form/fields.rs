//! Reads the fields of a form into structs, and detects fields that no struct has.
//!
//! `#[serde(deny_unknown_fields)]` would do for one struct, but not for several that share a form,
//! because it cannot be combined with `#[serde(flatten)]`. Here a form is a struct or a tuple of
//! structs. serde passes the field names of each struct to its deserializer, which gives the struct
//! those fields only.

use std::cell::RefCell;

use serde::de::value::{Error, MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

/// Reads a form. The flag says whether it has fields that no struct has.
pub(super) fn read<T: DeserializeOwned>(fields: &[(String, String)]) -> Result<(T, bool), Error> {
    let form = Fields {
        fields,
        names: RefCell::default(),
    };
    let value = T::deserialize(&form)?;
    let names = form.names.into_inner();
    let unread = fields.iter().any(|(name, _)| !names.contains(&name.as_str()));
    Ok((value, unread))
}

struct Fields<'a> {
    fields: &'a [(String, String)],
    /// The names of all structs that were read.
    names: RefCell<Vec<&'static str>>,
}

impl<'de> Deserializer<'de> for &Fields<'de> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.names.borrow_mut().extend(names);
        let fields = self
            .fields
            .iter()
            .filter(|(name, _)| names.contains(&name.as_str()))
            .map(|(name, value)| (name.as_str(), Value(value)));
        visitor.visit_map(MapDeserializer::new(fields))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(SeqDeserializer::new(std::iter::repeat_n(self, len)))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom(
            "a form is read into a struct or a tuple of structs, without flatten",
        ))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple_struct map enum identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de> for &Fields<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// The value of a field: text.
struct Value<'de>(&'de str);

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de> for Value<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    struct Name {
        name: String,
        #[serde(default)]
        nickname: String,
    }

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    struct Choice {
        chosen: Option<String>,
    }

    #[derive(Debug, Deserialize)]
    struct Flattened {
        #[serde(flatten)]
        _name: Name,
    }

    fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn ada() -> Name {
        Name {
            name: "Ada".to_owned(),
            nickname: String::new(),
        }
    }

    #[test]
    fn a_field_that_no_struct_has_is_noticed() {
        let form = fields(&[("name", "Ada")]);
        assert_eq!(read::<Name>(&form), Ok((ada(), false)));
        assert_eq!(read::<Choice>(&form), Ok((Choice { chosen: None }, true)));
        let both = fields(&[("name", "Ada"), ("chosen", "yes")]);
        assert_eq!(read::<Name>(&both), Ok((ada(), true)));
        let chosen = Some("yes".to_owned());
        assert_eq!(
            read::<(Name, Choice)>(&both),
            Ok(((ada(), Choice { chosen }), false))
        );
    }

    #[test]
    fn missing_and_repeated_fields_are_errors() {
        assert!(read::<Name>(&fields(&[])).is_err());
        assert!(read::<(Choice, Name)>(&fields(&[("chosen", "yes")])).is_err());
        assert!(read::<Name>(&fields(&[("name", "Ada"), ("name", "Eve")])).is_err());
    }

    #[test]
    fn a_flattened_struct_is_an_error() {
        assert!(read::<Flattened>(&fields(&[("name", "Ada")])).is_err());
    }
}
