//! An authority, and certificates with faults.

use jiff::{SignedDuration, Timestamp};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tm_auth_verifier::{Clock, SystemClock};

/// A certificate with its issuer's, and its key, in PEM.
pub(super) struct Issued {
    pub(super) chain: String,
    pub(super) key: String,
}

impl Issued {
    /// The certificate without its issuer's.
    pub(super) fn leaf(&self) -> &str {
        let end = "-----END CERTIFICATE-----\n";
        let length = self.chain.find(end).expect("is PEM") + end.len();
        &self.chain[..length]
    }
}

pub(super) struct Authority {
    pub(super) certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().expect("a key can be created");
        let mut params = CertificateParams::new(Vec::new()).expect("no name is wrong");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("the key signs").pem();
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    /// Issues a certificate that is valid between these days, counted from today.
    pub(super) fn issue(&self, name: &str, from_day: i64, to_day: i64) -> Issued {
        let key = KeyPair::generate().expect("a key can be created");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("the name is right");
        let date = |days: i64| {
            let date = (now() + SignedDuration::from_hours(24 * days)).to_string();
            let mut parts = date.split(['-', 'T']);
            let mut next = || parts.next().expect("a date has three parts");
            let (year, month, day) = (next(), next(), next());
            date_time_ymd(
                year.parse().expect("is a number"),
                month.parse().expect("is a number"),
                day.parse().expect("is a number"),
            )
        };
        (params.not_before, params.not_after) = (date(from_day), date(to_day));
        let certificate = params.signed_by(&key, &self.issuer).expect("the authority signs");
        Issued {
            chain: format!("{}{}", certificate.pem().replace("\r\n", "\n"), self.certificate),
            key: key.serialize_pem(),
        }
    }
}

pub(super) fn now() -> Timestamp {
    SystemClock.now()
}
