//! Scopes: a space-separated string in claims (RFC 6749 section 3.3), a JSON list elsewhere.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Scope {
    /// Look at balances, orders and markets.
    Read,
    /// Place and cancel orders.
    Trade,
    /// Move funds.
    Transfer,
}

impl Scope {
    /// All scopes, in the order in which claims and responses list them.
    pub const ALL: [Self; 3] = [Self::Read, Self::Trade, Self::Transfer];

    /// Name in claims and responses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Trade => "trade",
            Self::Transfer => "transfer",
        }
    }

    fn bit(self) -> u8 {
        1 << (self as u8)
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;
    fn from_str(word: &str) -> Result<Self, UnknownScope> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == word)
            .ok_or_else(|| UnknownScope(word.to_owned()))
    }
}

/// A word that does not name a scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown scope `{0}`: use read, trade or transfer")]
pub struct UnknownScope(String);

/// A set of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scopes(u8);

impl Scopes {
    /// The empty set: the scopes of a management token.
    pub const NONE: Self = Self(0);
    /// All scopes: those of a user's platform token, and of a key registered without `scopes`.
    pub const ALL: Self = Self(0b111);

    /// Whether `scope` is in the set.
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether all scopes of `other` are in the set.
    pub fn contains_all(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The scopes in the set, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }

    /// Parses a `scope` claim. Ignores unknown words, so that a newer issuer can add scopes.
    pub fn from_claim(text: &str) -> Self {
        text.split(' ').filter_map(|word| word.parse().ok()).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

/// Serializes as a list: `["read", "trade"]`.
impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Scope>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Scopes {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        <Vec<Scope> as utoipa::PartialSchema>::schema()
    }
}
#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Scopes {
    fn schemas(schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>)>) {
        schemas.push(("Scope".to_owned(), <Scope as utoipa::PartialSchema>::schema()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_has_a_fixed_order_and_unknown_words_are_ignored() {
        assert_eq!(Scopes::ALL.to_string(), "read trade transfer");
        assert_eq!(
            Scopes::from_claim("transfer read withdraw"),
            [Scope::Read, Scope::Transfer].into_iter().collect()
        );
        assert_eq!(Scopes::from_claim(""), Scopes::NONE);
        assert_eq!(Scopes::from_claim("read read").to_string(), "read");
        assert!(Scopes::NONE.is_empty() && !Scopes::ALL.is_empty());
    }

    #[test]
    fn a_set_contains_only_its_scopes() {
        let read: Scopes = [Scope::Read].into_iter().collect();
        assert!(read.contains(Scope::Read) && !read.contains(Scope::Trade));
        assert!(Scopes::ALL.contains_all(read) && !read.contains_all(Scopes::ALL));
        assert!(read.contains_all(Scopes::NONE));
    }

    #[test]
    fn json_is_a_list_and_unknown_words_are_refused() {
        assert_eq!(
            serde_json::to_string(&Scopes::ALL).unwrap(),
            r#"["read","trade","transfer"]"#
        );
        assert!(serde_json::from_str::<Scopes>(r#"["read","root"]"#).is_err());
    }

    #[cfg(feature = "openapi")]
    #[test]
    fn the_schema_of_a_set_includes_the_schema_of_a_scope() {
        let mut schemas = Vec::new();
        <Scopes as utoipa::ToSchema>::schemas(&mut schemas);
        assert_eq!(schemas[0].0, "Scope");
    }
}
