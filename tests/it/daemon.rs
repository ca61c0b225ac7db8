//! Real daemons on loopback, seen from outside: their docroots, their command line, their wire.

mod accidents;
mod adoption;
mod brake;
mod changes;
mod damage;
mod edits;
mod excludes;
mod first_copy;
mod full_disk;
mod kills;
mod liar;
mod membership;
mod outage;
mod races;
mod refusals;
mod rights;
mod sample;
mod settings;
mod shapes;
mod slow;
mod stopping;
mod watching;
mod writers;
mod yesterday;
