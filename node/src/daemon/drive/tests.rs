use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use mirrormesh_gossip::{NodeId, SecretKey};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::core::view::WatchView;
use crate::core::{
    Answer, BarrierId, Command, ConnectionId, HintKind, StreamEvent, StreamId, View,
};
use crate::daemon::hands::Watcher;
use crate::daemon::input::{ANSWER_PLACES, Inbox};
use crate::daemon::jobs::Jobs;
use crate::daemon::notes::Notes;
use crate::daemon::system;
use crate::daemon::transport::{Endpoint, Tuning};
use crate::store::Done;

const PATIENCE: Duration = Duration::from_secs(20);

/// A machine that tells the test what happens, and does what the test says at its next event.
struct Fake {
    events: UnboundedSender<Event>,
    orders: Arc<Mutex<Orders>>,
}

#[derive(Default)]
struct Orders {
    effects: Vec<Effect>,
    deadline: Option<Instant>,
}

impl Machine for Fake {
    fn handle(&mut self, moment: Moment, event: Event, effects: &mut Vec<Effect>) {
        assert!(effects.is_empty());
        let mut orders = self.orders.lock().unwrap();
        if matches!(event, Event::Tick) {
            let due = orders.deadline.take().expect("a tick is asked for");
            assert!(due <= moment.now, "a tick does not come early");
        }
        effects.append(&mut orders.effects);
        let _ = self.events.send(event);
    }

    fn deadline(&self) -> Option<Instant> {
        self.orders.lock().unwrap().deadline
    }

    fn view(&self, _moment: Moment) -> View {
        View::default()
    }
}

/// Hints that are there, and wake nobody.
#[derive(Default)]
struct Silent(Arc<Mutex<Vec<Hint>>>);

impl HintSource for Silent {
    async fn next(&mut self) -> Vec<Hint> {
        std::future::pending().await
    }

    fn try_next(&mut self) -> Vec<Hint> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

struct Blind;

impl Watcher for Blind {
    fn barrier(&mut self, barrier: BarrierId, inbox: &Inbox) {
        let inbox = inbox.clone();
        tokio::spawn(async move {
            inbox.send(Input::Event(Event::Barrier { barrier, covered: true })).await;
        });
    }

    fn view(&self) -> WatchView {
        WatchView { backend: "scan".to_owned(), ..WatchView::default() }
    }
}

struct Rig {
    id: NodeId,
    address: String,
    inbox: Inbox,
    events: UnboundedReceiver<Event>,
    orders: Arc<Mutex<Orders>>,
    hints: Arc<Mutex<Vec<Hint>>>,
    driver: JoinHandle<(StopReason, Hands)>,
}

impl Rig {
    fn new(seed: u8) -> Rig {
        let secret = SecretKey::from_seed([seed; 32]);
        let (inbox, inputs) = Inbox::new();
        let address = (Ipv4Addr::LOCALHOST, 0).into();
        let endpoint = Endpoint::open(&secret, address, Tuning::default(), inbox.clone()).unwrap();
        let address = endpoint.local_address().unwrap().to_string();
        let jobs = Jobs::start(Arc::new(|_| Ok(Done::Persist)), Box::new(|| ()), &inbox).unwrap();
        let hands =
            Hands::new(inbox.clone(), endpoint, jobs, Box::new(Blind), Arc::new(Notes::new()));
        let (sender, events) = unbounded_channel();
        let orders = Arc::new(Mutex::new(Orders::default()));
        let fake = Fake { events: sender, orders: orders.clone() };
        let hints = Arc::default();
        let silent = Silent(Arc::clone(&hints));
        let driver = Driver::new(fake, silent, inputs, hands, system::moment, Vec::new());
        let driver = tokio::spawn(driver.run());
        Rig { id: secret.public(), address, inbox, events, orders, hints, driver }
    }

    /// Has the machine say this, at an event made for it.
    async fn order(&mut self, effects: Vec<Effect>) {
        self.orders.lock().unwrap().effects.extend(effects);
        let occasion = Event::Hints(Vec::new());
        assert!(self.inbox.send(Input::Event(occasion)).await);
        assert!(matches!(self.next().await, Event::Hints(_)));
    }

    async fn next(&mut self) -> Event {
        timeout(PATIENCE, self.events.recv()).await.expect("something happens").unwrap()
    }

    async fn connected(&mut self) -> ConnectionId {
        match self.next().await {
            Event::Connected { connection, .. } => connection,
            other => panic!("{other:?}"),
        }
    }

    /// What has happened is all there is.
    async fn quiet(&mut self) {
        assert!(self.inbox.pulse().await);
        assert!(self.events.try_recv().is_err());
    }
}

async fn pair() -> (Rig, ConnectionId, Rig, ConnectionId) {
    let (mut left, mut right) = (Rig::new(1), Rig::new(2));
    let dial = Effect::Dial { peer: right.id, addresses: vec![right.address.clone()] };
    left.order(vec![dial]).await;
    let to_right = left.connected().await;
    let to_left = right.connected().await;
    (left, to_right, right, to_left)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ticks_come_when_they_are_due() {
    let mut rig = Rig::new(1);
    for delay in [0, 1, 20] {
        let due = system::moment().now + Duration::from_millis(delay);
        rig.orders.lock().unwrap().deadline = Some(due);
        rig.order(Vec::new()).await;
        assert!(matches!(rig.next().await, Event::Tick));
    }
    rig.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_connection_is_reported_once_on_both_sides() {
    let (mut left, to_right, mut right, to_left) = pair().await;
    let last = Effect::Frame { connection: to_right, bytes: Bytes::from_static(b"last") };
    let close = Effect::Close { connection: to_right, reason: "enough" };
    let vain = Effect::Frame { connection: to_right, bytes: Bytes::from_static(b"vain") };
    left.order(vec![last, close, vain]).await;
    match right.next().await {
        Event::Frame { connection, bytes } => {
            assert_eq!((connection, &*bytes), (to_left, &b"last"[..]))
        }
        other => panic!("{other:?}"),
    }
    for (rig, expected) in [(&mut left, to_right), (&mut right, to_left)] {
        match rig.next().await {
            Event::Disconnected { connection, reason } => {
                assert_eq!(connection, expected);
                assert!(reason.contains("enough"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
        rig.quiet().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_carry_answers_and_are_forgotten_with_their_end() {
    let (mut left, to_right, mut right, _) = pair().await;
    let open = Effect::Open {
        stream: StreamId(2),
        connection: to_right,
        request: Bytes::from_static(b"?"),
    };
    left.order(vec![open, Effect::Grant { stream: StreamId(2), bytes: 100 }]).await;
    let Event::Opened { stream, request, .. } = right.next().await else { panic!() };
    assert_eq!(request, "?");
    right.order(vec![Effect::Write { stream, bytes: Bytes::from_static(b"!") }]).await;
    assert!(matches!(right.next().await,
        Event::Stream { stream: found, event: StreamEvent::Writable } if found == stream));
    right.order(vec![Effect::Finish { stream }, Effect::Reset { stream }]).await;
    assert!(matches!(left.next().await,
        Event::Stream { event: StreamEvent::Chunk(bytes), .. } if bytes == "!"));
    assert!(matches!(left.next().await, Event::Stream { event: StreamEvent::End, .. }));
    left.order(vec![Effect::Grant { stream: StreamId(2), bytes: 1 }]).await;
    left.quiet().await;
    right.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dial_that_fails_is_reported() {
    let mut rig = Rig::new(1);
    let peer = SecretKey::from_seed([9; 32]).public();
    rig.order(vec![Effect::Dial { peer, addresses: Vec::new() }]).await;
    assert!(matches!(rig.next().await, Event::DialFailed { peer: found, .. } if found == peer));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_reach_the_client_with_what_the_driver_knows() {
    let mut rig = Rig::new(1);
    let (id, mut replies) = rig.inbox.command(Command::Status).await.unwrap();
    assert!(matches!(rig.next().await, Event::Command { id: found, .. } if found == id));
    let answer = Answer::Status(Box::default());
    rig.order(vec![Effect::Answer { id, answer, last: true }]).await;
    let reply = timeout(PATIENCE, replies.recv()).await.unwrap().unwrap();
    assert!(matches!(reply.answer, Answer::Status(view) if view.node.watch.backend == "scan"));
    assert_eq!(rig.inbox.view().await.unwrap().node.watch.backend, "scan");
    rig.inbox.send(Input::Event(Event::Cancelled(id))).await;
    rig.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_is_let_go() {
    let mut rig = Rig::new(1);
    let (id, replies) = rig.inbox.command(Command::KeptList).await.unwrap();
    rig.next().await;
    let many = |answer: Answer| {
        (0..ANSWER_PLACES).map(move |_| Effect::Answer { id, answer: answer.clone(), last: false })
    };
    rig.order(many(Answer::Text("a".to_owned())).collect()).await;
    rig.quiet().await;
    assert_eq!(replies.len(), ANSWER_PLACES);
    let progress = Answer::Progress {
        what: String::new(),
        files: 0,
        bytes: 0,
        files_total: 0,
        bytes_total: 0,
    };
    rig.order(many(progress).take(1).collect()).await;
    rig.quiet().await;
    rig.order(many(Answer::Text("b".to_owned())).take(2).collect()).await;
    assert!(matches!(rig.next().await, Event::Cancelled(found) if found == id));
    assert_eq!(replies.sender_strong_count(), 0, "the queue ends for the client");
    rig.inbox.send(Input::Event(Event::Cancelled(id))).await;
    rig.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hints_come_before_the_barrier_and_the_end_from_the_machine_or_from_what_broke() {
    let mut rig = Rig::new(1);
    let hint = Hint { path: mirrormesh_merkle::Path::default(), kind: HintKind::Complete };
    rig.hints.lock().unwrap().push(hint.clone());
    rig.order(vec![Effect::Barrier(BarrierId(3))]).await;
    assert!(matches!(rig.next().await, Event::Hints(hints) if hints == [hint]));
    assert!(matches!(rig.next().await, Event::Barrier { barrier: BarrierId(3), covered: true }));
    rig.order(vec![Effect::Stop(StopReason::Removed)]).await;
    let (reason, hands) = timeout(PATIENCE, rig.driver).await.unwrap().unwrap();
    assert_eq!(reason, StopReason::Removed);
    tokio::task::spawn_blocking(|| hands.into_jobs().end()).await.unwrap();
    assert!(!rig.inbox.pulse().await);

    let rig = Rig::new(2);
    rig.inbox.send(Input::Broken("a fault".to_owned())).await;
    let (reason, _) = timeout(PATIENCE, rig.driver).await.unwrap().unwrap();
    assert_eq!(reason, StopReason::Broken("a fault".to_owned()));
}
