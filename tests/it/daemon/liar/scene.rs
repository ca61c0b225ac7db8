//! An origin, a replica, and a member whose key a liar has.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use mirrormesh_gossip::{ClusterId, Document, SecretKey, SignedHead};
use serde_json::Value;

use super::super::sample::site;
use super::peer::{AskHead, Hello, Peer, Push, frame, kind};
use crate::farm::{Farm, Node};
use crate::farm_walk::{Thing, walk};

static INSTANCES: AtomicU64 = AtomicU64::new(1);

/// Everybody.
pub(super) struct Scene {
    pub(super) farm: Farm,
    pub(super) liar: SecretKey,
    pub(super) cluster: ClusterId,
    before: BTreeMap<Vec<u8>, Thing>,
}

impl Scene {
    /// All is quiet.
    pub(super) fn new() -> Scene {
        let mut farm = Farm::founded(&[], |docroot| site(docroot, 3, 12));
        farm.add();
        let liar = farm.stranger("liar");
        liar.join(farm.token(), &[]).done();
        let liar = mirrormesh::daemon::key::read(&liar.state()).unwrap();
        let cluster = farm.token().parse::<mirrormesh_gossip::Token>().unwrap().cluster;
        let before = walk(&farm.origin().docroot());
        let scene = Scene { farm, liar, cluster, before };
        scene.settle();
        scene.farm.replica().until("it knows the liar", |status| {
            status["cluster"]["members"].as_array().is_some_and(|members| members.len() == 3)
        });
        scene
    }

    /// Waits until the replica has what the origin has.
    #[track_caller]
    pub(super) fn settle(&self) {
        let wait = ["wait", "--members", "web1", "--timeout", "60s"];
        self.farm.origin().cli(&wait).done();
        self.farm.assert_equal();
    }

    /// The origin's docroot is what the replica has to have from now on.
    pub(super) fn changed(&mut self) {
        self.before = walk(&self.farm.origin().docroot());
    }

    /// Nothing has changed on disk, and all daemons live.
    #[track_caller]
    pub(super) fn untouched(&mut self) {
        for node in &mut self.farm.nodes {
            let found = crate::farm_walk::differences(&self.before, &walk(&node.docroot()));
            assert!(found.is_empty(), "{}:\n{}", node.name, found.join("\n"));
            assert!(node.lives(), "{} has died", node.name);
            assert_eq!(node.status()["node"]["set_aside"], 0);
            let resident = resident(node);
            assert!(resident < 200 << 20, "{} has grown to {resident} bytes", node.name);
        }
    }

    /// A greeting of this cluster.
    pub(super) fn hello(&self) -> Hello {
        Hello {
            oldest: 1,
            newest: 1,
            features: Vec::new(),
            cluster: (*self.cluster.as_bytes()).into(),
            instance: INSTANCES.fetch_add(1, Ordering::Relaxed),
            epoch: 0,
            seq: 0,
            stranger: false,
        }
    }

    /// The liar's connection to a node, greeted.
    pub(super) fn peer(&self, node: &Node) -> Peer {
        let mut peer = Peer::dial(&self.liar, node.address());
        assert!(peer.send(&frame(kind::HELLO, &self.hello())));
        peer
    }

    /// The same, and the node has taken notice.
    pub(super) fn heard(&self, node: &Node) -> Peer {
        let mut peer = self.peer(node);
        peer.push(|_| true);
        peer
    }

    /// The newest push of a node, with its document.
    pub(super) fn newest(&self, node: &Node) -> (Push, SignedHead, Document) {
        let mut peer = self.peer(node);
        assert!(peer.send(&frame(kind::ASK_HEAD, &AskHead { proof_from: 0 })));
        let push = peer.push(|push| push.document.is_some());
        let head = SignedHead::decode(&push.head).unwrap();
        let document = Document::decode(push.document.as_ref().unwrap()).unwrap();
        (push, head, document)
    }

    /// The origin's own key.
    pub(super) fn origin_key(&self) -> SecretKey {
        mirrormesh::daemon::key::read(&self.farm.origin().state()).unwrap()
    }
}

/// All that was refused, by kind.
pub(super) fn refused(node: &Node) -> BTreeMap<String, u64> {
    let status = node.status();
    let counts = status["node"]["refused"].as_array().unwrap();
    let named = |count: &Value| {
        (count["name"].as_str().unwrap().to_owned(), count["count"].as_u64().unwrap())
    };
    counts.iter().map(named).collect()
}

/// Memory of a daemon in bytes.
pub(super) fn resident(node: &Node) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", node.process())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kilobytes = line.trim().trim_end_matches(" kB").parse::<u64>().unwrap();
    kilobytes << 10
}
