//! A node that restarts without a word.

use tokio::time::Instant;

use super::*;

/// An end on a runtime of its own, which can be cut off in the middle.
fn mortal(seed: u8, address: SocketAddr) -> (tokio::runtime::Runtime, End) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let end = {
        let _inside = runtime.enter();
        End::on(seed, address)
    };
    (runtime, end)
}

/// Ends a runtime as a crash would: nothing is said on the network.
fn kill(runtime: tokio::runtime::Runtime, end: End) -> SocketAddr {
    let address = end.address();
    runtime.shutdown_background();
    drop(end);
    address
}

/// Opens the port again, which the old runtime may hold for a moment.
async fn again(seed: u8, address: SocketAddr) -> End {
    let secret = SecretKey::from_seed([seed; 32]);
    let start = Instant::now();
    loop {
        let (inbox, inputs) = Inbox::new();
        match Endpoint::open(&secret, address, Tuning::default(), inbox.clone()) {
            Ok(endpoint) => return End { id: secret.public(), endpoint, inbox, inputs },
            Err(error) => assert!(start.elapsed() < PATIENCE, "{error}"),
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dialler_notices_a_restart_at_its_next_packet() {
    let start = Instant::now();
    loop {
        let mut left = End::new(1);
        let (runtime, right) = mortal(2, (Ipv4Addr::LOCALHOST, 0).into());
        left.dial(&right);
        let to_right = left.connected().await;
        let address = kill(runtime, right);
        let _right = again(2, address).await;
        to_right.send_frame(Bytes::from_static(b"hello?"));
        let (_, reason) = left.disconnected().await;
        // A runtime that is torn down may still get its farewell out: that was no death.
        if reason.starts_with("closed by the peer") && start.elapsed() < PATIENCE {
            continue;
        }
        assert_eq!(reason, "the peer has restarted");
        return;
    }
}
