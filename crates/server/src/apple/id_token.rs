//! The claims of an ID token whose signature was verified: OpenID Connect Core section 3.1.3.7, and
//! Apple's own rules. Pure: no network, no clock.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use tm_auth_core::EmailAddress;
use tm_auth_proto::json::Object;
use tm_auth_store::AppleSubject;

use super::failure::Failure;

/// How far Apple's clock may differ from this one, in seconds.
pub(super) const LEEWAY: i64 = 10;
/// The greatest age of a token, in seconds: the lifetime of a flow.
const OLDEST: i64 = 600;
/// The domain of Apple's relay, for users who hide their address.
const RELAY: &str = "@privaterelay.appleid.com";

/// The values that the claims must have.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) code: &'a str,
    pub(super) access_token: Option<&'a str>,
}

/// Checks the claims. Returns the identity that they name.
pub(super) fn check(
    payload: &[u8],
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<AppleSubject, Failure> {
    let claims = Object::parse(payload).map_err(|_| Failure::Refused("its claims are not a JSON object"))?;
    let now = now.as_second();
    let sub = issued_to_us(&claims, expected.issuer, expected.client_id)?;
    // "If an azp (authorized party) Claim is present, the Client SHOULD verify that its client_id
    // is the Claim Value."
    if claims.contains("azp") && text(&claims, "azp").as_deref() != Some(expected.client_id) {
        return Err(Failure::Refused("its `azp` is another client"));
    }
    let exp = number(&claims, "exp").ok_or(Failure::Refused("it has no `exp`"))?;
    let iat = number(&claims, "iat").ok_or(Failure::Refused("it has no `iat`"))?;
    if exp.saturating_add(LEEWAY) <= now {
        return Err(Failure::Refused("it has expired"));
    }
    if iat > now.saturating_add(LEEWAY) || iat < now.saturating_sub(OLDEST) {
        return Err(Failure::Refused("its `iat` is not within the last ten minutes"));
    }
    // Apple's `nonce_supported: false` is for old devices. On the web the nonce is always there.
    if text(&claims, "nonce").as_deref() != Some(expected.nonce) {
        return Err(Failure::Refused("its nonce is another flow's"));
    }
    hash_matches(&claims, "c_hash", Some(expected.code))?;
    hash_matches(&claims, "at_hash", expected.access_token)?;
    let email = verified_email(&claims);
    let private_relay = email
        .as_ref()
        .map(EmailAddress::as_str)
        .is_some_and(|email| is_true(&claims, "is_private_email") || email.ends_with(RELAY));
    Ok(AppleSubject {
        iss: expected.issuer.to_owned(),
        sub,
        email,
        private_relay,
    })
}

/// Checks `iss`, `aud` and `sub`. Returns `sub`.
fn issued_to_us(claims: &Object<'_>, issuer: &str, audience: &str) -> Result<String, Failure> {
    addressed_to(claims, issuer, audience)?;
    let sub = text(claims, "sub").unwrap_or_default();
    // "It MUST NOT exceed 255 ASCII characters in length."
    if sub.is_empty() || sub.len() > 255 || !sub.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Failure::Refused("it has no usable `sub`"));
    }
    Ok(sub)
}

/// Checks `iss` and `aud` of ID tokens and notifications. `aud` must match exactly: another app of
/// the same team has tokens of the same issuer.
pub(super) fn addressed_to(claims: &Object<'_>, issuer: &str, audience: &str) -> Result<(), Failure> {
    if text(claims, "iss").as_deref() != Some(issuer) {
        return Err(Failure::Refused("its `iss` is another issuer"));
    }
    // One string. The standard permits a list, but Apple never sends one, and a token for a second
    // audience is not for this service alone.
    if text(claims, "aud").as_deref() != Some(audience) {
        return Err(Failure::Refused("its `aud` is another audience"));
    }
    Ok(())
}

/// OpenID Connect Core section 3.3.2.11: if the claim is present, it is the left half of the hash.
fn hash_matches(claims: &Object<'_>, name: &str, of: Option<&str>) -> Result<(), Failure> {
    if !claims.contains(name) {
        return Ok(());
    }
    let hash = of.map(|of| URL_SAFE_NO_PAD.encode(&digest(&SHA256, of.as_bytes()).as_ref()[..16]));
    if hash.is_some() && hash == text(claims, name) {
        Ok(())
    } else {
        Err(Failure::Refused(
            "its hash of code or access token is another one",
        ))
    }
}

/// The address, if Apple says that it is verified and if it is well-formed.
fn verified_email(claims: &Object<'_>) -> Option<EmailAddress> {
    if !is_true(claims, "email_verified") {
        return None;
    }
    let address = text(claims, "email")?;
    EmailAddress::parse(&address).ok()
}

/// Apple writes these claims as a boolean or as its text. Everything else is not true.
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
