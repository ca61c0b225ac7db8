//! What happens to an origin: power cuts, and copies of yesterday put back.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::sample::{site, write};
use crate::farm::Farm;
use crate::farm_command::eventually;
use crate::farm_walk::{differences, walk};

const FILES: usize = 60;

pub(super) fn farm() -> Farm {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 4, FILES / 4));
    farm.add();
    farm.converges();
    farm
}

fn quiet(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

fn skipped(why: &str) {
    // Past the test's own output: it is to be seen where all is well.
    let mut stderr = std::io::stderr();
    writeln!(stderr, "SKIPPED: {why}").unwrap();
}

/// Puts a copy of a directory at `to`, all times kept.
#[track_caller]
pub(super) fn copy(from: &Path, to: &Path) {
    assert!(quiet(Command::new("cp").arg("-a").arg(from).arg(to)), "{}", from.display());
}

/// Makes a directory's content that of a copy; the directory stays the same one.
#[track_caller]
pub(super) fn restore(copy: &Path, directory: &Path) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap()
        } else {
            fs::remove_file(path).unwrap()
        }
    }
    let content = copy.join(".");
    assert!(quiet(Command::new("cp").arg("-a").arg(content).arg(directory)));
}

// ------------------------------------------------------------------ power cuts

/// What starts a program so that it sees a machine that was just booted.
struct Boot {
    script: PathBuf,
    number: u32,
}

impl Boot {
    /// `None`, and a loud word, where that cannot be.
    fn able(farm: &Farm) -> Option<Boot> {
        let uptime = |command: &mut Command| {
            let output = command.arg("/proc/uptime").output().ok()?;
            String::from_utf8_lossy(&output.stdout).split('.').next()?.parse::<u64>().ok()
        };
        let real = uptime(&mut Command::new("cat")).unwrap();
        let offset = format!("--boottime=-{real}");
        let able = uptime(Command::new("unshare").args(["-m", "--time", &offset, "cat"]));
        if able.is_none_or(|seen| seen > 60) {
            skipped("no time namespace can be made here");
            return None;
        }
        Some(Boot { script: farm.directory().join("boot.sh"), number: 0 })
    }

    /// The next boot. Everything written up to now was written before it.
    fn next(&mut self) -> Vec<String> {
        self.number += 1;
        let identity = self.script.with_extension(self.number.to_string());
        fs::write(&identity, format!("00000000-0000-0000-0000-{:012}", self.number)).unwrap();
        let script = format!(
            "mount --bind {} /proc/sys/kernel/random/boot_id || exit 9\nexec \"$@\"\n",
            identity.display()
        );
        fs::write(&self.script, script).unwrap();
        // The offset is one of whole seconds.
        let until = SystemTime::now() + Duration::from_millis(1_100);
        eventually("a second passes", || SystemTime::now() > until);
        let uptime = fs::read_to_string("/proc/uptime").unwrap();
        let offset = format!("--boottime=-{}", uptime.split('.').next().unwrap());
        let script = self.script.to_str().unwrap();
        ["unshare", "-m", "--time", &offset, "sh", script].map(str::to_owned).to_vec()
    }
}

fn through(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// Does to published files what a power cut does: one is empty, one holds zeros, one is as before,
/// and one has no name any more.
fn damage(farm: &Farm) {
    let paths = [0, 1, 2, 4].map(|page| farm.origin().path(format!("section-0/page-{page}.html")));
    fs::File::options().write(true).open(&paths[0]).unwrap().set_len(0).unwrap();
    let size = fs::metadata(&paths[1]).unwrap().len();
    fs::write(&paths[1], vec![0; size as usize]).unwrap();
    fs::write(&paths[2], "as it was long ago").unwrap();
    fs::remove_file(&paths[3]).unwrap();
}

#[test]
fn what_a_power_cut_damaged_comes_back_from_a_replica() {
    let mut farm = farm();
    let Some(mut boot) = Boot::able(&farm) else { return };
    farm.origin_mut().stop();
    let first = boot.next();
    farm.origin_mut().start_through(&through(&first));
    for page in [0, 1, 2, 4] {
        write(&farm.origin().path(format!("section-0/page-{page}.html")), format!("today {page}"));
    }
    // Where a directory is today, a file was before: one that is older, as files come back.
    let (shelf, before) = (farm.origin().path("shelf"), farm.directory().join("shelf-before"));
    write(&before.join("was-a-file"), "a file, long ago");
    write(&shelf.join("was-a-file/below/today.html"), "today, in a directory");
    farm.converges();
    let whole = walk(&farm.replica().docroot());
    farm.origin_mut().kill9();
    damage(&farm);
    fs::remove_dir_all(&shelf).unwrap();
    fs::rename(&before, &shelf).unwrap();
    let second = boot.next();
    farm.origin_mut().start_through(&through(&second));
    // An edit after the boot is one, also of a file that is suspected.
    write(&farm.origin().path("section-0/page-3.html"), "edited after the boot");
    farm.converges();
    fs::remove_file(farm.origin().path("section-0/page-3.html")).unwrap();
    farm.converges();
    let found = differences(&whole, &walk(&farm.origin().docroot()));
    assert_eq!(found.len(), 1, "only the edited page is gone: {found:?}");
    assert_eq!(farm.origin().status()["node"]["set_aside"], 4);
    assert_eq!(farm.replica().status()["node"]["set_aside"], 0, "nothing damaged was published");
}

#[test]
fn what_was_damaged_and_nobody_serves_is_listed_and_not_published() {
    let mut farm = farm();
    let Some(mut boot) = Boot::able(&farm) else { return };
    farm.origin_mut().stop();
    let first = boot.next();
    farm.origin_mut().start_through(&through(&first));
    for page in [0, 1, 2, 4] {
        write(&farm.origin().path(format!("section-0/page-{page}.html")), format!("today {page}"));
    }
    farm.converges();
    let whole = walk(&farm.replica().docroot());
    let root = farm.origin().status()["node"]["root"].clone();
    farm.replica_mut().stop();
    farm.origin_mut().kill9();
    damage(&farm);
    let second = boot.next();
    farm.origin_mut().start_through(&through(&second));
    farm.origin().until("they are listed", |status| {
        let errors = status["node"]["errors"].as_array().unwrap();
        let reason = |error: &Value| error["reason"].as_str().unwrap().to_owned();
        errors.iter().filter(|error| reason(error).contains("damaged")).count() == 4
    });
    // A name that is gone since is not published as gone either.
    write(&farm.origin().path("meanwhile.html"), "goes on");
    farm.origin().cli(&["wait", "--timeout", "60s"]).with(4);
    assert_eq!(farm.origin().status()["node"]["files"], FILES + 1);
    // Nor by a later start of the daemon.
    farm.origin_mut().stop();
    farm.origin_mut().start_through(&through(&second));
    farm.origin().cli(&["wait", "--timeout", "60s"]).with(4);
    let status = farm.origin().status();
    assert_eq!(status["node"]["files"], FILES + 1, "{status:#}");
    assert_eq!(status["node"]["errors"].as_array().unwrap().len(), 4, "{status:#}");
    // Whoever comes serves them.
    farm.replica_mut().start();
    farm.origin().until("they are back", |status| status["node"]["errors"] == json!([]));
    fs::remove_file(farm.origin().path("meanwhile.html")).unwrap();
    farm.converges();
    assert!(differences(&whole, &walk(&farm.replica().docroot())).is_empty());
    assert_eq!(farm.replica().status()["node"]["set_aside"], 0);
    assert_eq!(farm.replica().status()["node"]["root"], root);
}

#[test]
fn replicas_that_come_late_still_serve_all_that_a_power_cut_damaged() {
    // More than one list holds.
    const MANY: usize = 400;
    let mut farm = farm();
    let Some(mut boot) = Boot::able(&farm) else { return };
    farm.origin_mut().stop();
    let first = boot.next();
    farm.origin_mut().start_through(&through(&first));
    let page = |farm: &Farm, page| farm.origin().path(format!("today-{}/{page}.html", page % 7));
    for number in 0..MANY {
        write(&page(&farm, number), format!("today {number}"));
    }
    farm.converges();
    let whole = walk(&farm.replica().docroot());
    let root = farm.origin().status()["node"]["root"].clone();
    farm.replica_mut().stop();
    farm.origin_mut().kill9();
    for number in 0..MANY {
        match number % 3 {
            0 => fs::write(page(&farm, number), vec![0; 9]).unwrap(),
            1 => fs::write(page(&farm, number), "").unwrap(),
            _ => fs::remove_file(page(&farm, number)).unwrap(),
        }
    }
    let second = boot.next();
    farm.origin_mut().start_through(&through(&second));
    // It has waited for others as long as it does, and nobody came.
    farm.origin().until("all are listed", |status| {
        let listed = status["node"]["errors"].as_array().unwrap().len() as u64;
        listed + status["node"]["errors_more"].as_u64().unwrap() == MANY as u64
    });
    farm.origin().cli(&["wait", "--timeout", "60s"]).with(4);
    assert_eq!(farm.origin().status()["node"]["root"], root, "what is damaged was published");
    farm.replica_mut().start();
    farm.origin().until("they are back", |status| status["node"]["errors"] == json!([]));
    farm.converges();
    assert!(differences(&whole, &walk(&farm.origin().docroot())).is_empty());
    assert_eq!(farm.replica().status()["node"]["set_aside"], 0);
}

// ------------------------------------------------------------------ mounts

/// An empty file system over a directory; goes when dropped.
struct Mount {
    at: PathBuf,
}

impl Mount {
    fn over(at: PathBuf) -> Option<Mount> {
        if !quiet(Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(&at)) {
            skipped("nothing can be mounted here");
            return None;
        }
        Some(Mount { at })
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = quiet(Command::new("umount").arg("-l").arg(&self.at));
    }
}

#[test]
fn another_file_system_over_the_docroot_deletes_nothing() {
    let farm = farm();
    let whole = walk(&farm.replica().docroot());
    let Some(mount) = Mount::over(farm.origin().docroot()) else { return };
    let status = farm.origin().until("it holds", |status| !status["node"]["held"].is_null());
    let reason = status["node"]["held"]["reason"].as_str().unwrap();
    assert!(reason.contains("another directory or mount"), "{status:#}");
    write(&farm.origin().path("stray.html"), "in the wrong file system");
    farm.origin().cli(&["wait", "--timeout", "200ms"]).with(124);
    assert!(differences(&whole, &walk(&farm.replica().docroot())).is_empty());
    drop(mount);
    farm.origin().until("it goes on", |status| status["node"]["held"] == json!(null));
    write(&farm.origin().path("back.html"), "back");
    farm.converges();
    assert!(!farm.replica().path("stray.html").exists());
}
