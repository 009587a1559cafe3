//! A mint: a signature becomes a pair of tokens.
//!
//! 1. The caller's network must not be over its limit of failures.
//! 2. The challenge is read: syntax, environment, freshness.
//! 3. The key verifies the signature. Only then the caller learns the state of the key.
//! 4. The session is inserted, which refuses a replay and a key that changed meanwhile. The access
//!    token is signed while the insert commits.

use jiff::SignedDuration;
use tm_auth_core::api_key::verify_in_vain;
use tm_auth_core::secret::SessionSecret;
use tm_auth_core::session::{self, OpenRandomness};
use tm_auth_core::token::{access, refresh};
use tm_auth_core::{Challenge, ProvenKey, Refusal};
use tm_auth_proto::{ApiKeyTokenRequest, TokenResponse};
use tm_auth_store::{KeyUse, OpenOutcome};

use super::{App, tokens};
use crate::error::ApiError;
use crate::http::context::Context;
use crate::random;

/// How often a mint decides anew because key or account changed under it.
const TRIES: u32 = 3;

/// Mints. A refusal is noted for the owner of the key that the request names.
pub(crate) async fn mint(
    app: &App,
    context: &Context,
    request: &ApiKeyTokenRequest,
) -> Result<TokenResponse, ApiError> {
    let minted = attempt(app, context, request).await;
    if let (Err(error), Ok(key_id)) = (&minted, request.key_id.parse()) {
        app.refusals.note(context, key_id, error);
    }
    minted
}

async fn attempt(
    app: &App,
    context: &Context,
    request: &ApiKeyTokenRequest,
) -> Result<TokenResponse, ApiError> {
    // Step 1.
    app.limits.may_try(context, request.key_id.parse().ok())?;
    // Step 2.
    let tolerance = SignedDuration::from_secs(i64::from(app.config.challenge.skew_seconds));
    let challenge = match Challenge::parse(request, app.issuer.environment, tolerance, context.now) {
        Ok(challenge) => challenge,
        Err(refusal) => {
            app.limits.charge_failure(context, None);
            return Err(refusal.into());
        }
    };
    for _ in 0..TRIES {
        let proven = prove(app, context, &challenge).await?;
        app.limits.charge_key(context, proven.key().key_id)?;
        if let Some(tokens) = open(app, context, &proven).await? {
            let usage = KeyUse {
                key_id: proven.key().key_id,
                at: context.now,
                ip: context.address,
            };
            app.usage.note(usage);
            return Ok(tokens);
        }
        app.read_api_key(challenge.key_id()).await?;
    }
    Err(ApiError::unavailable("the key kept changing"))
}

/// Proves the challenge with the key in memory; where that refuses, with the row as it is now. An unknown
/// key costs the same as a wrong signature: one verification and one read.
async fn prove(app: &App, context: &Context, challenge: &Challenge) -> Result<ProvenKey, ApiError> {
    let (mut key, mut copied) = app.api_key(challenge.key_id()).await?;
    loop {
        let Some(found) = key else {
            verify_in_vain(challenge);
            return refuse(app, context, challenge, Refusal::InvalidCredentials);
        };
        match found.prove(challenge.clone(), context.address, context.now) {
            Ok(proven) => return Ok(proven),
            Err(refusal) if !copied => return refuse(app, context, challenge, refusal),
            Err(refusal) => {
                key = app.read_api_key(challenge.key_id()).await?;
                copied = false;
                if key.as_ref() == Some(&found) {
                    return refuse(app, context, challenge, refusal);
                }
            }
        }
    }
}

fn refuse(
    app: &App,
    context: &Context,
    challenge: &Challenge,
    refusal: Refusal,
) -> Result<ProvenKey, ApiError> {
    if refusal == Refusal::InvalidCredentials {
        app.limits.charge_failure(context, Some(challenge.key_id()));
    } else {
        // It was proved, and only then refused: whoever holds a revoked key asks no more often than others.
        app.limits.charge_key(context, challenge.key_id())?;
    }
    Err(refusal.into())
}

/// Opens the session. `None`: key or account changed since they were read.
async fn open(app: &App, context: &Context, proven: &ProvenKey) -> Result<Option<TokenResponse>, ApiError> {
    let keys = app.keys();
    let secret = SessionSecret::new(random::bytes());
    let randomness = OpenRandomness {
        secret: secret.clone(),
        open_nonce: random::bytes(),
    };
    let new = session::open(
        proven,
        &randomness,
        keys.mac().kid(),
        app.issuer.environment,
        &app.lives,
        context.now,
    );

    let stored = new.stored();
    let sign = async {
        let claims = app.issuer.platform_claims(
            proven.key(),
            new.sid,
            context.now,
            new.expires_at,
            random::bytes(),
            context.now,
        );
        access::sign(&claims, keys.signing())
    };
    // The write is queued first; the signature is made while it commits.
    let (outcome, access_token) = tokio::join!(insert(app, &new), sign);
    match outcome? {
        OpenOutcome::Opened => {}
        OpenOutcome::Replayed => {
            app.limits.charge_replay(context, proven.key().key_id);
            return Err(Refusal::Replayed.into());
        }
        OpenOutcome::BeforeRecovery => return Err(Refusal::ChallengeBeforeRecovery.into()),
        OpenOutcome::Changed => return Ok(None),
    }
    let refresh_token = refresh::issue(
        stored.sid,
        &stored.line,
        stored.idle_end(&app.lives),
        &secret,
        &app.issuer.url,
        app.issuer.environment,
        keys.mac(),
    );
    Ok(Some(tokens::response(
        access_token,
        refresh_token,
        proven.key().expires_at,
    )))
}

/// Inserts, and once more where it is unknown whether that worked: the nonce tells our own row from a replay. Both
/// within one deadline, so that a database that hangs keeps nobody twice as long.
async fn insert(app: &App, new: &session::NewSession) -> Result<OpenOutcome, ApiError> {
    let both = async {
        match app.store.open_session(new.clone()).await {
            Ok(outcome) => Ok(outcome),
            Err(_) => app.store.open_session(new.clone()).await,
        }
    };
    app.database(both).await
}
