//! The IP address of the client, also behind trusted proxies.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, Request},
    http::{HeaderMap, HeaderName},
};
use ipnet::IpNet;

const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");

tokio::task_local! {
    static CLIENT_IP: Option<IpAddr>;
}

/// Returns the client address of the current request; `None` outside the task of a request.
#[must_use]
pub fn current() -> Option<IpAddr> {
    CLIENT_IP.try_get().ok().flatten()
}

/// Runs `future` with this client address as [`current`]. A task that outlives its request, such as
/// that of a WebSocket, needs a scope of its own.
pub fn scope<F: Future>(client_ip: Option<IpAddr>, future: F) -> impl Future<Output = F::Output> {
    CLIENT_IP.scope(client_ip, future)
}

/// Returns the address, or for IPv6 its /64 network: one client has all of it.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let host = u128::from(u64::MAX);
            IpAddr::V6((address.to_bits() & !host).into())
        }
    }
}

/// Returns the address of the client, with `X-Forwarded-For` of the trusted proxies resolved.
pub(crate) fn from_request(request: &Request, trusted_proxies: &[IpNet]) -> Option<IpAddr> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.map(|peer| resolve_forwarded(peer.0.ip(), request.headers(), trusted_proxies))
}

/// Follows `X-Forwarded-For` from its end as long as a trusted proxy wrote the entry. Entries before
/// that are claims of the client.
fn resolve_forwarded(peer: IpAddr, headers: &HeaderMap, trusted_proxies: &[IpNet]) -> IpAddr {
    let mut client_ip = peer.to_canonical();
    let values = headers.get_all(FORWARDED).iter().rev();
    let hops = values.flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
    // Empty elements of a list are ignored (RFC 9110, section 5.6.1).
    for hop in hops.map(str::trim).filter(|hop| !hop.is_empty()) {
        let Some(hop) = parse_hop(hop) else { break };
        if !trusted_proxies.iter().any(|network| network.contains(&client_ip)) {
            break;
        }
        client_ip = hop.to_canonical();
    }
    client_ip
}

/// Parses an address, with the brackets, port or zone that some proxies add.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    if let Ok(hop) = hop.parse::<SocketAddr>() {
        return Some(hop.ip());
    }
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    bare.split('%').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(peer: &str, forwarded: &[&str]) -> String {
        let values = forwarded.iter().map(|value| (FORWARDED, value.parse().unwrap()));
        let headers: HeaderMap = values.collect();
        let proxies = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        resolve_forwarded(peer.parse().unwrap(), &headers, &proxies).to_string()
    }

    #[test]
    fn untrusted_peer_is_ignored() {
        assert_eq!(resolve("192.0.2.1", &["198.51.100.1"]), "192.0.2.1");
        assert_eq!(resolve("192.0.2.1", &[]), "192.0.2.1");
    }

    #[test]
    fn only_trusted_hops_are_followed() {
        assert_eq!(resolve("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(resolve("10.0.0.1", &["203.0.113.9, 198.51.100.1"]), "198.51.100.1");
        assert_eq!(resolve("10.0.0.1", &["203.0.113.9, 198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(resolve("::1", &["203.0.113.9", "198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(resolve("::ffff:10.0.0.1", &["[2001:db8::1]:4711"]), "2001:db8::1");
    }

    #[test]
    fn every_form_of_an_address_is_understood() {
        for (forwarded, client) in [
            ("198.51.100.1:4711", "198.51.100.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%eth0]", "fe80::1"),
            ("::ffff:198.51.100.1", "198.51.100.1"),
            ("198.51.100.1,", "198.51.100.1"),
            ("198.51.100.1, ,10.0.0.2", "198.51.100.1"),
        ] {
            assert_eq!(resolve("10.0.0.1", &[forwarded]), client, "{forwarded}");
        }
    }

    #[test]
    fn invalid_hop_stops_resolution() {
        assert_eq!(resolve("10.0.0.1", &["198.51.100.1, unknown"]), "10.0.0.1");
        assert_eq!(resolve("10.0.0.1", &["unknown, 10.0.0.2"]), "10.0.0.2");
    }
}
