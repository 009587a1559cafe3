//! The error body and the closed list of codes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// The coarse class.
    #[serde(rename = "type")]
    pub type_: ErrorType,
    /// The stable machine word: decide by this one.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
    /// What is wrong with which field, where the request was malformed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub field_violations: Vec<FieldViolation>,
    /// Equals the `x-request-id` response header.
    pub request_id: String,
    /// Whether the same request, or one signed anew, may succeed later.
    pub retryable: bool,
    /// How a client gets going again, where there is one way: `api_key` means mint again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recover: Option<Recover>,
    /// The server's clock, where time was the matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub server_time: Option<Timestamp>,
    /// The caller's timestamp less the server's clock, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skew_ms: Option<i64>,
}

/// One malformed field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldViolation {
    /// Its path in the request.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// See [`ErrorBody::recover`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Recover {
    /// Mint again with the API key.
    ApiKey,
    /// Sign in again.
    SignIn,
}

/// See [`ErrorBody::type_`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorType {
    /// 400, 405, 408, 413, 415: the request is not one this service understands.
    InvalidArgument,
    /// 401: who is asking was not proved.
    Unauthenticated,
    /// 403: proved, but not for this.
    PermissionDenied,
    /// 404.
    NotFound,
    /// 409: it stands against what is there already.
    Conflict,
    /// 429.
    RateLimited,
    /// 503: for now.
    Unavailable,
    /// 500: a defect of the service.
    Internal,
}

macro_rules! error_codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal, $status:literal, $type:ident, $retryable:literal;)+) => {
        /// The closed list of machine words.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $variant,)+
        }

        impl ErrorCode {
            /// Every code, in the order of `docs/API.md`.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The HTTP status it comes with.
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status),+ }
            }

            /// Its coarse class.
            pub fn type_(self) -> ErrorType {
                match self { $(Self::$variant => ErrorType::$type),+ }
            }

            /// Whether the same request, or one signed anew, may succeed later.
            pub fn retryable(self) -> bool {
                match self { $(Self::$variant => $retryable),+ }
            }

            /// What it means, as `docs/API.md` has it.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+)),+ }
            }
        }
    };
}

error_codes! {
    /// The body is not the JSON document this endpoint takes; `field_violations` names the field.
    InvalidRequest = "invalid_request", 400, InvalidArgument, false;
    /// `signature` is not base64 or base64url of a 64-byte r‖s or a DER ECDSA signature.
    BadSignatureEncoding = "bad_signature_encoding", 400, InvalidArgument, false;
    /// The public key is not a P-256 point in one of the accepted forms.
    InvalidPublicKey = "invalid_public_key", 400, InvalidArgument, false;
    /// A private key was sent. It was neither stored nor logged: discard it and make a new one.
    PrivateKeySubmitted = "private_key_submitted", 400, InvalidArgument, false;
    /// The key pair is published somewhere (an example or a test vector): its private half is known.
    KnownPrivateKey = "known_private_key", 400, InvalidArgument, false;
    /// The registration proof does not verify with the submitted public key.
    InvalidProof = "invalid_proof", 400, InvalidArgument, false;
    /// The answer from Apple belongs to no sign-in that this browser began within the last ten minutes; begin again.
    AppleSignInUnknown = "apple_sign_in_unknown", 400, InvalidArgument, false;
    /// Nobody was signed in at Apple: it was cancelled there, or refused.
    AppleSignInCancelled = "apple_sign_in_cancelled", 400, InvalidArgument, false;
    /// What was said in Apple's name does not hold. Nothing was changed.
    AppleTokenInvalid = "apple_token_invalid", 400, InvalidArgument, false;
    /// A passkey's answer is not accepted: unknown here, not signed by it, or not made for this site.
    PasskeyRefused = "passkey_refused", 400, InvalidArgument, false;
    /// What was begun with a passkey is over: answered already, too late, or from another browser. Begin again.
    CeremonyOver = "ceremony_over", 400, InvalidArgument, false;
    /// The method is not one this path takes.
    MethodNotAllowed = "method_not_allowed", 405, InvalidArgument, false;
    /// The request did not arrive in time.
    RequestTimeout = "request_timeout", 408, InvalidArgument, true;
    /// The body is larger than 16 KB, or than 64 KB where a passkey answers.
    BodyTooLarge = "body_too_large", 413, InvalidArgument, false;
    /// The body is not `application/json` in UTF-8, or it is compressed.
    UnsupportedMediaType = "unsupported_media_type", 415, InvalidArgument, false;
    /// No key with this id verifies the signature: check `key_id`, the signed text and the key file.
    InvalidCredentials = "invalid_credentials", 401, Unauthenticated, false;
    /// `timestamp` is more than 30 s from the server's clock; see `server_time` and `skew_ms`.
    TimestampOutOfRange = "timestamp_out_of_range", 401, Unauthenticated, true;
    /// This signature was used already; sign again a second later (`Retry-After`).
    Replayed = "replayed", 401, Unauthenticated, true;
    /// The signature was made before the service was restored from a backup; sign again.
    ChallengeBeforeRecovery = "challenge_before_recovery", 401, Unauthenticated, true;
    /// The key, token or session belongs to the other environment.
    WrongEnvironment = "wrong_environment", 401, Unauthenticated, false;
    /// The signature is right, but the key was revoked.
    KeyRevoked = "key_revoked", 401, Unauthenticated, false;
    /// The signature is right, but the key's end has passed.
    KeyExpired = "key_expired", 401, Unauthenticated, false;
    /// The signature is right, but the key's owner has not confirmed it yet.
    KeyPending = "key_pending", 401, Unauthenticated, true;
    /// The signature is right, but the key's owner disabled it for now.
    KeyDisabled = "key_disabled", 401, Unauthenticated, true;
    /// The signature is right, but the account is disabled.
    AccountDisabled = "account_disabled", 401, Unauthenticated, false;
    /// The signature is right, but the key may not be used from this address.
    IpNotAllowed = "ip_not_allowed", 401, Unauthenticated, false;
    /// The refresh token is not one of this service, or not a refresh token.
    InvalidRefreshToken = "invalid_refresh_token", 401, Unauthenticated, false;
    /// A newer refresh token was handed out moments ago: use that one. Nothing was ended.
    RefreshSuperseded = "refresh_superseded", 401, Unauthenticated, false;
    /// A refresh token that was exchanged long ago came again: the session was ended as a precaution.
    RefreshReused = "refresh_reused", 401, Unauthenticated, false;
    /// The session is over: unused for too long, at its end, or no longer known.
    SessionExpired = "session_expired", 401, Unauthenticated, false;
    /// The session was ended by its holder, its owner or an operator.
    SessionEnded = "session_ended", 401, Unauthenticated, false;
    /// The mailed code is wrong, used or older than ten minutes, or was tried too often; ask for another one.
    InvalidCode = "invalid_code", 401, Unauthenticated, false;
    /// There is no bearer token in `Authorization`.
    MissingToken = "missing_token", 401, Unauthenticated, false;
    /// The bearer token does not hold here.
    InvalidToken = "invalid_token", 401, Unauthenticated, false;
    /// There is no live session behind the browser's cookie: sign in.
    MissingSession = "missing_session", 401, Unauthenticated, false;
    /// The request did not come from a page of this service.
    CrossSiteRequest = "cross_site_request", 403, PermissionDenied, false;
    /// This takes a token for managing credentials; a platform token never suffices.
    ManagementTokenRequired = "management_token_required", 403, PermissionDenied, false;
    /// This takes a proof of the last five minutes: sign in again.
    ReauthRequired = "reauth_required", 403, PermissionDenied, false;
    /// The token lacks a scope.
    InsufficientScope = "insufficient_scope", 403, PermissionDenied, false;
    /// Nothing is served at this path.
    NotFound = "not_found", 404, NotFound, false;
    /// No such key in this account.
    KeyNotFound = "key_not_found", 404, NotFound, false;
    /// No such live session in this account.
    SessionNotFound = "session_not_found", 404, NotFound, false;
    /// This public key was registered before; make a new pair.
    KeyAlreadyRegistered = "key_already_registered", 409, Conflict, false;
    /// The account has as many live keys as it may; revoke one first.
    KeyLimitReached = "key_limit_reached", 409, Conflict, false;
    /// The key is revoked or expired and cannot be changed.
    KeyNotLive = "key_not_live", 409, Conflict, false;
    /// The e-mail address was another account's until recently: it rests for 30 days.
    AddressResting = "address_resting", 409, Conflict, false;
    /// An account here has the e-mail address: sign in to it, then link Apple on its security page.
    AddressHasAccount = "address_has_account", 409, Conflict, false;
    /// This Apple account signs in to another account here; unlink it there first.
    AppleLinkedElsewhere = "apple_linked_elsewhere", 409, Conflict, false;
    /// The account has an Apple account already; unlink that one first.
    AppleAlreadyLinked = "apple_already_linked", 409, Conflict, false;
    /// No such passkey in this account.
    PasskeyNotFound = "passkey_not_found", 404, NotFound, false;
    /// This passkey is registered already.
    PasskeyAlreadyRegistered = "passkey_already_registered", 409, Conflict, false;
    /// The account has as many passkeys as it may; remove one first.
    PasskeyLimitReached = "passkey_limit_reached", 409, Conflict, false;
    /// Nothing else would let the owner in: add another way first.
    LastWayIn = "last_way_in", 409, Conflict, false;
    /// The account has no passkey, so there is nothing to recover.
    NothingToRecover = "nothing_to_recover", 409, Conflict, false;
    /// Too many requests; `Retry-After` says when the next one is welcome.
    RateLimited = "rate_limited", 429, RateLimited, true;
    /// A defect of the service; `request_id` finds it in its log.
    Internal = "internal", 500, Internal, true;
    /// Apple cannot be reached, or does not answer as it should. Nothing was decided; try again.
    AppleUnavailable = "apple_unavailable", 503, Unavailable, true;
    /// The service cannot do its work for now. Nothing was decided; try again.
    Unavailable = "unavailable", 503, Unavailable, true;
}

// By hand: derived inside the macro, the schema has the names of the variants instead of the words.
#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for ErrorCode {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::schema::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .enum_values(Some(Self::ALL.iter().map(|code| code.as_str())))
            .description(Some("The closed list of machine words."))
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
    fn a_code_is_the_same_word_everywhere() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{code}\""));
            assert!(!code.meaning().trim().is_empty());
        }
    }

    #[cfg(feature = "openapi")]
    #[test]
    fn the_schema_lists_the_words_of_the_wire() {
        let schema = serde_json::to_value(<ErrorCode as utoipa::PartialSchema>::schema()).unwrap();
        let words: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(schema["enum"], serde_json::json!(words));
    }

    #[test]
    fn statuses_fit_their_class() {
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
    fn the_documented_list_is_this_one() {
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
