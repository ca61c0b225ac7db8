//! Operators: tokens, waits, confirmations, removals.

use mirrormesh::core::view::PathView;
use mirrormesh::core::{Answer, Command, CommandId, Event, WaitScope};

use super::{Happening, World};
use crate::host::Wait;
use crate::network::{HostId, Life};
use crate::schedule::SECOND;
use crate::shape::show;

/// What a question was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Token,
    Wait,
    Other,
}

impl World {
    /// Asks a node something. `None` if nothing runs there.
    pub(crate) fn ask(
        &mut self,
        host: HostId,
        command: Command,
        asked: Asked,
    ) -> Option<CommandId> {
        self.hosts[host].node()?;
        self.questions += 1;
        let id = CommandId(self.questions);
        self.asked.insert(id.0, asked);
        let life = self.hosts[host].life;
        if asked == Asked::Wait {
            let versions = self.ledger.borrow().versions();
            let is_member = |host: &HostId| self.hosts[*host].is_member;
            let members = (0..self.hosts.len()).filter(is_member).collect();
            let open = self.hosts[host].held.iter().map(|held| held.path.clone()).collect();
            self.hosts[host].waits.insert(id, Wait { versions, open, members });
        }
        self.tell(life, Event::Command { id, command });
        Some(id)
    }

    pub(crate) fn ask_for_token(&mut self) {
        if self.asked.values().any(|asked| *asked == Asked::Token) && !self.calm.has_begun {
            return;
        }
        let command = Command::Token { role: "replica".into(), lifetime_seconds: 1 << 20, uses: 0 };
        self.ask(0, command, Asked::Token);
    }

    /// An operator comes by.
    pub(crate) fn operator(&mut self, number: u64) {
        let mut draw = self.draws.of("operator", number);
        if self.calm.has_begun {
            return;
        }
        let command = match draw.below(6) {
            0 => Command::Status,
            1 => Command::Verify { repair: false },
            _ => Command::Wait {
                scope: WaitScope::All,
                timeout_milliseconds: draw.spread(100, 20_000),
            },
        };
        let asked = match command {
            Command::Wait { .. } => Asked::Wait,
            _ => Asked::Other,
        };
        self.collect_hints(0);
        self.ask(0, command, asked);
        let next = self.now() + draw.between(SECOND / 2, 5 * SECOND);
        self.schedule.put(next, Happening::Operator(number + 1));
    }

    pub(crate) fn operator_hears(&mut self, life: Life, id: CommandId, answer: Answer, last: bool) {
        let asked = match last {
            true => self.asked.remove(&id.0),
            false => self.asked.get(&id.0).copied(),
        };
        let wait = if last { self.hosts[life.host].waits.remove(&id) } else { None };
        match (asked, answer) {
            (Some(Asked::Token), Answer::Token(text)) => match text.parse() {
                Ok(token) => {
                    self.tokens.truncate(1);
                    self.tokens.push(token);
                }
                Err(error) => self.violated("makes tokens", format!("{text}: {error}")),
            },
            (Some(Asked::Wait), Answer::Waited { errors, more, .. }) => {
                self.statistics.waited += 1;
                let excused: Vec<Vec<u8>> =
                    errors.into_iter().map(|line| line.path.into_vec()).collect();
                let erring: Vec<String> = more.into_iter().map(|more| more.member).collect();
                if let Some(wait) = wait {
                    self.check_waited(life.host, &wait, &excused, &erring);
                }
            }
            (Some(Asked::Wait), Answer::TimedOut { behind }) => {
                self.statistics.timed_out += 1;
                if behind.is_empty() {
                    self.violated("wait", "timed out without a name".into());
                }
            }
            (_, Answer::Refused { message, .. }) => {
                self.trace.remark(|| format!("refused: {message}"));
            }
            _ => {}
        }
    }

    /// Everything that was there at the call must be on every member, or something newer. A member
    /// that has more errors than it lists to others may lack anything.
    fn check_waited(
        &mut self,
        asked: HostId,
        wait: &Wait,
        excused: &[Vec<u8>],
        more_erring: &[String],
    ) {
        let roster: Vec<String> = self
            .view(asked)
            .map(|view| view.cluster.members.into_iter().map(|member| member.name).collect())
            .unwrap_or_default();
        let erring: Vec<Vec<Vec<u8>>> = (0..self.hosts.len())
            .map(|host| {
                let errors = self.view(host).map(|view| view.node.errors).unwrap_or_default();
                errors.iter().map(raw_path).collect()
            })
            .collect();
        // A file that somebody has open may have got another name meanwhile.
        let open: Vec<Vec<u8>> = match (self.hosts[asked].held.is_empty(), self.view(asked)) {
            (false, Some(view)) => view.node.open_for_writing,
            _ => Vec::new(),
        }
        .iter()
        .map(raw_path)
        .collect();
        let ledger = self.ledger.borrow();
        let mut fault = None;
        for (host, own) in self.hosts.iter().enumerate() {
            let is_meant = host != 0 && roster.contains(&own.name) && own.joined_before(wait);
            // What changes under another name, no watcher sees.
            let is_unknown = more_erring.contains(&own.name);
            if !is_meant || is_unknown || asked != 0 || self.plan.is_on("links") {
                continue;
            }
            for (path, version) in &wait.versions {
                let versions = &ledger.history[path];
                let shown = ledger.hosts[host].names.get(path);
                let is_open = wait.open.contains(path) || open.contains(path);
                // What is below a name in error waits for it.
                let in_error = |listed: &[Vec<u8>]| {
                    listed.iter().any(|above| path == above || is_below(path, above))
                };
                let skipped = is_open
                    || in_error(excused)
                    // A member lists a few of its errors to others, all in its own view.
                    || in_error(&erring[host])
                    || ledger.is_touched(host, path)
                    || ledger.stays(host, path);
                let is_there = versions[*version..].iter().any(|version| {
                    version.as_ref() == shown
                        || shown.is_none() && matches!(version, Some(crate::shape::Shape::Other))
                });
                if !skipped && !is_there && fault.is_none() {
                    fault = Some(format!(
                        "host {host} shows {shown:?} at {}, which was {:?} at the call",
                        show(path),
                        versions[*version]
                    ));
                }
            }
        }
        drop(ledger);
        if let Some(fault) = fault {
            self.violated("wait", fault);
        }
    }
}

fn is_below(path: &[u8], above: &[u8]) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.first() == Some(&b'/'))
}

/// The bytes of a path in a view.
pub(super) fn raw_path(view: &PathView) -> Vec<u8> {
    let digits = view.path_hex.as_deref().unwrap_or_default();
    let bytes = (0..digits.len() / 2)
        .filter_map(|index| u8::from_str_radix(digits.get(2 * index..2 * index + 2)?, 16).ok());
    view.path.as_ref().map_or_else(|| bytes.collect(), |path| path.as_bytes().to_vec())
}
