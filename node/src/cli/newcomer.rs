//! What `init` and `join` have in common: a state directory that becomes a node's.
//!
//! Purpose: proves the places, makes the key, and at the end makes the node with one durable
//! commit.
//!
//! State: the lock on the state directory, and what this run has made.
//!
//! Invariants: where a cluster is or was, nothing is touched; what fails before [`Newcomer::settle`] leaves
//! nothing behind but, where the origin may know it already, the key; the commit to the ordered
//! store comes last: before it there is no cluster here, after it all is in place.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use mirrormesh_gossip::SecretKey;

use super::address::{Addresses, host_name};
use super::failure::{Failure, exit};
use super::output::Output;
use crate::core::join;
use crate::daemon::config::{Config, ConfigError};
use crate::daemon::disk::OrderedStore;
use crate::daemon::lock::{Lock, LockError};
use crate::daemon::system;
use crate::daemon::{key, places};
use crate::store::{Batch, Table};

/// What is given for a new node.
#[derive(Debug, Default)]
pub(crate) struct Given<'a> {
    /// The docroot; `None` for a witness.
    pub(crate) docroot: Option<&'a Path>,
    /// The work directory.
    pub(crate) work: Option<&'a Path>,
    /// The name.
    pub(crate) name: Option<&'a str>,
    /// Where to listen.
    pub(crate) listen: Option<SocketAddr>,
    /// Where others reach it.
    pub(crate) advertise: Option<&'a str>,
}

/// A node that is about to be.
pub(crate) struct Newcomer {
    state: PathBuf,
    /// Its key.
    pub(crate) secret: SecretKey,
    /// Its settings, complete.
    pub(crate) config: Config,
    /// Its name.
    pub(crate) name: String,
    /// Where others reach it.
    pub(crate) advertise: String,
    made: Made,
    store: OrderedStore,
    /// Given back last.
    _lock: Lock,
}

impl Newcomer {
    /// Checks everything and prepares the places. Says on stderr where a docroot that is a symlink
    /// leads.
    pub(crate) fn prepare(
        state: &Path,
        given: &Given<'_>,
        output: Output,
    ) -> Result<Newcomer, Failure> {
        refuse_cluster(state)?;
        let mut config = match Config::load(state) {
            Ok(config) => config,
            Err(ConfigError::Missing(_)) => Config::default(),
            Err(error) => return Err(error.into()),
        };
        let (secret, new_key) = match key::read(state) {
            Ok(secret) => (secret, false),
            Err(key::KeyFileError::Missing(_)) => {
                let seed = system::secret().map_err(Failure::no_entropy)?;
                (SecretKey::from_seed(seed), true)
            }
            Err(error) => return Err(error.into()),
        };
        let addresses = Addresses::choose(given.listen.or(config.listen), given.advertise)?;
        if let Some(docroot) = given.docroot {
            let docroot = absolute(docroot)?;
            let work = given.work.map(absolute).transpose()?.or(config.work.take());
            let work = places::check(state, &docroot, work.as_deref())?;
            (config.docroot, config.work) = (Some(docroot), Some(work));
        }
        let mut made = Made::default();
        made.note(state);
        places::prepare_state(state)?;
        let lock = match Lock::take(state) {
            Err(LockError::Held { .. }) => return Err(cluster_is_here(state)),
            other => other?,
        };
        refuse_cluster(state)?;
        made.note_file(places::store_path(state));
        let store = OrderedStore::open(&places::store_path(state)).map_err(in_store)?;
        store.commit(join::begin(), true).map_err(in_store)?;
        if new_key {
            made.note_file(state.join(key::KEY_FILE));
            key::write(state, &secret)?;
        }
        // After the key: whoever is interrupted in between finds the same node the next time, to
        // which the work directory belongs.
        if let (Some(docroot), Some(work)) = (&config.docroot, &config.work) {
            made.note(work);
            places::prove(state, docroot, Some(work), &secret.public())?;
            tell_symlink(docroot, output);
        }
        let name = given.name.map_or_else(host_name, str::to_owned);
        config.name = Some(name.clone());
        config.listen = Some(addresses.listen);
        config.advertise = Some(addresses.advertise.clone());
        let (state, advertise) = (state.to_owned(), addresses.advertise);
        Ok(Newcomer { state, secret, config, name, advertise, made, store, _lock: lock })
    }

    /// From here on the key stays, whatever happens: the origin may know it.
    pub(crate) fn keep_key(&mut self) {
        self.made.keep();
    }

    /// Makes the node.
    pub(crate) fn settle(mut self, mut batch: Batch) -> Result<(), Failure> {
        self.made.note_file(Config::path(&self.state));
        self.config.store(&self.state)?;
        join::end(&mut batch);
        self.store.commit(batch, true).map_err(in_store)?;
        self.made.keep();
        Ok(())
    }
}

fn in_store(error: impl std::fmt::Display) -> Failure {
    Failure::failed(error.to_string())
}

/// Fails where a cluster is, and where a node is that lost its store.
fn refuse_cluster(state: &Path) -> Result<(), Failure> {
    let path = places::store_path(state);
    let is_node = key::exists(state) && Config::path(state).exists();
    if !places::has_store(state) {
        return if is_node { Err(store_is_gone(state)) } else { Ok(()) };
    }
    // One that cannot be opened is in use, or damaged: not a place for another cluster.
    let Ok(store) = OrderedStore::open(&path) else { return Err(cluster_is_here(state)) };
    let get = |name: &[u8]| store.get(Table::State, name).ok().flatten();
    if join::has_cluster(get) {
        return Err(cluster_is_here(state));
    }
    if is_node && !join::has_begun(get) {
        return Err(store_is_gone(state));
    }
    Ok(())
}

fn store_is_gone(state: &Path) -> Failure {
    let message = format!("{} belongs to a node whose store is gone or empty", state.display());
    Failure::new(exit::CLUSTER, message).hint(places::STORE_GONE)
}

fn cluster_is_here(state: &Path) -> Failure {
    let message = format!("{} belongs to a node of a cluster already", state.display());
    Failure::new(exit::CLUSTER, message)
        .hint("another node on this machine needs another --state DIR")
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .map_err(|error| Failure::failed(format!("{}: {error}", path.display())))
}

fn tell_symlink(docroot: &Path, output: Output) {
    if let Ok(resolved) = docroot.canonicalize()
        && resolved != docroot
    {
        let (given, found) = (docroot.display(), resolved.display());
        output.talk(format!("docroot {given} is {found} now; the path is kept as given"));
    }
}

/// What this run has made; goes again with this value.
#[derive(Debug, Default)]
struct Made {
    files: Vec<PathBuf>,
    /// The last one made comes last.
    directories: Vec<PathBuf>,
}

impl Made {
    /// Notes a file that is not there yet.
    fn note_file(&mut self, file: PathBuf) {
        if !file.exists() {
            self.files.push(file);
        }
    }

    /// What was made stays.
    fn keep(&mut self) {
        self.files.clear();
        self.directories.clear();
    }

    /// Notes a directory that is not there yet.
    fn note(&mut self, directory: &Path) {
        if !directory.exists() {
            self.directories.push(directory.to_owned());
        }
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // What cannot be removed does no harm: the next run uses it.
        for file in &self.files {
            let _ = std::fs::remove_file(file);
        }
        for directory in self.directories.iter().rev() {
            let _ = std::fs::remove_dir_all(directory);
        }
    }
}
