//! What no implementation can do without: the signatures of a mint and of a refresh.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use tm_auth_core::PublicKey;
use tm_auth_core::signature::Signature;
use tm_auth_core::signing::{Algorithm, MacKey, SigningKey};
use tm_auth_proto::Environment;

const CHUNK: u32 = 100;
/// µs.
const LONG_ENOUGH: f64 = 200_000.0;
/// About the size of an access token's claims.
const CLAIMS: [u8; 424] = [b'x'; 424];

/// µs per operation.
pub(crate) struct Limit {
    /// Verify the challenge, sign an access token, MAC a refresh token.
    pub(crate) mint: f64,
    /// Check and make a MAC, sign an access token.
    pub(crate) refresh: f64,
}

pub(crate) fn measure(algorithm: &str) -> Limit {
    let algorithm = Algorithm::parse(algorithm).expect("one of the three");
    let signing = SigningKey::generate(algorithm, Environment::Uat).expect("a key can be made");
    let mac = MacKey::new("mac".to_owned(), &[7; 32]).expect("32 bytes are a key");
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key can be made");
    let public = PublicKey::from_sec1(pair.public_key().as_ref()).expect("the point is on the curve");
    let text = b"b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e.1800000000";
    let signature = pair
        .sign(&aws_lc_rs::rand::SystemRandom::new(), text)
        .expect("signing works");
    let signature = Signature::from(<[u8; 64]>::try_from(signature.as_ref()).expect("r and s"));

    let sign = time(|| drop(std::hint::black_box(signing.sign_jws("at+jwt", &CLAIMS))));
    let verify = time(|| assert!(std::hint::black_box(public.verifies(text, &signature))));
    let seal = time(|| drop(std::hint::black_box(mac.sign_jws("rt+jwt", &CLAIMS[..300]))));
    Limit {
        mint: verify + sign + seal,
        refresh: sign + 2.0 * seal,
    }
}

/// CPU time of this thread per operation, µs: time that others took the processor away does not count. Long
/// enough that the system's clock tick does not show.
fn time(operation: impl Fn()) -> f64 {
    operation();
    let before = cpu_of_this_thread();
    let mut rounds = 0.0;
    loop {
        (0..CHUNK).for_each(|_| operation());
        rounds += f64::from(CHUNK);
        let spent = cpu_of_this_thread() - before;
        if spent >= LONG_ENOUGH {
            return spent / rounds;
        }
    }
}

/// µs, from the first field of schedstat (nanoseconds on the processor).
fn cpu_of_this_thread() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has it");
    text.split(' ')
        .next()
        .and_then(|field| field.parse::<f64>().ok())
        .expect("a number")
        / 1e3
}
