//! The UDP socket.
//!
//! Purpose: binds it with buffers large enough for bursts; what the kernel drops for want of
//! buffer looks like loss on the network and halves the speed.
//!
//! Never shares the port: a second daemon on it is an error at start.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use rustix::net::sockopt::{set_socket_recv_buffer_size_force, set_socket_send_buffer_size_force};
use socket2::{Domain, Protocol, Socket, Type};

use super::tuning::SOCKET_BUFFER;

/// Binds `address`; an IPv6 one also takes IPv4 where the system can.
///
/// # Errors
/// What the system says, `AddrInUse` above all.
pub(super) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() && socket.set_only_v6(false).is_err() {
        tracing::warn!("this system keeps IPv4 apart: only IPv6 peers are reached");
    }
    enlarge(&socket);
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Asks for large buffers and says once what to do if the kernel gives less.
fn enlarge(socket: &Socket) {
    // Who administers the network may go beyond the limit; everybody else gets what it allows.
    if set_socket_recv_buffer_size_force(socket, SOCKET_BUFFER).is_err() {
        let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
    }
    if set_socket_send_buffer_size_force(socket, SOCKET_BUFFER).is_err() {
        let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
    }
    // Linux reports twice what was asked for, its own bookkeeping included.
    let received = socket.recv_buffer_size().unwrap_or(SOCKET_BUFFER) / 2;
    if received < SOCKET_BUFFER / 2 {
        tracing::info!(
            "the kernel limits UDP buffers to {} KiB: for full speed set net.core.rmem_max and \
             net.core.wmem_max to {SOCKET_BUFFER} (sysctl)",
            received / 1024
        );
    }
}
