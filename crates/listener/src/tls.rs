//! Loads the certificate for TLS 1.2 and 1.3, if this process terminates TLS and not a proxy.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Why the certificate or its key cannot be used. The message names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read as PEM.
    #[error("{}: {problem}", .path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// What is wrong with the file.
        problem: String,
    },
    /// The key does not belong to the certificate, or rustls does not support them.
    #[error("{} cannot be used with {}: {problem}", .key.display(), .certificate.display())]
    Mismatch {
        /// The path of the key.
        key: PathBuf,
        /// The path of the certificate.
        certificate: PathBuf,
        /// The error of rustls.
        problem: rustls::Error,
    },
}

/// Loads the certificate and its key. rustls offers only ciphers with forward secrecy. It has no
/// renegotiation and no TLS 1.0 or 1.1.
pub fn load(certificate: &Path, key_file: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| file(certificate, e))?;
    if chain.is_empty() {
        return Err(file(certificate, "holds no PEM certificate"));
    }
    let key = PrivateKeyDer::from_pem_slice(&read(key_file)?).map_err(|e| file(key_file, e))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .and_then(|versions| versions.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|problem| TlsError::Mismatch {
            key: key_file.to_owned(),
            certificate: certificate.to_owned(),
            problem,
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Reads a file without the byte order mark that editors on Windows put before the text.
fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let bytes = std::fs::read(path).map_err(|e| file(path, e))?;
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(file(path, "is UTF-16, but must be UTF-8"));
    }
    Ok(bytes
        .strip_prefix(b"\xef\xbb\xbf")
        .map(<[u8]>::to_vec)
        .unwrap_or(bytes))
}

fn file(path: &Path, problem: impl ToString) -> TlsError {
    TlsError::File {
        path: path.to_owned(),
        problem: problem.to_string(),
    }
}
