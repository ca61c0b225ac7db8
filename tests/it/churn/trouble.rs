//! What befalls the farm: daemons killed and restarted, stopped cleanly, links cut and mended.

use std::collections::BTreeMap;
use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use super::network::{Fault, Network};
use super::random::Random;
use crate::farm::Farm;

/// Longest pauses: between two troubles, of a daemon, of a link.
const CALM: usize = 3_000;
const DEAD: usize = 6_000;
const CUT: usize = 10_000;

/// Which node is in trouble, and until when.
pub(super) struct Trouble<'a> {
    network: Option<&'a Network>,
    random: Random,
    dead: BTreeMap<usize, Instant>,
    cut: BTreeMap<usize, (Fault, Instant)>,
    origin_kills: u64,
    replica_kills: u64,
    stops: u64,
    cuts: BTreeMap<Fault, u64>,
}

impl<'a> Trouble<'a> {
    pub(super) fn new(network: Option<&'a Network>, random: Random) -> Trouble<'a> {
        Trouble {
            network,
            random,
            dead: BTreeMap::new(),
            cut: BTreeMap::new(),
            origin_kills: 0,
            replica_kills: 0,
            stops: 0,
            cuts: BTreeMap::new(),
        }
    }

    fn soon(&mut self, longest: usize) -> Instant {
        Instant::now() + Duration::from_millis(self.random.below(longest) as u64)
    }

    /// Makes trouble until `end`, then ends all of it. Every daemon runs before and after.
    pub(super) fn run(&mut self, farm: &mut Farm, end: Instant) {
        let mut next = self.soon(CALM);
        while Instant::now() < end {
            self.relieve(farm, false);
            if Instant::now() >= next {
                self.strike(farm);
                next = self.soon(CALM);
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.relieve(farm, true);
    }

    fn relieve(&mut self, farm: &mut Farm, all: bool) {
        let now = Instant::now();
        for (node, until) in std::mem::take(&mut self.dead) {
            if all || until <= now {
                farm.nodes[node].spawn();
            } else {
                self.dead.insert(node, until);
            }
        }
        for (node, (fault, until)) in std::mem::take(&mut self.cut) {
            if all || until <= now {
                self.network.expect("a link was cut").mend(node, fault);
            } else {
                self.cut.insert(node, (fault, until));
            }
        }
    }

    fn strike(&mut self, farm: &mut Farm) {
        let replica = 1 + self.random.below(farm.nodes.len() - 1);
        match self.random.below(100) {
            0..45 => {
                if !self.dead.contains_key(&replica) {
                    farm.nodes[replica].kill9();
                    let until = self.soon(DEAD);
                    self.dead.insert(replica, until);
                    self.replica_kills += 1;
                }
            }
            45..60 => {
                if !self.dead.contains_key(&0) {
                    farm.nodes[0].kill9();
                    let until = self.soon(DEAD);
                    self.dead.insert(0, until);
                    self.origin_kills += 1;
                }
            }
            60..65 => {
                let node = self.random.below(farm.nodes.len());
                // One that has just been started may not know yet how to end well.
                if !self.dead.contains_key(&node) && farm.nodes[node].cli(&["status"]).code == 0 {
                    farm.nodes[node].stop();
                    let until = self.soon(DEAD);
                    self.dead.insert(node, until);
                    self.stops += 1;
                }
            }
            _ => {
                let Some(network) = self.network else { return };
                let node = self.random.below(farm.nodes.len());
                let fault = [Fault::Down, Fault::Silent, Fault::Narrow][self.random.below(3)];
                if !self.cut.contains_key(&node) {
                    network.cut(node, fault);
                    let until = self.soon(CUT);
                    self.cut.insert(node, (fault, until));
                    *self.cuts.entry(fault).or_default() += 1;
                }
            }
        }
    }
}

impl fmt::Display for Trouble<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (origin, replica, stops) = (self.origin_kills, self.replica_kills, self.stops);
        write!(to, "kills: {replica} of replicas, {origin} of the origin; {stops} clean stops; ")?;
        write!(to, "links: {:?}", self.cuts)
    }
}
