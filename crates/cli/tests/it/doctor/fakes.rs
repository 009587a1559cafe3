//! A mail server and a provider of identities, as far as `doctor` uses them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::certificates::Issued;

/// Serves each connection on a thread of its own until the test ends.
fn listen(serve: impl Fn(TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("the listener has an address");
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = Arc::clone(&serve);
            thread::spawn(move || serve(stream).ok());
        }
    });
    address
}

/// Accepts connections and never sends anything.
pub(super) fn silent() -> SocketAddr {
    listen(|mut stream| stream.read_to_end(&mut Vec::new()).map(drop))
}

/// Answers every request with this status and date.
pub(super) fn http(status: &'static str, date: String) -> SocketAddr {
    listen(move |mut stream| {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        write!(
            stream,
            "HTTP/1.1 {status}\r\nDate: {date}\r\nContent-Length: 11\r\nConnection: close\r\n\r\n{{\"keys\":[]}}"
        )
    })
}

/// A mail server with TLS from the first byte. Accepts this answer to AUTH only.
pub(super) fn mail(certificate: &Issued, auth: &'static str) -> SocketAddr {
    let chain = CertificateDer::pem_slice_iter(certificate.chain.as_bytes());
    let chain = chain.collect::<Result<_, _>>().expect("is PEM");
    let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).expect("is PEM");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|versions| versions.with_no_client_auth().with_single_cert(chain, key))
        .expect("key and certificate fit");
    let config = Arc::new(config);
    listen(move |stream| {
        let tls = ServerConnection::new(Arc::clone(&config)).map_err(std::io::Error::other)?;
        let mut stream = BufReader::new(StreamOwned::new(tls, stream));
        stream.get_mut().write_all(b"220 mail.test ESMTP\r\n")?;
        let mut line = String::new();
        while stream.read_line(&mut line)? > 0 {
            let answer = match line.trim_end().split_once(' ') {
                Some(("EHLO", _)) => "250-mail.test\r\n250 AUTH PLAIN",
                Some(("AUTH", given)) if given == auth => "235 welcome",
                Some(("AUTH", _)) => "535 wrong",
                _ => "221 bye",
            };
            stream.get_mut().write_all(format!("{answer}\r\n").as_bytes())?;
            line.clear();
        }
        Ok(())
    })
}
