//! A mail server with real sockets, real TLS and replies that the test chooses.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tm_auth_server::config::{Mail, Smtp};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Time limit for the arrival of a mail.
const CEILING: Duration = Duration::from_secs(30);

/// Settings and deliberate faults of the server.
#[derive(Clone, Default)]
pub(crate) struct Behaviour {
    pub(crate) starttls: StartTls,
    /// The host name in the certificate; `None` is `localhost`.
    pub(crate) named: Option<&'static str>,
    /// Sent in the clear after the reply to STARTTLS.
    pub(crate) injects: &'static str,
    /// Replies to the next commands with this verb, in order. `BODY` stands for the end of a mail.
    pub(crate) replies: VecDeque<(&'static str, &'static str)>,
    /// The server never replies to this command.
    pub(crate) silent_at: Option<&'static str>,
    /// Closes each connection instead of greeting.
    pub(crate) crashes: bool,
    /// Speaks TLS from the first byte.
    pub(crate) implicit: bool,
    /// The user name and password that AUTH PLAIN requires.
    pub(crate) password: Option<(&'static str, &'static str)>,
}

/// How the server handles STARTTLS.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum StartTls {
    #[default]
    Offered,
    /// Missing from the reply to EHLO, as if an attacker had stripped it.
    Hidden,
    /// Offered, then refused with 454.
    Refused,
}

/// A mail that the server accepted.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    /// Headers and body, with `\n` line endings.
    pub(crate) data: String,
}

pub(crate) struct SmtpServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    mails: mpsc::UnboundedReceiver<Received>,
    serving: JoinSet<()>,
}

struct Shared {
    authority: Authority,
    behaviour: Mutex<Behaviour>,
    /// The layer, `TLS` or `clear`, and the command.
    commands: Mutex<Vec<(&'static str, String)>>,
    connections: Mutex<u32>,
    received: mpsc::UnboundedSender<Received>,
}

struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().der().clone();
        let issuer = Issuer::new(params, key);
        Self { certificate, issuer }
    }

    fn acceptor(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()])
            .unwrap()
            .signed_by(&key, &self.issuer)
            .unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

impl SmtpServer {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", super::port())).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (received, mails) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            authority: Authority::new(),
            behaviour: Mutex::new(behaviour),
            commands: Mutex::default(),
            connections: Mutex::default(),
            received,
        });
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            mails,
            serving,
        }
    }

    /// The `[mail]` section for this server, with a short retry interval.
    pub(crate) fn settings(&self) -> Mail {
        settings(self.address.port(), Some(self.authority()))
    }

    pub(crate) fn authority(&self) -> CertificateDer<'static> {
        self.shared.authority.certificate.clone()
    }

    pub(crate) fn behave(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().unwrap() = behaviour;
    }

    /// Waits for the next accepted mail.
    pub(crate) async fn mail(&mut self) -> Received {
        let mail = tokio::time::timeout(CEILING, self.mails.recv()).await;
        mail.expect("no mail arrived").expect("the server is running")
    }

    /// Whether the server has accepted a mail that the test has not read.
    pub(crate) fn has_mail(&mut self) -> bool {
        !self.mails.is_empty()
    }

    /// The commands so far, each with its layer, `TLS` or `clear`.
    pub(crate) fn commands(&self) -> Vec<(&'static str, String)> {
        self.shared.commands.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, verb: &str) -> usize {
        let commands = self.commands();
        commands
            .iter()
            .filter(|(_, command)| command.starts_with(verb))
            .count()
    }

    pub(crate) fn connections(&self) -> u32 {
        *self.shared.connections.lock().unwrap()
    }

    /// Stops the server: closes the port and all connections.
    pub(crate) async fn down(&mut self) {
        self.serving.shutdown().await;
    }

    /// Starts the server again on the same port.
    pub(crate) async fn up(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.serving.spawn(accept(listener, Arc::clone(&self.shared)));
    }
}

/// `[mail]` for a server at this port of `localhost`.
pub(crate) fn settings(port: u16, authority: Option<CertificateDer<'static>>) -> Mail {
    let from = "True Markets <no-reply@truemarkets.test>".parse().unwrap();
    Mail::Smtp(Box::new(Smtp {
        port,
        authorities: authority.into_iter().collect(),
        retry: Duration::from_millis(5),
        poll: Duration::from_millis(20),
        ..Smtp::new("localhost", from)
    }))
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, which ends all conversations.
    let mut conversations = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        *shared.connections.lock().unwrap() += 1;
        if !shared.behaviour.lock().unwrap().crashes {
            conversations.spawn(converse(stream, Arc::clone(&shared)));
        }
    }
}

/// Serves one connection until the client leaves or the connection breaks.
async fn converse(stream: TcpStream, shared: Arc<Shared>) {
    let (name, implicit) = {
        let behaviour = shared.behaviour.lock().unwrap();
        (behaviour.named.unwrap_or("localhost"), behaviour.implicit)
    };
    let acceptor = shared.authority.acceptor(name);
    if implicit {
        if let Ok(stream) = acceptor.accept(stream).await {
            let _ = Talk::new(stream, &shared, "TLS").greeted().await;
        }
        return;
    }
    let Ok(Some(stream)) = Talk::new(stream, &shared, "clear").greeted().await else {
        return;
    };
    if let Ok(stream) = acceptor.accept(stream).await {
        let _ = Talk::new(stream, &shared, "TLS").go_on().await;
    }
}

struct Talk<'a, S> {
    stream: BufReader<S>,
    shared: &'a Shared,
    layer: &'static str,
    from: String,
    to: Vec<String>,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Talk<'a, S> {
    fn new(stream: S, shared: &'a Shared, layer: &'static str) -> Self {
        Self {
            stream: BufReader::new(stream),
            shared,
            layer,
            from: String::new(),
            to: Vec::new(),
        }
    }

    async fn greeted(mut self) -> std::io::Result<Option<S>> {
        if let Some(reply) = self.scripted("CONNECT") {
            self.say(reply).await?;
            return Ok(None);
        }
        self.say("220 mail.test ESMTP").await?;
        self.go_on().await
    }

    /// Serves commands until the client leaves. `Some` is the stream on which TLS starts.
    async fn go_on(mut self) -> std::io::Result<Option<S>> {
        while let Some(line) = self.line().await? {
            self.shared
                .commands
                .lock()
                .unwrap()
                .push((self.layer, line.clone()));
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
            if self.behaviour().silent_at == Some(verb.as_str()) {
                std::future::pending::<()>().await;
            }
            if let Some(reply) = self.scripted(&verb) {
                self.say(reply).await?;
                continue;
            }
            match verb.as_str() {
                "EHLO" => self.hello().await?,
                "STARTTLS" if self.behaviour().starttls == StartTls::Refused => {
                    self.say("454 TLS not available").await?;
                }
                "STARTTLS" => {
                    let injected = self.behaviour().injects;
                    self.write(&format!("220 go ahead\r\n{injected}")).await?;
                    return Ok(Some(self.stream.into_inner()));
                }
                "AUTH" => self.authenticate(&line).await?,
                "MAIL" => {
                    self.from = line;
                    self.to.clear();
                    self.say("250 ok").await?;
                }
                "RCPT" => {
                    self.to.push(line);
                    self.say("250 ok").await?;
                }
                "DATA" => {
                    self.say("354 go on").await?;
                    self.data().await?;
                }
                "NOOP" => self.say("250 ok").await?,
                "QUIT" => {
                    self.say("221 bye").await?;
                    return Ok(None);
                }
                _ => self.say("502 what?").await?,
            }
        }
        Ok(None)
    }

    async fn hello(&mut self) -> std::io::Result<()> {
        let behaviour = self.behaviour();
        let mut lines = vec!["250-mail.test"];
        if self.layer == "clear" && behaviour.starttls != StartTls::Hidden {
            lines.push("250-STARTTLS");
        }
        if behaviour.password.is_some() {
            lines.push("250-AUTH PLAIN");
        }
        lines.push("250 SIZE 1000000");
        self.say(&lines.join("\r\n")).await
    }

    async fn authenticate(&mut self, line: &str) -> std::io::Result<()> {
        let expected = self.behaviour().password.map(|(user, password)| {
            format!("AUTH PLAIN {}", STANDARD.encode(format!("\0{user}\0{password}")))
        });
        let reply = if expected.as_deref() == Some(line) {
            "235 welcome"
        } else {
            "535 wrong"
        };
        self.say(reply).await
    }

    async fn data(&mut self) -> std::io::Result<()> {
        let mut data = String::new();
        loop {
            let Some(line) = self.line().await? else {
                return Ok(());
            };
            if line == "." {
                break;
            }
            data.push_str(line.strip_prefix('.').unwrap_or(&line));
            data.push('\n');
        }
        if let Some(reply) = self.scripted("BODY") {
            return self.say(reply).await;
        }
        let (from, to) = (self.from.clone(), self.to.clone());
        let _ = self.shared.received.send(Received { from, to, data });
        self.say("250 taken").await
    }

    fn behaviour(&self) -> Behaviour {
        self.shared.behaviour.lock().unwrap().clone()
    }

    fn scripted(&self, verb: &str) -> Option<&'static str> {
        let mut behaviour = self.shared.behaviour.lock().unwrap();
        let place = behaviour.replies.iter().position(|(at, _)| *at == verb)?;
        behaviour.replies.remove(place).map(|(_, reply)| reply)
    }

    async fn line(&mut self) -> std::io::Result<Option<String>> {
        let mut line = String::new();
        let length = self.stream.read_line(&mut line).await?;
        Ok((length > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
    }

    async fn say(&mut self, reply: &str) -> std::io::Result<()> {
        self.write(&format!("{reply}\r\n")).await
    }

    async fn write(&mut self, text: &str) -> std::io::Result<()> {
        self.stream.get_mut().write_all(text.as_bytes()).await?;
        self.stream.get_mut().flush().await
    }
}
