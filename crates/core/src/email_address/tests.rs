use proptest::prelude::*;

use super::*;

fn normalised(text: &str) -> String {
    EmailAddress::parse(text)
        .unwrap_or_else(|refusal| panic!("{text:?}: {refusal}"))
        .into()
}

#[test]
fn f16_the_same_mailbox_is_the_same_address() {
    for (typed, address) in [
        ("A@X.com", "a@x.com"),
        (" ada.lovelace+tm@example.COM ", "ada.lovelace+tm@example.com"),
        ("a@m\u{fc}nchen.de", "a@xn--mnchen-3ya.de"),
        ("a@XN--MNCHEN-3YA.de", "a@xn--mnchen-3ya.de"),
        // NFD: a plain u and a combining diaeresis.
        ("a@mu\u{308}nchen.de", "a@xn--mnchen-3ya.de"),
        ("a@M\u{dc}NCHEN.de", "a@xn--mnchen-3ya.de"),
        // The ligature fi, full-width letters and the ideographic full stop are mapped by UTS 46.
        ("a@\u{fb01}sh.com", "a@fish.com"),
        ("a@\u{ff45}xample\u{3002}com", "a@example.com"),
        // A zero-width space is no character of a name.
        ("a@exam\u{200b}ple.com", "a@example.com"),
        // Non-transitional: a sharp s is a letter of its own.
        ("a@stra\u{df}e.de", "a@xn--strae-oqa.de"),
        (
            "o'brien!#$%&*/=?^_`{|}~-@example.com",
            "o'brien!#$%&*/=?^_`{|}~-@example.com",
        ),
    ] {
        assert_eq!(normalised(typed), address, "{typed:?}");
    }
}

#[test]
fn f16_look_alikes_are_other_addresses() {
    let latin = normalised("a@paypal.com");
    for other in [
        // Cyrillic a; dotless i; capital I with a dot, which folds to i and a combining dot.
        "a@p\u{430}ypal.com",
        "a@payp\u{251}l.com",
        "a@paypa1.com",
    ] {
        assert_ne!(normalised(other), latin, "{other:?}");
    }
    let plain = normalised("a@istanbul.com");
    assert_ne!(normalised("a@\u{130}stanbul.com"), plain);
    assert_ne!(normalised("a@\u{131}stanbul.com"), plain);
    assert_ne!(normalised("a.b@example.com"), normalised("ab@example.com"));
    assert_ne!(normalised("ab+c@example.com"), normalised("ab@example.com"));
}

#[test]
fn f16_f17_what_is_no_plain_address_is_refused() {
    let long_local = format!("{}@example.com", "a".repeat(65));
    let long_label = format!("a@{}.com", "b".repeat(64));
    let long_domain = format!("a@{}com", "bcd.".repeat(70));
    let long = format!("{}@example.com", "a".repeat(5_000));
    for bad in [
        "",
        " ",
        "@",
        "a",
        "a@",
        "@x.com",
        "a@x",
        "a@localhost",
        "a@x.com\r\nBcc: v@y.com",
        "a\r\n@x.com",
        "a@x.com\n",
        "\ta@x.com",
        "a@x.com,b@y.com",
        "a@x.com;b@y.com",
        "<a@x.com>",
        "Ada <a@x.com>",
        "a@b@x.com",
        "a b@x.com",
        "a@[127.0.0.1]",
        "a@[IPv6:::1]",
        "a@127.0.0.1",
        "\"a b\"@x.com",
        "\"a\"@x.com",
        "a(comment)@x.com",
        "a@x.com.",
        "a@.x.com",
        "a@x..com",
        ".a@x.com",
        "a.@x.com",
        "a..b@x.com",
        // Not ASCII before the @: whether composed and decomposed forms are equal, servers disagree about.
        "\u{e4}da@x.com",
        "a\u{308}da@x.com",
        "\u{430}da@x.com",
        "ad\u{200b}a@x.com",
        "\u{131}da@x.com",
        "a@x\u{0}.com",
        "a@-x.com",
        "a@x-.com",
        "a@x_y.com",
        "a@x%2ecom",
        // A label that claims to be an A-label and decodes to ASCII, or not at all (RUSTSEC-2024-0421).
        "a@xn--example-.com",
        "a@xn--\u{e4}.com",
        &long_local,
        &long_label,
        &long_domain,
        &long,
    ] {
        let refusal = EmailAddress::parse(bad).expect_err(bad);
        assert!(
            matches!(refusal, Refusal::InvalidField { field: "email", .. }),
            "{bad:?}"
        );
    }
}

proptest! {
    #[test]
    fn f16_f17_normalising_is_idempotent_and_leaves_nothing_that_a_header_could_misread(text in "\\PC{0,80}|[a-zA-Z.+<>,\"@\r\n\u{0}-\u{2f}\u{fb01}\u{fc}\u{308}]{0,30}@[a-z\u{fc}\u{430}.\\-@\r\n ]{0,30}") {
        if let Ok(address) = EmailAddress::parse(&text) {
            prop_assert_eq!(&normalised(address.as_str()), address.as_str());
            prop_assert!(address.as_str().len() <= 254);
            prop_assert!(address.as_str().bytes().all(|byte| byte.is_ascii_graphic() && !b"<>,;:\"()[]\\".contains(&byte)));
            prop_assert_eq!(address.as_str().matches('@').count(), 1);
            prop_assert_eq!(address.as_str().to_ascii_lowercase(), address.as_str());
        }
    }
}
