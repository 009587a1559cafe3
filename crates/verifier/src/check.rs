//! A token against keys, policy and time. Pure: no network, no clock.
//!
//! 1. *Form*: three parts of canonical base64url, no extension asked for.
//! 2. *Type*: `typ` is `at+jwt`, so that no other kind of JWT of the same issuer passes.
//! 3. *Algorithm*, *key*, *signature*: see [`KeySet`].
//! 4. *Claims*: each required one is there, with its type.
//! 5. *Issuer*, *audience*, *environment*, *expiry*, *not before*, *issued at*: one table, of which
//!    [`check`] reports the first failure and [`explain`] each line. They cannot disagree.
//!
//! What is not checked here: the revocation list (see [`crate::Revocations`]), and scopes, which are the
//! matter of whoever knows what the request wants.

use std::fmt;

use jiff::Timestamp;
use tm_auth_proto::claims::{ACCESS_TOKEN_TYP, REVOCATIONS_TYP};
use tm_auth_proto::{AccessClaims, CompactJws, RevocationList};

use crate::{InvalidToken, KeySet, Policy, claims};

/// Longest revocation list that is looked at, in bytes: some hundred thousand entries.
pub const MAX_REVOCATIONS_LEN: usize = 4 * 1024 * 1024;

/// One check. Their order is the order in which they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// Compact serialization, canonical base64url, header an object, no extension.
    Form,
    /// `typ` says access token.
    Type,
    /// `alg` is permitted and is the algorithm of the key.
    Algorithm,
    /// `kid` names a key of the issuer.
    Key,
    /// That key made the signature.
    Signature,
    /// Every required claim is there and has its type.
    Claims,
    /// `iss` is the issuer.
    Issuer,
    /// `aud` has us as a member.
    Audience,
    /// `env` is our environment.
    Environment,
    /// `exp` is ahead.
    Expiry,
    /// `nbf` is past.
    NotBefore,
    /// `iat` is past.
    IssuedAt,
    /// Not on the revocation list.
    Revocation,
}

impl Check {
    /// Its name in metrics, logs and `tm-auth verify`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Type => "type",
            Self::Algorithm => "algorithm",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Claims => "claims",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Environment => "environment",
            Self::Expiry => "expiry",
            Self::NotBefore => "not_before",
            Self::IssuedAt => "issued_at",
            Self::Revocation => "revocation",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Checks a token and gives its claims.
pub fn check(
    token: &str,
    keys: &KeySet,
    policy: &Policy,
    now: Timestamp,
) -> Result<AccessClaims, InvalidToken> {
    let claims = verify_signed_claims(token, keys)?;
    for (_, is_met) in CLAIM_CHECKS {
        is_met(&claims, policy, now.as_second())?;
    }
    Ok(claims)
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not.
    Failed(InvalidToken),
    /// An earlier check failed without which this one means nothing.
    NotReached,
}

/// One line of [`explain`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckResult {
    /// Which check.
    pub check: Check,
    /// What it found. `Failed` carries the detail.
    pub outcome: Outcome,
}

/// Tells of every check but the revocation list whether it holds, for `tm-auth verify` and for logs.
///
/// Up to the claims a failure ends it, since nothing behind an unproved signature is worth a word. The
/// checks of claims do not depend on each other, so each is told.
pub fn explain(token: &str, keys: &KeySet, policy: &Policy, now: Timestamp) -> Vec<CheckResult> {
    let verified = verify_signed_claims(token, keys);
    let result = |check, outcome| CheckResult { check, outcome };
    let mut results: Vec<CheckResult> = match &verified {
        Ok(_) => SIGNED_CLAIMS_CHECKS
            .map(|check| result(check, Outcome::Passed))
            .to_vec(),
        Err(refusal) => {
            let failed = refusal.check();
            let outcome = |check: Check| match check.cmp(&failed) {
                std::cmp::Ordering::Less => Outcome::Passed,
                std::cmp::Ordering::Equal => Outcome::Failed(*refusal),
                std::cmp::Ordering::Greater => Outcome::NotReached,
            };
            SIGNED_CLAIMS_CHECKS
                .map(|check| result(check, outcome(check)))
                .to_vec()
        }
    };
    results.extend(CLAIM_CHECKS.map(|(check, is_met)| {
        let outcome = match &verified {
            Err(_) => Outcome::NotReached,
            Ok(claims) => match is_met(claims, policy, now.as_second()) {
                Ok(()) => Outcome::Passed,
                Err(refusal) => Outcome::Failed(refusal),
            },
        };
        result(check, outcome)
    }));
    results
}

/// Checks a revocation list: signed by a key of the issuer, its own `typ`, of the issuer and environment
/// of the policy, made already and not yet stale. The policy's audiences do not matter.
pub fn check_revocations(
    text: &str,
    keys: &KeySet,
    policy: &Policy,
    now: Timestamp,
) -> Result<RevocationList, InvalidToken> {
    let jws = CompactJws::parse_up_to(text, MAX_REVOCATIONS_LEN)?;
    if jws.header.typ.as_deref() != Some(REVOCATIONS_TYP) {
        return Err(InvalidToken::WrongType);
    }
    keys.verify_signature(&jws)?;
    let list: RevocationList =
        serde_json::from_slice(&jws.payload).map_err(|_| InvalidToken::MalformedPayload)?;
    policy.check_issuer(&list.iss)?;
    policy.check_environment(list.env)?;
    policy.check_expiry(list.exp, now.as_second())?;
    policy.check_issued_at(list.iat, now.as_second())?;
    Ok(list)
}

/// The checks of [`verify_signed_claims`], in the order in which it makes them.
const SIGNED_CLAIMS_CHECKS: [Check; 6] = [
    Check::Form,
    Check::Type,
    Check::Algorithm,
    Check::Key,
    Check::Signature,
    Check::Claims,
];

/// Claims that the issuer signed as those of an access token.
fn verify_signed_claims(token: &str, keys: &KeySet) -> Result<AccessClaims, InvalidToken> {
    let jws = CompactJws::parse(token)?;
    check_type(jws.header.typ.as_deref())?;
    keys.verify_signature(&jws)?;
    claims::read(&jws.payload)
}

/// RFC 9068 section 4: "The resource server MUST verify that the "typ" header value is "at+jwt" or
/// "application/at+jwt" and reject tokens carrying any other value." This issuer writes the short form.
fn check_type(typ: Option<&str>) -> Result<(), InvalidToken> {
    match typ.map(|typ| typ.strip_prefix("application/").unwrap_or(typ)) {
        Some(ACCESS_TOKEN_TYP) => Ok(()),
        _ => Err(InvalidToken::WrongType),
    }
}

type ClaimCheck = fn(&AccessClaims, &Policy, i64) -> Result<(), InvalidToken>;

const CLAIM_CHECKS: [(Check, ClaimCheck); 6] = [
    (Check::Issuer, |claims, policy, _| {
        policy.check_issuer(&claims.iss)
    }),
    (Check::Audience, |claims, policy, _| policy.check_audience(claims)),
    (Check::Environment, |claims, policy, _| {
        policy.check_environment(claims.env)
    }),
    (Check::Expiry, |claims, policy, now| {
        policy.check_expiry(claims.exp, now)
    }),
    (Check::NotBefore, |claims, policy, now| {
        claims.nbf.map_or(Ok(()), |nbf| policy.check_not_before(nbf, now))
    }),
    (Check::IssuedAt, |claims, policy, now| {
        policy.check_issued_at(claims.iat, now)
    }),
];
