//! A mint: exchanges a signature by an API key for a pair of tokens.
//!
//! 1. Check that the caller's network has not reached its limit of failures.
//! 2. Parse the challenge: syntax, environment, freshness.
//! 3. Verify the signature. Only a caller with a valid signature learns the state of the key.
//! 4. Insert the session, unless the request is a replay or the key has changed meanwhile. Sign the
//!    access token while the insert commits.

use jiff::SignedDuration;
use tm_auth_core::api_key::verify_dummy;
use tm_auth_core::secret::SessionSecret;
use tm_auth_core::session::{self, OpenRandomness};
use tm_auth_core::token::{access, refresh};
use tm_auth_core::{AuthenticatedKey, Challenge, Refusal};
use tm_auth_proto::{ApiKeyTokenRequest, TokenResponse};
use tm_auth_store::{KeyUse, OpenOutcome};

use super::api_key_cache::Found;
use super::{App, tokens};
use crate::error::ApiError;
use crate::http::context::Context;
use crate::random;

/// Maximum number of attempts per mint. A mint starts again at step 3 if the key or the account
/// changed before the insert.
const TRIES: u32 = 3;

/// Mints tokens. Records a refusal for the owner of the key that the request names.
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
    app.may_issue_tokens()?;
    // Step 1.
    let key_id = request.key_id.parse().ok();
    app.limits.may_mint(context, key_id, || {
        key_id.is_some_and(|key_id| app.api_keys.has(key_id))
    })?;
    // Step 2.
    let tolerance = SignedDuration::from_secs(i64::from(app.config.challenge.skew_seconds));
    let challenge = match Challenge::parse(request, app.issuer.environment, tolerance, context.now) {
        Ok(challenge) => challenge,
        Err(refusal) => {
            app.limits.charge_failure(context, key_id);
            return Err(refusal.into());
        }
    };
    for _ in 0..TRIES {
        let authenticated = prove(app, context, &challenge).await?;
        app.limits.charge_mint(context, authenticated.key())?;
        if let Some(tokens) = open(app, context, &authenticated).await? {
            let usage = KeyUse {
                key_id: authenticated.key().key_id,
                at: context.now,
                ip: context.address,
            };
            app.usage.note(usage);
            return Ok(tokens);
        }
        app.api_keys.read(challenge.key_id()).await?;
    }
    Err(ApiError::unavailable("the key kept changing"))
}

/// Step 3. Verifies the challenge with the copy in memory and, if that refuses it, with the current
/// row. An unknown key takes the same work as a wrong signature: one verification and one read.
async fn prove(app: &App, context: &Context, challenge: &Challenge) -> Result<AuthenticatedKey, ApiError> {
    let Found { mut key, mut is_copy } = app.api_keys.get(challenge.key_id()).await?;
    loop {
        let Some(found) = key else {
            verify_dummy(challenge);
            return refuse(app, context, challenge, Refusal::InvalidCredentials)
                .map_err(|error| error.because("the key does not exist"));
        };
        match found.verify_challenge(challenge.clone(), context.address, context.now) {
            Ok(authenticated) => return Ok(authenticated),
            Err(refusal) if !is_copy => return refuse(app, context, challenge, refusal),
            Err(refusal) => {
                key = app.api_keys.read(challenge.key_id()).await?;
                is_copy = false;
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
) -> Result<AuthenticatedKey, ApiError> {
    if refusal == Refusal::InvalidCredentials {
        app.limits.charge_failure(context, Some(challenge.key_id()));
    } else {
        // The signature is valid, so the key is charged: the limit also holds for a revoked key.
        app.limits.charge_key(context, challenge.key_id())?;
    }
    let error = ApiError::from(refusal.clone());
    Err(match refusal {
        Refusal::InvalidCredentials => error.because("the signature does not verify"),
        _ => error,
    })
}

/// Step 4. Opens the session. Returns `None` if the key or the account changed since it was read.
async fn open(
    app: &App,
    context: &Context,
    authenticated: &AuthenticatedKey,
) -> Result<Option<TokenResponse>, ApiError> {
    let keys = app.keys();
    let secret = SessionSecret::new(random::bytes());
    let randomness = OpenRandomness {
        secret: secret.clone(),
        open_nonce: random::bytes(),
    };
    let new = session::open(
        authenticated,
        &randomness,
        keys.mac().kid(),
        app.issuer.environment,
        &app.lifetimes,
        context.now,
    );

    let stored = new.stored();
    let sign = async {
        let claims = app.issuer.platform_claims(
            authenticated.key(),
            new.sid,
            context.now,
            new.expires_at,
            random::bytes(),
            context.now,
        );
        access::sign(&claims, keys.signing())
    };
    // The write is queued first, and the access token is signed while it commits.
    let (outcome, access_token) = tokio::join!(insert(app, &new), sign);
    match outcome? {
        OpenOutcome::Opened => {}
        OpenOutcome::Replayed => {
            app.limits.charge_replay(context, authenticated.key());
            return Err(Refusal::Replayed.into());
        }
        OpenOutcome::BeforeRecovery => return Err(Refusal::ChallengeBeforeRecovery.into()),
        OpenOutcome::Changed => return Ok(None),
    }
    let refresh_token = refresh::issue(
        stored.sid,
        &stored.family,
        stored.idle_expires_at(&app.lifetimes),
        &secret,
        &app.issuer.url,
        app.issuer.environment,
        keys.mac(),
    );
    Ok(Some(tokens::response(
        access_token,
        refresh_token,
        authenticated.key().expires_at,
    )))
}

/// Inserts the session. Retries once after an error, because the outcome may be unknown; the nonce
/// distinguishes this mint's own row from a replay. Both attempts share one deadline, so that a
/// database that hangs does not keep the client waiting twice as long.
async fn insert(app: &App, new: &session::NewSession) -> Result<OpenOutcome, ApiError> {
    let both = async {
        match app.store.open_session(new.clone()).await {
            Ok(outcome) => Ok(outcome),
            Err(_) => app.store.open_session(new.clone()).await,
        }
    };
    Ok(app.store.in_time(both).await?)
}
