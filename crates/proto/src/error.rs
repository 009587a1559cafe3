//! The body of error responses, and the closed list of error codes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The body of every error response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// Coarse class of the error.
    #[serde(rename = "type")]
    pub type_: ErrorType,
    /// Stable code for programs to decide by.
    pub code: ErrorCode,
    /// Explanation for people; may change at any time.
    pub message: String,
    /// Malformed fields, if the request was malformed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub field_violations: Vec<FieldViolation>,
    /// Same value as the `x-request-id` response header.
    pub request_id: String,
    /// Whether the same request, or one with a new signature, may succeed later.
    pub retryable: bool,
    /// How a client gets working tokens again; absent if the client cannot recover on its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recover: Option<Recover>,
    /// Time on the server's clock, if the request's timestamp was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub server_time: Option<Timestamp>,
    /// The request's timestamp minus the server's clock, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skew_ms: Option<i64>,
}

/// One malformed field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldViolation {
    /// Path of the field in the request.
    pub field: String,
    /// What is wrong with the field.
    pub message: String,
}

/// How a client gets working tokens again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Recover {
    /// Mint new tokens with the API key.
    ApiKey,
    /// Log in again.
    SignIn,
}

/// Coarse class of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorType {
    /// 400, 405, 408, 413, 415: the request is malformed, or incomplete.
    InvalidArgument,
    /// 401: the request does not authenticate its caller.
    Unauthenticated,
    /// 403: the caller is authenticated, but not allowed to do this.
    PermissionDenied,
    /// 404: what the request names does not exist.
    NotFound,
    /// 409: the request contradicts what the service has stored.
    Conflict,
    /// 429: the caller sent too many requests.
    RateLimited,
    /// 503: the service cannot decide at the moment.
    Unavailable,
    /// 500: a bug in the service.
    Internal,
}

macro_rules! error_codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal, $status:literal, $type:ident, $retryable:literal;)+) => {
        /// The closed list of error codes.
        // Not `#[non_exhaustive]`, so that the server can match all codes and does not compile if
        // one is missing. Clients see a code that they do not know yet as no code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $variant,)+
        }

        impl ErrorCode {
            /// All codes, in the order of `docs/API.md`.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The code on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// HTTP status of responses with this code.
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status),+ }
            }

            /// Coarse class of the code.
            pub fn type_(self) -> ErrorType {
                match self { $(Self::$variant => ErrorType::$type),+ }
            }

            /// Whether the same request, or one with a new signature, may succeed later.
            pub fn retryable(self) -> bool {
                match self { $(Self::$variant => $retryable),+ }
            }

            /// Meaning of the code, as in `docs/API.md`. Also the message of a response if the
            /// server has nothing more specific to say.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+)),+ }
            }
        }
    };
}

error_codes! {
    /// The body is not the JSON document that this endpoint expects; `field_violations` names the
    /// field.
    InvalidRequest = "invalid_request", 400, InvalidArgument, false;
    /// `signature` is not base64 or base64url of a 64-byte r‖s or a DER ECDSA signature.
    BadSignatureEncoding = "bad_signature_encoding", 400, InvalidArgument, false;
    /// The public key is not a P-256 point in one of the accepted encodings.
    InvalidPublicKey = "invalid_public_key", 400, InvalidArgument, false;
    /// The request contains a private key. It was neither stored nor logged; discard it and create
    /// a new one.
    PrivateKeySubmitted = "private_key_submitted", 400, InvalidArgument, false;
    /// The private half of this key is public, for example from documentation or a test vector.
    KnownPrivateKey = "known_private_key", 400, InvalidArgument, false;
    /// The signature in `proof` does not verify with the submitted public key.
    InvalidProof = "invalid_proof", 400, InvalidArgument, false;
    /// Apple's response belongs to no login that this browser started in the last ten minutes;
    /// start again.
    AppleSignInUnknown = "apple_sign_in_unknown", 400, InvalidArgument, false;
    /// The user cancelled the login at Apple, or Apple refused it.
    AppleSignInCancelled = "apple_sign_in_cancelled", 400, InvalidArgument, false;
    /// The token or notification in Apple's name is invalid. Nothing was changed.
    AppleTokenInvalid = "apple_token_invalid", 400, InvalidArgument, false;
    /// The passkey response is invalid: unknown passkey, wrong signature, or made for another site.
    PasskeyRefused = "passkey_refused", 400, InvalidArgument, false;
    /// The passkey ceremony was already completed, has expired, or belongs to another browser;
    /// start again.
    CeremonyOver = "ceremony_over", 400, InvalidArgument, false;
    /// This path does not support the method.
    MethodNotAllowed = "method_not_allowed", 405, InvalidArgument, false;
    /// The request did not arrive in time.
    RequestTimeout = "request_timeout", 408, InvalidArgument, true;
    /// The body is larger than 16 KB, or 64 KB for a passkey response.
    BodyTooLarge = "body_too_large", 413, InvalidArgument, false;
    /// The body is not `application/json` in UTF-8, or it is compressed; the message names what came.
    UnsupportedMediaType = "unsupported_media_type", 415, InvalidArgument, false;
    /// No key with this id verifies the signature: check `key_id`, the signed text and the key
    /// file.
    InvalidCredentials = "invalid_credentials", 401, Unauthenticated, false;
    /// `timestamp` is too far from the server's clock; see `server_time` and `skew_ms`.
    TimestampOutOfRange = "timestamp_out_of_range", 401, Unauthenticated, true;
    /// This signature was already used; sign again one second later (`Retry-After`).
    Replayed = "replayed", 401, Unauthenticated, true;
    /// The signature was made before the service was restored from a backup; sign again.
    ChallengeBeforeRecovery = "challenge_before_recovery", 401, Unauthenticated, true;
    /// The key, token or session belongs to the other environment.
    WrongEnvironment = "wrong_environment", 401, Unauthenticated, false;
    /// The credential is valid, but the key was revoked.
    KeyRevoked = "key_revoked", 401, Unauthenticated, false;
    /// The credential is valid, but the key has expired.
    KeyExpired = "key_expired", 401, Unauthenticated, false;
    /// The credential is valid, but the key has not been activated yet.
    KeyPending = "key_pending", 401, Unauthenticated, true;
    /// The credential is valid, but the owner has disabled the key.
    KeyDisabled = "key_disabled", 401, Unauthenticated, true;
    /// The credential is valid, but the account is disabled.
    AccountDisabled = "account_disabled", 401, Unauthenticated, false;
    /// The credential is valid, but the key may not be used from this address.
    IpNotAllowed = "ip_not_allowed", 401, Unauthenticated, false;
    /// The token is not a refresh token of this service.
    InvalidRefreshToken = "invalid_refresh_token", 401, Unauthenticated, false;
    /// A newer refresh token was issued moments ago, and this one was exchanged too long ago or
    /// voided; use the newer one. The session continues.
    RefreshSuperseded = "refresh_superseded", 401, Unauthenticated, false;
    /// A refresh token was reused long after its exchange; the session was ended as a precaution.
    RefreshReused = "refresh_reused", 401, Unauthenticated, false;
    /// The session has expired, or is unknown.
    SessionExpired = "session_expired", 401, Unauthenticated, false;
    /// The session was ended by its holder, the account owner or an operator.
    SessionEnded = "session_ended", 401, Unauthenticated, false;
    /// The e-mailed code is wrong, used, older than ten minutes, or was tried too often; request a
    /// new one.
    InvalidCode = "invalid_code", 401, Unauthenticated, false;
    /// The request has no bearer token in `Authorization`.
    MissingToken = "missing_token", 401, Unauthenticated, false;
    /// The bearer token is not valid here.
    InvalidToken = "invalid_token", 401, Unauthenticated, false;
    /// The browser has no active session; log in.
    MissingSession = "missing_session", 401, Unauthenticated, false;
    /// The request did not come from a page of this service.
    CrossSiteRequest = "cross_site_request", 403, PermissionDenied, false;
    /// This endpoint requires a management token; platform tokens are never accepted.
    ManagementTokenRequired = "management_token_required", 403, PermissionDenied, false;
    /// This action requires an authentication within the last five minutes; log in again.
    ReauthRequired = "reauth_required", 403, PermissionDenied, false;
    /// The token lacks a required scope.
    InsufficientScope = "insufficient_scope", 403, PermissionDenied, false;
    /// Nothing is served at this path.
    NotFound = "not_found", 404, NotFound, false;
    /// This account has no such key.
    KeyNotFound = "key_not_found", 404, NotFound, false;
    /// This account has no such active session.
    SessionNotFound = "session_not_found", 404, NotFound, false;
    /// This public key was registered before; create a new key pair.
    KeyAlreadyRegistered = "key_already_registered", 409, Conflict, false;
    /// The account has reached its limit of API keys; revoke one first.
    KeyLimitReached = "key_limit_reached", 409, Conflict, false;
    /// The key is revoked or expired and cannot be changed.
    KeyNotLive = "key_not_live", 409, Conflict, false;
    /// The e-mail address belongs to another account, or did in the last 30 days.
    AddressInCooldown = "address_resting", 409, Conflict, false;
    /// The e-mail address already has an account here; log in to it, then link Apple on its
    /// security page.
    AddressHasAccount = "address_has_account", 409, Conflict, false;
    /// This Apple account is linked to another account here; unlink it there first.
    AppleLinkedElsewhere = "apple_linked_elsewhere", 409, Conflict, false;
    /// This account already has a linked Apple account; unlink that one first.
    AppleAlreadyLinked = "apple_already_linked", 409, Conflict, false;
    /// This account has no such passkey.
    PasskeyNotFound = "passkey_not_found", 404, NotFound, false;
    /// This passkey is already registered.
    PasskeyAlreadyRegistered = "passkey_already_registered", 409, Conflict, false;
    /// The account has reached its limit of passkeys; remove one first.
    PasskeyLimitReached = "passkey_limit_reached", 409, Conflict, false;
    /// This is the last way to log in to the account; add another one first.
    LastLoginMethod = "last_way_in", 409, Conflict, false;
    /// The account has no passkey, so there is nothing to recover.
    NothingToRecover = "nothing_to_recover", 409, Conflict, false;
    /// Too many requests; retry after `Retry-After`.
    RateLimited = "rate_limited", 429, RateLimited, true;
    /// A bug in the service; `request_id` identifies the request in its log.
    Internal = "internal", 500, Internal, true;
    /// Apple is unreachable or gave an invalid response; retry.
    AppleUnavailable = "apple_unavailable", 503, Unavailable, true;
    /// The service cannot decide this request at the moment; retry.
    Unavailable = "unavailable", 503, Unavailable, true;
}

// Not derived: a derive inside the macro would list the variants' names instead of the codes.
#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for ErrorCode {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::schema::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .enum_values(Some(Self::ALL.iter().map(|code| code.as_str())))
            .description(Some("The closed list of error codes."))
            .into()
    }
}
#[cfg(feature = "openapi")]
impl utoipa::ToSchema for ErrorCode {}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_serializes_as_it_displays() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{code}\""));
            assert!(!code.meaning().trim().is_empty());
        }
    }

    #[cfg(feature = "openapi")]
    #[test]
    fn the_schema_lists_the_codes_of_the_wire() {
        let schema = serde_json::to_value(<ErrorCode as utoipa::PartialSchema>::schema()).unwrap();
        let words: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(schema["enum"], serde_json::json!(words));
    }

    #[test]
    fn each_status_belongs_to_the_class_of_its_code() {
        for code in ErrorCode::ALL {
            let expected: &[u16] = match code.type_() {
                ErrorType::InvalidArgument => &[400, 405, 408, 413, 415],
                ErrorType::Unauthenticated => &[401],
                ErrorType::PermissionDenied => &[403],
                ErrorType::NotFound => &[404],
                ErrorType::Conflict => &[409],
                ErrorType::RateLimited => &[429],
                ErrorType::Internal => &[500],
                ErrorType::Unavailable => &[503],
            };
            assert!(expected.contains(&code.status()), "{code}");
        }
    }

    #[test]
    fn api_md_lists_these_codes() {
        let document = include_str!("../../../docs/API.md");
        let documented: Vec<&str> = document
            .lines()
            .skip_while(|line| *line != "### Codes")
            .filter(|line| line.contains("| `"))
            .collect();
        let listed: Vec<String> = ErrorCode::ALL
            .iter()
            .map(|code| {
                let retry = if code.retryable() { "yes" } else { "no" };
                format!(
                    "| {} | `{code}` | {retry} | {} |",
                    code.status(),
                    code.meaning().trim()
                )
            })
            .collect();
        assert_eq!(documented, listed);
    }
}
