//! Wire types that clients, the auth service and resource servers exchange.
//!
//! Most types are one JSON document of `docs/API.md` or a part of one. The crate does no I/O and no
//! cryptography, and it reads no clock, so the service, the client and the verifier can share it.

pub mod api_key;
pub mod challenge;
pub mod claims;
pub mod compact;
pub mod email_code;
pub mod environment;
pub mod error;
pub mod health;
pub mod ids;
pub mod json;
pub mod jwks;
pub mod key_file;
pub mod revocations;
pub mod scope;
pub mod session;
pub mod text;
pub mod token;

pub use api_key::{ApiKey, ApiKeyList, OwnApiKey, PublicKeyInput, RegisterApiKey, UpdateApiKey};
pub use claims::{AccessClaims, Audience, TmClaims};
pub use compact::CompactJws;
pub use email_code::{EmailCodeAnswer, EmailCodeRequest, EmailCodeVerification, TokenAudience};
pub use environment::Environment;
pub use error::{ErrorBody, ErrorCode, ErrorType, FieldViolation};
pub use health::Health;
pub use ids::{AccountId, KeyId, OrganizationId, SessionId};
pub use jwks::{Jwk, JwkSet};
pub use key_file::{KeyFile, PrivateJwk};
pub use revocations::RevocationList;
pub use scope::{Scope, Scopes};
pub use token::{ApiKeyTokenRequest, RefreshTokenRequest, TokenResponse};
