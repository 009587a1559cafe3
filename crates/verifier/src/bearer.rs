//! Reads the bearer token of a request and checks it and its scopes.
//!
//! The token is read from `Authorization` only: a token in a query or a form would end up in logs,
//! browser histories and `Referer` headers (RFC 6750 section 5.3).

use http::HeaderMap;
use http::header::AUTHORIZATION;
use tm_auth_proto::{AccessClaims, Scopes};

use crate::{BearerError, Verifier};

/// Verifies the token of a request and requires these scopes of it.
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

/// Returns the token of `Authorization: Bearer …` (RFC 6750 section 2.1). The scheme is
/// case-insensitive (RFC 9110 section 11.1).
///
/// A request with two `Authorization` headers is rejected: a proxy and this service could each read
/// a different one.
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
