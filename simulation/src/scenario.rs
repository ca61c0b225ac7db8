//! What a run is made of, as far as it is not left to the seed.

use std::collections::BTreeMap;
use std::time::Duration;

/// A run: whatever is `None` or missing here, the seed decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scenario {
    /// Number of machines, 1 to [`MAX_NODES`]; the first is the origin.
    pub nodes: Option<usize>,
    /// How long users and faults go on; after that everything must converge.
    pub duration: Option<Duration>,
    /// Kinds of faults and load (by [`SWITCHES`]) that are on or off for certain.
    pub switches: BTreeMap<String, bool>,
}

/// Most machines of a run.
pub const MAX_NODES: usize = 16;

/// Everything that a run has or has not, with what it does.
pub const SWITCHES: &[(&str, &str)] = &[
    ("crash", "machines lose power, or the program is killed, at any event"),
    ("job-crash", "the same between two primitives of a job"),
    ("power", "the origin may lose power too, where wall clocks are right"),
    ("vanish", "the origin's docroot goes for a while, or another comes in its place"),
    ("stop", "the program is stopped and started again"),
    ("cut", "links are cut, both ways"),
    ("one-way", "links are cut in one direction"),
    ("spike", "links get slow for a while"),
    ("loss", "packets are lost"),
    ("jitter", "packets overtake each other"),
    ("dial", "dialling fails for no reason"),
    ("hints-lost", "hints are lost for a while, and the watcher says so later"),
    ("hints-doubled", "hints come twice, in any order"),
    ("clock", "wall clocks differ, and are set"),
    ("disk-full", "disks are full for a while"),
    ("failed-sync", "a sync fails once"),
    ("slow-disk", "jobs take long"),
    ("abilities", "file systems lack abilities and have bad habits"),
    ("edits-in-jobs", "users edit between two primitives of a job"),
    ("local-edits", "users edit on replicas"),
    ("adoption", "replicas have files before they join"),
    ("held-open", "files stay open for writing"),
    ("bulk", "many small files come and go at once"),
    ("types", "names change their kind"),
    ("links", "files have several names"),
    ("large", "files too large for a parcel"),
    ("late", "members join late"),
    ("remove", "a member is removed"),
    ("waits", "operators wait for all"),
];

impl Scenario {
    /// A run without faults: only users on the origin.
    pub fn calm(nodes: usize) -> Scenario {
        let switches = SWITCHES.iter().map(|(name, _)| (name.to_string(), false)).collect();
        Scenario { nodes: Some(nodes), switches, ..Scenario::default() }
    }

    /// The same with one kind of fault or load on or off for certain.
    #[must_use]
    pub fn with(mut self, switch: &str, on: bool) -> Scenario {
        debug_assert!(SWITCHES.iter().any(|(name, _)| *name == switch), "no switch {switch}");
        self.switches.insert(switch.to_string(), on);
        self
    }
}
