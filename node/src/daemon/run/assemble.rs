//! From settings to a node that is ready to run.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mirrormesh_gossip::{NodeId, SecretKey};

use super::RunError;
use crate::core::{Node, Setup, join};
use crate::daemon::config::{CONFIG_FILE, Config, DEFAULT_PORT};
use crate::daemon::disk::{OrderedStore, RealDisk, RealDiskOptions};
use crate::daemon::drive::Driver;
use crate::daemon::hands::{Hands, Watcher};
use crate::daemon::input::Inbox;
use crate::daemon::jobs::Jobs;
use crate::daemon::notes::Notes;
use crate::daemon::transport::{Endpoint, Tuning};
use crate::daemon::watch::{self, HintReceiver, Preference};
use crate::daemon::watching::{NotWatching, Watching};
use crate::daemon::{places, reload, system};
use crate::store::{Disk, DiskErrorKind, Place, Table, recover, run};

/// Where a witness, which has no docroot, keeps the empty directories that stand for it.
const WITNESS: &str = "witness";

/// Everything, put together.
pub(super) struct Assembled {
    pub(super) driver: Driver<Node, HintReceiver>,
    pub(super) inbox: Inbox,
    pub(super) endpoint: Endpoint,
    pub(super) notes: Arc<Notes>,
    /// Size of the file system of the work directory.
    pub(super) work_bytes: u64,
}

/// Puts everything together. Blocks while it recovers; nothing else runs yet.
pub(super) fn assemble(
    state: &Path,
    config: &Config,
    secret: &SecretKey,
) -> Result<Assembled, RunError> {
    let (inbox, inputs) = Inbox::new();
    let listen = config.listen.unwrap_or_else(default_listen);
    let endpoint = Endpoint::open(secret, listen, Tuning::default(), inbox.clone())?;
    let (docroot, work) = prove_places(state, config, secret)?;
    let limit = usize::try_from(config.watch_limit).unwrap_or(usize::MAX);
    let (watch, hints) = match config.docroot {
        Some(_) => watch::start(&docroot, Preference::Best, limit),
        None => watch::start(&docroot, Preference::Scan, limit),
    };
    let watched = config.docroot.is_some().then(|| watch.clone());
    let watcher: Box<dyn Watcher> = match config.docroot {
        Some(_) => Box::new(Watching(watch)),
        None => Box::new(NotWatching),
    };
    let store = places::store_path(state);
    let options = RealDiskOptions { docroot: docroot.clone(), work, store, watcher: watched };
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        RunError::failed(format!("{what} {}: {error}", state.display()))
    };
    let disk = RealDisk::open(options).map_err(|error| {
        let is_damaged = matches!(error.kind, DiskErrorKind::Invalid | DiskErrorKind::Failed);
        let hint = "restore the state directory, or move it away and join again";
        failed("the store in", &error).hint(if is_damaged { hint } else { "" })
    })?;
    let recovered = recover(&disk).map_err(|error| failed("recovery in", &error))?;
    for note in &recovered.notes {
        tracing::warn!("recovery: {note}");
    }
    let work_bytes = disk
        .open_place(Place::Work)
        .and_then(|work| disk.filesystem(&work))
        .map_err(|error| RunError::failed(format!("the work directory: {error}")))?
        .total_bytes;
    let setup = setup(config, secret, &docroot, work_bytes, listen)?;
    let entropy = system::entropy().map_err(|error| RunError::failed(error.to_string()))?;
    let mut effects = Vec::new();
    let node = Node::new(setup, recovered, entropy, system::moment(), &mut effects)?;
    let disk = Arc::new(disk);
    let ending = disk.clone();
    let cut_short = Box::new(move || ending.end_reading());
    let jobs = Jobs::start(Arc::new(move |job| run(job, &*disk)), cut_short, &inbox)
        .map_err(|error| RunError::failed(format!("no threads: {error}")))?;
    let notes = Arc::new(Notes::new());
    let hands = Hands::new(inbox.clone(), endpoint.clone(), jobs, watcher, notes.clone());
    let driver = Driver::new(node, hints, inputs, hands, system::moment, effects);
    Ok(Assembled { driver, inbox, endpoint, notes, work_bytes })
}

fn prove_places(
    state: &Path,
    config: &Config,
    secret: &SecretKey,
) -> Result<(PathBuf, PathBuf), RunError> {
    let id = secret.public();
    match &config.docroot {
        Some(docroot) => {
            let work = places::prove(state, docroot, config.work.as_deref(), &id)?;
            Ok((docroot.clone(), work))
        }
        None if wants_docroot(state, &id)? => {
            Err(RunError::failed(format!("{CONFIG_FILE} names no docroot"))
                .hint("docroot = \"DIR\", as it was given to init or join"))
        }
        None => {
            let docroot = state.join(WITNESS).join("docroot");
            let work = state.join(WITNESS).join("work");
            for place in [&docroot, &work] {
                places::prepare_state(place)?;
            }
            Ok((docroot, work))
        }
    }
}

/// A node that has lost the setting must not take an empty directory for its docroot.
fn wants_docroot(state: &Path, id: &NodeId) -> Result<bool, RunError> {
    let store = OrderedStore::open(&places::store_path(state));
    let store = store.map_err(|error| RunError::failed(error.to_string()))?;
    Ok(join::wants_docroot(|name| store.get(Table::State, name).ok().flatten(), id))
}

fn setup(
    config: &Config,
    secret: &SecretKey,
    docroot: &Path,
    work_bytes: u64,
    listen: SocketAddr,
) -> Result<Setup, RunError> {
    let (boot, boot_wall) = system::boot()
        .map_err(|error| RunError::failed(format!("the kernel does not name its boot: {error}")))?;
    let address = config.advertise.clone().unwrap_or_else(|| reachable(listen).to_string());
    Ok(Setup {
        secret: secret.clone(),
        docroot: match config.docroot {
            Some(_) => docroot.display().to_string(),
            None => String::new(),
        },
        addresses: vec![address],
        settings: reload::settings(config, work_bytes),
        boot,
        boot_wall,
    })
}

/// Every address, or IPv4 alone where there is no IPv6.
fn default_listen() -> SocketAddr {
    let six = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    match UdpSocket::bind(six) {
        Ok(_) => SocketAddr::new(six.ip(), DEFAULT_PORT),
        Err(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, DEFAULT_PORT)),
    }
}

/// Where nothing is advertised: the address itself, or loopback if it is every address.
fn reachable(listen: SocketAddr) -> SocketAddr {
    if listen.ip().is_unspecified() {
        SocketAddr::from((Ipv4Addr::LOCALHOST, listen.port()))
    } else {
        listen
    }
}
