//! Real daemons on loopback, seen from outside: their docroots, their command line, their wire.

mod accidents;
mod adoption;
mod brake;
mod changes;
mod edits;
mod excludes;
mod first_copy;
mod full_disk;
mod kills;
mod liar;
mod membership;
mod outage;
mod refusals;
mod sample;
mod settings;
mod writers;
