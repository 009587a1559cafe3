//! The payload of an access token made into [`AccessClaims`], each claim by its name so that a refusal can
//! tell which one was missing or wrong.

use serde::de::DeserializeOwned;
use tm_auth_proto::json::{NotAnObject, Object};
use tm_auth_proto::{AccessClaims, TmClaims};

use crate::Refusal;

/// RFC 9068 section 2.2 requires iss, exp, aud, sub, client_id, iat and jti; the others are this service's.
pub(crate) fn read(payload: &[u8]) -> Result<AccessClaims, Refusal> {
    let object = Object::parse(payload).map_err(|NotAnObject| Refusal::NotClaims)?;
    let tm = match object.read_object("tm") {
        None => return Err(Refusal::ClaimMissing("tm")),
        Some(Err(NotAnObject)) => return Err(Refusal::ClaimInvalid("tm")),
        Some(Ok(tm)) => TmClaims {
            organization_id: required(&tm, "organization_id")?,
        },
    };
    Ok(AccessClaims {
        iss: text(&object, "iss")?,
        sub: text(&object, "sub")?,
        aud: required(&object, "aud")?,
        iat: seconds(&object, "iat")?,
        nbf: object
            .contains("nbf")
            .then(|| seconds(&object, "nbf"))
            .transpose()?,
        exp: seconds(&object, "exp")?,
        jti: text(&object, "jti")?,
        client_id: text(&object, "client_id")?,
        scope: required(&object, "scope")?,
        uid: required(&object, "uid")?,
        tm,
        sid: required(&object, "sid")?,
        auth_time: seconds(&object, "auth_time")?,
        amr: object
            .contains("amr")
            .then(|| required(&object, "amr"))
            .transpose()?
            .unwrap_or_default(),
        env: required(&object, "env")?,
    })
}

fn required<T: DeserializeOwned>(object: &Object<'_>, name: &'static str) -> Result<T, Refusal> {
    match object.read(name) {
        None => Err(Refusal::ClaimMissing(name)),
        Some(value) => value.map_err(|_| Refusal::ClaimInvalid(name)),
    }
}

/// A string with something in it.
fn text(object: &Object<'_>, name: &'static str) -> Result<String, Refusal> {
    let text: String = required(object, name)?;
    if text.is_empty() {
        return Err(Refusal::ClaimInvalid(name));
    }
    Ok(text)
}

/// RFC 7519 section 2 would let a NumericDate be a fraction; this issuer writes whole seconds, so nothing
/// else is read: no float, no string, no negative number, nothing that does not fit 63 bits.
fn seconds(object: &Object<'_>, name: &'static str) -> Result<i64, Refusal> {
    let seconds: i64 = required(object, name)?;
    if seconds < 0 {
        return Err(Refusal::ClaimInvalid(name));
    }
    Ok(seconds)
}
