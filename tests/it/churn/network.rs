//! A network of its own for each node: namespaces on one bridge, with links that can be cut.
//!
//! Invariant: everything made here goes with the value.

use std::process::{Command, Stdio};

use rustix::process::getuid;

/// How a link fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// The cable is out, and both ends know.
    Down,
    /// Nothing passes, and nobody is told.
    Silent,
    /// Little passes, the rest is lost.
    Narrow,
}

/// Namespaces, one a node, and one with the bridge.
#[derive(Debug)]
pub(super) struct Network {
    prefix: String,
    nodes: usize,
}

impl Network {
    /// None without root or ip(8).
    pub(super) fn new(nodes: usize) -> Option<Network> {
        let has_ip = Command::new("ip").arg("-V").stdout(Stdio::null()).status().is_ok();
        if !getuid().is_root() || !has_ip {
            return None;
        }
        let network = Network { prefix: format!("mm{}", std::process::id()), nodes };
        let bridge = network.bridge();
        tool("ip", &format!("netns add {bridge}"));
        tool("ip", &format!("-n {bridge} link add br0 type bridge"));
        tool("ip", &format!("-n {bridge} link set br0 up"));
        for node in 0..nodes {
            let namespace = network.namespace(node);
            tool("ip", &format!("netns add {namespace}"));
            tool("ip", &format!("-n {namespace} link set lo up"));
            tool(
                "ip",
                &format!("-n {bridge} link add p{node} type veth peer name eth0 netns {namespace}"),
            );
            tool("ip", &format!("-n {namespace} address add 10.79.0.{}/24 dev eth0", node + 1));
            tool("ip", &format!("-n {namespace} link set eth0 up"));
            tool("ip", &format!("-n {bridge} link set p{node} master br0 up"));
        }
        Some(network)
    }

    fn bridge(&self) -> String {
        format!("{}-bridge", self.prefix)
    }

    /// The namespace of a node.
    pub(super) fn namespace(&self, node: usize) -> String {
        format!("{}-{node}", self.prefix)
    }

    /// Where a node listens.
    pub(super) fn address(&self, node: usize) -> String {
        format!("10.79.0.{}:7440", node + 1)
    }

    /// Breaks a node's link.
    pub(super) fn cut(&self, node: usize, fault: Fault) {
        let bridge = self.bridge();
        match fault {
            Fault::Down => tool("ip", &format!("-n {bridge} link set p{node} down")),
            Fault::Silent => tool("ip", &format!("-n {bridge} link set p{node} nomaster")),
            Fault::Narrow => {
                let narrow = "root tbf rate 400kbit burst 8kb limit 16kb";
                tool("tc", &format!("-n {bridge} qdisc replace dev p{node} {narrow}"));
            }
        }
    }

    /// Mends it.
    pub(super) fn mend(&self, node: usize, fault: Fault) {
        let bridge = self.bridge();
        match fault {
            Fault::Down => tool("ip", &format!("-n {bridge} link set p{node} up")),
            Fault::Silent => tool("ip", &format!("-n {bridge} link set p{node} master br0")),
            Fault::Narrow => tool("tc", &format!("-n {bridge} qdisc del dev p{node} root")),
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let all = (0..self.nodes).map(|node| self.namespace(node)).chain([self.bridge()]);
        for namespace in all {
            // What is left of one is seen with `ip netns`.
            let _ = Command::new("ip").args(["netns", "del", &namespace]).status();
        }
    }
}

#[track_caller]
fn tool(name: &str, arguments: &str) {
    let output = Command::new(name).args(arguments.split(' ')).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {arguments}: {said}");
}
