//! The settings of an operator, parsed and checked before the first socket is opened.
//!
//! 1. One TOML file and the environment are merged: the variable `TM_AUTH__SECTION__KEY` overrides
//!    `section.key` of the file. An empty variable counts as unset.
//! 2. The result is parsed into one struct per section. Unknown keys are refused.
//! 3. Secrets are read from their files ([`secret_file`]).
//! 4. [`Config::check`] refuses values outside their range and values that contradict each other.
//!
//! [`Config::load`] takes all four steps. After [`Config::new`], the caller calls
//! [`Config::check`].

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
mod secret_file;
mod source;
mod tokens;

pub use apple::{Apple, P8Key};
pub use database::{AfterRewind, Database};
pub use error::ConfigError;
pub use keys::{ApiKeys, Keys, SigningKeys};
pub use limits::Limits;
pub use log::{Log, LogFormat, LogLevel};
pub use mail::{Delivery, Mail, Smtp, SmtpTls};
pub use metrics::Metrics;
pub use network::{Forwarded, Network, PlainHttp, TlsFiles};
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

use secret_file::SecretFiles;

/// The whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The deployment: production or UAT.
    pub environment: Environment,
    /// Where clients reach the service. Also the issuer of its tokens.
    pub public_url: PublicUrl,
    /// The SQLite file or the PostgreSQL server.
    pub database: Database,
    /// What a node does after the database went back in time: `database.after_rewind`.
    pub after_rewind: AfterRewind,
    /// The key-encryption keys.
    pub keys: Keys,
    /// Signature, lifetime and audience of access tokens.
    pub tokens: Tokens,
    /// Lifetimes of the sessions of API keys.
    pub sessions: Sessions,
    /// Allowed clock difference of a signed mint.
    pub challenge: Challenge,
    /// Rotation of the signing keys.
    pub signing_keys: SigningKeys,
    /// Number and default expiry of the users' API keys.
    pub api_keys: ApiKeys,
    /// Rates, sizes and deadlines.
    pub limits: Limits,
    /// Listening addresses, proxies, TLS.
    pub network: Network,
    /// Text of the pages.
    pub pages: Pages,
    /// The relying party id of passkeys.
    pub passkeys: Passkeys,
    /// Where Prometheus reads the metrics.
    pub metrics: Metrics,
    /// Format and level of the log.
    pub log: Log,
    /// How mail is sent. Read it through [`Config::delivery`].
    pub mail: Mail,
    /// How long old rows are kept.
    pub retention: Retention,
    /// Sign in with Apple. `None`: it is not offered.
    pub apple: Option<Apple>,
}

/// The merged settings: like [`Config`], but a secret can be the path of its file.
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
    /// Reads and checks the settings in `file`, if any, and in the variables of `env` that begin
    /// with `TM_AUTH__`. Of the others, only `CREDENTIALS_DIRECTORY` is read.
    pub fn load(
        file: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let env: Vec<_> = env.into_iter().collect();
        let files = SecretFiles::new(&env);
        let source = source::Source::read(file, env)?;
        let document: Document = source.parse()?;
        if let Some((key, file)) = source.file_with_inline_secret() {
            files.check(key, file)?;
        }
        document.network.check_files(&files)?;
        let config = Self {
            environment: document.environment,
            public_url: document.public_url,
            after_rewind: document.database.after_rewind,
            database: document.database.fetch(&files)?,
            keys: document.keys.fetch(&files)?,
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
            mail: document.mail.fetch(&files)?,
            retention: document.retention,
            apple: document.apple.map(|apple| apple.fetch(&files)).transpose()?,
        };
        config.check()
    }

    /// A configuration with a SQLite file and defaults for everything else. It is not checked:
    /// change the other fields, then call [`check`](Self::check).
    pub fn new(environment: Environment, public_url: PublicUrl, database: PathBuf, kek: Kek) -> Self {
        Self {
            environment,
            public_url,
            database: Database::Sqlite { path: database },
            after_rewind: AfterRewind::default(),
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

    /// Returns the configuration if its values are within their ranges and do not contradict each
    /// other.
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

    /// The `aud` of platform tokens: `tokens.audience`, or else the origin of the public URL.
    pub fn audience(&self) -> &str {
        self.tokens
            .audience
            .as_deref()
            .unwrap_or_else(|| self.public_url.origin())
    }

    /// How mail is sent: by SMTP if configured, else into the mailbox if that is allowed, else not
    /// at all.
    pub fn delivery(&self) -> Delivery<'_> {
        self.mail
            .delivery(self.environment, &self.public_url, &self.network)
    }
}

#[cfg(test)]
mod tests;
