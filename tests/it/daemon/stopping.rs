//! A daemon that is told to stop while there is much left to do.

use std::fs::File;

use crate::farm::Farm;

/// Nobody has the time to hash it; a hole takes no room.
const ENDLESS: u64 = 1 << 40;

#[test]
fn a_daemon_with_large_files_to_be_hashed_ends_when_it_is_told_to() {
    let mut farm = Farm::founded(&[], |docroot| {
        for number in 0..5 {
            let film = File::create(docroot.join(format!("film-{number}"))).unwrap();
            film.set_len(ENDLESS).unwrap();
        }
    });
    farm.origin().until("it has seen them", |status| {
        let counters = status["node"]["counters"].as_array().unwrap();
        counters.iter().any(|it| it["name"] == "examined_names" && it["count"].as_u64() >= Some(5))
    });
    farm.origin_mut().stop();
    farm.origin_mut().start();
    farm.origin_mut().stop();
}
