//! One-time codes, as they are mailed, typed and stored, and the link in the same mail.
//!
//! 1. Asking makes a code of 8 digits (16 where an address is under attack), uniform over all of them.
//! 2. Only its MAC is stored, under a key that is not in the database and bound to the row: eight digits could
//!    be found from a plain hash within a second.
//! 3. What comes back is any text; spaces and dashes are left out, then its MAC is compared in constant time.
//! 4. [`rules`] decide how often mail is sent, and which codes an attempt is compared with at all.
//!
//! The link's token and the browser's cookie have 256 random bits: a plain hash stands for those.

pub mod rules;

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use jiff::SignedDuration;
use tm_auth_proto::AccountId;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// How long a code and its link live.
pub const LIFE: SignedDuration = SignedDuration::from_mins(10);

/// What a code proves, besides its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Signs in, or up.
    SignIn,
    /// Makes the address that of this account.
    SetEmail(AccountId),
}

/// How many digits a code has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// 8: what people type.
    Short,
    /// 16: no number of attempts that anybody can make finds it.
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

/// The id of a code's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowId(pub [u8; 16]);

/// A code, as it is mailed. `Debug` shows nothing.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct OneTimeCode(String);

impl OneTimeCode {
    /// Makes one. `random` is asked until it gives a number below the largest multiple of the number of codes:
    /// the rest of the range would favour some of them. Once is all but always enough.
    pub fn generate(length: Length, mut random: impl FnMut() -> [u8; 16]) -> Self {
        let digits = length.digits();
        let codes = 10u128.pow(u32::try_from(digits).expect("two lengths, both small"));
        let fair = u128::MAX - u128::MAX % codes;
        loop {
            let number = u128::from_be_bytes(random());
            if number < fair {
                return Self(format!("{:0digits$}", number % codes));
            }
        }
    }

    /// Its digits, for the mail.
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    pub fn mac(&self, flow_id: FlowId, pepper: &CodePepper) -> CodeMac {
        pepper.mac(flow_id, &self.0)
    }
}

impl fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeCode { .. }")
    }
}

/// The stored form of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeMac(pub [u8; 32]);

/// The key of the MACs: derived from the key-encryption key, so that no database holds it. `Debug` shows
/// nothing.
#[derive(Clone)]
pub struct CodePepper(hmac::Key);

impl CodePepper {
    /// Derives it. The label keeps it apart from everything else that the key-encryption key does.
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
        CodeMac(context.sign().as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

impl fmt::Debug for CodePepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodePepper { .. }")
    }
}

/// What somebody typed as a code, with what it takes to compare it. `Debug` shows nothing.
#[derive(Clone)]
pub struct TypedCode {
    digits: String,
    peppers: Vec<CodePepper>,
}

impl TypedCode {
    /// Any text: white space and dashes of every kind are left out. The first pepper is the one in use, the
    /// others are those before it: a code outlives a change of the key-encryption key.
    pub fn new(text: &str, peppers: Vec<CodePepper>) -> Self {
        let dash = |c: char| matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}');
        Self {
            digits: text.chars().filter(|c| !c.is_whitespace() && !dash(*c)).collect(),
            peppers,
        }
    }

    /// Whether it is the code of this row. Takes as long whether it is or not.
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
