use mirrormesh_gossip::SecretKey;

use super::*;

fn id(seed: u8) -> NodeId {
    SecretKey::from_seed([seed; 32]).public()
}

struct Farm {
    directory: tempfile::TempDir,
}

impl Farm {
    fn new() -> Farm {
        let farm = Farm { directory: tempfile::tempdir().unwrap() };
        fs::create_dir(farm.path("docroot")).unwrap();
        fs::create_dir(farm.path("state")).unwrap();
        farm
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn prove(&self, docroot: &str, work: Option<&str>, seed: u8) -> Result<PathBuf, PlaceError> {
        let work = work.map(|work| self.path(work));
        prove(&self.path("state"), &self.path(docroot), work.as_deref(), &id(seed))
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn the_default_lies_beside_the_docroot_and_is_used_again() {
    let farm = Farm::new();
    for _ in 0..2 {
        let work = farm.prove("docroot", None, 1).unwrap();
        assert_eq!(work, farm.path(".mirrormesh-docroot"));
        assert_eq!(fs::metadata(&work).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_to_string(work.join("node")).unwrap().trim(), id(1).to_string());
    }
    assert_eq!(fs::read_dir(farm.path("docroot")).unwrap().count(), 0);
    let work = fs::read_dir(farm.path(".mirrormesh-docroot")).unwrap();
    assert_eq!(work.count(), 1);
}

#[test]
fn the_work_directory_of_another_node_is_refused_and_stays() {
    let farm = Farm::new();
    let work = farm.prove("docroot", None, 1).unwrap();
    fs::write(work.join("precious"), "x").unwrap();
    let error = farm.prove("docroot", None, 2).unwrap_err();
    assert!(matches!(&error, PlaceError::ForeignWork { owner, .. } if *owner == id(1).to_string()));
    assert!(work.join("precious").exists());
}

#[test]
fn a_directory_with_foreign_files_is_refused_and_stays() {
    let farm = Farm::new();
    fs::create_dir(farm.path("work")).unwrap();
    fs::write(farm.path("work/precious"), "x").unwrap();
    let error = farm.prove("docroot", Some("work"), 1).unwrap_err();
    assert!(matches!(error, PlaceError::StrangeWork(_)));
    assert!(farm.path("work/precious").exists());
    assert!(!farm.path("work/node").exists());
}

#[test]
fn an_empty_directory_and_one_that_is_missing_are_taken() {
    let farm = Farm::new();
    fs::create_dir(farm.path("empty")).unwrap();
    farm.prove("docroot", Some("empty"), 1).unwrap();
    farm.prove("docroot", Some("missing"), 1).unwrap();
    let error = farm.prove("docroot", Some("no/such/parent"), 1).unwrap_err();
    assert!(matches!(error, PlaceError::Failed { .. }), "{error}");
}

#[test]
fn a_docroot_that_is_not_there_or_a_file_is_refused() {
    let farm = Farm::new();
    fs::write(farm.path("file"), "x").unwrap();
    let before = farm.names();
    assert!(matches!(farm.prove("nothing", None, 1), Err(PlaceError::NoDocroot(_))));
    assert!(matches!(farm.prove("file", None, 1), Err(PlaceError::DocrootNotDirectory(_))));
    assert_eq!(farm.names(), before);
}

#[test]
fn places_that_overlap_are_refused_and_nothing_is_made() {
    let farm = Farm::new();
    fs::create_dir(farm.path("docroot/inner")).unwrap();
    std::os::unix::fs::symlink(farm.path("docroot"), farm.path("link")).unwrap();
    let before = farm.names();
    let overlaps = |state: &str, docroot: &str, work: Option<&str>| {
        let work = work.map(|work| farm.path(work));
        let proved = prove(&farm.path(state), &farm.path(docroot), work.as_deref(), &id(1));
        matches!(proved, Err(PlaceError::Overlap { .. }))
    };
    assert!(overlaps("docroot/inner", "docroot", None));
    assert!(overlaps("link/inner", "docroot", None));
    assert!(overlaps("", "docroot", None));
    assert!(overlaps("state", "docroot", Some("docroot/work")));
    assert!(overlaps("state", "docroot", Some("state/work")));
    assert!(overlaps("state", "docroot/inner", Some("docroot")));
    assert_eq!(farm.names(), before);
    assert!(!farm.path("docroot/work").exists());
}

#[test]
fn another_mount_is_refused_and_nothing_is_left() {
    let farm = Farm::new();
    let shm = Path::new("/dev/shm");
    let (Ok(here), Ok(there)) = (fs::metadata(farm.directory.path()), fs::metadata(shm)) else {
        return;
    };
    use std::os::unix::fs::MetadataExt as _;
    if here.dev() == there.dev() {
        return;
    }
    let Ok(outside) = tempfile::tempdir_in(shm) else { return };
    let work = outside.path().join("work");
    let error = prove(&farm.path("state"), &farm.path("docroot"), Some(&work), &id(1)).unwrap_err();
    assert!(matches!(error, PlaceError::OtherMount { .. }), "{error}");
    assert!(!work.exists());
}

#[test]
fn the_root_and_mounts_are_known() {
    assert!(mount::is_mount_point(Path::new("/proc")).unwrap());
    let farm = Farm::new();
    assert!(!mount::is_mount_point(&farm.path("docroot")).unwrap());
}

#[test]
fn the_state_directory_is_made_and_closed_to_others() {
    let farm = Farm::new();
    prepare_state(&farm.path("a/b")).unwrap();
    fs::write(farm.path("a/b/foreign"), "x").unwrap();
    fs::set_permissions(farm.path("a/b"), Permissions::from_mode(0o755)).unwrap();
    prepare_state(&farm.path("a/b")).unwrap();
    assert_eq!(fs::metadata(farm.path("a/b")).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(farm.path("a/b/foreign").exists());
}
