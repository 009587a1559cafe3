use std::collections::HashSet;

use super::*;
use crate::signature::EncodingError;

/// Each refusal with its error code, and whether the holder of an API key recovers by minting
/// again.
fn table() -> Vec<(Refusal, &'static str, bool)> {
    let (here, theirs) = (Environment::Uat, Environment::Production);
    vec![
        (
            Refusal::InvalidField {
                field: "label",
                problem: "must not be empty".into(),
            },
            "invalid_request",
            false,
        ),
        (
            Refusal::BadSignatureEncoding(EncodingError::Length),
            "bad_signature_encoding",
            false,
        ),
        (
            Refusal::WrongEnvironment { here, theirs },
            "wrong_environment",
            false,
        ),
        (
            Refusal::TimestampOutOfRange {
                server_time: Timestamp::UNIX_EPOCH,
                skew_ms: -31_000,
                hint: TimestampHint::None,
            },
            "timestamp_out_of_range",
            false,
        ),
        (Refusal::InvalidCredentials, "invalid_credentials", false),
        (Refusal::Replayed, "replayed", false),
        (
            Refusal::ChallengeBeforeRecovery,
            "challenge_before_recovery",
            false,
        ),
        (Refusal::KeyRevoked, "key_revoked", false),
        (Refusal::KeyExpired, "key_expired", false),
        (Refusal::KeyPending, "key_pending", false),
        (Refusal::KeyDisabled, "key_disabled", false),
        (Refusal::AccountDisabled, "account_disabled", false),
        (
            Refusal::IpNotAllowed {
                seen: "203.0.113.7".parse().unwrap(),
            },
            "ip_not_allowed",
            false,
        ),
        (Refusal::InvalidRefreshToken, "invalid_refresh_token", true),
        (Refusal::RefreshSuperseded, "refresh_superseded", false),
        (Refusal::RefreshReused, "refresh_reused", true),
        (Refusal::SessionExpired, "session_expired", true),
        (Refusal::SessionEnded, "session_ended", true),
        (
            Refusal::InvalidPublicKey("not a point"),
            "invalid_public_key",
            false,
        ),
        (
            Refusal::PrivateKeySubmitted("PEM"),
            "private_key_submitted",
            false,
        ),
        (Refusal::KnownPrivateKey, "known_private_key", false),
        (Refusal::InvalidProof, "invalid_proof", false),
        (Refusal::KeyAlreadyRegistered, "key_already_registered", false),
        (Refusal::KeyLimitReached { limit: 20 }, "key_limit_reached", false),
        (
            Refusal::TooManyRegistrations {
                limit: 100,
                retry_at: Timestamp::UNIX_EPOCH,
            },
            "rate_limited",
            false,
        ),
        (Refusal::KeyNotFound, "key_not_found", false),
        (Refusal::AppleLinkedElsewhere, "apple_linked_elsewhere", false),
        (Refusal::AppleAlreadyLinked, "apple_already_linked", false),
        (Refusal::KeyNotLive, "key_not_live", false),
        (Refusal::InvalidCode, "invalid_code", false),
        (Refusal::AddressInCooldown, "address_resting", false),
        (Refusal::PasskeyRefused, "passkey_refused", false),
        (Refusal::CeremonyOver, "ceremony_over", false),
        (
            Refusal::PasskeyAlreadyRegistered,
            "passkey_already_registered",
            false,
        ),
        (
            Refusal::PasskeyLimitReached { limit: 20 },
            "passkey_limit_reached",
            false,
        ),
        (Refusal::PasskeyNotFound, "passkey_not_found", false),
        (Refusal::LastLoginMethod, "last_way_in", false),
        (Refusal::NothingToRecover, "nothing_to_recover", false),
        (Refusal::ProofTooWeak, "reauth_required", false),
    ]
}

#[test]
fn each_refusal_has_its_own_code_and_the_right_recovery() {
    let table = table();
    for (refusal, word, by_key) in &table {
        assert_eq!(refusal.code().as_str(), *word);
        assert_eq!(
            refusal.recover(),
            by_key.then_some(Recover::ApiKey),
            "{refusal:?}"
        );
    }
    let codes: HashSet<&str> = table.iter().map(|(_, word, _)| *word).collect();
    assert_eq!(codes.len(), table.len(), "two refusals share a code");
}

#[test]
fn messages_contain_the_facts_for_the_caller() {
    let texts: Vec<String> = table().iter().map(|(refusal, ..)| refusal.to_string()).collect();
    for fact in [
        "label: must not be empty",
        "signature: must be a P-256 signature, as 64 bytes r‖s or in DER",
        "use https://api.truemarkets.co/v1/auth",
        "31 s behind",
        "from 203.0.113.7",
        "limit of 20 API keys",
        "registered 100 API keys within 24 hours",
        "20 passkeys",
        "public_key: not a point",
    ] {
        assert!(texts.iter().any(|text| text.contains(fact)), "{fact}");
    }
}
