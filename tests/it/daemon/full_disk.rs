//! A replica whose disk is full.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::sample::{content, site, write};
use crate::farm::Farm;
use crate::farm_command::eventually;

/// A small file system; goes when dropped.
pub(super) struct Disk {
    image: PathBuf,
    at: PathBuf,
}

impl Disk {
    /// `None`, and a loud word, where none can be mounted.
    pub(super) fn mount(image: &Path, at: &Path, megabytes: u64) -> Option<Disk> {
        fs::File::create(image).unwrap().set_len(megabytes << 20).unwrap();
        let made = quiet(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(image));
        let disk = Disk { image: image.to_owned(), at: at.to_owned() };
        if !(made && disk.mount_again()) {
            // Past the test's own output: it is to be seen where all is well.
            let mut stderr = std::io::stderr();
            writeln!(stderr, "SKIPPED: no loop file system can be mounted here").unwrap();
            return None;
        }
        let lost = at.join("lost+found");
        fs::remove_dir(lost).unwrap();
        Some(disk)
    }

    /// Others look for a free loop device too, and may take it first.
    fn mount_again(&self) -> bool {
        let mount =
            || quiet(Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.at));
        (0..10).any(|_| mount())
    }

    /// A loop device lives on for a moment, and with it what it has cached.
    fn is_detached(&self) -> bool {
        let output = Command::new("losetup").arg("-j").arg(&self.image).output().unwrap();
        output.status.success() && output.stdout.is_empty()
    }

    /// Changes bytes below the file system, which knows nothing of it. Nobody uses it meanwhile.
    /// As after a reboot, its device number is another.
    pub(super) fn rot(&self, from: &[u8], to: &[u8]) {
        assert_eq!(from.len(), to.len());
        assert!(quiet(Command::new("umount").arg(&self.at)));
        eventually("the loop device goes", || self.is_detached());
        let mut bytes = fs::read(&self.image).unwrap();
        let mut found = 0;
        for at in 0..bytes.len() - from.len() {
            if bytes[at..].starts_with(from) {
                bytes[at..at + to.len()].copy_from_slice(to);
                found += 1;
            }
        }
        assert!(found > 0, "it is not on the disk");
        fs::write(&self.image, bytes).unwrap();
        let taken = self.image.with_extension("taken");
        fs::File::create(&taken).unwrap().set_len(1 << 20).unwrap();
        let losetup = Command::new("losetup").args(["--find", "--show"]).arg(&taken).output();
        let device = String::from_utf8(losetup.unwrap().stdout).unwrap();
        assert!(self.mount_again());
        assert!(quiet(Command::new("losetup").args(["--detach", device.trim()])));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The daemons on it have ended; if not, it goes with them.
        let _ = quiet(Command::new("umount").arg("-l").arg(&self.at));
    }
}

fn quiet(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

#[test]
fn what_does_not_fit_is_listed_and_the_rest_goes_on() {
    let mut farm = Farm::founded(&[], |docroot| site(docroot, 2, 10));
    let replica = farm.stranger("small");
    let image = farm.directory().join("image");
    let Some(disk) = Disk::mount(&image, &replica.docroot(), 24) else { return };
    farm.admit(replica);
    farm.converges();

    // A ballast that is nobody's: reserved names are never mirrored.
    let ballast = farm.replica().path(".mirrormesh-ballast");
    fs::write(&ballast, content(1, 13 << 20)).unwrap();
    write(&farm.origin().path("a-before.html"), "fits");
    write(&farm.origin().path("large"), content(2, 12 << 20));
    write(&farm.origin().path("section-0/after.html"), "fits too");
    let said = farm.origin().cli(&["wait", "--all", "--timeout", "60s"]).with(4);
    assert!(said.contains("large"), "{said}");
    assert!(!said.contains("after.html"), "{said}");
    assert_eq!(fs::read(farm.replica().path("a-before.html")).unwrap(), b"fits");
    assert_eq!(fs::read(farm.replica().path("section-0/after.html")).unwrap(), b"fits too");
    assert!(!farm.replica().path("large").exists());
    let status = farm.replica().status();
    assert_eq!(status["node"]["in_sync"], false, "{status:#}");
    assert_eq!(status["node"]["errors"][0]["path"], "large", "{status:#}");
    let reason = status["node"]["errors"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("space") || reason.contains("full"), "{reason}");
    // The farm goes on meanwhile.
    write(&farm.origin().path("meanwhile.html"), "goes on");
    farm.origin().cli(&["wait", "--all", "--timeout", "60s"]).with(4);
    assert_eq!(fs::read(farm.replica().path("meanwhile.html")).unwrap(), b"goes on");

    fs::remove_file(&ballast).unwrap();
    farm.replica().until("it recovers by itself", |status| status["node"]["in_sync"] == true);
    farm.converges();

    // So full that nothing at all goes, a restart included; and back.
    let mut size = 8 << 20;
    while size > 4_096 {
        let filling = content(3, size);
        let mut file = fs::File::options().create(true).append(true).open(&ballast).unwrap();
        if file.write_all(&filling).is_err() {
            size /= 2;
        }
    }
    write(&farm.origin().path("one-more.html"), content(4, 50_000));
    for number in 0..25 {
        write(&farm.origin().path(format!("more/{number}.html")), content(number, 5_000));
    }
    fs::remove_file(farm.origin().path("section-1/page-1.html")).unwrap();
    let said = farm.origin().cli(&["wait", "--all", "--timeout", "60s"]);
    assert!(said.stderr.contains("more in error"), "not all are listed: {}", said.stderr);
    said.with(4);
    farm.replica_mut().kill9();
    farm.replica_mut().start();
    farm.origin().cli(&["wait", "--all", "--timeout", "60s"]).with(4);
    fs::remove_file(&ballast).unwrap();
    farm.replica().until("it recovers by itself", |status| status["node"]["in_sync"] == true);
    farm.converges();
    farm.replica_mut().stop();
    drop(disk);
}
