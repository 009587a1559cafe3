//! What a limit counts as one client: the first bits of its address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The prefix under which NAT64 embeds IPv4 addresses: `64:ff9b::/96` (RFC 6052 section 2.1).
const NAT64: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];

/// The first bits of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NetworkPrefix {
    address: IpAddr,
    bits: u32,
}

impl NetworkPrefix {
    /// The network of an address: an IPv4 address itself, or the /64 within which an IPv6 host
    /// picks addresses freely.
    pub fn of(address: IpAddr) -> Self {
        Self::new(address, 64)
    }

    /// The site of an address: an IPv4 address itself, or the /48 that an IPv6 provider assigns.
    pub fn site(address: IpAddr) -> Self {
        Self::new(address, 48)
    }

    fn new(address: IpAddr, ipv6_bits: u32) -> Self {
        match embedded(address) {
            address @ IpAddr::V4(_) => Self {
                address,
                bits: Ipv4Addr::BITS,
            },
            IpAddr::V6(address) => {
                let rest = Ipv6Addr::BITS - ipv6_bits;
                Self {
                    address: Ipv6Addr::from_bits(address.to_bits() >> rest << rest).into(),
                    bits: ipv6_bits,
                }
            }
        }
    }
}

/// The IPv4 address that an IPv6 address embeds, or the address itself. Otherwise all IPv4 clients
/// behind NAT64 would share one /64.
fn embedded(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if address.segments()[..6] == NAT64 => {
            let [.., a, b, c, d] = address.octets();
            Ipv4Addr::new(a, b, c, d).into()
        }
        address => address,
    }
}

impl fmt::Display for NetworkPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> String {
        NetworkPrefix::of(text.parse().unwrap()).to_string()
    }

    fn site(text: &str) -> String {
        NetworkPrefix::site(text.parse().unwrap()).to_string()
    }

    #[test]
    fn i06_i07_a_limit_counts_ipv4_by_address_and_ipv6_by_64() {
        assert_eq!(network("192.0.2.1"), "192.0.2.1/32");
        assert_eq!(network("192.0.2.2"), "192.0.2.2/32");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(network("2001:db8:1:2:ffff:ffff:ffff:ffff"), "2001:db8:1:2::/64");
        assert_eq!(network("2001:db8:1:3::1"), "2001:db8:1:3::/64");
        assert_eq!(network("::ffff:192.0.2.1"), "192.0.2.1/32");
        assert_eq!(site("2001:db8:1:2:3:4:5:6"), "2001:db8:1::/48");
        assert_eq!(site("192.0.2.1"), "192.0.2.1/32");
    }

    #[test]
    fn i06_q06_a_limit_counts_an_address_of_nat64_as_the_ipv4_address_in_it() {
        for text in ["64:ff9b::192.0.2.1", "64:ff9b::c000:201"] {
            assert_eq!(network(text), "192.0.2.1/32");
            assert_eq!(site(text), "192.0.2.1/32");
        }
        // Outside of the /96. An operator's own prefix has its own length and place of the bits.
        assert_eq!(network("64:ff9b:0:0:0:1:c000:201"), "64:ff9b::/64");
        assert_eq!(network("64:ff9b:1::c000:201"), "64:ff9b:1::/64");
        assert_eq!(site("64:ff9b:1::c000:201"), "64:ff9b:1::/48");
    }
}
