//! The client secret: a JWT that the team's key signs (RFC 7523 section 2.2), created for each
//! request.
//!
//! Apple accepts a lifetime of six months. This one lives five minutes, so it cannot expire in use
//! or be stolen from a file.

use aws_lc_rs::rand::SystemRandom;
use jiff::Timestamp;
use serde_json::json;
use tm_auth_proto::compact;

use crate::config::Apple;

/// The lifetime, in seconds.
const LIFE: i64 = 300;

pub(super) fn client_secret(settings: &Apple, now: Timestamp) -> String {
    let now = now.as_second();
    let claims = json!({
        "iss": settings.team_id,
        "iat": now,
        "exp": now + LIFE,
        "aud": settings.issuer,
        "sub": settings.client_id,
    });
    let input = compact::signing_input("ES256", "JWT", &settings.key_id, claims.to_string().as_bytes());
    let signature = settings
        .private_key
        .expose()
        .sign(&SystemRandom::new(), input.as_bytes())
        .expect("a P-256 key signs anything");
    compact::finish(input, signature.as_ref())
}
