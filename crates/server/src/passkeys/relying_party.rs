//! The service as a WebAuthn relying party.

use aws_lc_rs::digest::{SHA256, digest};
use tm_auth_proto::ErrorCode;

use crate::config::Config;
use crate::error::ApiError;

/// What authenticators and browsers know about this service.
pub(crate) struct RelyingParty {
    /// The RP ID, a domain. A passkey works for one RP ID only, so a change disables all passkeys.
    pub(super) id: String,
    /// SHA-256 of the RP ID.
    pub(super) id_hash: Vec<u8>,
    /// The origin of the pages. Client data of every other origin is refused.
    pub(super) origin: String,
}

impl RelyingParty {
    /// Reads the relying party from the configuration. Fails with 404 if the host of the public URL
    /// is an IP address, since an RP ID is a domain.
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

/// Whether the host is a domain. Browsers parse a host as an IPv4 address if its last label is a
/// number. An IPv6 address has brackets.
fn is_domain(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    !host.starts_with('[') && !last.bytes().all(|b| b.is_ascii_digit())
}
