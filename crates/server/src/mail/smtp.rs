//! The SMTP client.
//!
//! 1. Connect, read the greeting, send EHLO. If the server does not offer STARTTLS or refuses it,
//!    no mail is sent.
//! 2. Start TLS 1.2 or 1.3 with a certificate for the configured host; in `implicit` mode from the
//!    first byte.
//! 3. Send EHLO again, then AUTH if a password is configured: both only within TLS.
//! 4. Send the mail. Keep the connection for the next one unless an error occurred.
//!
//! An error before step 4 is not about the mail, so the mail is retried even after a 5xx reply.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters, TlsParametersBuilder,
};
use lettre::transport::smtp::extension::ClientId;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::byte_wise::ByteWise;
use super::message::Message;
use crate::config::{PublicUrl, Smtp, SmtpTls};

/// The configured mail server.
pub(super) struct Server {
    host: String,
    port: u16,
    name: ClientId,
    tls: SmtpTls,
    parameters: TlsParameters,
    credentials: Option<Credentials>,
    /// Connections that delivered a mail, with the time of the delivery.
    idle: Mutex<Vec<(Instant, AsyncSmtpConnection)>>,
}

/// Why a mail was not delivered.
pub(super) enum Failure {
    /// The server rejected the mail for good, with this reply code.
    Refused(u16),
    /// The server may accept the mail later. Has the reply code, if there was a reply.
    Deferred(Option<u16>),
    /// The server could not be used, for this reason. The mail was not sent.
    Unusable(String),
}

impl Server {
    /// `name` is the client's name in EHLO.
    pub(super) fn new(smtp: &Smtp, name: &str) -> Result<Self, lettre::transport::smtp::Error> {
        let mut parameters = TlsParametersBuilder::new(smtp.host.clone());
        if !smtp.authorities.is_empty() {
            parameters = parameters.certificate_store(CertificateStore::None);
        }
        for authority in &smtp.authorities {
            parameters = parameters.add_root_certificate(Certificate::from_der(authority.to_vec())?);
        }
        Ok(Self {
            host: smtp.host.clone(),
            port: smtp.port,
            name: ClientId::Domain(name.to_owned()),
            tls: smtp.tls,
            parameters: parameters.build()?,
            credentials: smtp.credentials.clone(),
            idle: Mutex::default(),
        })
    }

    /// Sends a mail, on an idle connection if there is one. If the caller drops the future, the
    /// connection is closed and not used again.
    pub(super) async fn deliver(&self, message: &Message) -> Result<(), Failure> {
        let usable = match self.take_idle() {
            Some(mut connection) => connection.test_connected().await.then_some(connection),
            None => None,
        };
        let mut connection = match usable {
            Some(connection) => connection,
            None => self.connect().await.map_err(Failure::Unusable)?,
        };
        match connection.send(&message.envelope, &message.bytes).await {
            Ok(_) => {
                self.idle().push((Instant::now(), connection));
                Ok(())
            }
            Err(error) if error.is_permanent() => Err(Failure::Refused(error.status().map_or(0, u16::from))),
            Err(error) => Err(Failure::Deferred(error.status().map(u16::from))),
        }
    }

    /// Closes the connections that were idle for [`IDLE`].
    pub(super) fn close_idle(&self) {
        self.idle().retain(|(since, _)| since.elapsed() < IDLE);
    }

    fn take_idle(&self) -> Option<AsyncSmtpConnection> {
        self.close_idle();
        self.idle().pop().map(|(_, connection)| connection)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Instant, AsyncSmtpConnection)>> {
        self.idle.lock().expect("nothing panics while holding it")
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, String> {
        let address = (self.host.as_str(), self.port);
        let mut connection = match self.tls {
            SmtpTls::StartTls => {
                let stream = TcpStream::connect(address)
                    .await
                    .map_err(|error| format!("it cannot be reached: {error}"))?;
                let stream = Box::new(ByteWise::new(stream));
                let mut connection = AsyncSmtpConnection::connect_with_transport(stream, &self.name)
                    .await
                    .map_err(|error| describe("greeting", &error))?;
                if !connection.can_starttls() {
                    connection.abort().await;
                    return Err("it does not offer STARTTLS".to_owned());
                }
                connection
                    .starttls(self.parameters.clone(), &self.name)
                    .await
                    .map_err(|error| describe("STARTTLS", &error))?;
                connection
            }
            SmtpTls::Implicit => {
                let tls = Some(self.parameters.clone());
                AsyncSmtpConnection::connect_tokio1(address, None, &self.name, tls, None)
                    .await
                    .map_err(|error| describe("TLS", &error))?
            }
        };
        if let Some(credentials) = &self.credentials {
            connection
                .auth(&[Mechanism::Plain, Mechanism::Login], credentials)
                .await
                .map_err(|error| describe("AUTH", &error))?;
        }
        Ok(connection)
    }
}

/// Connects to the configured mail server as for a mail, logs in and leaves.
pub async fn probe(smtp: &Smtp, public_url: &PublicUrl) -> Result<(), String> {
    let server = Server::new(smtp, public_url.host()).map_err(|error| error.to_string())?;
    let mut connection = server.connect().await?;
    connection.abort().await;
    Ok(())
}

/// Describes an error without the server's text, which may repeat what was sent.
fn describe(step: &str, error: &lettre::transport::smtp::Error) -> String {
    match error.status() {
        Some(code) => format!("{step} was answered with {code}"),
        None => format!("{step} failed: {error}"),
    }
}

/// How long an idle connection is kept open.
pub(super) const IDLE: Duration = Duration::from_secs(30);
