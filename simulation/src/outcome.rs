//! What came of a run.

use std::collections::BTreeMap;

use crate::network::NetworkCounts;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All invariants held, and everything converged and went quiet.
    Held,
    /// A checker found something.
    Violated {
        /// Which.
        checker: &'static str,
        /// What.
        text: String,
    },
    /// Not everything converged in time.
    NoConvergence {
        /// What is not in line, a line a node.
        pending: Vec<String>,
    },
}

impl Verdict {
    pub(crate) fn violated(checker: &'static str, text: String) -> Verdict {
        Verdict::Violated { checker, text }
    }

    /// The exit code of CLI.md.
    pub fn exit(&self) -> u8 {
        match self {
            Verdict::Held => 0,
            Verdict::Violated { .. } => 1,
            Verdict::NoConvergence { .. } => 2,
        }
    }
}

macro_rules! statistics {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// How much of each thing there was in a run, or in a campaign.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Statistics {
            $($(#[$doc])* pub $name: u64,)*
            /// Notes by name.
            pub notes: BTreeMap<&'static str, u64>,
            /// Faults that struck, by kind.
            pub faults: BTreeMap<&'static str, u64>,
            /// Jobs that failed, by the kind of error.
            pub failed_jobs: BTreeMap<&'static str, u64>,
            /// Runs in which a switch was on.
            pub switches: BTreeMap<&'static str, u64>,
        }

        impl Statistics {
            /// Every number by name.
            pub fn numbers(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name)),*]
            }

            /// Adds those of another run.
            pub fn add(&mut self, other: &Statistics) {
                $(self.$name += other.$name;)*
                let maps = [
                    (&mut self.notes, &other.notes),
                    (&mut self.faults, &other.faults),
                    (&mut self.failed_jobs, &other.failed_jobs),
                    (&mut self.switches, &other.switches),
                ];
                for (own, other) in maps {
                    for (name, count) in other {
                        *own.entry(name).or_default() += count;
                    }
                }
            }
        }
    };
}

statistics! {
    /// Virtual time.
    virtual_nanoseconds,
    /// Things that happened.
    events,
    /// Events that nodes handled.
    handled,
    /// Deadlines among them.
    ticks,
    /// Jobs run.
    jobs,
    /// Programs started.
    starts,
    /// Machines that became members.
    joins,
    /// Dials.
    dials,
    /// Turns of users.
    turns,
    /// Edits that did something.
    edits,
    /// Edits on replicas.
    local_edits,
    /// Files opened for long.
    opened,
    /// Heads with a new tree.
    heads,
    /// Files in published trees, summed over heads.
    published_files,
    /// Parcels applied.
    parcels,
    /// Files applied.
    applied_files,
    /// Times that a node came in sync.
    in_sync,
    /// Looks of the checkers.
    checks,
    /// Docroots compared with trees.
    compared,
    /// Visible changes checked.
    checked_changes,
    /// Edits on replicas that had to be kept.
    owed,
    /// Waits that ended well.
    waited,
    /// Waits that timed out.
    timed_out,
    /// Holds that an operator let go.
    confirmed,
    /// Crashes.
    crashes,
    /// Crashes between two primitives.
    crashes_in_jobs,
    /// Crashes that met something not durable.
    crashes_with_pending,
    /// Crashes that lost something.
    crashes_with_losses,
    /// Nodes that stopped because their store failed.
    broken,
    /// Hints given.
    hints,
    /// Hints lost.
    hints_lost,
    /// Hints doubled.
    hints_doubled,
    /// Frames sent.
    frames,
    /// Packets lost.
    lost_packets,
    /// Packets that waited in a cut.
    stalled_packets,
    /// Ends that gave up after silence.
    silences,
    /// Ends that a restarted peer reset.
    resets,
    /// Dials that came to nothing.
    failed_dials,
    /// Chunks of streams.
    chunks,
    /// Virtual time from the last fault to convergence.
    converged_after,
}

impl Statistics {
    pub(crate) fn add_network(&mut self, counts: &NetworkCounts) {
        self.frames += counts.frames;
        self.lost_packets += counts.lost_packets;
        self.stalled_packets += counts.stalled_packets;
        self.silences += counts.silences;
        self.resets += counts.resets;
        self.failed_dials += counts.failed_dials;
        self.chunks += counts.chunks;
    }
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Number of machines.
    pub nodes: usize,
    /// Hash of everything that happened, 64 hex digits.
    pub trace: String,
    /// How it ended.
    pub verdict: Verdict,
    /// How much there was.
    pub statistics: Statistics,
    /// A digest for each thing that happened.
    pub marks: Vec<u64>,
    /// What was to be told in words.
    pub told: Vec<String>,
}
