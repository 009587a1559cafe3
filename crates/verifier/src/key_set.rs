//! The issuer's public keys, parsed once, and the verification of signatures with them.
//!
//! 1. An unusable key of a JWKS is ignored; the other keys of the set are used. RFC 7517 section 5:
//!    "Implementations SHOULD ignore JWKs within a JWK Set that use "kty" (key type) values that
//!    are not understood by them, that are missing required members, or for which values are out of
//!    the supported ranges."
//! 2. Each usable key is bound to the one algorithm that its `alg` names.
//! 3. A signature is verified with the key that the token's `kid` names, and only if the token's
//!    `alg` is that key's algorithm. The header members `jwk`, `jku`, `x5u` and `x5c` are never
//!    read, so a token cannot bring its own key.

use std::collections::HashMap;
use std::fmt;

use aws_lc_rs::signature::ParsedPublicKey;
use serde::Deserialize;
use serde_json::value::RawValue;
use tm_auth_proto::{CompactJws, Jwk, JwkSet};

use crate::jwk;
use crate::{Algorithm, InvalidToken};

/// The usable keys of a JWKS, indexed by `kid`.
#[derive(Clone, Default)]
pub struct KeySet {
    keys: HashMap<String, Key>,
}

#[derive(Clone)]
struct Key {
    algorithm: Algorithm,
    public: ParsedPublicKey,
}

/// The document is not a JSON object with an array `keys`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the document is not a JSON Web Key Set")]
pub struct NotAKeySet;

impl KeySet {
    /// Step 1: takes the usable keys of a JWKS.
    ///
    /// A key is usable if its `use` is `sig`, its `alg` is an [`Algorithm`], its numbers fit that
    /// algorithm and its `kid` is not empty. If a `kid` is repeated, none of its keys is used,
    /// because it does not identify one.
    pub fn from_jwks(set: &JwkSet) -> Self {
        Self::collect(set.keys.iter().cloned().map(Some))
    }

    /// Step 1 for the JSON text of a JWKS, which may also contain keys of unknown kinds.
    ///
    /// In addition to [`KeySet::from_jwks`], a key without `use` is usable if `key_ops` (RFC 7517
    /// section 4.3) is absent too or contains `verify`.
    pub fn from_json(text: &[u8]) -> Result<Self, NotAKeySet> {
        #[derive(Deserialize)]
        struct Document<'a> {
            #[serde(borrow)]
            keys: Vec<&'a RawValue>,
        }
        if text.trim_ascii_start().first() != Some(&b'{') {
            return Err(NotAKeySet);
        }
        let document: Document<'_> = serde_json::from_slice(text).map_err(|_| NotAKeySet)?;
        Ok(Self::collect(document.keys.into_iter().map(jwk::from_json)))
    }

    fn collect(jwks: impl Iterator<Item = Option<Jwk>>) -> Self {
        // `None`: the `kid` belongs to an unusable key or to several keys.
        let mut named: HashMap<String, Option<Key>> = HashMap::new();
        for jwk in jwks.flatten() {
            let key = jwk::parse(&jwk).map(|(algorithm, public)| Key { algorithm, public });
            named
                .entry(jwk.kid)
                .and_modify(|taken| *taken = None)
                .or_insert(key);
        }
        let usable = named.into_iter().filter_map(|(kid, key)| Some((kid, key?)));
        Self {
            keys: usable.collect(),
        }
    }

    /// Step 3: verifies the signature with the key that `kid` names. Does not check `typ`, the
    /// claims or the time.
    ///
    /// Fails, in this order, with [`InvalidToken::AlgorithmNotPermitted`],
    /// [`InvalidToken::UnknownKey`], [`InvalidToken::AlgorithmMismatch`] or
    /// [`InvalidToken::BadSignature`].
    pub fn verify_signature(&self, jws: &CompactJws<'_>) -> Result<(), InvalidToken> {
        // RFC 8725 section 3.1: "Libraries MUST enable the caller to specify a supported set of
        // algorithms and MUST NOT use any other algorithms when performing cryptographic
        // operations."
        let algorithm = Algorithm::from_name(&jws.header.alg).ok_or(InvalidToken::AlgorithmNotPermitted)?;
        let kid = jws.header.kid.as_deref().ok_or(InvalidToken::UnknownKey)?;
        let key = self.keys.get(kid).ok_or(InvalidToken::UnknownKey)?;
        // The same section: "each key MUST be used with exactly one algorithm".
        if key.algorithm != algorithm {
            return Err(InvalidToken::AlgorithmMismatch);
        }
        key.public
            .verify_sig(jws.signing_input, &jws.signature)
            .map_err(|_| InvalidToken::BadSignature)
    }

    /// Whether there is a usable key with this `kid`.
    pub fn contains(&self, kid: &str) -> bool {
        self.keys.contains_key(kid)
    }

    /// Returns the algorithm of the key with this `kid`.
    pub fn algorithm(&self, kid: &str) -> Option<Algorithm> {
        self.keys.get(kid).map(|key| key.algorithm)
    }

    /// Returns the number of usable keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether the set has no usable key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.keys.iter().map(|(kid, key)| (kid, key.algorithm)))
            .finish()
    }
}
