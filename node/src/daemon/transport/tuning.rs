//! The transport's numbers, all in one place.
//!
//! Purpose: settings for a LAN of servers: windows that fill 10 Gbit/s at 6 ms, silence noticed
//! within seconds, packets as large as the path takes.
//!
//! Invariants: every window, buffer and count of streams is bounded here. A connection starts with
//! the windows of a stranger and gets those of a member when it has shown itself to be one.

use std::sync::Arc;
use std::time::Duration;

use quinn::{IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt};

/// Application protocol, with the version of the wire formats.
pub(super) const PROTOCOL: &[u8] = b"mirrormesh/1";
/// Bytes in flight on one stream before the reader takes them. No more than half the room asked
/// of the kernel for the socket: one stream alone then never overflows it. Eight streams that
/// nobody reads fill the connection's window.
const STREAM_WINDOW: u32 = 4 * 1024 * 1024;
/// Bytes in flight on one member's connection before its readers take them.
pub(super) const MEMBER_WINDOW: u32 = 32 * 1024 * 1024;
/// The same for who may be a stranger.
const STRANGER_WINDOW: u32 = 1024 * 1024;
/// Bytes sent or to be sent on one connection and not acknowledged.
const SEND_WINDOW: u64 = 32 * 1024 * 1024;
/// Streams that one member may have open towards this node, the control stream included.
pub(super) const MEMBER_STREAMS: u32 = 65;
/// The same for who may be a stranger.
const STRANGER_STREAMS: u32 = 9;
/// A connection over which nothing came for so long is given up.
pub(super) const SILENCE: Duration = Duration::from_secs(6);
/// How often a silent connection is probed.
const KEEP_ALIVE: Duration = Duration::from_secs(2);
/// Round trip assumed before the first measurement.
const FIRST_ROUND_TRIP: Duration = Duration::from_millis(20);
/// Largest packet looked for. quinn hands the kernel up to ten packets at once, together they must
/// not exceed 65,507 bytes: else the kernel refuses all ten, quinn takes that for loss and goes
/// back to 1,200 bytes (measured on loopback: 8,952 gives 340 MB/s, 6,500 gives 1,000).
const LARGEST_PACKET: u16 = 6_500;
/// Largest packet taken.
pub(super) const LARGEST_PAYLOAD: u16 = 9_216;
/// After a burst of losses was taken for a path that swallows large packets, look again so soon.
const DISCOVERY_AGAIN: Duration = Duration::from_secs(10);
/// Bytes asked of the kernel for each of the socket's buffers.
pub(super) const SOCKET_BUFFER: usize = 8 * 1024 * 1024;

/// What an admin may switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// Hand the kernel many packets at once (GSO). Off only for network cards that lie about it.
    pub segmentation_offload: bool,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning { segmentation_offload: true }
    }
}

impl Tuning {
    /// The settings of every connection.
    pub(super) fn transport(self) -> Arc<TransportConfig> {
        let mut discovery = MtuDiscoveryConfig::default();
        discovery.upper_bound(LARGEST_PACKET).black_hole_cooldown(DISCOVERY_AGAIN);
        let mut config = TransportConfig::default();
        config
            .max_concurrent_bidi_streams(VarInt::from_u32(STRANGER_STREAMS))
            .max_concurrent_uni_streams(VarInt::from_u32(0))
            .datagram_receive_buffer_size(None)
            .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
            .receive_window(VarInt::from_u32(STRANGER_WINDOW))
            .send_window(SEND_WINDOW)
            .send_fairness(false)
            .initial_rtt(FIRST_ROUND_TRIP)
            .keep_alive_interval(Some(KEEP_ALIVE))
            .max_idle_timeout(Some(IdleTimeout::from(milliseconds(SILENCE))))
            .mtu_discovery_config(Some(discovery))
            .enable_segmentation_offload(self.segmentation_offload);
        Arc::new(config)
    }
}

fn milliseconds(duration: Duration) -> VarInt {
    VarInt::from_u32(u32::try_from(duration.as_millis()).unwrap_or(u32::MAX))
}
