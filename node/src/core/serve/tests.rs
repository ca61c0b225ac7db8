//! Tests of who is answered, and when.

use mirrormesh_gossip::SecretKey;
use mirrormesh_merkle::Hash;

use super::*;

#[derive(Default)]
struct Rig {
    serve: Serve,
    jobs: Jobs,
    streams: u64,
}

/// The streams whose requests were begun, and those that were reset.
type Happened = (Vec<StreamId>, Vec<StreamId>);

impl Rig {
    fn asker(peer: u8, connection: u64) -> Asker {
        let peer = SecretKey::from_seed([peer; 32]).public();
        Asker { connection: ConnectionId(connection), peer }
    }

    fn happened(&mut self, out: Vec<Effect>) -> Happened {
        let (mut begun, mut reset) = (Vec::new(), Vec::new());
        for effect in out {
            match effect {
                Effect::Job { id, .. } => {
                    if let Some(Purpose::Serve { stream }) = self.jobs.finish(id) {
                        begun.push(stream);
                    }
                }
                Effect::Reset { stream } => reset.push(stream),
                _ => {}
            }
        }
        (begun, reset)
    }

    fn open(&mut self, asker: Asker, request: Request) -> (StreamId, Happened) {
        self.streams += 1;
        let (stream, mut out) = (StreamId(self.streams), Vec::new());
        self.serve.opened(stream, asker, request, &mut self.jobs, &mut out);
        (stream, self.happened(out))
    }

    fn since(&mut self, peer: u8) -> (StreamId, Happened) {
        let request = Request::Since { from: Hash::ZERO, to: Hash::ZERO };
        self.open(Rig::asker(peer, u64::from(peer)), request)
    }

    fn nodes(&mut self, peer: u8, connection: u64) -> (StreamId, Happened) {
        let request = Request::Nodes { wanted: Vec::new(), levels: 0, budget: 1 };
        self.open(Rig::asker(peer, connection), request)
    }

    /// The job of a stream is done, with an answer of more than a chunk.
    fn read(&mut self, stream: StreamId) {
        let deltas = vec![Bytes::from(vec![0; 2 * MAX_CHUNK_BYTES])];
        let done = Done::ServeSince(Since::Deltas(deltas));
        self.serve.read(stream, Some(done), &mut self.jobs, &mut Vec::new());
    }

    fn reset(&mut self, stream: StreamId) -> Happened {
        let mut out = Vec::new();
        self.serve.reset(stream, &mut self.jobs, &mut out);
        self.happened(out)
    }
}

#[test]
fn answers_from_the_journal_are_few_at_a_time() {
    let mut rig = Rig::default();
    let served: Vec<StreamId> = (0..MAX_SINCE as u8).map(|peer| rig.since(peer).0).collect();
    served.iter().for_each(|stream| rig.read(*stream));
    let (waiting, happened) = rig.since(100);
    assert_eq!(happened, (vec![], vec![]), "one more waits");
    let (other, happened) = rig.nodes(100, 100);
    assert_eq!(happened, (vec![other], vec![]), "and keeps nothing else waiting");
    assert_eq!(rig.reset(served[0]), (vec![waiting], vec![]));
}

#[test]
fn a_peer_has_one_answer_from_the_journal_at_a_time() {
    let mut rig = Rig::default();
    let (first, happened) = rig.since(1);
    assert_eq!(happened.0, [first]);
    let (second, happened) = rig.since(1);
    assert_eq!(happened, (vec![], vec![]));
    let (other, happened) = rig.since(2);
    assert_eq!(happened.0, [other]);
    assert_eq!(rig.reset(first), (vec![second], vec![]));
}

#[test]
fn who_does_not_take_its_answer_makes_room() {
    let mut rig = Rig::default();
    let served: Vec<StreamId> = (0..MAX_SINCE as u8).map(|peer| rig.since(peer).0).collect();
    served.iter().for_each(|stream| rig.read(*stream));
    rig.serve.now = Instant::ZERO + STALLED / 2;
    rig.serve.writable(served[1], &mut rig.jobs, &mut Vec::new());
    rig.serve.now = Instant::ZERO + STALLED;
    let (waiting, happened) = rig.since(100);
    assert_eq!(happened, (vec![waiting], vec![served[0], served[2], served[3]]));
}

#[test]
fn all_answers_together_are_bounded_and_connections_take_turns() {
    let mut rig = Rig::default();
    let served: Vec<StreamId> =
        (0..MAX_SERVED_IN_ALL as u64).map(|number| rig.nodes(1, number / 8).0).collect();
    let (first, happened) = rig.nodes(2, 1_001);
    assert_eq!(happened, (vec![], vec![]));
    let (second, _) = rig.nodes(2, 1_001);
    let (other, _) = rig.nodes(3, 1_002);
    assert_eq!(rig.reset(served[0]).0, [first]);
    assert_eq!(rig.reset(served[1]).0, [other], "the connections in turn");
    assert_eq!(rig.reset(served[2]).0, [second]);
    let mut out = Vec::new();
    let (late, _) = rig.nodes(3, 1_002);
    rig.serve.disconnected(ConnectionId(1_001), &mut rig.jobs, &mut out);
    assert_eq!(rig.happened(out).0, [late], "a connection that goes leaves its places");
}

#[test]
fn too_many_that_wait_are_reset() {
    let mut rig = Rig::default();
    for _ in 0..MAX_SERVED + MAX_WAITING {
        assert_eq!(rig.nodes(1, 1).1.1, []);
    }
    let (stream, happened) = rig.nodes(1, 1);
    assert_eq!(happened, (vec![], vec![stream]));
}
