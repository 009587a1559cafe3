//! Generates, rotates, revokes and rewraps the service's keys. Each change is one compare-and-set
//! on the whole set, so that nodes and commands that act at the same time agree.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tm_auth_core::signing::lifecycle::{Schedule, Step, due, next_key, next_key_ready_at};
use tm_auth_core::signing::{
    Algorithm, KeyEncryptionKey, KeyState, MacKey, Purpose, SigningKey, StoredSigningKey,
};
use tm_auth_proto::Environment;
use tm_auth_store::{AuditAction, AuditContext, AuditEntry, Store, StoreError};

use crate::config::{Config, MAX_ACCESS_TTL_SECONDS, SigningAlgorithm};
use crate::random;
use crate::signing_keys::key_ring::{KeyRing, KeyRingError};

/// How much longer than the tokens that it signed a retired key is kept, because clocks differ and
/// other nodes may sign with it for a moment.
const LEEWAY: SignedDuration = SignedDuration::from_mins(10);
/// Maximum number of attempts of a compare-and-set.
const TRIES: u32 = 8;

/// The keys in the database.
pub struct SigningKeys {
    store: Arc<Store>,
    /// The first key seals. Every key unseals.
    keks: Vec<KeyEncryptionKey>,
    environment: Environment,
    access: Schedule,
    refresh: Schedule,
}

/// Why the keys could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys cannot be unsealed.
    #[error(transparent)]
    KeyRing(#[from] KeyRingError),
    /// There is no such key.
    #[error("there is no key `{0}`")]
    Unknown(String),
    /// The next key was published too recently: verifiers may not have it yet.
    #[error(
        "the next key was published a short while ago and may sign from {0} on; if the present one is compromised, revoke it"
    )]
    TooEarly(Timestamp),
    /// The cryptographic library failed.
    #[error("a key could not be generated")]
    Generate,
}

impl SigningKeys {
    /// Uses the schedule and the key-encryption keys of the configuration.
    pub fn new(store: Arc<Store>, config: &Config) -> Self {
        let keks = std::iter::once(&config.keys.kek).chain(&config.keys.previous_kek);
        let rotate_after = SignedDuration::from_hours(24 * i64::from(config.signing_keys.rotate_days));
        let days = |days: u32| SignedDuration::from_hours(24 * i64::from(days));
        Self {
            store,
            keks: keks.map(|kek| KeyEncryptionKey::new(kek.expose())).collect(),
            environment: config.environment,
            access: Schedule {
                rotate_after,
                publish_before: SignedDuration::from_hours(i64::from(config.signing_keys.publish_hours)),
                keep_after: SignedDuration::from_secs(i64::from(MAX_ACCESS_TTL_SECONDS)) + LEEWAY,
                algorithm: Some(algorithm(config.tokens.algorithm)),
            },
            refresh: Schedule {
                rotate_after,
                publish_before: SignedDuration::ZERO,
                keep_after: days(config.sessions.idle_days) + LEEWAY,
                algorithm: None,
            },
        }
    }

    /// Reads the stored keys without unsealing them.
    pub async fn list(&self) -> Result<Vec<StoredSigningKey>, StoreError> {
        Ok(self.store.signing_keys().await?.1)
    }

    /// Reads and unseals the stored keys.
    pub async fn ring(&self) -> Result<KeyRing, SigningKeyError> {
        Ok(KeyRing::unseal(
            &self.list().await?,
            &self.keks,
            self.environment,
        )?)
    }

    /// Carries out the steps that are due by schedule. Returns whether there were any.
    pub async fn maintain(&self, now: Timestamp) -> Result<bool, SigningKeyError> {
        let audit_context = AuditContext::service(now);
        self.change(&audit_context, |keys| {
            let of = |purpose, schedule| {
                due(keys, purpose, schedule, now)
                    .into_iter()
                    .map(move |step| (purpose, step))
            };
            Ok(of(Purpose::AccessToken, &self.access)
                .chain(of(Purpose::RefreshToken, &self.refresh))
                .collect())
        })
        .await
    }

    /// Makes the next key sign, if verifiers have had time to load it, and replaces the MAC key.
    pub async fn rotate(&self, now: Timestamp) -> Result<(), SigningKeyError> {
        let audit_context = AuditContext::operator(now);
        self.change(&audit_context, |keys| {
            if let Some(ready) = next_key_ready_at(keys, &self.access).filter(|ready| *ready > now) {
                return Err(SigningKeyError::TooEarly(ready));
            }
            let mut steps = vec![(Purpose::RefreshToken, Step::CreateSigning)];
            if let Some(next_key) = next_key(keys, Purpose::AccessToken) {
                steps.push((Purpose::AccessToken, Step::Promote(next_key.kid.clone())));
                steps.push((Purpose::AccessToken, Step::CreateNextKey));
            }
            Ok(steps)
        })
        .await
        .map(|_| ())
    }

    /// Removes a compromised key, so that it leaves the JWKS and its tokens are refused. If it was
    /// the signing key, the next key signs from now on.
    pub async fn revoke(&self, kid: &str, now: Timestamp) -> Result<(), SigningKeyError> {
        let audit_context = AuditContext::operator(now);
        self.change(&audit_context, |keys| {
            let key = keys
                .iter()
                .find(|key| key.kid == kid)
                .ok_or_else(|| SigningKeyError::Unknown(kid.to_owned()))?;
            let purpose = key.purpose;
            let mut steps = vec![(purpose, Step::Remove(kid.to_owned()))];
            if key.state() == KeyState::Signing {
                steps.push(match next_key(keys, purpose) {
                    Some(next_key) => (purpose, Step::Promote(next_key.kid.clone())),
                    None => (purpose, Step::CreateSigning),
                });
            }
            if purpose == Purpose::AccessToken && key.state() != KeyState::Retiring {
                steps.push((purpose, Step::CreateNextKey));
            }
            Ok(steps)
        })
        .await?;
        self.note(&audit_context, AuditAction::SigningKeyRevoked, kid)
            .await
    }

    /// Seals every key again under the first key-encryption key. Returns the number of keys.
    pub async fn rewrap(&self, now: Timestamp) -> Result<usize, SigningKeyError> {
        for _ in 0..TRIES {
            let (version, mut keys) = self.store.signing_keys().await?;
            for key in &mut keys {
                let secret = self.keks.iter().find_map(|kek| {
                    kek.unseal(&key.sealed, &key.kid, key.purpose, self.environment)
                        .ok()
                });
                let secret = secret.ok_or(KeyRingError::Missing(
                    key.purpose,
                    "a key unseals under neither key-encryption key",
                ))?;
                key.sealed = self.keks[0].seal(&secret, &key.kid, key.purpose, self.environment);
            }
            let count = keys.len();
            if self
                .store
                .update_signing_keys(version, keys, Vec::new(), &AuditContext::operator(now))
                .await?
            {
                return Ok(count);
            }
        }
        Err(busy())
    }

    /// Plans steps for the current set and carries them out. Starts again if another node or
    /// command changed the set meanwhile.
    async fn change(
        &self,
        audit_context: &AuditContext,
        plan: impl Fn(&[StoredSigningKey]) -> Result<Vec<(Purpose, Step)>, SigningKeyError>,
    ) -> Result<bool, SigningKeyError> {
        for _ in 0..TRIES {
            let (version, keys) = self.store.signing_keys().await?;
            let steps = plan(&keys)?;
            if steps.is_empty() {
                return Ok(false);
            }
            let (mut put, mut remove) = (Vec::new(), Vec::new());
            for (purpose, step) in steps {
                self.apply(&keys, purpose, step, audit_context.at, &mut put, &mut remove)
                    .await?;
            }
            if self
                .store
                .update_signing_keys(version, put, remove, audit_context)
                .await?
            {
                return Ok(true);
            }
        }
        Err(busy())
    }

    async fn apply(
        &self,
        keys: &[StoredSigningKey],
        purpose: Purpose,
        step: Step,
        now: Timestamp,
        put: &mut Vec<StoredSigningKey>,
        remove: &mut Vec<String>,
    ) -> Result<(), SigningKeyError> {
        match step {
            Step::CreateNextKey => put.push(self.generate(purpose, None, now).await?),
            Step::CreateSigning => {
                retire_signing(keys, purpose, now, put, remove);
                put.push(self.generate(purpose, Some(now), now).await?);
            }
            Step::Promote(kid) => {
                retire_signing(keys, purpose, now, put, remove);
                let next_key = keys
                    .iter()
                    .find(|key| key.kid == kid)
                    .ok_or(SigningKeyError::Unknown(kid))?;
                put.push(StoredSigningKey {
                    signing_since: Some(now),
                    ..next_key.clone()
                });
            }
            Step::Remove(kid) => remove.push(kid),
        }
        Ok(())
    }

    async fn generate(
        &self,
        purpose: Purpose,
        signing_since: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<StoredSigningKey, SigningKeyError> {
        let environment = self.environment;
        let (kid, algorithm, secret) = match self.access.algorithm.filter(|_| purpose == Purpose::AccessToken)
        {
            Some(algorithm) => {
                // An RSA key takes a fraction of a second. Requests are served meanwhile.
                let key = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm, environment))
                    .await
                    .map_err(|_| SigningKeyError::Generate)?
                    .map_err(|_| SigningKeyError::Generate)?;
                let secret = key.to_pkcs8().map_err(|_| SigningKeyError::Generate)?;
                (key.kid().to_owned(), Some(algorithm), secret)
            }
            None => {
                let secret = random::bytes::<32>();
                (
                    MacKey::kid_of(&secret, environment),
                    None,
                    zeroize::Zeroizing::new(secret.to_vec()),
                )
            }
        };
        let sealed = self.keks[0].seal(&secret, &kid, purpose, environment);
        Ok(StoredSigningKey {
            kid,
            purpose,
            algorithm,
            sealed,
            published_at: now,
            signing_since,
            retired_at: None,
        })
    }

    async fn note(
        &self,
        audit_context: &AuditContext,
        action: AuditAction,
        detail: &str,
    ) -> Result<(), SigningKeyError> {
        let entry = AuditEntry {
            audit_context: audit_context.clone(),
            action,
            uid: None,
            key_id: None,
            sid: None,
            detail: Some(detail.to_owned()),
        };
        Ok(self.store.audit(vec![entry]).await?)
    }
}

/// Retires the key that signs now, unless it is being removed.
fn retire_signing(
    keys: &[StoredSigningKey],
    purpose: Purpose,
    now: Timestamp,
    put: &mut Vec<StoredSigningKey>,
    remove: &[String],
) {
    let signing = keys
        .iter()
        .filter(|key| key.purpose == purpose && key.state() == KeyState::Signing);
    put.extend(
        signing
            .filter(|key| !remove.contains(&key.kid))
            .map(|key| StoredSigningKey {
                retired_at: Some(now),
                ..key.clone()
            }),
    );
}

fn busy() -> SigningKeyError {
    SigningKeyError::Store(StoreError::unavailable("others keep changing the service's keys"))
}

fn algorithm(configured: SigningAlgorithm) -> Algorithm {
    match configured {
        SigningAlgorithm::RS256 => Algorithm::RS256,
        SigningAlgorithm::ES256 => Algorithm::ES256,
        SigningAlgorithm::EdDSA => Algorithm::EdDSA,
    }
}
