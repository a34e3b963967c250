//! Where a request comes from: the address of the client, also behind proxies.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, Request},
    http::{HeaderMap, HeaderName},
};
use ipnet::IpNet;

const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");

tokio::task_local! {
    static ORIGIN: Option<IpAddr>;
}

/// The address of the client that is being served, if this is a task of a request.
#[must_use]
pub fn current() -> Option<IpAddr> {
    ORIGIN.try_get().ok().flatten()
}

/// Serves a client at this address. To be called again where a request has ended and goes on, as a
/// WebSocket does.
pub fn serve<F: Future>(origin: Option<IpAddr>, future: F) -> impl Future<Output = F::Output> {
    ORIGIN.scope(origin, future)
}

/// Where a request comes from. Proxies in these networks are believed.
pub(crate) fn of(request: &Request, proxies: &[IpNet]) -> Option<IpAddr> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.map(|peer| behind(peer.0.ip(), request.headers(), proxies))
}

/// Follows `X-Forwarded-For` from its end for as long as a proxy of ours wrote it: what stands
/// before that is the client's own word.
fn behind(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let mut origin = peer.to_canonical();
    let values = headers.get_all(FORWARDED).iter().rev();
    let hops = values.flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
    for hop in hops {
        let Some(hop) = address(hop.trim()) else { break };
        if !proxies.iter().any(|proxy| proxy.contains(&origin)) {
            break;
        }
        origin = hop.to_canonical();
    }
    origin
}

/// Some proxies add the port.
fn address(hop: &str) -> Option<IpAddr> {
    hop.parse().ok().or_else(|| hop.parse::<SocketAddr>().map(|hop| hop.ip()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(peer: &str, forwarded: &[&str]) -> String {
        let values = forwarded.iter().map(|value| (FORWARDED, value.parse().unwrap()));
        let headers: HeaderMap = values.collect();
        let proxies = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        behind(peer.parse().unwrap(), &headers, &proxies).to_string()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        assert_eq!(origin("192.0.2.1", &["198.51.100.1"]), "192.0.2.1");
        assert_eq!(origin("192.0.2.1", &[]), "192.0.2.1");
    }

    #[test]
    fn a_proxy_is_believed_and_what_the_client_wrote_before_it_is_not() {
        assert_eq!(origin("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(origin("10.0.0.1", &["203.0.113.9, 198.51.100.1"]), "198.51.100.1");
        assert_eq!(origin("10.0.0.1", &["203.0.113.9, 198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(origin("::1", &["203.0.113.9", "198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(origin("::ffff:10.0.0.1", &["[2001:db8::1]:4711"]), "2001:db8::1");
    }

    #[test]
    fn what_is_no_address_ends_the_way() {
        assert_eq!(origin("10.0.0.1", &["198.51.100.1, unknown"]), "10.0.0.1");
        assert_eq!(origin("10.0.0.1", &["unknown, 10.0.0.2"]), "10.0.0.2");
    }
}
