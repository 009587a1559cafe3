use aws_lc_rs::digest::{SHA256, digest};
use std::collections::HashSet;

use proptest::prelude::*;

use super::rules::{
    ATTEMPTS_PER_CODE, ATTEMPTS_PER_HOUR, DAY, HOUR, MaySend, OUTSTANDING, Outstanding, SENDS_PER_ADDRESS,
    SENDS_UNDER_ATTACK, SHORT_COMPARISONS_A_DAY, Sent, Tried,
};
use super::*;
use crate::sample::at;
use jiff::Timestamp;

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    bytes
}

fn pepper(byte: u8) -> CodePepper {
    CodePepper::derive(&[byte; 32])
}

/// Chi-square of counts against a uniform distribution.
fn chi_square(counts: &[u32]) -> f64 {
    let expected = f64::from(counts.iter().sum::<u32>()) / f64::from(u32::try_from(counts.len()).unwrap());
    counts
        .iter()
        .map(|count| (f64::from(*count) - expected).powi(2) / expected)
        .sum()
}

#[test]
fn f10_a_million_codes_are_uniformly_distributed() {
    const SAMPLES: u32 = 1_000_000;
    let mut by_position = [[0u32; 10]; 8];
    let mut by_slice = [0u32; 1000];
    let mut distinct = HashSet::new();
    for _ in 0..SAMPLES {
        let code = EmailCode::generate(Length::Short, random);
        assert_eq!(code.0.len(), 8);
        let number: usize = code.0.parse().unwrap();
        by_slice[number / 100_000] += 1;
        for (position, digit) in code.0.bytes().enumerate() {
            by_position[position][usize::from(digit - b'0')] += 1;
        }
        distinct.insert(number);
    }
    // With 9 degrees of freedom a value above 60 has a probability below 10^-9; with 999, one above
    // 1300.
    for counts in by_position {
        assert!(chi_square(&counts) < 60.0, "{counts:?}");
    }
    assert!(chi_square(&by_slice) < 1300.0);
    // About 4,983 duplicates are expected among a million draws from 10^8.
    let duplicates = SAMPLES as usize - distinct.len();
    assert!((4_500..5_500).contains(&duplicates), "{duplicates}");
}

#[test]
fn f10_numbers_above_the_largest_multiple_are_drawn_again() {
    let fair = u128::MAX - u128::MAX % 100_000_000;
    for unfair in [u128::MAX, fair] {
        let mut draws = vec![7_654_321u128, unfair]
            .into_iter()
            .map(u128::to_be_bytes)
            .collect::<Vec<_>>();
        let code = EmailCode::generate(Length::Short, || draws.pop().unwrap());
        assert_eq!(code.0, "07654321");
        assert!(draws.is_empty());
    }
    let last = EmailCode::generate(Length::Short, || (fair - 1).to_be_bytes());
    assert_eq!(last.0, "99999999");
    let long = EmailCode::generate(Length::Long, || 42u128.to_be_bytes());
    assert_eq!(long.0, "0000000000000042");
}

#[test]
fn f10_e13_r50_only_a_mac_that_depends_on_pepper_and_row_is_stored() {
    let (flow, other_flow) = (FlowId([1; 16]), FlowId([2; 16]));
    let code = EmailCode::generate(Length::Short, || 12_345_678u128.to_be_bytes());
    let stored = code.mac(flow, &pepper(1));
    let typed =
        |text: &str, peppers: &[u8]| TypedCode::new(text, peppers.iter().map(|byte| pepper(*byte)).collect());
    for text in [
        "12345678",
        "1234-5678",
        " 1234 5678\n",
        "12 34\u{2011}56\u{a0}78",
        "\u{2013}1-2-3-4-5-6-7-8",
        "1234_5678",
        "1234.5678.",
        "\"1234-5678\"",
        "\u{201c}1234-5678\u{201d}",
        "\u{ab}1234\u{b7}5678\u{bb}",
        "\u{200b}1234\u{200b}5678\u{200b}",
        "\u{feff}12345678",
        "\u{200e}1234\u{200f}5678\u{2069}",
        "code: 1234-5678",
        "１２３４－５６７８",
        "١٢٣٤٥٦٧٨",
        "۱۲۳۴۵۶۷۸",
        "१२३४ ५६७८",
        "𝟏𝟐𝟑𝟒𝟝𝟞𝟟𝟠",
        "12٣٤５６७८",
    ] {
        assert!(typed(text, &[1]).matches(flow, &stored), "{text:?}");
    }
    for text in [
        "",
        "12345679",
        "1234567",
        "123456789",
        "012345678",
        "twelve",
        "\u{ff11}2345679",
        "١٢٣٤٥٦٧٩",
        "1234567\u{2467}", // a circled 8 is not a decimal digit
    ] {
        assert!(!typed(text, &[1]).matches(flow, &stored), "{text:?}");
    }
    assert!(
        !typed("12345678", &[2]).matches(flow, &stored),
        "another key-encryption key"
    );
    assert!(
        !typed("12345678", &[1]).matches(other_flow, &stored),
        "another row"
    );
    assert!(
        typed("12345678", &[2, 1]).matches(flow, &stored),
        "an earlier key-encryption key"
    );
    assert_ne!(stored.0.as_slice(), digest(&SHA256, b"12345678").as_ref());
    assert_eq!(
        format!("{code:?} {:?} {:?}", pepper(1), typed("12345678", &[1])),
        "EmailCode { .. } CodePepper { .. } TypedCode { .. }"
    );
}

fn code(id: u8, network: &str, length: Length, asked_at: i64) -> Outstanding {
    Outstanding {
        flow_id: FlowId([id; 16]),
        network: network.to_owned(),
        length,
        asked_at: at(asked_at),
    }
}

fn tried(by_network: &[i64], short_comparisons: u32, short_outstanding: u32) -> Tried {
    Tried {
        by_network: by_network.iter().map(|seconds| at(*seconds)).collect(),
        short_comparisons,
        short_outstanding,
    }
}

/// Ids of the codes that an attempt at `now` is compared with.
fn compared(tried: &Tried, codes: &[Outstanding], network: &str, now: i64) -> Vec<u8> {
    let mut ids: Vec<u8> = tried
        .comparable(codes, network, at(now))
        .iter()
        .map(|code| code.flow_id.0[0])
        .collect();
    ids.sort_unstable();
    ids
}

#[test]
fn f03_f07_a_code_accepts_five_attempts_per_network_and_a_new_request_resets_none() {
    let codes = [code(1, "a", Length::Short, 0), code(2, "a", Length::Short, 100)];
    assert_eq!(compared(&tried(&[], 0, 2), &codes, "a", 120), [1, 2]);
    assert_eq!(
        compared(&tried(&[10, 20, 30, 40], 4, 2), &codes, "a", 120),
        [1, 2]
    );
    // The first code has no attempts left for this network; the newer one has all five.
    assert_eq!(
        compared(&tried(&[10, 20, 30, 40, 50], 5, 2), &codes, "a", 120),
        [2]
    );
    // An attempt counts against every code that was outstanding then.
    assert_eq!(
        compared(&tried(&[100, 101, 102, 103, 104], 10, 2), &codes, "a", 120),
        [] as [u8; 0]
    );
    // Another network has made no attempts.
    assert_eq!(compared(&tried(&[], 10, 2), &codes, "b", 120), [1, 2]);
}

#[test]
fn f05_a_network_has_twenty_attempts_per_hour() {
    let twenty: Vec<i64> = (0..20).map(|n| n * 60).collect();
    let codes = [code(1, "a", Length::Short, 3_590)];
    assert_eq!(ATTEMPTS_PER_HOUR, twenty.len());
    assert!(compared(&tried(&twenty, 20, 1), &codes, "a", 3_599).is_empty());
    assert_eq!(
        compared(&tried(&twenty, 20, 1), &codes, "a", 3_600),
        [1],
        "the first is an hour old"
    );
}

#[test]
fn f05_after_too_many_comparisons_new_codes_are_long_and_old_ones_work_for_their_network() {
    let codes = [
        code(1, "owner", Length::Short, 0),
        code(2, "owner", Length::Long, 1),
    ];
    assert_eq!(tried(&[], 0, 0).length(), Length::Short);
    assert_eq!(
        tried(&[], 90, 1).length(),
        Length::Short,
        "five reserved, five left"
    );
    assert_eq!(tried(&[], 91, 1).length(), Length::Long);
    assert_eq!(tried(&[], 100, 0).length(), Length::Long);
    assert_eq!(tried(&[], u32::MAX, u32::MAX).length(), Length::Long);
    for (tried, elsewhere) in [
        (tried(&[], 94, 1), [1, 2].as_slice()),
        // The remaining comparisons are reserved for the owner.
        (tried(&[], 95, 1), &[2]),
        (tried(&[], 100, 1), &[2]),
    ] {
        assert_eq!(compared(&tried, &codes, "attacker", 5), elsewhere, "{tried:?}");
        assert_eq!(compared(&tried, &codes, "owner", 5), [1, 2], "{tried:?}");
    }
}

#[test]
fn f18_emails_are_limited_per_address_and_network() {
    let may = |sent: &[i64], now: i64| {
        let to_network: Vec<_> = sent.iter().map(|seconds| at(*seconds)).collect();
        let sent = Sent {
            to_site: to_network.clone(),
            to_network,
            ..Sent::default()
        };
        sent.may_send(at(now))
    };
    let wait = |seconds| MaySend::Wait(SignedDuration::from_secs(seconds));
    assert_eq!(may(&[], 0), MaySend::Yes);
    // A second and a third request within the minute are sent.
    assert_eq!(may(&[0, 1], 2), MaySend::Yes);
    assert_eq!(may(&[0, 1, 2], 3), wait(57));
    assert_eq!(may(&[0, 1, 2], 60), MaySend::Yes);
    let five = [0, 60, 120, 180, 240];
    assert_eq!(may(&five, 3_599), wait(1));
    assert_eq!(may(&five, 3_600), MaySend::Yes);
    let ten: Vec<i64> = (0..10).map(|n| n * 900).collect();
    assert_eq!(may(&ten, 24 * 3_600 - 1), wait(1));
    assert_eq!(may(&ten, 24 * 3_600), MaySend::Yes);
}

#[test]
fn f18_an_address_under_attack_gets_long_codes_and_known_networks_the_usual_ones() {
    let may = |site: &[i64], in_all: u32, known_network: bool, now: i64| {
        let sent = Sent {
            to_site: site.iter().map(|seconds| at(*seconds)).collect(),
            in_all,
            known_network,
            ..Sent::default()
        };
        sent.may_send(at(now))
    };
    assert_eq!(may(&[0], SENDS_PER_ADDRESS - 1, false, 1), MaySend::Yes);
    assert_eq!(may(&[], SENDS_PER_ADDRESS, false, 0), MaySend::Long);
    // One an hour for each site.
    assert_eq!(may(&[0], SENDS_PER_ADDRESS, false, 3_599), MaySend::No);
    assert_eq!(may(&[0], SENDS_PER_ADDRESS, false, 3_600), MaySend::Long);
    assert_eq!(may(&[], SENDS_UNDER_ATTACK, false, 0), MaySend::No);
    assert_eq!(may(&[0], SENDS_UNDER_ATTACK, true, 1), MaySend::Yes);
    // Thirty requests from thirty networks of one site.
    let site: Vec<i64> = (0..20).collect();
    assert!(matches!(may(&site, 20, false, 30), MaySend::Wait(_)));
    assert_eq!(may(&[], 20, false, 30), MaySend::Yes, "another site");
}

/// Applies the rules over time, with the bookkeeping that the store does.
#[derive(Default)]
struct Model {
    codes: Vec<(Outstanding, Timestamp)>,
    failures: Vec<(String, Timestamp, u32)>,
    sent: Vec<(String, Timestamp)>,
}

impl Model {
    fn live(&self, now: Timestamp) -> Vec<Outstanding> {
        self.codes
            .iter()
            .filter(|(_, end)| *end > now)
            .map(|(code, _)| code.clone())
            .collect()
    }

    fn tried(&self, network: &str, now: Timestamp) -> Tried {
        let live = self.live(now);
        Tried {
            by_network: self
                .failures
                .iter()
                .filter(|(from, at, _)| from == network && *at > now - HOUR)
                .map(|(_, at, _)| *at)
                .collect(),
            short_comparisons: self.comparisons(now),
            short_outstanding: u32::try_from(live.iter().filter(|code| code.length == Length::Short).count())
                .unwrap(),
        }
    }

    fn comparisons(&self, now: Timestamp) -> u32 {
        self.failures
            .iter()
            .filter(|(_, at, _)| *at > now - DAY)
            .map(|(.., short)| short)
            .sum()
    }

    fn ask(&mut self, network: &str, now: Timestamp) {
        let of_network = self
            .sent
            .iter()
            .filter(|(to, at)| to == network && *at > now - DAY);
        let to_network: Vec<_> = of_network.map(|(_, at)| *at).collect();
        let sent = Sent {
            to_site: to_network.clone(),
            to_network,
            in_all: u32::try_from(self.sent.iter().filter(|(_, at)| *at > now - DAY).count()).unwrap(),
            known_network: false,
        };
        let length = match sent.may_send(now) {
            MaySend::Yes => self.tried(network, now).length(),
            MaySend::Long => Length::Long,
            MaySend::Wait(_) | MaySend::No => return,
        };
        self.sent.push((network.to_owned(), now));
        while self
            .live(now)
            .iter()
            .filter(|code| code.network == network)
            .count()
            >= OUTSTANDING as usize
        {
            let oldest = self
                .codes
                .iter()
                .position(|(code, end)| code.network == network && *end > now)
                .unwrap();
            self.codes.remove(oldest);
        }
        let id = u8::try_from(self.sent.len() % 256).unwrap();
        let code = Outstanding {
            flow_id: FlowId([id; 16]),
            network: network.to_owned(),
            length,
            asked_at: now,
        };
        self.codes.push((code, now + LIFE));
    }

    fn fail(&mut self, network: &str, now: Timestamp) {
        let live = self.live(now);
        let tried = self.tried(network, now);
        let compared = tried.comparable(&live, network, now);
        if compared.is_empty() {
            return;
        }
        let short = compared
            .iter()
            .filter(|code| code.length == Length::Short)
            .count();
        self.failures
            .push((network.to_owned(), now, u32::try_from(short).unwrap()));
    }
}

proptest! {
    #[test]
    fn f05_at_most_a_hundred_short_codes_are_compared_per_day(
        steps in prop::collection::vec((0u8..40, prop::bool::weighted(0.2), 0i64..90), 1..1_500)
    ) {
        let mut model = Model::default();
        let mut now = at(0);
        for (network, asks, wait) in steps {
            now += SignedDuration::from_secs(wait);
            let network = network.to_string();
            if asks {
                model.ask(&network, now);
            } else {
                model.fail(&network, now);
            }
            prop_assert!(model.comparisons(now) <= SHORT_COMPARISONS_A_DAY);
            for code in model.live(now) {
                let own = model.failures.iter().filter(|(from, at, _)| *from == code.network && *at >= code.asked_at);
                prop_assert!(own.count() <= ATTEMPTS_PER_CODE as usize);
            }
        }
    }
}
