//! The baseline of the benchmark: the CPU time of the signatures and MACs that every implementation
//! of a mint and a refresh needs.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use tm_auth_core::PublicKey;
use tm_auth_core::signature::Signature;
use tm_auth_core::signing::{Algorithm, MacKey, SigningKey};
use tm_auth_proto::Environment;

/// The number of operations between two readings of the CPU time.
const CHUNK: u32 = 100;
/// The minimum CPU time of a measurement, in µs. It is much longer than the steps in which the
/// system counts CPU time.
const MIN_TIME: f64 = 200_000.0;
/// About as long as the claims of an access token.
const CLAIMS: [u8; 424] = [b'x'; 424];

/// The CPU time of the signatures and MACs of one operation, in µs.
pub(crate) struct Baseline {
    /// Verify the challenge, sign an access token, MAC a refresh token.
    pub(crate) mint: f64,
    /// Verify and create a MAC, sign an access token.
    pub(crate) refresh: f64,
}

pub(crate) fn measure(algorithm: &str) -> Baseline {
    let algorithm = Algorithm::parse(algorithm).expect("RS256, ES256 or EdDSA");
    let signing = SigningKey::generate(algorithm, Environment::Uat).expect("key generation works");
    let mac_key = MacKey::new("mac".to_owned(), &[7; 32]).expect("32 bytes are a key");
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("key generation works");
    let public = PublicKey::from_sec1(pair.public_key().as_ref()).expect("the point is on the curve");
    let text = b"b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e.1800000000";
    let signature = pair
        .sign(&aws_lc_rs::rand::SystemRandom::new(), text)
        .expect("signing works");
    let signature = Signature::from(<[u8; 64]>::try_from(signature.as_ref()).expect("r and s"));

    let sign = time(|| drop(std::hint::black_box(signing.sign_jws("at+jwt", &CLAIMS))));
    let verify = time(|| assert!(std::hint::black_box(public.verifies(text, &signature))));
    let mac = time(|| drop(std::hint::black_box(mac_key.sign_jws("rt+jwt", &CLAIMS[..300]))));
    Baseline {
        mint: verify + sign + mac,
        refresh: sign + 2.0 * mac,
    }
}

/// Returns the CPU time that this thread spends per operation, in µs.
fn time(operation: impl Fn()) -> f64 {
    operation();
    let before = cpu_of_this_thread();
    let mut count = 0.0;
    loop {
        (0..CHUNK).for_each(|_| operation());
        count += f64::from(CHUNK);
        let spent = cpu_of_this_thread() - before;
        if spent >= MIN_TIME {
            return spent / count;
        }
    }
}

/// Returns the CPU time of this thread so far, in µs. The first field of `schedstat` is that time
/// in nanoseconds.
fn cpu_of_this_thread() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has it");
    text.split(' ')
        .next()
        .and_then(|field| field.parse::<f64>().ok())
        .expect("a number")
        / 1e3
}
