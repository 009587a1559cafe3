//! The last check of an address before mail is sent to it: only plain addresses pass. Every
//! normalised address is plain.

use lettre::Address;

/// RFC 5321 section 4.5.3.1, as corrected: a path has 256 octets, two of which are its brackets.
const MAX_LENGTH: usize = 254;

/// Parses a plain address. The error says what is wrong with it.
pub(super) fn check(text: &str) -> Result<Address, &'static str> {
    if text.len() > MAX_LENGTH {
        return Err("is longer than 254 characters");
    }
    // Quoted local parts, lists, comments and angle brackets are legal in mail headers but not
    // plain.
    let is_plain = |b: u8| b.is_ascii_graphic() && !b"()<>[]:;,\\\"".contains(&b);
    if !text.bytes().all(is_plain) {
        return Err("has characters that a plain address does not have");
    }
    let address: Address = text.parse().map_err(|_| "is not an e-mail address")?;
    // An IP address, with or without brackets, is not a domain.
    let has_name =
        address.domain().contains('.') && !address.domain().ends_with(|c: char| c.is_ascii_digit());
    if !has_name {
        return Err("has no domain");
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f17_only_plain_addresses_get_mail() {
        for plain in [
            "a@x.com",
            "first.last+tag@mail.example.co.uk",
            "o'neil_1@xn--mnchen-3ya.de",
        ] {
            assert!(check(plain).is_ok(), "{plain}");
        }
        let long = format!("{}@x.com", "a".repeat(5000));
        for other in [
            "",
            "a",
            "@x.com",
            "a@",
            "a@x.com\r\nBcc: v@y.com",
            "a@x.com\nBcc: v@y.com",
            "a@x.com\0",
            "a@x.com,b@y.com",
            "a@x.com;b@y.com",
            "a@x.com b@y.com",
            "<a@x.com>",
            "A <a@x.com>",
            "a@x.com (me)",
            "\"a b\"@x.com",
            "\"a\"@x.com",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            "a@[IPv6:::1]",
            "a@localhost",
            "a@b@x.com",
            "a@münchen.de",
            "ä@x.com",
            "a@x.com\u{200b}",
            long.as_str(),
        ] {
            assert!(check(other).is_err(), "{other:?}");
        }
    }
}
