//! The issuer's public keys, parsed once, and the signature layer above them.
//!
//! 1. A JWKS comes in; each key that cannot be used is left out, never the whole set (RFC 7517 section 5:
//!    implementations "SHOULD ignore JWKs within a JWK Set that use "kty" (key type) values that are not
//!    understood by them, that are missing required members, or for which values are out of the supported
//!    ranges").
//! 2. Each key that stays is bound to the one algorithm its `alg` names.
//! 3. A signature is checked with the key its `kid` names, and only if its `alg` is that key's. Nothing in a
//!    token chooses a key in another way: `jwk`, `jku`, `x5u` and `x5c` are never looked at.

use std::collections::HashMap;
use std::fmt;

use aws_lc_rs::signature::ParsedPublicKey;
use serde::Deserialize;
use serde_json::value::RawValue;
use tm_auth_proto::{CompactJws, Jwk, JwkSet};

use crate::jwk;
use crate::{Algorithm, InvalidToken};

/// The usable keys of a JWKS, by `kid`.
#[derive(Clone, Default)]
pub struct KeySet {
    keys: HashMap<String, Key>,
}

#[derive(Clone)]
struct Key {
    algorithm: Algorithm,
    public: ParsedPublicKey,
}

/// Bytes that are not a JWKS: no JSON object with a list `keys`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the document is not a JSON Web Key Set")]
pub struct NotAKeySet;

impl KeySet {
    /// Takes the usable keys out of a set.
    ///
    /// A key is usable if its `use` is `sig`, its `alg` one of [`Algorithm`], its numbers fit that algorithm
    /// and its `kid` is not empty. Where a `kid` comes more than once none of its keys is used: a name for
    /// two keys is a name for neither.
    pub fn from_jwks(set: &JwkSet) -> Self {
        Self::collect(set.keys.iter().cloned().map(Some))
    }

    /// The same out of the JSON text, in which keys of other kinds may stand beside the usable ones.
    ///
    /// `use` may be absent here where `key_ops` (RFC 7517 section 4.3) is absent too or lists `verify`.
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
        // `None` marks a name that is taken, by an unusable key or by several.
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

    /// The signature layer: whether the key that the header names made the signature, with that key's own
    /// algorithm. Says nothing about `typ`, the claims or the time.
    ///
    /// The refusals are [`InvalidToken::AlgorithmNotPermitted`], [`InvalidToken::UnknownKey`],
    /// [`InvalidToken::AlgorithmMismatch`] and [`InvalidToken::BadSignature`].
    pub fn verify_signature(&self, jws: &CompactJws<'_>) -> Result<(), InvalidToken> {
        // RFC 8725 section 3.1: "Libraries MUST enable the caller to specify a supported set of algorithms
        // and MUST NOT use any other algorithms when performing cryptographic operations."
        let algorithm = Algorithm::from_name(&jws.header.alg).ok_or(InvalidToken::AlgorithmNotPermitted)?;
        let kid = jws.header.kid.as_deref().ok_or(InvalidToken::UnknownKey)?;
        let key = self.keys.get(kid).ok_or(InvalidToken::UnknownKey)?;
        // "each key MUST be used with exactly one algorithm" (the same section).
        if key.algorithm != algorithm {
            return Err(InvalidToken::AlgorithmMismatch);
        }
        key.public
            .verify_sig(jws.signing_input, &jws.signature)
            .map_err(|_| InvalidToken::BadSignature)
    }

    /// Whether there is a usable key of that name.
    pub fn contains(&self, kid: &str) -> bool {
        self.keys.contains_key(kid)
    }

    /// The algorithm of the key of that name.
    pub fn algorithm(&self, kid: &str) -> Option<Algorithm> {
        self.keys.get(kid).map(|key| key.algorithm)
    }

    /// The number of usable keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key is usable.
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
