//! The networks from which a key may be used.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::Refusal;

/// Maximum number of networks per key.
pub const MAX_NETWORKS: usize = 32;

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
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address.to_canonical()));
    }
    let network: IpNet = text
        .parse()
        .map_err(|_| invalid(format!("`{}` is not an address or network", text.escape_debug())))?;
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
