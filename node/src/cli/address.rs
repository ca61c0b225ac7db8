//! Where a node listens and under which address others reach it, where nothing is said.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use super::failure::Failure;
use crate::daemon::config::DEFAULT_PORT;

/// The addresses of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Addresses {
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// Where others reach it.
    pub(crate) advertise: String,
}

impl Addresses {
    /// Chooses what was not given. Port 0 becomes a port that is free now.
    pub(crate) fn choose(
        listen: Option<SocketAddr>,
        advertise: Option<&str>,
    ) -> Result<Addresses, Failure> {
        let mut listen = listen.unwrap_or_else(default_listen);
        if listen.port() == 0 {
            listen = free_port(listen)?;
        }
        let advertise = match advertise {
            Some(address) => match address.strip_suffix(":0") {
                Some(host) => format!("{host}:{}", listen.port()),
                None => address.to_owned(),
            },
            None => SocketAddr::new(reachable(listen.ip()), listen.port()).to_string(),
        };
        Ok(Addresses { listen, advertise })
    }
}

/// Every address, IPv6 and IPv4, or IPv4 alone where there is no IPv6.
fn default_listen() -> SocketAddr {
    let every = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let ip = match UdpSocket::bind(every) {
        Ok(_) => every.ip(),
        Err(_) => Ipv4Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(ip, DEFAULT_PORT)
}

fn free_port(listen: SocketAddr) -> Result<SocketAddr, Failure> {
    let socket = UdpSocket::bind(listen).and_then(|socket| socket.local_addr());
    let port = socket.map_err(|error| Failure::failed(format!("{listen}: {error}")))?.port();
    Ok(SocketAddr::new(listen.ip(), port))
}

/// The listen address if it is one, else that of the default route, else loopback.
fn reachable(listen: IpAddr) -> IpAddr {
    if !listen.is_unspecified() {
        return listen;
    }
    // Addresses for documentation: routed like any other, and nothing is sent there.
    let four = || source(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into());
    let six = || {
        let target = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        source(Ipv6Addr::UNSPECIFIED.into(), target.into())
    };
    let loopback = || Ipv4Addr::LOCALHOST.into();
    if listen.is_ipv6() {
        four().or_else(six).unwrap_or_else(loopback)
    } else {
        four().unwrap_or_else(loopback)
    }
}

/// The address from which the system would send to `target`, found out without sending.
fn source(from: IpAddr, target: IpAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind((from, 0)).ok()?;
    socket.connect((target, 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified()).then_some(ip)
}

/// The name of this machine, as far as a member may have it.
pub(crate) fn host_name() -> String {
    let system = rustix::system::uname();
    sanitised(&system.nodename().to_string_lossy())
}

/// A name with what no member's name may have replaced by `-`.
fn sanitised(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = name.chars().map(plain).take(63).collect();
    let name = name.trim_start_matches('-').to_owned();
    if mirrormesh_gossip::is_member_name(&name) { name } else { "node".to_owned() }
}

#[cfg(test)]
mod tests;
