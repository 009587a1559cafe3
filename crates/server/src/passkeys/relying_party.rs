//! This service as a WebAuthn relying party.

use aws_lc_rs::digest::{SHA256, digest};
use tm_auth_proto::ErrorCode;

use crate::config::Config;
use crate::error::ApiError;

/// This service as authenticators know it.
pub(crate) struct RelyingParty {
    /// The RP ID, a domain. A passkey belongs to it for ever.
    pub(super) id: String,
    pub(super) id_hash: Vec<u8>,
    /// The one origin of the pages.
    pub(super) origin: String,
}

impl RelyingParty {
    /// 404 if the host of the public URL is an IP address: passkeys belong to domains.
    pub(crate) fn of(config: &Config) -> Result<Self, ApiError> {
        if !is_domain(config.public_url.host()) {
            return Err(ApiError::new(ErrorCode::NotFound));
        }
        let id = config.passkeys.rp_id(&config.public_url);
        Ok(Self {
            id: id.to_owned(),
            id_hash: digest(&SHA256, id.as_bytes()).as_ref().to_vec(),
            origin: config.public_url.origin().to_owned(),
        })
    }
}

/// Browsers take a host whose last label is a number for an IPv4 address. An IPv6 address has
/// brackets.
fn is_domain(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    !host.starts_with('[') && !last.bytes().all(|b| b.is_ascii_digit())
}
