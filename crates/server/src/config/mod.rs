//! Everything an operator decides, parsed and checked before the first socket is opened.
//!
//! 1. One TOML file and the environment are laid over each other: `TM_AUTH__SECTION__KEY` in the
//!    environment wins over `section.key` in the file. An empty variable counts as not set.
//! 2. The result is read into one small struct per concern; an unknown key is refused.
//! 3. Secrets are fetched from the files that were named ([`secret`]).
//! 4. [`Config::check`] judges what no single value can show: ranges, and values that contradict
//!    each other.
//!
//! A [`Config`] that is built in code ([`Config::new`]) goes through the same fourth step.

mod apple;
mod database;
mod error;
mod keys;
mod limits;
mod list;
mod log;
mod mail;
mod metrics;
mod network;
mod pages;
mod passkeys;
mod postgres_url;
mod public_url;
mod retention;
mod secret;
mod source;
mod tokens;

pub use apple::{Apple, P8Key};
pub use database::Database;
pub use error::ConfigError;
pub use keys::{ApiKeys, Keys, SigningKeys};
pub use limits::Limits;
pub use log::{Log, LogFormat, LogLevel};
pub use mail::{Delivery, Mail, Smtp, SmtpTls};
pub use metrics::Metrics;
pub use network::{Forwarded, Network, TlsFiles};
pub use pages::Pages;
pub use passkeys::Passkeys;
pub use postgres_url::PostgresUrl;
pub use public_url::{BASE_PATH, PublicUrl};
pub use retention::Retention;
pub use secret::Kek;
pub use tokens::{Challenge, MAX_ACCESS_TTL_SECONDS, Sessions, SigningAlgorithm, Tokens};

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tm_auth_proto::Environment;

/// The whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which of the two deployments this is.
    pub environment: Environment,
    /// Where clients reach it; also the issuer of its tokens.
    pub public_url: PublicUrl,
    /// Where the data is.
    pub database: Database,
    /// The keys that seal the keys.
    pub keys: Keys,
    /// Access tokens.
    pub tokens: Tokens,
    /// Sessions of API keys.
    pub sessions: Sessions,
    /// Signed requests for tokens.
    pub challenge: Challenge,
    /// Rotation of the signing keys.
    pub signing_keys: SigningKeys,
    /// Users' keys.
    pub api_keys: ApiKeys,
    /// Rates, sizes and deadlines.
    pub limits: Limits,
    /// Listening addresses, proxies, TLS.
    pub network: Network,
    /// What the pages say.
    pub pages: Pages,
    /// The name that passkeys belong to.
    pub passkeys: Passkeys,
    /// The metrics page.
    pub metrics: Metrics,
    /// The log.
    pub log: Log,
    /// How mail leaves; read it through [`Config::delivery`].
    pub mail: Mail,
    /// How long finished things are kept.
    pub retention: Retention,
    /// Sign in with Apple; none: the way is not offered.
    pub apple: Option<Apple>,
}

/// The document as it is written: like [`Config`], but secrets may still be files.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    environment: Environment,
    public_url: PublicUrl,
    database: database::DatabaseSource,
    keys: keys::KeySources,
    #[serde(default)]
    tokens: Tokens,
    #[serde(default)]
    sessions: Sessions,
    #[serde(default)]
    challenge: Challenge,
    #[serde(default)]
    signing_keys: SigningKeys,
    #[serde(default)]
    api_keys: ApiKeys,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    network: Network,
    #[serde(default)]
    pages: Pages,
    #[serde(default)]
    passkeys: Passkeys,
    #[serde(default)]
    metrics: Metrics,
    #[serde(default)]
    log: Log,
    #[serde(default)]
    mail: mail::MailSource,
    #[serde(default)]
    retention: Retention,
    apple: Option<apple::AppleSource>,
}

impl Config {
    /// Reads `file` (none: the environment alone) and the variables of `env` that begin with
    /// `TM_AUTH__`.
    pub fn load(
        file: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let source = source::Source::read(file, env)?;
        let document: Document = source.parse()?;
        let inline_secret = source.file_with_inline_secret();
        let config = Self {
            environment: document.environment,
            public_url: document.public_url,
            database: document.database.fetch()?,
            keys: document.keys.fetch(inline_secret)?,
            tokens: document.tokens,
            sessions: document.sessions,
            challenge: document.challenge,
            signing_keys: document.signing_keys,
            api_keys: document.api_keys,
            limits: document.limits,
            network: document.network,
            pages: document.pages,
            passkeys: document.passkeys,
            metrics: document.metrics,
            log: document.log,
            mail: document.mail.fetch()?,
            retention: document.retention,
            apple: document.apple.map(apple::AppleSource::fetch).transpose()?,
        };
        config.check()
    }

    /// The configuration on a SQLite file in which only these four were decided; change what else
    /// matters, then [`check`](Self::check).
    pub fn new(environment: Environment, public_url: PublicUrl, database: PathBuf, kek: Kek) -> Self {
        Self {
            environment,
            public_url,
            database: Database::Sqlite { path: database },
            keys: Keys {
                kek,
                previous_kek: None,
            },
            tokens: Tokens::default(),
            sessions: Sessions::default(),
            challenge: Challenge::default(),
            signing_keys: SigningKeys::default(),
            api_keys: ApiKeys::default(),
            limits: Limits::default(),
            network: Network::default(),
            pages: Pages::default(),
            passkeys: Passkeys::default(),
            metrics: Metrics::default(),
            log: Log::default(),
            mail: Mail::default(),
            retention: Retention::default(),
            apple: None,
        }
    }

    /// Gives the configuration back if its values are within bounds and agree with each other.
    pub fn check(self) -> Result<Self, ConfigError> {
        self.public_url.check(self.environment)?;
        self.database.check()?;
        self.keys.check()?;
        self.tokens.check(&self.public_url)?;
        self.sessions.check()?;
        self.challenge.check()?;
        self.signing_keys.check()?;
        self.api_keys.check()?;
        self.limits.check()?;
        self.network.check(self.environment, &self.public_url)?;
        self.passkeys.check(&self.public_url)?;
        self.metrics.check()?;
        self.log.check(self.environment)?;
        self.mail
            .check(self.environment, &self.public_url, &self.network)?;
        self.retention.check()?;
        if let Some(apple) = &self.apple {
            apple.check(self.environment)?;
        }
        Ok(self)
    }

    /// The `iss` of access tokens: the public URL.
    pub fn issuer(&self) -> &str {
        self.public_url.as_str()
    }

    /// The `aud` of platform tokens: as configured, else the origin of the public URL.
    pub fn audience(&self) -> &str {
        self.tokens
            .audience
            .as_deref()
            .unwrap_or_else(|| self.public_url.origin())
    }

    /// How mail leaves: as configured; else into the mailbox where that is allowed, else not at
    /// all.
    pub fn delivery(&self) -> Delivery<'_> {
        self.mail
            .delivery(self.environment, &self.public_url, &self.network)
    }
}

#[cfg(test)]
mod tests;
