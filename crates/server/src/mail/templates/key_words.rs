//! The settings of an API key in words, for e-mails and for the activity of an account.

use ipnet::IpNet;
use jiff::Timestamp;
use tm_auth_core::api_key::setting::{KeySettings, SettingChange};
use tm_auth_proto::{Scope, Scopes};

use super::isolate::quoted;
use super::time;

/// The permissions: "read and trade".
pub(crate) fn scopes(scopes: Scopes) -> String {
    if scopes == Scopes::ALL {
        return "read, trade and transfer".to_owned();
    }
    let words: Vec<&str> = Scope::ALL
        .into_iter()
        .filter(|scope| scopes.contains(*scope))
        .map(Scope::as_str)
        .collect();
    words.join(" and ")
}

/// What a new key may do, as a sentence.
pub(super) fn settings(settings: &KeySettings) -> String {
    let end = match settings.expires_at {
        Some(at) => format!("expires on {}", time(at)),
        None => "never expires".to_owned(),
    };
    let from = match settings.allowed_ips.as_slice() {
        [] => "any IP address".to_owned(),
        networks => list(networks),
    };
    format!("It may {} from {from}, and {end}.", scopes(settings.scopes))
}

/// What a change did, each setting with its value before and after. Not a whole sentence.
pub(crate) fn changes(changes: &[SettingChange]) -> String {
    changes.iter().map(change).collect::<Vec<_>>().join("; ")
}

fn change(change: &SettingChange) -> String {
    match change {
        SettingChange::Label { from, to } => {
            format!("name from {} to {}", quoted(from), quoted(to))
        }
        SettingChange::Scopes { from, to } => {
            format!("permissions from {} to {}", scopes(*from), scopes(*to))
        }
        SettingChange::AllowedIps { from, to } => {
            format!("allowed IP addresses from {} to {}", list(from), list(to))
        }
        SettingChange::ExpiresAt { from, to } => {
            format!("expiry from {} to {}", end(*from), end(*to))
        }
        SettingChange::Disabled { to: true, .. } => "state from enabled to disabled".to_owned(),
        SettingChange::Disabled { to: false, .. } => "state from disabled to enabled".to_owned(),
    }
}

fn list(networks: &[IpNet]) -> String {
    if networks.is_empty() {
        return "any".to_owned();
    }
    let words: Vec<String> = networks.iter().map(network).collect();
    words.join(", ")
}

/// A single address without its length.
fn network(network: &IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    }
}

fn end(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "never".to_owned(), time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_listed_in_words() {
        assert_eq!(scopes(Scopes::ALL), "read, trade and transfer");
        let some: Scopes = [Scope::Trade, Scope::Read].into_iter().collect();
        assert_eq!(scopes(some), "read and trade");
    }

    #[test]
    fn r27_each_setting_is_said_before_and_after() {
        let networks = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let at = Timestamp::from_second(1_800_000_000).ok();
        let read: Scopes = [Scope::Read].into_iter().collect();
        let all = [
            SettingChange::Disabled {
                from: false,
                to: true,
            },
            SettingChange::Disabled {
                from: true,
                to: false,
            },
            SettingChange::Scopes {
                from: read,
                to: Scopes::ALL,
            },
            SettingChange::AllowedIps {
                from: vec![],
                to: networks(&["192.0.2.1/32", "2001:db8::/48"]),
            },
            SettingChange::ExpiresAt { from: at, to: None },
            SettingChange::Label {
                from: "a".to_owned(),
                to: "b\u{202e}".to_owned(),
            },
        ];
        assert_eq!(
            changes(&all),
            "state from enabled to disabled; state from disabled to enabled; permissions from read to read, trade and transfer; \
             allowed IP addresses from any to 192.0.2.1, 2001:db8::/48; expiry from 15 January 2027, 08:00 UTC to never; \
             name from \u{201c}\u{2068}a\u{2069}\u{201d} to \u{201c}\u{2068}b\u{2069}\u{201d}"
        );
        let stored = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Vec<SettingChange>>(&stored).unwrap(), all);
        assert!(all[2].adds_scopes());
        assert!(
            !SettingChange::Scopes {
                from: Scopes::ALL,
                to: read
            }
            .adds_scopes()
        );
    }

    #[test]
    fn r28_a_new_key_is_said_with_scopes_networks_and_end() {
        let key = |allowed_ips, expires_at| KeySettings {
            scopes: Scopes::ALL,
            allowed_ips,
            expires_at,
        };
        assert_eq!(
            settings(&key(vec![], None)),
            "It may read, trade and transfer from any IP address, and never expires."
        );
        let at = Timestamp::from_second(1_800_000_000).ok();
        assert_eq!(
            settings(&key(vec!["192.0.2.0/24".parse().unwrap()], at)),
            "It may read, trade and transfer from 192.0.2.0/24, and expires on 15 January 2027, 08:00 UTC."
        );
    }
}
