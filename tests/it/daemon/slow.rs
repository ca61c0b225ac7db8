//! A link that carries little, between an origin and a replica.

use std::collections::{BTreeMap, VecDeque};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::sample::{content, write};
use crate::farm::{Farm, Node};
use crate::farm_command::free_address;

/// Bytes a second that the link carries from the origin: less than 64 KiB in 8 s.
const RATE: f64 = 7_000.0;
/// Bytes that wait before it; what comes beyond is lost.
const QUEUE: usize = 8 * 1024;
/// How often the link looks what there is to do.
const TICK: Duration = Duration::from_millis(1);

/// Forwards datagrams: as they come towards the origin, and slowly from it.
struct Link {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Link {
    /// A link to `to` for those who talk to `address`.
    fn new(address: &str, to: String) -> Link {
        let front = UdpSocket::bind(address).unwrap();
        let ends = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&ends);
        let thread = Some(thread::spawn(move || carry(&front, &to, &stop)));
        Link { ends, thread }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // A panic in it has been shown already.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn carry(front: &UdpSocket, to: &str, stop: &AtomicBool) {
    let mut backs: BTreeMap<SocketAddr, UdpSocket> = BTreeMap::new();
    let mut queue: VecDeque<(SocketAddr, Vec<u8>)> = VecDeque::new();
    let mut buffer = vec![0; 65_536];
    let mut free_at = Instant::now();
    front.set_read_timeout(Some(TICK)).unwrap();
    while !stop.load(Ordering::Relaxed) {
        if let Ok((length, from)) = front.recv_from(&mut buffer) {
            let back = backs.entry(from).or_insert_with(|| {
                let back = UdpSocket::bind("127.0.0.1:0").unwrap();
                back.connect(to).unwrap();
                back.set_nonblocking(true).unwrap();
                back
            });
            // A daemon that is down refuses it.
            let _ = back.send(&buffer[..length]);
        }
        for (from, back) in &backs {
            while let Ok(length) = back.recv(&mut buffer) {
                let waiting: usize = queue.iter().map(|(_, packet)| packet.len()).sum();
                if waiting + length <= QUEUE {
                    queue.push_back((*from, buffer[..length].to_vec()));
                }
            }
        }
        while free_at <= Instant::now()
            && let Some((from, packet)) = queue.pop_front()
        {
            free_at = free_at.max(Instant::now() - TICK);
            free_at += Duration::from_secs_f64(packet.len() as f64 / RATE);
            let _ = front.send_to(&packet, from);
        }
    }
}

#[test]
fn a_replica_on_a_slow_link_gets_on() {
    let directory = Farm::place();
    let origin = Node::at(directory.path().join("origin"), "origin");
    for number in 0..4 {
        write(&origin.path(format!("small-{number}")), content(number, 20_000));
    }
    let (address, _claim) = free_address();
    let link = Link::new(&address, origin.address().to_owned());
    let mut farm = Farm::of(directory, origin, &["--advertise", &address]);
    let mut replica = farm.stranger("web1");
    // The origin finds no way to it but the one it makes.
    replica.join(farm.token(), &["--advertise", "127.0.0.1:9"]).done();
    replica.start();
    farm.nodes.push(replica);
    farm.wait_all();
    assert_eq!(farm.replica().refused("late-answer"), 0);
    farm.converges();
    drop(link);
}
