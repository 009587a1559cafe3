//! Searches the bytes that a browser sent for a secret.

use base64::Engine;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

/// Returns the forms in which `sent` contains `secret`: `raw`, `hex`, `base64`, `base64url`, and
/// `percent` if one of these appears only after percent-decoding.
pub(crate) fn forms_found(secret: &[u8], sent: &[u8]) -> Vec<&'static str> {
    let mut found = plain_forms_found(secret, sent);
    let decoded = plain_forms_found(secret, &percent_decoded(sent));
    if decoded.iter().any(|form| !found.contains(form)) {
        found.push("percent");
    }
    found
}

/// Like [`forms_found`], without percent-decoding.
fn plain_forms_found(secret: &[u8], sent: &[u8]) -> Vec<&'static str> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    // If a script holds the secret as a string with one character per byte, it is sent as UTF-8.
    let latin1: String = secret.iter().copied().map(char::from).collect();
    let lower = sent.to_ascii_lowercase();
    let mut found = Vec::new();
    if contains(sent, secret) || contains(sent, latin1.as_bytes()) {
        found.push("raw");
    }
    if contains(&lower, hex.as_bytes()) {
        found.push("hex");
    }
    for (name, alphabet) in [("base64", &STANDARD), ("base64url", &URL_SAFE)] {
        if base64_windows(secret, alphabet)
            .iter()
            .any(|text| contains(sent, text.as_bytes()))
        {
            found.push(name);
        }
    }
    found
}

/// The base64 of the secret inside a longer text. There are three forms, one for each offset modulo
/// 3. Omits the first and last characters if they also encode neighbouring bytes.
fn base64_windows(secret: &[u8], alphabet: &Alphabet) -> [String; 3] {
    let engine = GeneralPurpose::new(alphabet, NO_PAD);
    [0, 1, 2].map(|before| {
        let mut text = vec![0; before];
        text.extend_from_slice(secret);
        let encoded = engine.encode(&text);
        let first = before * 8;
        let last = text.len() * 8;
        encoded[first.div_ceil(6)..last / 6].to_owned()
    })
}

fn percent_decoded(sent: &[u8]) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let mut decoded = Vec::with_capacity(sent.len());
    let mut rest = sent;
    while let [first, after @ ..] = rest {
        let escaped = match after {
            [high, low, ..] if *first == b'%' => digit(high).zip(digit(low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                decoded.push(u8::try_from(high * 16 + low).expect("two hex digits"));
                rest = &after[2..];
            }
            None => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    decoded
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
