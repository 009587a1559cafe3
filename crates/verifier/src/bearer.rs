//! The token of a request. It is taken from `Authorization` and from nowhere else: a token in the query or
//! in a form would end in logs, histories and `Referer` headers.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use tm_auth_proto::{AccessClaims, Scopes};

use crate::{BearerError, Verifier};

/// Verifies the token of a request and what it may do.
pub(crate) async fn authorize(
    verifier: &Verifier,
    headers: &HeaderMap,
    required: Scopes,
) -> Result<AccessClaims, BearerError> {
    let claims = verifier.verify(bearer_token(headers)?).await?;
    require_scopes(&claims, required)?;
    Ok(claims)
}

pub(crate) fn require_scopes(claims: &AccessClaims, required: Scopes) -> Result<(), BearerError> {
    if claims.scopes().contains_all(required) {
        Ok(())
    } else {
        Err(BearerError::InsufficientScope(required))
    }
}

/// RFC 6750 section 2.1: `Bearer`, whose case does not matter (RFC 9110 section 11.1), spaces, the token.
/// With two headers of the name two programs could each believe another one, so neither is read.
fn bearer_token(headers: &HeaderMap) -> Result<&str, BearerError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(BearerError::MissingToken)?;
    if values.next().is_some() {
        return Err(BearerError::MalformedHeader);
    }
    let value = value.to_str().map_err(|_| BearerError::MalformedHeader)?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(BearerError::MissingToken);
    }
    Ok(token.trim_start_matches(' '))
}
