//! `[network]`: where the service listens, and the proxies in front of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use ipnet::IpNet;
use serde::Deserialize;
use tm_auth_core::api_key::address;
use tm_auth_proto::Environment;

use super::error::ConfigError;
use super::list::list;
use super::public_url::PublicUrl;
use super::secret_file::SecretFiles;

/// The default of `network.listen`.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// The section `[network]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// The addresses to listen on.
    #[serde(deserialize_with = "list")]
    pub listen: Vec<SocketAddr>,
    /// Proxies that are trusted to name the client's address.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// How those proxies name the client's address. Required if there are trusted proxies.
    pub forwarded: Option<Forwarded>,
    /// The certificate, if this process terminates TLS and not a proxy.
    pub tls: Option<TlsFiles>,
    /// Allows plain HTTP on an address that other networks can reach, in production.
    pub plain_http: Option<PlainHttp>,
}

/// Why plain HTTP on a public address is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum PlainHttp {
    /// Only a proxy that terminates TLS can reach the address.
    #[serde(rename = "behind_proxy")]
    BehindProxy,
}

/// How a proxy names the client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Forwarded {
    /// Not at all: the address that connects is the client's.
    #[serde(rename = "none")]
    None,
    /// In the header `X-Forwarded-For`.
    #[serde(rename = "x-forwarded-for")]
    XForwardedFor,
}

/// The PEM files for TLS.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The certificate and its chain.
    pub cert_file: PathBuf,
    /// The private key of the certificate.
    pub key_file: PathBuf,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            listen: vec![DEFAULT_LISTEN],
            trusted_proxies: Vec::new(),
            forwarded: None,
            tls: None,
            plain_http: None,
        }
    }
}

impl Network {
    /// The proxies whose `X-Forwarded-For` is read. Empty unless `forwarded` is
    /// [`Forwarded::XForwardedFor`].
    pub fn forwarding_proxies(&self) -> &[IpNet] {
        match self.forwarded {
            Some(Forwarded::XForwardedFor) => &self.trusted_proxies,
            Some(Forwarded::None) | None => &[],
        }
    }

    /// Refuses a private key that other users can get at.
    pub(super) fn check_files(&self, files: &SecretFiles) -> Result<(), ConfigError> {
        match &self.tls {
            Some(tls) => files.check("network.tls.key_file", &tls.key_file),
            None => Ok(()),
        }
    }

    pub(super) fn check(&self, environment: Environment, public_url: &PublicUrl) -> Result<(), ConfigError> {
        if self.listen.is_empty() {
            return Err(ConfigError::at(
                "network.listen",
                "is empty; write at least one address, like 127.0.0.1:8080",
            ));
        }
        // Port 0 asks the system for a free port, so it may be repeated.
        if let Some(twice) = self.listen.iter().enumerate().find_map(|(i, address)| {
            (address.port() != 0 && self.listen[..i].contains(address)).then_some(address)
        }) {
            return Err(ConfigError::at(
                "network.listen",
                format_args!("{twice} is listed twice; list it once"),
            ));
        }
        self.check_proxies()?;
        self.check_exposure(environment)?;
        if self.tls.is_some() && self.plain_http.is_some() {
            return Err(ConfigError::at(
                "network.plain_http",
                "contradicts `network.tls`; leave out one of them",
            ));
        }
        if self.tls.is_some() && !public_url.is_https() {
            return Err(ConfigError::at(
                "public_url",
                "is plain http although `network.tls` is set; write https://",
            ));
        }
        Ok(())
    }

    fn check_proxies(&self) -> Result<(), ConfigError> {
        for proxy in &self.trusted_proxies {
            let widest = if proxy.addr().is_ipv4() { 8 } else { 16 };
            if proxy.prefix_len() < widest {
                return Err(ConfigError::at(
                    "network.trusted_proxies",
                    format_args!(
                        "{proxy} is too wide; write the proxies' own networks, at most an IPv4 /8 or an IPv6 /16"
                    ),
                ));
            }
        }
        match (self.forwarded, self.trusted_proxies.is_empty()) {
            (None, false) => Err(ConfigError::at(
                "network.forwarded",
                "is required with `network.trusted_proxies`; write \"x-forwarded-for\" if they set it, else \"none\"",
            )),
            (Some(Forwarded::XForwardedFor), true) => Err(ConfigError::at(
                "network.trusted_proxies",
                "is empty, so `network.forwarded` has no effect; write the proxies' addresses",
            )),
            _ => Ok(()),
        }
    }

    /// In production, refuses plain HTTP that others than a proxy could use: tokens and signatures
    /// must not cross a network unencrypted. A trusted proxy allows a private address only, because
    /// clients can reach a public one without the proxy.
    fn check_exposure(&self, environment: Environment) -> Result<(), ConfigError> {
        if environment != Environment::Production || self.tls.is_some() || self.plain_http.is_some() {
            return Ok(());
        }
        let is_closed = |address: &&SocketAddr| {
            let ip = address.ip().to_canonical();
            ip.is_loopback() || (is_private(ip) && !self.trusted_proxies.is_empty())
        };
        match self.listen.iter().find(|address| !is_closed(address)) {
            Some(open) => Err(ConfigError::at(
                "network.listen",
                format_args!(
                    "{open} would accept plain http from other machines; set `network.tls`, or listen on 127.0.0.1, or on a private address with `network.trusted_proxies`, or set `network.plain_http` = \"behind_proxy\" if only a proxy with TLS can connect"
                ),
            )),
            None => Ok(()),
        }
    }
}

/// Whether an address is of a network that the Internet does not route to: private, shared
/// (RFC 6598) or link-local. Not the unspecified address, which stands for all of a machine.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let is_shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
            ip.is_private() || ip.is_link_local() || is_shared
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// An IP address, or a network in CIDR notation.
struct Proxy(IpNet);

impl FromStr for Proxy {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let network = text
            .parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network
            .map(|network| Self(address::canonical(network.trunc())))
            .map_err(|_| "write an IP address or a network like 10.0.0.0/8")
    }
}

fn networks<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    Ok(list::<D, Proxy>(deserializer)?
        .into_iter()
        .map(|proxy| proxy.0)
        .collect())
}
