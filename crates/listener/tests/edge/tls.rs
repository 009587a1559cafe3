//! TLS that ends at the listener.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::ServerName;
use tempfile::TempDir;
use tm_auth_listener::{Settings, tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::application::{Application, CEILING, SHORT, patient};

struct Pair {
    folder: TempDir,
    cert_file: PathBuf,
    key_file: PathBuf,
    certificate: rcgen::CertifiedKey<rcgen::KeyPair>,
}

fn pair() -> Pair {
    let folder = tempfile::tempdir().unwrap();
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let write = |name: &str, text: String| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    Pair {
        cert_file: write("cert.pem", certificate.cert.pem()),
        key_file: write("key.pem", certificate.signing_key.serialize_pem()),
        folder,
        certificate,
    }
}

async fn get(
    server: &Application,
    pair: &Pair,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&str],
) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(pair.certificate.cert.der().clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = server.connect().await.0;
    let mut stream = TlsConnector::from(Arc::new(config))
        .connect(ServerName::try_from("localhost").unwrap(), stream)
        .await?;
    stream
        .write_all(b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await?;
    let mut answer = String::new();
    timeout(CEILING, stream.read_to_string(&mut answer))
        .await
        .expect("an answer must come")?;
    Ok(answer)
}

#[tokio::test]
async fn i19_tls_1_2_and_1_3_are_spoken_and_nothing_older() {
    let pair = pair();
    let server = Application::start_with(
        patient(),
        Some(tls::load(&pair.cert_file, &pair.key_file).unwrap()),
        SHORT,
    )
    .await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for alpn in [&[][..], &["http/1.1"], &["h2", "http/1.1"]] {
            // `read_to_string` fails unless the server closes with close_notify.
            let answer = get(&server, &pair, &[version], alpn).await.unwrap();
            assert!(
                answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"),
                "{answer}"
            );
        }
        assert!(get(&server, &pair, &[version], &["h2"]).await.is_err());
    }
    for minor in [1u8, 2] {
        // ClientHello of TLS 1.0 and 1.1: one cipher suite, no extensions.
        let mut hello = vec![3, minor];
        hello.extend([7; 32]);
        hello.extend([0, 0, 2, 0x00, 0x2f, 1, 0]);
        let handshake = [&[1, 0, 0, u8::try_from(hello.len()).unwrap()][..], &hello].concat();
        let record = [
            &[22, 3, 1, 0, u8::try_from(handshake.len()).unwrap()][..],
            &handshake,
        ]
        .concat();
        let mut client = server.connect().await;
        client.send(&record).await;
        let mut alert = Vec::new();
        let _ = timeout(CEILING, client.0.read_to_end(&mut alert))
            .await
            .expect("the server must close");
        assert_eq!((alert[0], alert[5]), (21, 2), "a fatal alert: {alert:?}");
    }
}

#[tokio::test]
async fn i02_i19_a_handshake_that_does_not_arrive_is_cut_off() {
    let pair = pair();
    let tls = tls::load(&pair.cert_file, &pair.key_file).unwrap();
    let server = Application::start_with(
        Settings {
            tls_handshake: SHORT,
            ..patient()
        },
        Some(tls),
        SHORT,
    )
    .await;
    assert_eq!(server.exchange(b"").await, "");
    assert_eq!(server.exchange(&[22, 3, 1, 0, 200]).await, "");
}

#[tokio::test]
async fn i17_an_unusable_certificate_or_key_file_is_named() {
    let pair = pair();
    let path = |name| pair.folder.path().join(name);
    std::fs::write(path("empty.pem"), "").unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(path("other.pem"), other.signing_key.serialize_pem()).unwrap();
    for (certificate, key, named) in [
        ("absent.pem", "key.pem", "absent.pem"),
        ("empty.pem", "key.pem", "empty.pem"),
        ("cert.pem", "empty.pem", "empty.pem"),
        ("cert.pem", "other.pem", "other.pem"),
    ] {
        let line = tls::load(&path(certificate), &path(key)).unwrap_err().to_string();
        assert!(line.contains(named) && line.lines().count() == 1, "{line}");
    }
}
