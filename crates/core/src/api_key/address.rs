//! The networks from which a key may be used.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use crate::Refusal;

/// Maximum number of networks per key.
pub const MAX_NETWORKS: usize = 32;

/// Length of `::ffff:0:0/96`, the prefix of IPv4-mapped addresses.
const MAPPED_BITS: u8 = 96;

/// The longest part of a wrong text that a message repeats.
const MAX_SHOWN: usize = 45;

/// Whether a key restricted to `networks` may be used from `address`. An empty list allows any.
pub fn allows(networks: &[IpNet], address: IpAddr) -> bool {
    // On a dual-stack socket an IPv4 client has the address ::ffff:a.b.c.d; it must match a.b.c.d.
    let address = address.to_canonical();
    networks.is_empty() || networks.iter().any(|network| network.contains(&address))
}

/// Parses addresses and networks: `203.0.113.7`, `203.0.113.0/24`, `2001:db8::/32`.
pub fn parse(texts: &[String]) -> Result<Vec<IpNet>, Refusal> {
    if texts.len() > MAX_NETWORKS {
        return Err(invalid(format!("at most {MAX_NETWORKS} addresses or networks")));
    }
    texts.iter().map(|text| parse_one(text)).collect()
}

fn parse_one(text: &str) -> Result<IpNet, Refusal> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse().map_err(|_| {
            let shown: String = text.chars().take(MAX_SHOWN).collect();
            invalid(format!(
                "`{}` is not an address or network; send one like 203.0.113.7 or 203.0.113.0/24",
                shown.escape_debug()
            ))
        })?,
    };
    let network = canonical(network);
    // `203.0.113.7/24` is usually a mistake: ask which of the two is meant.
    if network.trunc() != network {
        return Err(invalid(format!(
            "`{network}` has bits beyond its prefix: write {} or {}",
            network.trunc(),
            network.addr()
        )));
    }
    Ok(network)
}

/// An IPv4 network that is written as an IPv6 one (`::ffff:203.0.113.0/120`, RFC 4291 section
/// 2.5.5.2), as an IPv4 network. Addresses are compared in their IPv4 form, so it would never match.
pub fn canonical(network: IpNet) -> IpNet {
    if let IpNet::V6(v6) = network
        && let Some(bits) = v6.prefix_len().checked_sub(MAPPED_BITS)
        && let Some(address) = v6.addr().to_ipv4_mapped()
        && let Ok(v4) = Ipv4Net::new(address, bits)
    {
        return v4.into();
    }
    network
}

fn invalid(problem: String) -> Refusal {
    Refusal::InvalidField {
        field: "allowed_ips",
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(texts: &[&str]) -> Result<Vec<IpNet>, Refusal> {
        parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn addresses_and_networks_are_parsed_and_matched() {
        let networks = list(&[
            "203.0.113.7",
            "198.51.100.0/24",
            "2001:db8::/32",
            "::ffff:192.0.2.1",
        ])
        .unwrap();
        for (address, allowed) in [
            ("203.0.113.7", true),
            ("203.0.113.8", false),
            ("198.51.100.255", true),
            ("::ffff:203.0.113.7", true),
            ("192.0.2.1", true),
            ("2001:db8::1", true),
            ("2001:db9::1", false),
        ] {
            assert_eq!(allows(&networks, address.parse().unwrap()), allowed, "{address}");
        }
        assert!(allows(&[], "192.0.2.9".parse().unwrap()));
    }

    #[test]
    fn r61_ipv4_networks_in_ipv6_form_become_ipv4_networks() {
        for (text, network) in [
            ("::ffff:192.0.2.1", "192.0.2.1/32"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
            ("::ffff:c000:200/120", "192.0.2.0/24"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::ffff:192.0.2.1/128", "192.0.2.1/32"),
            ("2001:db8::/96", "2001:db8::/96"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(
                list(&[text]).unwrap(),
                [network.parse::<IpNet>().unwrap()],
                "{text}"
            );
        }
        let networks = list(&["::ffff:192.0.2.0/120"]).unwrap();
        for address in ["192.0.2.7", "::ffff:192.0.2.7"] {
            assert!(allows(&networks, address.parse().unwrap()));
        }
        assert!(!allows(&networks, "192.0.3.7".parse().unwrap()));
        assert!(list(&["::ffff:192.0.2.1/120"]).is_err());
    }

    #[test]
    fn bits_beyond_the_prefix_are_refused_with_both_possible_meanings() {
        let Err(Refusal::InvalidField { problem, .. }) = list(&["203.0.113.7/24"]) else {
            panic!()
        };
        assert!(problem.contains("203.0.113.0/24") && problem.contains("203.0.113.7"));
        for bad in ["", "localhost", "203.0.113.0/33", "203.0.113"] {
            assert!(list(&[bad]).is_err(), "{bad}");
        }
        assert!(
            list(&["192.0.2.1"; MAX_NETWORKS]).is_ok() && list(&["192.0.2.1"; MAX_NETWORKS + 1]).is_err()
        );
    }
}
