//! Identifiers. Each has its own type, so that the compiler refuses to mix them up.

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
    /// Id of an account (`uid`). Unlike an e-mail address it never changes and is never reused.
    AccountId
);
uuid_id!(
    /// Id of an organization (`tm.organization_id`). Every account has a personal organization.
    OrganizationId
);
uuid_id!(
    /// Id of a session (`sid`).
    SessionId
);
uuid_id!(
    /// Id of a registered API key (`key_id`): a version 8 UUID. Its first four bits name the key's
    /// environment.
    KeyId
);

use crate::Environment;

impl KeyId {
    /// Creates a key id from 16 random bytes.
    ///
    /// Layout (RFC 9562 section 5.8): the first four bits name the environment, version and variant
    /// have their fixed places, and the other 118 bits are random.
    pub fn generate(environment: Environment, random: [u8; 16]) -> Self {
        let mut bytes = random;
        bytes[0] = (environment.nibble() << 4) | (bytes[0] & 0x0f);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// The environment that the id names; `None` if this service did not create the id.
    pub fn environment(self) -> Option<Environment> {
        if self.0.get_version_num() != 8 || self.0.get_variant() != uuid::Variant::RFC4122 {
            return None;
        }
        Environment::from_nibble(self.0.as_bytes()[0] >> 4)
    }

    /// The first eight hex digits, as in the name of the key file.
    pub fn short(self) -> String {
        self.0.simple().to_string()[..8].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_id_names_its_environment_and_has_118_random_bits() {
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
    fn a_uuid_from_elsewhere_has_no_environment() {
        assert_eq!(KeyId(Uuid::nil()).environment(), None);
        let v4 = KeyId::from_str("1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b").unwrap();
        assert_eq!(v4.environment(), None);
        // Wrong version or wrong variant, although the first four bits would name an environment.
        for foreign in [
            "ab4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b",
            "ab4e28ba-2fa1-8d3b-c3f5-ef19b5a7633b",
        ] {
            assert_eq!(KeyId::from_str(foreign).unwrap().environment(), None);
        }
        let unknown_environment = KeyId::from_str("fb4e28ba-2fa1-8d3b-a3f5-ef19b5a7633b").unwrap();
        assert_eq!(unknown_environment.environment(), None);
    }
}
