//! `[mail]`: whether mail is sent by SMTP, or kept in a mailbox in memory that every user of this
//! machine can read.
//!
//! The mailbox shows every login code, so its readers can log in to every account. It is therefore
//! allowed only if the environment is `uat`, the public URL and every listening address are
//! loopback, and no proxy is trusted.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use tm_auth_proto::Environment;

use super::error::{ConfigError, within};
use super::network::Network;
use super::public_url::PublicUrl;
use super::secret_file::SecretFiles;

/// The section `[mail]`.
#[derive(Clone, Debug, Default)]
pub enum Mail {
    /// `mail.mode` is not set.
    #[default]
    Unset,
    /// Mail stays in memory, for the page `/mailbox`.
    Mailbox,
    /// A mail server sends it.
    Smtp(Box<Smtp>),
}

/// How mail is sent, with [`Mail::Unset`] resolved.
#[derive(Clone, Copy, Debug)]
pub enum Delivery<'a> {
    /// Mail is not sent, and login by e-mail is not offered.
    Nowhere,
    /// Mail stays in memory.
    Mailbox,
    /// This server sends it.
    Smtp(&'a Smtp),
}

/// How to reach and use a mail server.
#[derive(Clone, Debug)]
pub struct Smtp {
    /// The host name. The server's certificate must be for this name.
    pub host: String,
    /// The server's port.
    pub port: u16,
    /// The sender of every mail.
    pub from: lettre::message::Mailbox,
    /// Credentials. `None` if the server authenticates by IP address.
    pub credentials: Option<Credentials>,
    /// How TLS starts. There is no mail without TLS.
    pub tls: SmtpTls,
    /// Trusted certificate authorities. If empty, those that the system trusts.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Time limit of one attempt, from connecting to the server's last reply.
    pub attempt: Duration,
    /// Wait after the first failed attempt. Each further wait is twice as long, up to a minute.
    pub retry: Duration,
    /// How often a node looks for mail that another node wrote or left.
    pub poll: Duration,
}

/// How TLS starts on a connection to a mail server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// With the command STARTTLS. A server that does not offer it gets no mail.
    #[default]
    StartTls,
    /// From the first byte.
    Implicit,
}

impl SmtpTls {
    /// The default port (RFC 6409 section 3.1 and RFC 8314 section 3.3).
    fn port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Implicit => 465,
        }
    }
}

impl Smtp {
    /// A server without credentials and with defaults for the rest.
    pub fn new(host: &str, from: lettre::message::Mailbox) -> Self {
        Self {
            host: host.to_owned(),
            port: SmtpTls::default().port(),
            from,
            credentials: None,
            tls: SmtpTls::default(),
            authorities: Vec::new(),
            attempt: Duration::from_secs(30),
            retry: Duration::from_secs(2),
            poll: Duration::from_secs(2),
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let is_name = self
            .host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".-:".contains(&b));
        if self.host.is_empty() || self.host.len() > 253 || !is_name {
            return Err(ConfigError::at(
                "mail.host",
                "is not a host name; write the one in the server's certificate, like smtp.example.com",
            ));
        }
        within("mail.port", self.port, 1, u16::MAX)?;
        for (key, span, most) in [("attempt", self.attempt, 300), ("retry", self.retry, 60)] {
            if span.is_zero() || span > Duration::from_secs(most) {
                return Err(ConfigError::at(
                    &format!("mail.{key}_seconds"),
                    format_args!("{} is out of range; write 1 to {most}", span.as_secs()),
                ));
            }
        }
        Ok(())
    }
}

impl Mail {
    pub(super) fn check(
        &self,
        environment: Environment,
        public_url: &PublicUrl,
        network: &Network,
    ) -> Result<(), ConfigError> {
        match self {
            Self::Unset => Ok(()),
            Self::Smtp(smtp) => smtp.check(),
            Self::Mailbox => match why_no_mailbox(environment, public_url, network) {
                None => Ok(()),
                Some(reason) => Err(ConfigError::at(
                    "mail.mode",
                    format_args!(
                        "is \"mailbox\", but {reason}: its readers could log in to every account; write \"smtp\""
                    ),
                )),
            },
        }
    }

    pub(super) fn delivery(
        &self,
        environment: Environment,
        public_url: &PublicUrl,
        network: &Network,
    ) -> Delivery<'_> {
        match self {
            Self::Smtp(smtp) => Delivery::Smtp(smtp),
            Self::Mailbox | Self::Unset if why_no_mailbox(environment, public_url, network).is_none() => {
                Delivery::Mailbox
            }
            Self::Mailbox | Self::Unset => Delivery::Nowhere,
        }
    }
}

/// Why the mailbox is not allowed: it is for `uat` only, and other machines must not reach it.
fn why_no_mailbox(
    environment: Environment,
    public_url: &PublicUrl,
    network: &Network,
) -> Option<&'static str> {
    if environment != Environment::Uat {
        return Some("`environment` is not \"uat\"");
    }
    if !public_url.is_loopback() {
        return Some("`public_url` is not loopback");
    }
    let open = |ip: IpAddr| !ip.to_canonical().is_loopback();
    if network.listen.iter().any(|address| open(address.ip())) {
        return Some("`network.listen` has an address that others can reach");
    }
    if !network.trusted_proxies.is_empty() {
        return Some("`network.trusted_proxies` names proxies that others can reach");
    }
    None
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Mailbox,
    Smtp,
}

/// The section `[mail]` as it is parsed.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MailSource {
    mode: Option<Mode>,
    host: Option<String>,
    port: Option<u16>,
    from: Option<String>,
    username: Option<String>,
    password_file: Option<PathBuf>,
    tls: Option<SmtpTls>,
    ca_file: Option<PathBuf>,
    attempt_seconds: Option<u32>,
    retry_seconds: Option<u32>,
}

impl MailSource {
    /// Reads the password and certificate files. Refuses settings that do not fit the mode.
    pub(super) fn fetch(self, files: &SecretFiles) -> Result<Mail, ConfigError> {
        match self.mode {
            Some(Mode::Smtp) => return Ok(Mail::Smtp(Box::new(self.smtp(files)?))),
            Some(Mode::Mailbox) | None => {}
        }
        if let Some(key) = self.server_setting() {
            return Err(ConfigError::at(
                &format!("mail.{key}"),
                "has no effect unless `mail.mode` is \"smtp\"; set that, or leave this out",
            ));
        }
        Ok(self.mode.map_or(Mail::Unset, |_| Mail::Mailbox))
    }

    fn server_setting(&self) -> Option<&'static str> {
        [
            ("host", self.host.is_some()),
            ("port", self.port.is_some()),
            ("from", self.from.is_some()),
            ("username", self.username.is_some()),
            ("password_file", self.password_file.is_some()),
            ("tls", self.tls.is_some()),
            ("ca_file", self.ca_file.is_some()),
            ("attempt_seconds", self.attempt_seconds.is_some()),
            ("retry_seconds", self.retry_seconds.is_some()),
        ]
        .into_iter()
        .find_map(|(key, is_set)| is_set.then_some(key))
    }

    fn smtp(self, files: &SecretFiles) -> Result<Smtp, ConfigError> {
        let missing = |key: &str, example: &str| {
            ConfigError::at(
                &format!("mail.{key}"),
                format_args!("is required if `mail.mode` is \"smtp\"; write it like {example}"),
            )
        };
        let host = self.host.ok_or_else(|| missing("host", "smtp.example.com"))?;
        let example = "True Markets <no-reply@example.com>";
        let from = self.from.ok_or_else(|| missing("from", example))?;
        let from = from.parse().map_err(|_| {
            ConfigError::at(
                "mail.from",
                format_args!("is not an address; write it like {example}"),
            )
        })?;
        let usual = Smtp::new(&host, from);
        let tls = self.tls.unwrap_or_default();
        let seconds = |written: Option<u32>, usual: Duration| {
            written.map_or(usual, |seconds| Duration::from_secs(seconds.into()))
        };
        Ok(Smtp {
            port: self.port.unwrap_or(tls.port()),
            credentials: credentials(files, self.username, self.password_file)?,
            tls,
            authorities: self.ca_file.map(authorities).transpose()?.unwrap_or_default(),
            attempt: seconds(self.attempt_seconds, usual.attempt),
            retry: seconds(self.retry_seconds, usual.retry),
            ..usual
        })
    }
}

fn credentials(
    files: &SecretFiles,
    username: Option<String>,
    password_file: Option<PathBuf>,
) -> Result<Option<Credentials>, ConfigError> {
    match (username, password_file) {
        (None, None) => Ok(None),
        (Some(username), Some(file)) => {
            let key = "mail.password_file";
            let text = files.read(key, &file)?;
            let password = text.trim_end_matches(['\r', '\n']);
            if password.is_empty() {
                return Err(ConfigError::at(
                    key,
                    "names an empty file; write the password into it",
                ));
            }
            Ok(Some(Credentials::new(username, password.to_owned())))
        }
        (Some(_), None) => Err(ConfigError::at(
            "mail.password_file",
            "is required with `mail.username`; name a file with the password",
        )),
        (None, Some(_)) => Err(ConfigError::at(
            "mail.username",
            "is required with `mail.password_file`; write it, or leave out both",
        )),
    }
}

fn authorities(file: PathBuf) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let refuse = |problem: String| ConfigError::at("mail.ca_file", problem);
    let shown = file.display();
    let found: Vec<_> = CertificateDer::pem_file_iter(&file)
        .and_then(Iterator::collect)
        .map_err(|error| refuse(format!("{shown} cannot be read as PEM certificates ({error})")))?;
    if found.is_empty() {
        return Err(refuse(format!(
            "{shown} has no certificate; name a PEM file with one"
        )));
    }
    Ok(found)
}
