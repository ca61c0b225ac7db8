//! redb: one file, one table of bytes for each [`Table`], and a row that says what the file is.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Once;

use bytes::Bytes;
use redb::{
    AccessGuard, Builder, DatabaseError, Durability, ReadOnlyTable, ReadableDatabase, StorageError,
    TableDefinition, TableError,
};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use super::error::{OrderedStoreError, failed, storage_failed};
use crate::store::{DiskResult, Table};

/// Memory for pages of the file.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// Format of keys and values; another one is another store.
const FORMAT: u32 = 1;

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// The table and the key of the row that says the format, big-endian.
const ABOUT: Definition = TableDefinition::new("mirrormesh");
const FORMAT_KEY: &[u8] = b"format";

/// Changes of a transaction: for each table, keys in order with the new value or `None`.
pub(super) type Changes<'a> = [BTreeMap<&'a [u8], Option<&'a [u8]>>; Table::ALL.len()];

fn definition(table: Table) -> Definition {
    TableDefinition::new(match table {
        Table::Nodes => "nodes",
        Table::Incoming => "incoming",
        Table::Index => "index",
        Table::Contents => "contents",
        Table::Journal => "journal",
        Table::Kept => "kept",
        Table::State => "state",
    })
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Calls what may panic. What the panic says to programmers is left out: the caller says what it
/// means to an admin.
fn quietly<T>(call: impl FnOnce() -> T) -> std::thread::Result<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                usual(panic);
            }
        }));
    });
    QUIET.set(true);
    let result = std::panic::catch_unwind(AssertUnwindSafe(call));
    QUIET.set(false);
    result
}

/// redb's file.
pub(super) struct Database(redb::Database);

impl Database {
    /// Opens the file; makes it where there is none.
    pub(super) fn open(path: &Path) -> Result<Database, OrderedStoreError> {
        make_private(path)?;
        // redb checks a file after a crash, but may panic on one that something else has altered.
        let open = || Builder::new().set_cache_size(CACHE_BYTES).create(path);
        let database = match quietly(open) {
            Ok(opened) => Database(opened.map_err(|error| cannot_open(path, error))?),
            Err(_) => return Err(damaged(path, "redb cannot make sense of it")),
        };
        database.check_format(path)?;
        Ok(database)
    }

    /// One durable transaction.
    ///
    /// In two phases: the new state is on the disk before the file points to it, so that a crash
    /// need not be told from a checksum. A node's votes lie in here.
    pub(super) fn write(&self, changes: &Changes<'_>) -> DiskResult<()> {
        let operation = "commit";
        let mut transaction = self.0.begin_write().map_err(failed(operation))?;
        transaction.set_durability(Durability::Immediate).map_err(failed(operation))?;
        transaction.set_two_phase_commit(true);
        for (table, changes) in Table::ALL.into_iter().zip(changes) {
            if changes.is_empty() {
                continue;
            }
            let mut table = transaction.open_table(definition(table)).map_err(failed(operation))?;
            for (key, value) in changes {
                match value {
                    Some(value) => table.insert(*key, *value),
                    None => table.remove(*key),
                }
                .map_err(storage_failed(operation))?;
            }
        }
        transaction.commit().map_err(failed(operation))
    }

    /// The state of the file as last committed, for as long as it is held.
    pub(super) fn snapshot(&self) -> DiskResult<Snapshot> {
        let operation = "commit";
        let transaction = self.0.begin_read().map_err(failed(operation))?;
        let mut tables = Vec::with_capacity(Table::ALL.len());
        for table in Table::ALL {
            tables.push(transaction.open_table(definition(table)).map_err(failed(operation))?);
        }
        Ok(Snapshot { tables })
    }

    fn check_format(&self, path: &Path) -> Result<(), OrderedStoreError> {
        let other = |error: redb::Error| match error {
            redb::Error::TableTypeMismatch { .. } | redb::Error::TableIsMultimap(_) => {
                OrderedStoreError::Foreign { path: path.to_owned(), detail: error.to_string() }
            }
            error => damaged(path, error),
        };
        let transaction = self.0.begin_read().map_err(|error| other(error.into()))?;
        let found = match transaction.open_table(ABOUT) {
            Ok(about) => about
                .get(FORMAT_KEY)
                .map_err(|error| other(error.into()))?
                .and_then(|row| row.value().try_into().ok())
                .map(u32::from_be_bytes),
            Err(TableError::TableDoesNotExist(_)) => {
                let mut tables = transaction.list_tables().map_err(|error| other(error.into()))?;
                if tables.next().is_none() {
                    return self
                        .write_format()
                        .map_err(|error| OrderedStoreError::Disk { path: path.to_owned(), error });
                }
                None
            }
            Err(error) => return Err(other(error.into())),
        };
        match found {
            Some(FORMAT) => Ok(()),
            Some(found) => {
                Err(OrderedStoreError::Version { path: path.to_owned(), found, known: FORMAT })
            }
            None => Err(OrderedStoreError::Foreign {
                path: path.to_owned(),
                detail: "it lacks the row that says its format".to_owned(),
            }),
        }
    }

    /// Makes all tables and the row that says the format, in a new file.
    fn write_format(&self) -> DiskResult<()> {
        let operation = "open the store";
        let mut transaction = self.0.begin_write().map_err(failed(operation))?;
        transaction.set_two_phase_commit(true);
        for table in Table::ALL {
            transaction.open_table(definition(table)).map_err(failed(operation))?;
        }
        let format = FORMAT.to_be_bytes();
        transaction
            .open_table(ABOUT)
            .map_err(failed(operation))?
            .insert(FORMAT_KEY, &format[..])
            .map_err(storage_failed(operation))?;
        transaction.commit().map_err(failed(operation))
    }
}

/// One committed state of the file.
pub(super) struct Snapshot {
    tables: Vec<ReadOnlyTable<&'static [u8], &'static [u8]>>,
}

impl Snapshot {
    /// A value.
    pub(super) fn get(&self, table: Table, key: &[u8]) -> DiskResult<Option<Bytes>> {
        let row = self.tables[table as usize].get(key).map_err(storage_failed("get"))?;
        Ok(row.map(|row| Bytes::copy_from_slice(row.value())))
    }

    /// Rows from `start` to before `end`, in order.
    pub(super) fn range(&self, table: Table, start: &[u8], end: Option<&[u8]>) -> DiskResult<Rows> {
        let table = &self.tables[table as usize];
        match end {
            Some(end) => table.range(start..end),
            None => table.range(start..),
        }
        .map(Rows)
        .map_err(storage_failed("range"))
    }
}

/// Rows in order.
pub(super) struct Rows(redb::Range<'static, &'static [u8], &'static [u8]>);

impl Iterator for Rows {
    type Item = DiskResult<Row>;

    fn next(&mut self) -> Option<DiskResult<Row>> {
        let row = self.0.next()?;
        Some(row.map(|(key, value)| Row { key, value }).map_err(storage_failed("range")))
    }
}

/// A key and its value.
pub(super) struct Row {
    key: AccessGuard<'static, &'static [u8]>,
    value: AccessGuard<'static, &'static [u8]>,
}

impl Row {
    /// The key.
    pub(super) fn key(&self) -> &[u8] {
        self.key.value()
    }

    /// The value.
    pub(super) fn value(&self) -> &[u8] {
        self.value.value()
    }
}

/// Makes an empty file that only its owner may read, unless there is a file, and its name durable.
fn make_private(path: &Path) -> Result<(), OrderedStoreError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let make = || match rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR) {
        Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno),
        Ok(_) => {
            let parent = match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::fsync(rustix::fs::openat(CWD, parent, flags, Mode::empty())?)
        }
    };
    make().map_err(|errno| OrderedStoreError::Disk {
        path: path.to_owned(),
        error: super::super::error::failed("open the store")(errno),
    })
}

fn damaged(path: &Path, detail: impl ToString) -> OrderedStoreError {
    OrderedStoreError::Damaged { path: path.to_owned(), detail: detail.to_string() }
}

fn cannot_open(path: &Path, error: DatabaseError) -> OrderedStoreError {
    let path = path.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            OrderedStoreError::AlreadyOpen { path }
        }
        DatabaseError::Storage(StorageError::Io(error))
            if error.kind() == std::io::ErrorKind::InvalidData =>
        {
            OrderedStoreError::Foreign { path, detail: error.to_string() }
        }
        DatabaseError::Storage(StorageError::Io(error)) => OrderedStoreError::Disk {
            path,
            error: storage_failed("open the store")(StorageError::Io(error)),
        },
        error @ (DatabaseError::UpgradeRequired(_) | DatabaseError::TransactionInProgress) => {
            OrderedStoreError::Foreign { path, detail: error.to_string() }
        }
        error => damaged(&path, error),
    }
}
