//! Checks a token against keys, policy and time (RFC 9068 section 4). Uses no network and no clock.
//!
//! 1. *Form*: at most 8 KB, three parts of canonical base64url, a header without extensions.
//! 2. *Type*: `typ` is `at+jwt`, so that no other kind of JWT from the same issuer passes.
//! 3. *Algorithm*, *key*, *signature*: see [`KeySet::verify_signature`].
//! 4. *Claims*: each required claim is present and has its type.
//! 5. *Issuer*, *audience*, *environment*, *expiry*, *not before*, *issued at*: the rows of
//!    [`CLAIM_CHECKS`].
//!
//! [`check`] returns the first failure. [`explain`] returns the result of each check. Both use the
//! same functions and the same table, so they cannot disagree.
//!
//! Not checked here: the revocation list (see [`crate::Revocations`]) and scopes, which depend on
//! what the request is about to do.

use std::fmt;

use jiff::Timestamp;
use tm_auth_proto::claims::{ACCESS_TOKEN_TYP, REVOCATIONS_TYP};
use tm_auth_proto::{AccessClaims, CompactJws, RevocationList};

use crate::{InvalidToken, KeySet, Policy, claims};

/// Longest revocation list that is read, in bytes: about 80,000 revoked sessions.
pub const MAX_REVOCATIONS_LEN: usize = 4 * 1024 * 1024;

/// One check of a token. The variants are in the order in which [`explain`] reports them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Check {
    /// The token is a compact JWS in canonical base64url whose header asks for no extension.
    Form,
    /// `typ` names an access token.
    Type,
    /// `alg` is permitted, and it is the algorithm of the key.
    Algorithm,
    /// `kid` names a key of the issuer.
    Key,
    /// The signature verifies with that key.
    Signature,
    /// Each required claim is present and has its type.
    Claims,
    /// `iss` is the expected issuer.
    Issuer,
    /// `aud` contains an expected audience.
    Audience,
    /// `env` is the expected environment.
    Environment,
    /// `exp` has not passed.
    Expiry,
    /// `nbf`, if present, is not in the future.
    NotBefore,
    /// `iat` is not in the future.
    IssuedAt,
    /// The revocation list does not revoke the token.
    Revocation,
}

impl Check {
    /// Returns the name of the check in metrics, logs and the output of `tm-auth verify`.
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

/// Checks a token and returns its claims. Steps 1 to 5 of the module.
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

/// The outcome of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The token passed.
    Passed,
    /// The token failed, for this reason.
    Failed(InvalidToken),
    /// The check was not made, because it depends on an earlier one that failed.
    NotReached,
}

/// A check and its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckResult {
    /// The check.
    pub check: Check,
    /// The outcome of the check. `Failed` carries the reason.
    pub outcome: Outcome,
}

/// Returns the outcome of every check except the revocation list, for `tm-auth verify` and logs.
///
/// In steps 1 to 4 the first failure ends the checks, because nothing in a token is trustworthy
/// until its signature is verified. The checks of step 5 do not depend on each other, so each is
/// made.
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

/// Checks a revocation list and returns its content.
///
/// `typ` must be `revocations+jwt`, the signature must verify with a key of the issuer, issuer and
/// environment must be those of the policy, `iat` must not be in the future and `exp` must not have
/// passed. The policy's audiences do not matter: the list has no `aud`.
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

/// The checks of [`verify_signed_claims`].
const SIGNED_CLAIMS_CHECKS: [Check; 6] = [
    Check::Form,
    Check::Type,
    Check::Algorithm,
    Check::Key,
    Check::Signature,
    Check::Claims,
];

/// Steps 1 to 4: the claims of an access token that the issuer signed.
fn verify_signed_claims(token: &str, keys: &KeySet) -> Result<AccessClaims, InvalidToken> {
    let jws = CompactJws::parse(token)?;
    check_type(jws.header.typ.as_deref())?;
    keys.verify_signature(&jws)?;
    claims::read(&jws.payload)
}

/// Step 2: checks `typ`. RFC 9068 section 4: "The resource server MUST verify that the "typ" header
/// value is "at+jwt" or "application/at+jwt" and reject tokens carrying any other value." This
/// issuer writes the short form.
fn check_type(typ: Option<&str>) -> Result<(), InvalidToken> {
    match typ.map(|typ| typ.strip_prefix("application/").unwrap_or(typ)) {
        Some(ACCESS_TOKEN_TYP) => Ok(()),
        _ => Err(InvalidToken::WrongType),
    }
}

type ClaimCheck = fn(&AccessClaims, &Policy, i64) -> Result<(), InvalidToken>;

/// The checks of step 5, in the order in which they are reported.
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
