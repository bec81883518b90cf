//! Addresses to listen at: this machine's own two, or those that were asked for, all at one port.

use super::Outcome;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

/// Where nobody but this machine gets in. `localhost` is one for some programs and the other for others.
const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// Sockets that listen, and what is odd about that.
pub(crate) struct Bound {
    pub(crate) listeners: Vec<TcpListener>,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) notes: Vec<String>,
}

/// Listens at `hosts`, or at both addresses of loopback where there are none. Port 0 is any that is free at all of them.
///
/// # Errors
/// An address that is taken, that is not this machine's, or that this user may not have; a name that nobody knows.
pub(crate) fn bind(hosts: &[String], port: u16) -> Outcome<Bound> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for host in hosts {
        for address in resolve(host)? {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    let by_itself = addresses.is_empty();
    if by_itself {
        addresses.extend(LOOPBACK);
    }
    const TRIES: usize = 32;
    let mut tried = 1;
    loop {
        match bind_all(&addresses, port, by_itself) {
            // A free port of the first address may be taken at the second.
            Err((ErrorKind::AddrInUse, _)) if port == 0 && tried < TRIES => tried += 1,
            Err((_, why)) => return Err(why.into()),
            Ok(bound) => return Ok(bound),
        }
    }
}

fn resolve(host: &str) -> Outcome<Vec<IpAddr>> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let found = (bare, 0).to_socket_addrs().map_err(|e| format!("--host {host}: {e}"))?;
    Ok(found.map(|address| address.ip()).collect())
}

fn bind_all(addresses: &[IpAddr], port: u16, by_itself: bool) -> Result<Bound, (ErrorKind, String)> {
    let mut bound = Bound { listeners: Vec::new(), addresses: Vec::new(), notes: Vec::new() };
    for &address in addresses {
        let port = bound.addresses.first().map_or(port, SocketAddr::port);
        let wanted = SocketAddr::new(address, port);
        let listener = TcpListener::bind(wanted).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok((listener.local_addr()?, listener))
        });
        match listener {
            Ok((at, listener)) => {
                bound.addresses.push(at);
                bound.listeners.push(listener);
            }
            Err(error) if by_itself && address.is_ipv6() && is_missing(error.kind()) => {
                bound.notes.push(format!("this machine has no ::1 ({error}): localhost is 127.0.0.1 alone"));
            }
            Err(error) => return Err((error.kind(), explain(wanted, &error))),
        }
    }
    Ok(bound)
}

/// Whether there is no such address, rather than somebody at it.
fn is_missing(kind: ErrorKind) -> bool {
    !matches!(kind, ErrorKind::AddrInUse | ErrorKind::PermissionDenied)
}

fn explain(address: SocketAddr, error: &std::io::Error) -> String {
    let port = address.port();
    match error.kind() {
        ErrorKind::AddrInUse => {
            format!("port {port} is taken at {}: give another with --port, or 0 for any that is free", address.ip())
        }
        ErrorKind::PermissionDenied => {
            format!("this user may not listen at port {port} of {}: give one over 1023 with --port", address.ip())
        }
        ErrorKind::AddrNotAvailable => format!("--host {}: this machine has no such address", address.ip()),
        _ => format!("cannot listen at {address}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_addresses_of_loopback_have_one_port() {
        let bound = bind(&[], 0).unwrap();
        assert!(bound.addresses.iter().all(|address| address.ip().is_loopback() && address.port() != 0));
        assert!(bound.addresses.iter().all(|address| address.port() == bound.addresses[0].port()));
        assert_eq!(bound.addresses.len() + bound.notes.len(), 2);
    }

    #[test]
    fn a_port_that_is_taken_is_named() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = other.local_addr().unwrap().port();
        let why = bind(&[], port).err().unwrap().to_string();
        assert!(why.contains(&format!("port {port} is taken")), "{why}");
        let why = bind(&["127.0.0.1".to_owned()], port).err().unwrap().to_string();
        assert!(why.contains(&port.to_string()), "{why}");
    }

    #[test]
    fn an_address_of_another_machine_is_refused() {
        // One for documents.
        let why = bind(&["192.0.2.1".to_owned()], 0).err().unwrap().to_string();
        assert!(why.contains("192.0.2.1"), "{why}");
    }

    #[test]
    fn an_address_that_is_named_twice_is_one() {
        let hosts = ["127.0.0.1".to_owned(), "127.0.0.1".to_owned()];
        assert_eq!(bind(&hosts, 0).unwrap().addresses.len(), 1);
        assert!(resolve("[::1]").unwrap() == [LOOPBACK[1]]);
    }
}
