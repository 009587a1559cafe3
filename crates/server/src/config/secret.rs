//! Secrets: a value or, better, the path of a file ([`SecretFiles`]).

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::error::ConfigError;
use super::secret_file::SecretFiles;

const HOW: &str = "write the output of: openssl rand -base64 32";

/// 32 random bytes have about 30 different values. Fewer than 16 occur less than once in 10^13
/// draws.
const FEWEST_DISTINCT_BYTES: usize = 16;

/// A key-encryption key: 32 bytes for AES-256-GCM.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Kek([u8; 32]);

impl Kek {
    /// Accepts 32 bytes unless they are clearly not random: few different values, text or a series.
    pub fn new(bytes: [u8; 32]) -> Result<Self, String> {
        if is_guessable(&bytes) {
            return Err(format!("is a default or an example, not a random secret; {HOW}"));
        }
        Ok(Self(bytes))
    }

    /// The bytes, to seal and unseal with.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether the keys are equal. Both come from the configuration, so the comparison need not
    /// take constant time.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl fmt::Debug for Kek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kek(…)")
    }
}

impl FromStr for Kek {
    type Err = String;

    /// Parses base64 or base64url, with or without padding.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let alphabet = if text.contains(['-', '_']) {
            &URL_SAFE
        } else {
            &STANDARD
        };
        let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let decoded = GeneralPurpose::new(alphabet, lenient)
            .decode(text)
            .map(Zeroizing::new);
        let bytes = decoded.map_err(|_| format!("is not base64; {HOW}"))?;
        let bytes: [u8; 32] = bytes
            .as_slice()
            .try_into()
            .map_err(|_| format!("is {} bytes long, not 32; {HOW}", bytes.len()))?;
        Self::new(bytes)
    }
}

fn is_guessable(bytes: &[u8; 32]) -> bool {
    let distinct = (0..=u8::MAX).filter(|b| bytes.contains(b)).count();
    let is_text = bytes.iter().all(|b| b.is_ascii_graphic() || *b == b' ');
    let step = bytes[1].wrapping_sub(bytes[0]);
    let is_series = bytes.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == step);
    distinct < FEWEST_DISTINCT_BYTES || is_text || is_series
}

/// The key-encryption key in the setting `key`, or in the file named by `key` + `_file`. Refuses
/// both at once.
pub(super) fn kek(
    files: &SecretFiles,
    key: &str,
    value: Option<String>,
    file: Option<PathBuf>,
) -> Result<Option<Kek>, ConfigError> {
    parsed(files, key, value, file)
}

/// Parses the secret in the setting `key`, or in the file named by `key` + `_file`. Refuses both at
/// once. The errors of `T` must not repeat the secret.
pub(super) fn parsed<T: FromStr<Err = String>>(
    files: &SecretFiles,
    key: &str,
    value: Option<String>,
    file: Option<PathBuf>,
) -> Result<Option<T>, ConfigError> {
    let (key, text) = match (value, file) {
        (Some(_), Some(_)) => {
            return Err(ConfigError::at(
                key,
                format_args!("and `{key}_file` are both set; write exactly one"),
            ));
        }
        (Some(text), None) => (key.to_owned(), Zeroizing::new(text)),
        (None, Some(path)) => {
            let key = format!("{key}_file");
            let text = files.read(&key, &path)?;
            (key, text)
        }
        (None, None) => return Ok(None),
    };
    text.parse()
        .map(Some)
        .map_err(|problem: String| ConfigError::at(&key, problem))
}
