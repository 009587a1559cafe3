//! Parses the payload of an access token into [`AccessClaims`], one claim at a time, so that the
//! error names the claim that is missing or invalid.

use serde::de::DeserializeOwned;
use tm_auth_proto::json::{NotAnObject, Object};
use tm_auth_proto::{AccessClaims, TmClaims};

use crate::InvalidToken;

/// RFC 9068 section 2.2 requires `iss`, `exp`, `aud`, `sub`, `client_id`, `iat` and `jti`. This
/// issuer also requires `scope`, `uid`, `tm`, `sid`, `auth_time` and `env`; `nbf` and `amr` are
/// optional.
pub(crate) fn read(payload: &[u8]) -> Result<AccessClaims, InvalidToken> {
    let object = Object::parse(payload).map_err(|NotAnObject| InvalidToken::MalformedPayload)?;
    let tm = match object.read_object("tm") {
        None => return Err(InvalidToken::MissingClaim("tm")),
        Some(Err(NotAnObject)) => return Err(InvalidToken::InvalidClaim("tm")),
        Some(Ok(tm)) => TmClaims {
            organization_id: required(&tm, "organization_id")?,
        },
    };
    Ok(AccessClaims {
        iss: non_empty_string(&object, "iss")?,
        sub: non_empty_string(&object, "sub")?,
        aud: required(&object, "aud")?,
        iat: numeric_date(&object, "iat")?,
        nbf: object
            .contains("nbf")
            .then(|| numeric_date(&object, "nbf"))
            .transpose()?,
        exp: numeric_date(&object, "exp")?,
        jti: non_empty_string(&object, "jti")?,
        client_id: non_empty_string(&object, "client_id")?,
        scope: required(&object, "scope")?,
        uid: required(&object, "uid")?,
        tm,
        sid: required(&object, "sid")?,
        auth_time: numeric_date(&object, "auth_time")?,
        amr: object
            .contains("amr")
            .then(|| required(&object, "amr"))
            .transpose()?
            .unwrap_or_default(),
        env: required(&object, "env")?,
    })
}

fn required<T: DeserializeOwned>(object: &Object<'_>, name: &'static str) -> Result<T, InvalidToken> {
    match object.read(name) {
        None => Err(InvalidToken::MissingClaim(name)),
        Some(value) => value.map_err(|_| InvalidToken::InvalidClaim(name)),
    }
}

/// A string that is not empty.
fn non_empty_string(object: &Object<'_>, name: &'static str) -> Result<String, InvalidToken> {
    let text: String = required(object, name)?;
    if text.is_empty() {
        return Err(InvalidToken::InvalidClaim(name));
    }
    Ok(text)
}

/// Unix seconds. RFC 7519 section 2 allows fractions in a NumericDate, but this issuer writes whole
/// seconds. So a fraction, a string, a negative number or a number above 63 bits is invalid.
fn numeric_date(object: &Object<'_>, name: &'static str) -> Result<i64, InvalidToken> {
    let seconds: i64 = required(object, name)?;
    if seconds < 0 {
        return Err(InvalidToken::InvalidClaim(name));
    }
    Ok(seconds)
}
