//! The identifiers, each a type of its own so that none can stand in for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::try_parse(text).map(Self)
            }
        }
    };
}

uuid_id!(
    /// An account (`uid`): stable for ever, never used again, unlike an e-mail address.
    AccountId
);
uuid_id!(
    /// An organization (`tm.organization_id`); every account has a personal one.
    OrganizationId
);
uuid_id!(
    /// A session (`sid`): one line of refresh tokens.
    SessionId
);
uuid_id!(
    /// A registered API key (`key_id`): a UUID of version 8 that carries its environment, see
    /// [`KeyId::generate`].
    KeyId
);

use crate::Environment;

impl KeyId {
    /// Makes a key id from 16 random bytes.
    ///
    /// Layout (RFC 9562, version 8): the first four bits name the environment, then version and
    /// variant at their fixed places; the other 118 bits are random.
    pub fn generate(environment: Environment, random: [u8; 16]) -> Self {
        let mut bytes = random;
        bytes[0] = (environment.nibble() << 4) | (bytes[0] & 0x0f);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// The environment in the id's own bits; `None` for a UUID that this service never made.
    pub fn environment(self) -> Option<Environment> {
        if self.0.get_version_num() != 8 || self.0.get_variant() != uuid::Variant::RFC4122 {
            return None;
        }
        Environment::from_nibble(self.0.as_bytes()[0] >> 4)
    }

    /// The first eight hex digits, as in the key file's name.
    pub fn short(self) -> String {
        self.0.simple().to_string()[..8].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_id_tells_its_environment_and_keeps_118_random_bits() {
        for environment in [Environment::Production, Environment::Uat] {
            let zeros = KeyId::generate(environment, [0; 16]);
            let ones = KeyId::generate(environment, [0xff; 16]);
            assert_eq!(zeros.environment(), Some(environment));
            assert_eq!(ones.environment(), Some(environment));
            let differing: u32 = zeros
                .0
                .as_bytes()
                .iter()
                .zip(ones.0.as_bytes())
                .map(|(a, b)| (a ^ b).count_ones())
                .sum();
            assert_eq!(differing, 118);
        }
    }

    #[test]
    fn a_foreign_uuid_has_no_environment() {
        assert_eq!(KeyId(Uuid::nil()).environment(), None);
        let v4 = KeyId::from_str("1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b").unwrap();
        assert_eq!(v4.environment(), None);
        // Another version or another variant, with bits where an environment could be.
        for foreign in [
            "ab4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b",
            "ab4e28ba-2fa1-8d3b-c3f5-ef19b5a7633b",
        ] {
            assert_eq!(KeyId::from_str(foreign).unwrap().environment(), None);
        }
        let v8_of_no_environment = KeyId::from_str("fb4e28ba-2fa1-8d3b-a3f5-ef19b5a7633b").unwrap();
        assert_eq!(v8_of_no_environment.environment(), None);
    }
}
