//! The address of the client behind the proxies.
//!
//! 1. It is the peer's address, unless the peer is a trusted proxy. `X-Forwarded-For` of any other
//!    peer is ignored.
//! 2. Every proxy appends the address that connected to it, so the list is walked from the right.
//!    The first hop that is not a trusted proxy is the client. The client may have forged the
//!    entries to its left.
//! 3. Empty elements do not count, as in any list (RFC 9110 section 5.6.1.2).
//! 4. A hop that is not an address ends the walk at the last valid one.
//!
//! So a client can neither charge its requests to another address nor avoid the charge.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

/// Maximum number of hops that are read. No real chain is longer.
const MAX_HOPS: usize = 50;

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The address of the client behind `peer`. Reads `X-Forwarded-For` if `peer` is one of the
/// `trusted` proxies.
///
/// An IPv4-mapped IPv6 address becomes the IPv4 address.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let mut farthest = peer.to_canonical();
    if !is_trusted(farthest) {
        return farthest;
    }
    // Several lines of a list header are one list in the same order (RFC 9110 section 5.3).
    let lines = headers.get_all(X_FORWARDED_FOR).into_iter().rev();
    let hops = lines
        .flat_map(|line| line.as_bytes().rsplit(|&byte| byte == b','))
        .filter(|hop| !hop.iter().all(|byte| matches!(byte, b' ' | b'\t')));
    for hop in hops.take(MAX_HOPS) {
        let Some(address) = parse_hop(hop) else { break };
        farthest = address;
        if !is_trusted(farthest) {
            break;
        }
    }
    farthest
}

/// Parses `192.0.2.1`, `192.0.2.1:443`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:443`.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim_matches([' ', '\t']);
    let address = text
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|with_port| with_port.ip()))
        .ok()
        .or_else(|| {
            text.strip_prefix('[')?
                .strip_suffix(']')?
                .parse::<Ipv6Addr>()
                .ok()
                .map(IpAddr::V6)
        })?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn address(peer: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        let trusted =
            ["10.0.0.0/8", "fd00::/8", "2001:db8:aaaa::1/128"].map(|network| network.parse().unwrap());
        client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn i06_the_header_of_an_untrusted_peer_is_not_read() {
        assert_eq!(address("192.0.2.7", &["198.51.100.1"]), "192.0.2.7");
        assert_eq!(address("2001:db8::7", &["198.51.100.1"]), "2001:db8::7");
        assert_eq!(address("2001:db8:aaaa::2", &["198.51.100.1"]), "2001:db8:aaaa::2");
    }

    #[test]
    fn i06_a_trusted_peer_without_the_header_is_the_client() {
        assert_eq!(address(PROXY, &[]), PROXY);
        assert_eq!(address(PROXY, &[""]), PROXY);
    }

    #[test]
    fn i06_the_right_most_untrusted_hop_counts() {
        assert_eq!(address(PROXY, &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(address(PROXY, &["198.51.100.1, 203.0.113.9"]), "203.0.113.9");
        assert_eq!(
            address(PROXY, &["198.51.100.1,203.0.113.9 ,\t10.2.2.2"]),
            "203.0.113.9"
        );
        assert_eq!(
            address("fd00::1", &["203.0.113.9, 2001:db8:aaaa::1"]),
            "203.0.113.9"
        );
        assert_eq!(
            address(PROXY, &["10.3.3.3, 10.2.2.2"]),
            "10.3.3.3",
            "all are proxies: the farthest one asked"
        );
    }

    #[test]
    fn i06_several_lines_are_one_list() {
        assert_eq!(
            address(PROXY, &["198.51.100.1", "203.0.113.9", "10.2.2.2"]),
            "203.0.113.9"
        );
    }

    #[test]
    fn i06_ports_and_brackets_are_understood() {
        for (hop, expected) in [
            ("203.0.113.9:1234", "203.0.113.9"),
            ("2001:db8::9", "2001:db8::9"),
            ("[2001:db8::9]", "2001:db8::9"),
            ("[2001:db8::9]:1234", "2001:db8::9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("[::ffff:203.0.113.9]:1234", "203.0.113.9"),
        ] {
            assert_eq!(address(PROXY, &[hop]), expected, "{hop}");
        }
    }

    #[test]
    fn i06_garbage_ends_the_walk_at_the_last_good_hop() {
        for garbage in [
            "unknown",
            "_hidden",
            "203.0.113.9:99999",
            "203.0.113.9:",
            "[203.0.113.9]",
            "[2001:db8::1",
            "2001:db8::1]",
            "203.0.113.009",
            "fe80::1%eth0",
            "\"203.0.113.9\"",
            "ünder",
            "203.0.113.9 203.0.113.8",
        ] {
            assert_eq!(address(PROXY, &[garbage]), PROXY, "{garbage}");
            assert_eq!(
                address(PROXY, &[&format!("198.51.100.1, {garbage}, 10.2.2.2")]),
                "10.2.2.2",
                "{garbage}"
            );
        }
    }

    #[test]
    fn i06_r22_empty_elements_of_the_list_do_not_count() {
        for lines in [
            &["203.0.113.9, "][..],
            &["203.0.113.9,"],
            &[", ,203.0.113.9,\t, "],
            &["203.0.113.9", "", " , "],
            &["198.51.100.1, 203.0.113.9, , 10.2.2.2,"],
        ] {
            assert_eq!(address(PROXY, lines), "203.0.113.9", "{lines:?}");
        }
        let many = format!("203.0.113.9{}", ",".repeat(8000));
        assert_eq!(address(PROXY, &[&many]), "203.0.113.9");
        assert_eq!(address(PROXY, &[" , ,"]), PROXY);
    }

    #[test]
    fn i06_mapped_addresses_count_as_ipv4() {
        assert_eq!(
            address("::ffff:10.0.0.1", &["203.0.113.9, ::ffff:10.9.9.9"]),
            "203.0.113.9"
        );
        assert_eq!(address("::ffff:192.0.2.7", &["203.0.113.9"]), "192.0.2.7");
    }

    #[test]
    fn i06_at_most_fifty_hops_are_walked() {
        let chain = |proxies: usize| format!("203.0.113.9{}", ", 10.2.2.2".repeat(proxies));
        assert_eq!(address(PROXY, &[&chain(49)]), "203.0.113.9");
        assert_eq!(address(PROXY, &[&chain(50)]), "10.2.2.2");
    }

    proptest! {
        #[test]
        fn i06_nothing_an_untrusted_peer_sends_changes_its_address(
            peer in any::<IpAddr>(),
            lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..4),
        ) {
            let peer_is_proxy = "10.0.0.0/8".parse::<IpNet>().unwrap();
            prop_assume!(!peer_is_proxy.contains(&peer.to_canonical()));
            let mut headers = HeaderMap::new();
            for line in lines {
                if let Ok(value) = HeaderValue::from_bytes(&line) {
                    headers.append(X_FORWARDED_FOR, value);
                }
            }
            prop_assert_eq!(client_address(peer, &headers, &[peer_is_proxy]), peer.to_canonical());
        }

        #[test]
        fn i06_nothing_a_client_writes_left_of_its_proxy_changes_its_address(
            forged in "[0-9a-f.:,\\[\\] ]{0,80}",
            client in any::<[u8; 4]>(),
        ) {
            prop_assume!(client[0] != 10);
            let client = Ipv4Addr::from(client);
            prop_assert_eq!(address(PROXY, &[&format!("{forged}, {client}, 10.2.2.2")]), client.to_string());
        }
    }
}
