//! The certificate, if this process terminates TLS.

use std::time::Duration;

use jiff::Timestamp;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error, RootCertStore};
use tm_auth_server::Config;
use tm_auth_server::clock::{Clock, SystemClock};
use tm_auth_server::config::TlsFiles;

use super::report::{Verdict, fail, ok, warn};

/// A certificate that expires within this time should have been renewed.
const SOON: Duration = Duration::from_hours(14 * 24);

pub(super) fn certificate(config: &Config) -> Verdict {
    match &config.network.tls {
        None => ok("none: this process does not terminate TLS"),
        Some(files) => match judge(files, config.public_url.host()) {
            Ok(verdict) => verdict,
            Err(problem) => fail(problem),
        },
    }
}

fn judge(files: &TlsFiles, host: &str) -> Result<Verdict, String> {
    let (shown, key_shown) = (files.cert_file.display(), files.key_file.display());
    let chain = CertificateDer::pem_file_iter(&files.cert_file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("{shown} cannot be read ({error}): correct `network.tls.cert_file`"))?;
    let Some((leaf, others)) = chain.split_first() else {
        return Err(format!(
            "{shown} has no certificate: write the certificate and its chain into it as PEM"
        ));
    };
    let key = PrivateKeyDer::from_pem_file(&files.key_file)
        .map_err(|error| format!("{key_shown} cannot be read ({error}): correct `network.tls.key_file`"))?;
    CertifiedKey::from_der(chain.clone(), key, &aws_lc_rs::default_provider()).map_err(|error| {
        format!("{key_shown} is not the key of the certificate in {shown} ({error}): name the key that belongs to it")
    })?;
    let parsed = ParsedCertificate::try_from(leaf)
        .map_err(|error| format!("{shown} is not a certificate that clients accept: {error}"))?;
    let name = ServerName::try_from(host.trim_matches(['[', ']'])).map_err(|error| error.to_string())?;
    verify_server_name(&parsed, &name).map_err(|error| {
        format!(
            "the certificate in {shown} is not for {host}, the host of `public_url`: get one for it ({error})"
        )
    })?;
    let now = SystemClock.now().as_duration().unsigned_abs();
    let at = |time| validity(&parsed, others, UnixTime::since_unix_epoch(time));
    Ok(match (at(now), at(now + SOON)) {
        (Validity::Never(problem), _) => fail(format!("{shown}: {problem}; renew the certificate")),
        (_, Validity::Never(problem)) => warn(format!(
            "{shown}: {problem}, in less than 14 days; renew the certificate"
        )),
        (Validity::Incomplete, _) => warn(format!(
            "{shown} has only the certificate itself: add the intermediate certificates, unless clients trust its issuer"
        )),
        _ => ok(format!("{shown} is for {host} and valid for more than 14 days")),
    })
}

enum Validity {
    Valid,
    /// Its issuer is not in the file.
    Incomplete,
    /// What makes each client refuse it.
    Never(String),
}

/// Judges the certificate at this time. Trusts the certificates of the file, because the authorities
/// that clients trust are not known here.
fn validity(leaf: &ParsedCertificate<'_>, others: &[CertificateDer<'_>], at: UnixTime) -> Validity {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(others.iter().map(|der| der.clone().into_owned()));
    let algorithms = aws_lc_rs::default_provider()
        .signature_verification_algorithms
        .all;
    match verify_server_cert_signed_by_trust_anchor(leaf, &roots, others, at, algorithms) {
        Ok(()) => Validity::Valid,
        Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => Validity::Incomplete,
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Validity::Never(format!("it expires at {}", date(not_after)))
        }
        Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => {
            Validity::Never(format!("it is not valid before {}", date(not_before)))
        }
        Err(error) => Validity::Never(error.to_string()),
    }
}

fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).map_or_else(|_| format!("{seconds} s"), |at| at.to_string())
}
