use proptest::prelude::*;

use super::*;

fn normalized(text: &str) -> String {
    EmailAddress::parse(text)
        .unwrap_or_else(|refusal| panic!("{text:?}: {refusal}"))
        .into()
}

#[test]
fn f16_spellings_of_the_same_mailbox_normalize_to_one_address() {
    for (typed, address) in [
        ("A@X.com", "a@x.com"),
        (" ada.lovelace+tm@example.COM ", "ada.lovelace+tm@example.com"),
        ("a@m\u{fc}nchen.de", "a@xn--mnchen-3ya.de"),
        ("a@XN--MNCHEN-3YA.de", "a@xn--mnchen-3ya.de"),
        // NFD: a plain u and a combining diaeresis.
        ("a@mu\u{308}nchen.de", "a@xn--mnchen-3ya.de"),
        ("a@M\u{dc}NCHEN.de", "a@xn--mnchen-3ya.de"),
        // UTS 46 maps the ligature fi, full-width letters and the ideographic full stop.
        ("a@\u{fb01}sh.com", "a@fish.com"),
        ("a@\u{ff45}xample\u{3002}com", "a@example.com"),
        // UTS 46 ignores a zero-width space.
        ("a@exam\u{200b}ple.com", "a@example.com"),
        // Non-transitional processing keeps the sharp s.
        ("a@stra\u{df}e.de", "a@xn--strae-oqa.de"),
        (
            "o'brien!#$%&*/=?^_`{|}~-@example.com",
            "o'brien!#$%&*/=?^_`{|}~-@example.com",
        ),
    ] {
        assert_eq!(normalized(typed), address, "{typed:?}");
    }
}

#[test]
fn f16_look_alikes_stay_different_addresses() {
    let latin = normalized("a@paypal.com");
    for other in [
        // A Cyrillic a; a box-drawing line that looks like an l; the digit 1.
        "a@p\u{430}ypal.com",
        "a@payp\u{251}l.com",
        "a@paypa1.com",
    ] {
        assert_ne!(normalized(other), latin, "{other:?}");
    }
    let plain = normalized("a@istanbul.com");
    // A capital I with a dot, which folds to i and a combining dot; a dotless i.
    assert_ne!(normalized("a@\u{130}stanbul.com"), plain);
    assert_ne!(normalized("a@\u{131}stanbul.com"), plain);
    assert_ne!(normalized("a.b@example.com"), normalized("ab@example.com"));
    assert_ne!(normalized("ab+c@example.com"), normalized("ab@example.com"));
}

#[test]
fn f16_f17_malformed_and_ambiguous_addresses_are_refused() {
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
        "a@x.com,b@y.com",
        "a@x.com;b@y.com",
        "<a@x.com",
        "a@x.com>",
        "<<a@x.com>>",
        "<a@x.com><b@y.com>",
        "a@x.com <b@y.com>",
        "a\u{ff20}x.com <b@y.com>",
        "A <a@x.com>, B <b@y.com>",
        "Bcc: <a@x.com>",
        "Ada\r\nBcc: v@y.com <a@x.com>",
        "<a@x.com>\r\nBcc: v@y.com",
        "<a@x.com\r\nBcc: v@y.com>",
        "Ada <>",
        "a\u{ff20}@x.com",
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
        // Not ASCII before the @: servers disagree whether composed and decomposed forms are equal.
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
        // An alleged A-label that decodes to ASCII, or not at all (RUSTSEC-2024-0421).
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

#[test]
fn r25_an_address_is_understood_as_it_is_pasted() {
    for pasted in [
        "a@x.com\n",
        "\t a@x.com\r\n",
        "\u{a0}a@x.com\u{3000}",
        "\u{feff}a@x.com\u{200b}",
        "\u{202a}a@x.com\u{202c}",
        "<a@x.com>",
        " < A@X.com > ",
        "Ada <a@x.com>",
        "\"Lovelace Ada\" <a@x.com>",
        "\u{c4}da L\u{f6}velace <a@x.com>\n",
        "a\u{ff20}x.com",
        "a\u{fe6b}x.com",
        "Ada <a\u{ff20}x\u{3002}com>",
    ] {
        assert_eq!(normalized(pasted), "a@x.com", "{pasted:?}");
    }
}

proptest! {
    #[test]
    fn f16_f17_normalization_is_idempotent_and_safe_for_email_headers(text in "\\PC{0,80}|[a-zA-Z.+<>,\"@\r\n\u{0}-\u{2f}\u{fb01}\u{fc}\u{308}]{0,30}@[a-z\u{fc}\u{430}.\\-@\r\n ]{0,30}") {
        if let Ok(address) = EmailAddress::parse(&text) {
            prop_assert_eq!(&normalized(address.as_str()), address.as_str());
            prop_assert!(address.as_str().len() <= 254);
            prop_assert!(address.as_str().bytes().all(|byte| byte.is_ascii_graphic() && !b"<>,;:\"()[]\\".contains(&byte)));
            prop_assert_eq!(address.as_str().matches('@').count(), 1);
            prop_assert_eq!(address.as_str().to_ascii_lowercase(), address.as_str());
        }
    }
}
