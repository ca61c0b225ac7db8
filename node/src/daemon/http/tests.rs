use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::*;
use crate::core::Note;
use crate::core::view::HeldView;
use crate::daemon::input::Input;
use crate::daemon::socket;

fn view() -> View {
    let mut view = View::default();
    view.node.role = "replica".to_owned();
    view.node.seq = Some(7);
    view.node.fresh = true;
    view.node.in_sync = true;
    view.node.lag_known = true;
    view.node.files = 12;
    view
}

async fn answer(mut inputs: mpsc::Receiver<Input>, view: View) {
    while let Some(input) = inputs.recv().await {
        match input {
            Input::View(answer) => drop(answer.send(view.clone())),
            Input::Pulse(answer) => drop(answer.send(())),
            other => panic!("{other:?}"),
        }
    }
}

struct Service {
    state: tempfile::TempDir,
    address: std::net::SocketAddr,
}

async fn service(view: View) -> Service {
    let state = tempfile::tempdir().unwrap();
    let (inbox, inputs) = Inbox::new();
    let notes = Arc::new(Notes::new());
    notes.take(&Note::Walk {});
    let unix = socket::listen(&state.path().join(SOCKET)).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(serve_socket(unix, inbox.clone(), notes.clone(), stop.clone()));
    tokio::spawn(serve_address(tcp, inbox, notes, stop));
    tokio::spawn(answer(inputs, view));
    Service { state, address }
}

impl Service {
    async fn request(&self, head: &str) -> String {
        let mut stream = socket::connect(&self.state.path().join(SOCKET)).await.unwrap();
        let request = format!("{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn status(&self, path: &str) -> u16 {
        let answer = self.request(&format!("GET {path}")).await;
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

#[tokio::test]
async fn health_of_a_replica_in_sync() {
    let service = service(view()).await;
    assert_eq!(service.status("/livez").await, 200);
    assert_eq!(service.status("/readyz").await, 200);
    assert_eq!(service.status("/readyz?max_lag=500ms").await, 200);
    assert_eq!(service.status("/readyz?max_lag=soon").await, 400);
    assert_eq!(service.status("/replica").await, 200);
    assert_eq!(service.status("/origin").await, 503);
    assert_eq!(service.status("/").await, 404);
    let head = service.request("HEAD /origin").await;
    assert!(head.starts_with("HTTP/1.1 503") && head.ends_with("\r\n\r\n"), "{head}");
}

#[tokio::test]
async fn metrics_are_named_by_convention() {
    let service = service(view()).await;
    let text = service.request("GET /metrics").await;
    for line in [
        "mirrormesh_in_sync 1.0",
        "mirrormesh_seq 7.0",
        "mirrormesh_files 12.0",
        "mirrormesh_notes_total{note=\"walk\"} 1",
        "mirrormesh_notes_total{note=\"in-sync\"} 0",
        "mirrormesh_members{state=\"alive\"} 0.0",
        "mirrormesh_role{role=\"replica\"} 1.0",
        "mirrormesh_build_info{version=",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} is missing in {text}");
    }
    assert!(!text.contains("heard_seconds"));
}

#[tokio::test]
async fn a_daemon_whose_core_has_ended_is_not_live() {
    let state = tempfile::tempdir().unwrap();
    let (inbox, inputs) = Inbox::new();
    drop(inputs);
    let unix = socket::listen(&state.path().join(SOCKET)).unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(serve_socket(unix, inbox, Arc::new(Notes::new()), stop));
    let service = Service { state, address: ([127, 0, 0, 1], 0).into() };
    for path in ["/livez", "/readyz", "/metrics", "/origin"] {
        assert_eq!(service.status(path).await, 503, "{path}");
    }
}

#[tokio::test]
async fn on_tcp_the_host_must_be_loopback() {
    let service = service(view()).await;
    for (host, status) in [
        ("localhost", "200"),
        ("127.0.0.1:7441", "200"),
        ("[::1]:7441", "200"),
        ("evil.example", "421"),
        ("127.0.0.1.evil.example:80", "421"),
    ] {
        let mut stream = tokio::net::TcpStream::connect(service.address).await.unwrap();
        let request = format!("GET /livez HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer.split(' ').nth(1), Some(status), "{host}");
    }
}

#[test]
fn ready_means_fresh_and_not_far_behind() {
    let verdict = |change: fn(&mut View), max_lag: f64| {
        let mut view = view();
        change(&mut view);
        health::judge(&view, max_lag).0.as_u16()
    };
    assert_eq!(verdict(|_| {}, 0.0), 200);
    let starts = |view: &mut View| {
        view.node.in_sync = false;
        view.node.activity = "scanning".into();
    };
    assert_eq!(verdict(starts, 5.0), 503, "it has not looked at its docroot");
    assert_eq!(verdict(|view| view.node.fresh = false, 5.0), 503);
    assert_eq!(verdict(|view| view.node.seq = None, 5.0), 503);
    assert_eq!(verdict(|view| view.node.held = Some(HeldView::default()), 5.0), 503);
    let behind = |view: &mut View| {
        view.node.in_sync = false;
        view.node.lag_seconds = 3.0;
    };
    assert_eq!(verdict(behind, 5.0), 200);
    assert_eq!(verdict(behind, 1.0), 503);
    let restarted = |view: &mut View| {
        view.node.in_sync = false;
        view.node.lag_known = false;
        view.node.lag_seconds = 0.1;
    };
    assert_eq!(verdict(restarted, 5.0), 503);
}

#[tokio::test]
async fn the_silent_make_room() {
    let service = service(view()).await;
    let mut silent = Vec::new();
    for number in 0..300 {
        let mut stream = tokio::net::TcpStream::connect(service.address).await.unwrap();
        // Some say nothing, some never come to an end, some never read.
        let said: &[u8] = match number % 3 {
            0 => b"",
            1 => b"GET /metrics HTTP/1.1\r\nHost: local",
            _ => b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
        };
        let _ = stream.write_all(said).await;
        silent.push(stream);
    }
    for _ in 0..3 {
        let mut stream = tokio::net::TcpStream::connect(service.address).await.unwrap();
        let request = "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let reading = stream.read_to_string(&mut answer);
        timeout(Duration::from_secs(20), reading).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}
