//! E-mailed one-time codes.
//!
//! 1. A request for a code generates one of 8 digits, or of 16 if the address is under attack
//!    ([`EmailCode::generate`]). [`rules`] decide whether it may be e-mailed.
//! 2. The database stores only a MAC of the code and its row's id ([`EmailCode::mac`]). The key
//!    is not in the database: eight digits could be found from a plain hash within a second.
//! 3. The user types or pastes the code. Its decimal digits count, in any script ([`TypedCode::new`]).
//!    [`rules`] decide which stored codes the attempt is compared with ([`TypedCode::matches`]).
//!
//! The same e-mail also has a link. Its token and the cookie of the requesting browser have 256
//! random bits, so a plain hash of them is stored ([`crate::secret::FlowSecret`]).

mod digit;
pub mod rules;

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use jiff::SignedDuration;
use tm_auth_proto::AccountId;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Lifetime of a code and its link.
pub const LIFE: SignedDuration = SignedDuration::from_mins(10);

/// What a code is valid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Logging in or signing up.
    SignIn,
    /// Setting the e-mail address of this account.
    SetEmail(AccountId),
}

/// Number of digits of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// 8 digits, the usual length.
    Short,
    /// 16 digits: too many to guess, however many attempts are made.
    Long,
}

impl Length {
    fn digits(self) -> usize {
        match self {
            Self::Short => 8,
            Self::Long => 16,
        }
    }
}

/// Id of a code's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowId(pub [u8; 16]);

/// A code to be e-mailed. `Debug` does not show it.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct EmailCode(String);

impl EmailCode {
    /// Step 1: generates a code; all codes are equally likely.
    ///
    /// Calls `random` until the number is below the largest multiple of the number of codes. The
    /// numbers above it would make some codes more likely. A second call is very rare.
    pub fn generate(length: Length, mut random: impl FnMut() -> [u8; 16]) -> Self {
        let digits = length.digits();
        let codes = 10u128.pow(u32::try_from(digits).expect("a code has at most 16 digits"));
        let fair = u128::MAX - u128::MAX % codes;
        loop {
            let number = u128::from_be_bytes(random());
            if number < fair {
                return Self(format!("{:0digits$}", number % codes));
            }
        }
    }

    /// The digits, for the e-mail.
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// Step 2: computes the MAC to store in the row `flow_id`.
    pub fn mac(&self, flow_id: FlowId, pepper: &CodePepper) -> CodeMac {
        pepper.mac(flow_id, &self.0)
    }
}

impl fmt::Debug for EmailCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailCode { .. }")
    }
}

/// MAC of a code, as stored in its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeMac(pub [u8; 32]);

/// MAC key for codes. It is derived from the key-encryption key and is not in the database. `Debug`
/// does not show it.
#[derive(Clone)]
pub struct CodePepper(hmac::Key);

impl CodePepper {
    /// Derives the MAC key. The label separates it from other uses of the key-encryption key.
    pub fn derive(kek: &[u8; 32]) -> Self {
        let tag = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, kek),
            b"tm-auth one-time codes v1",
        );
        Self(hmac::Key::new(hmac::HMAC_SHA256, tag.as_ref()))
    }

    fn mac(&self, flow_id: FlowId, digits: &str) -> CodeMac {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&flow_id.0);
        context.update(digits.as_bytes());
        CodeMac(
            context
                .sign()
                .as_ref()
                .try_into()
                .expect("an HMAC-SHA-256 has 32 bytes"),
        )
    }
}

impl fmt::Debug for CodePepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodePepper { .. }")
    }
}

/// A code as typed by a user, with the MAC keys for its comparison. `Debug` does not show it.
#[derive(Clone)]
pub struct TypedCode {
    digits: String,
    peppers: Vec<CodePepper>,
}

impl TypedCode {
    /// Step 3: takes the decimal digits of any text. Drops the rest: spaces, dashes, dots, quotes and
    /// the invisible characters that programs put around pasted text.
    ///
    /// `peppers` has the current MAC key and those of earlier key-encryption keys, so that a code
    /// stays valid when the key-encryption key changes.
    pub fn new(text: &str, peppers: Vec<CodePepper>) -> Self {
        Self {
            digits: text.chars().filter_map(digit::ascii).collect(),
            peppers,
        }
    }

    /// Step 3: whether this is the code of the row `flow_id`. Compares in constant time.
    pub fn matches(&self, flow_id: FlowId, stored: &CodeMac) -> bool {
        self.peppers.iter().fold(false, |found, pepper| {
            let mac = pepper.mac(flow_id, &self.digits);
            verify_slices_are_equal(&mac.0, &stored.0).is_ok() | found
        })
    }
}

impl fmt::Debug for TypedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TypedCode { .. }")
    }
}

#[cfg(test)]
mod tests;
