//! `[mail]`: how mail is delivered: by SMTP, or into a mailbox in memory that every user of this
//! machine can read.
//!
//! The mailbox shows every login code, so its readers can log in to every account: it exists in
//! `uat` only, if both the public URL and every listening address are this machine's own and no
//! proxy stands before them.

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
use super::secret;

/// See the module.
#[derive(Clone, Debug, Default)]
pub enum Mail {
    /// Nothing was written about it.
    #[default]
    Unset,
    /// Into memory, for the page `/mailbox`.
    Mailbox,
    /// To a mail server.
    Smtp(Box<Smtp>),
}

/// How mail leaves, once what was not written is decided too.
#[derive(Clone, Copy, Debug)]
pub enum Delivery<'a> {
    /// Not at all: no way of logging in that needs mail is offered.
    Nowhere,
    /// Into memory.
    Mailbox,
    /// To this server.
    Smtp(&'a Smtp),
}

/// A mail server.
#[derive(Clone, Debug)]
pub struct Smtp {
    /// Its name; its certificate has to be for it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whom the mail is from.
    pub from: lettre::message::Mailbox,
    /// Who we are to it; none: it knows us by our address.
    pub credentials: Option<Credentials>,
    /// How the connection is encrypted. It always is.
    pub tls: SmtpTls,
    /// Who signed its certificate; empty: whom the system trusts.
    pub authorities: Vec<CertificateDer<'static>>,
    /// One attempt to deliver a mail, from connecting to the server's last word.
    pub attempt: Duration,
    /// From a first failed attempt to the second; each further wait is twice as long, up to a
    /// minute.
    pub retry: Duration,
}

/// How a connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// By the command STARTTLS. A server that does not offer it gets no mail.
    #[default]
    StartTls,
    /// From the first byte.
    Implicit,
}

impl SmtpTls {
    /// The port where none was chosen (RFC 8314 section 3.3 and RFC 6409 section 3.1).
    fn port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Implicit => 465,
        }
    }
}

impl Smtp {
    /// A server with the usual settings.
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
                    format_args!("{} is out of bounds; write 1 to {most}", span.as_secs()),
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

/// Why the mailbox could be read from another machine.
fn why_no_mailbox(
    environment: Environment,
    public_url: &PublicUrl,
    network: &Network,
) -> Option<&'static str> {
    if environment != Environment::Uat {
        return Some("`environment` is not \"uat\"");
    }
    if !public_url.is_loopback() {
        return Some("`public_url` is not this machine");
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

/// `[mail]` as it is written.
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
    /// Turns values and files into a way of delivery.
    pub(super) fn fetch(self) -> Result<Mail, ConfigError> {
        match self.mode {
            Some(Mode::Smtp) => return Ok(Mail::Smtp(Box::new(self.smtp()?))),
            Some(Mode::Mailbox) | None => {}
        }
        if let Some(key) = self.server_setting() {
            return Err(ConfigError::at(
                &format!("mail.{key}"),
                "does nothing unless `mail.mode` is \"smtp\"; write that, or leave this out",
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

    fn smtp(self) -> Result<Smtp, ConfigError> {
        let missing = |key: &str, example: &str| {
            ConfigError::at(
                &format!("mail.{key}"),
                format_args!("is missing beside `mail.mode` = \"smtp\"; write it like {example}"),
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
            credentials: credentials(self.username, self.password_file)?,
            tls,
            authorities: self.ca_file.map(authorities).transpose()?.unwrap_or_default(),
            attempt: seconds(self.attempt_seconds, usual.attempt),
            retry: seconds(self.retry_seconds, usual.retry),
            ..usual
        })
    }
}

fn credentials(
    username: Option<String>,
    password_file: Option<PathBuf>,
) -> Result<Option<Credentials>, ConfigError> {
    match (username, password_file) {
        (None, None) => Ok(None),
        (Some(username), Some(file)) => {
            let key = "mail.password_file";
            let text = secret::read_private(key, &file)?;
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
            "is missing beside `mail.username`; name a file with the password",
        )),
        (None, Some(_)) => Err(ConfigError::at(
            "mail.username",
            "is missing beside `mail.password_file`; write it, or leave out both",
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
