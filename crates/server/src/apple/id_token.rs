//! The claims of an ID token whose signature was verified. Pure: no network, no clock.
//!
//! OpenID Connect Core section 3.1.3.7, and Apple's own rules.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use tm_auth_core::EmailAddress;
use tm_auth_proto::json::Object;
use tm_auth_store::AppleSubject;

use super::Failure;

/// How far Apple's clock may be from ours, in seconds.
pub(super) const LEEWAY: i64 = 10;
/// A token answers a flow, which lives ten minutes.
const OLDEST: i64 = 600;
/// Apple's relay for those who hide their address.
const RELAY: &str = "@privaterelay.appleid.com";

/// What a token must say to answer one flow.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) code: &'a str,
    pub(super) access_token: Option<&'a str>,
}

/// Whom the token is about.
pub(super) fn check(
    payload: &[u8],
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<AppleSubject, Failure> {
    let claims = Object::parse(payload).map_err(|_| Failure::Refused("its claims are no JSON object"))?;
    let now = now.as_second();
    let sub = issued_to_us(&claims, expected.issuer, expected.client_id)?;
    // "If the ID Token contains [...] azp": then it is ours too.
    if claims.contains("azp") && text(&claims, "azp").as_deref() != Some(expected.client_id) {
        return Err(Failure::Refused("it was made for another client"));
    }
    let exp = number(&claims, "exp").ok_or(Failure::Refused("it has no end"))?;
    let iat = number(&claims, "iat").ok_or(Failure::Refused("it has no beginning"))?;
    if exp.saturating_add(LEEWAY) <= now {
        return Err(Failure::Refused("it has expired"));
    }
    if iat > now.saturating_add(LEEWAY) || iat < now.saturating_sub(OLDEST) {
        return Err(Failure::Refused("it was not made just now"));
    }
    // Apple's `nonce_supported: false` is for old devices, not for the web: it is mandatory here.
    if text(&claims, "nonce").as_deref() != Some(expected.nonce) {
        return Err(Failure::Refused("it answers another sign-in"));
    }
    hash_matches(&claims, "c_hash", Some(expected.code))?;
    hash_matches(&claims, "at_hash", expected.access_token)?;
    let email = verified_email(&claims);
    let private_relay = email
        .as_deref()
        .is_some_and(|email| is_true(&claims, "is_private_email") || email.ends_with(RELAY));
    Ok(AppleSubject {
        iss: expected.issuer.to_owned(),
        sub,
        email,
        private_relay,
    })
}

/// `iss`, `aud` and `sub`, of ID tokens and notifications alike. Gives `sub` where there is one.
fn issued_to_us(claims: &Object<'_>, issuer: &str, audience: &str) -> Result<String, Failure> {
    addressed_to(claims, issuer, audience)?;
    let sub = text(claims, "sub").unwrap_or_default();
    // "It MUST NOT exceed 255 ASCII characters in length."
    if sub.is_empty() || sub.len() > 255 || !sub.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Failure::Refused("it says of nobody who it is"));
    }
    Ok(sub)
}

/// `iss` and `aud`, exactly: another app of the same team has tokens of the same issuer.
pub(super) fn addressed_to(claims: &Object<'_>, issuer: &str, audience: &str) -> Result<(), Failure> {
    if text(claims, "iss").as_deref() != Some(issuer) {
        return Err(Failure::Refused("it is another issuer's"));
    }
    // One string. A list would be legal, but Apple never writes one, and a second audience is none of ours.
    if text(claims, "aud").as_deref() != Some(audience) {
        return Err(Failure::Refused("it is addressed to somebody else"));
    }
    Ok(())
}

/// OpenID Connect Core section 3.3.2.11: the left half of the hash, where the claim is there.
fn hash_matches(claims: &Object<'_>, name: &str, of: Option<&str>) -> Result<(), Failure> {
    if !claims.contains(name) {
        return Ok(());
    }
    let hash = of.map(|of| URL_SAFE_NO_PAD.encode(&digest(&SHA256, of.as_bytes()).as_ref()[..16]));
    if hash.is_some() && hash == text(claims, name) {
        Ok(())
    } else {
        Err(Failure::Refused("it belongs to another answer"))
    }
}

/// An address counts only where Apple says outright that it was verified, and where mail can go to it.
fn verified_email(claims: &Object<'_>) -> Option<String> {
    if !is_true(claims, "email_verified") {
        return None;
    }
    let address = text(claims, "email")?;
    EmailAddress::parse(&address).ok().map(Into::into)
}

/// Apple writes these as booleans or as the strings of booleans. Anything else is not `true`.
fn is_true(claims: &Object<'_>, name: &str) -> bool {
    matches!(claims.read::<bool>(name), Some(Ok(true))) || text(claims, name).as_deref() == Some("true")
}

pub(super) fn text(claims: &Object<'_>, name: &str) -> Option<String> {
    claims.read::<String>(name)?.ok()
}

pub(super) fn number(claims: &Object<'_>, name: &str) -> Option<i64> {
    claims.read::<i64>(name)?.ok()
}

#[cfg(test)]
mod tests;
