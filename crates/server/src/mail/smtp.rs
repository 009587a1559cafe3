//! One conversation with the mail server.
//!
//! 1. Connect; greeting and EHLO. A server that does not offer STARTTLS, or refuses it, gets nothing.
//! 2. TLS 1.2 or 1.3 with a certificate for the configured host, from the first byte in `implicit` mode.
//! 3. EHLO again, then AUTH where there is a password: both only within TLS.
//! 4. The mail. The connection is kept for the next one, unless anything went wrong on it.
//!
//! What goes wrong before the mail was named is not the mail's fault, so even a 5xx there means *later*.

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
use crate::config::{Smtp, SmtpTls};

/// The server, as it is configured.
pub(super) struct Server {
    host: String,
    port: u16,
    name: ClientId,
    tls: SmtpTls,
    parameters: TlsParameters,
    credentials: Option<Credentials>,
    /// Connections on which a mail was taken, with when that was.
    idle: Mutex<Vec<(Instant, AsyncSmtpConnection)>>,
}

/// Why a mail was not taken.
pub(super) enum Failure {
    /// It was judged and will never be taken: the reply's code.
    Refused(u16),
    /// It was judged and may be taken later: the reply's code, where there was one.
    Deferred(Option<u16>),
    /// It was not judged. The reason is the server's, not the mail's.
    Unusable(String),
}

impl Server {
    /// `name` is what we call ourselves.
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

    /// Hands a mail over, on an idle connection where there is one. The caller may give up waiting at any
    /// time: a connection on which that happened is closed, never used again.
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

    /// Closes the connections that nobody needed for a while.
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
                    .map_err(|error| said("greeting", &error))?;
                if !connection.can_starttls() {
                    connection.abort().await;
                    return Err("it does not offer STARTTLS".to_owned());
                }
                connection
                    .starttls(self.parameters.clone(), &self.name)
                    .await
                    .map_err(|error| said("STARTTLS", &error))?;
                connection
            }
            SmtpTls::Implicit => {
                let tls = Some(self.parameters.clone());
                AsyncSmtpConnection::connect_tokio1(address, None, &self.name, tls, None)
                    .await
                    .map_err(|error| said("TLS", &error))?
            }
        };
        if let Some(credentials) = &self.credentials {
            connection
                .auth(&[Mechanism::Plain, Mechanism::Login], credentials)
                .await
                .map_err(|error| said("AUTH", &error))?;
        }
        Ok(connection)
    }
}

/// Without the server's own words, which may repeat what was sent.
fn said(step: &str, error: &lettre::transport::smtp::Error) -> String {
    match error.status() {
        Some(code) => format!("{step} was answered with {code}"),
        None => format!("{step} failed: {error}"),
    }
}

/// How long an idle connection is kept.
pub(super) const IDLE: Duration = Duration::from_secs(30);
