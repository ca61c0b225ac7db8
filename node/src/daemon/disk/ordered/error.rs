//! Why the ordered store cannot be opened, and what redb's errors mean in the words of the seam.

use std::path::PathBuf;

use redb::StorageError;

use crate::store::{DiskError, DiskErrorKind};

/// The ordered store cannot be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OrderedStoreError {
    /// Another process has it open: most likely a second daemon with the same state directory.
    #[error("{path}: another process has the store open")]
    AlreadyOpen {
        /// The store's file.
        path: PathBuf,
    },
    /// The file is damaged. It has to be moved away; tree and index are then made again by a scan,
    /// but fence and votes are lost: the node has to join again.
    #[error("{path}: the store is damaged: {detail}")]
    Damaged {
        /// The store's file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The file is no store of mirrormesh. The operator names another one.
    #[error("{path}: not a store of mirrormesh: {detail}")]
    Foreign {
        /// The store's file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// A later version of mirrormesh made it. The operator installs that version.
    #[error("{path}: the store has format {found}, this program reads {known}")]
    Version {
        /// The store's file.
        path: PathBuf,
        /// Format of the file.
        found: u32,
        /// Format of this program.
        known: u32,
    },
    /// The file system said no.
    #[error("{path}: {error}")]
    Disk {
        /// The store's file.
        path: PathBuf,
        /// What it said.
        error: DiskError,
    },
}

impl From<OrderedStoreError> for DiskError {
    fn from(error: OrderedStoreError) -> DiskError {
        let kind = match &error {
            OrderedStoreError::Disk { error, .. } => error.kind,
            OrderedStoreError::AlreadyOpen { .. } => DiskErrorKind::Exists,
            OrderedStoreError::Foreign { .. } | OrderedStoreError::Version { .. } => {
                DiskErrorKind::Invalid
            }
            OrderedStoreError::Damaged { .. } => DiskErrorKind::Failed,
        };
        DiskError { kind, operation: "open the store", detail: error.to_string() }
    }
}

/// The failure of `operation` by an error of redb; fits `map_err`.
pub(super) fn failed<E: Into<redb::Error>>(operation: &'static str) -> impl Fn(E) -> DiskError {
    move |error| {
        let error = error.into();
        let kind = match &error {
            redb::Error::Io(error) => kind_of(error),
            redb::Error::ValueTooLarge(_) => DiskErrorKind::Invalid,
            _ => DiskErrorKind::Failed,
        };
        DiskError { kind, operation, detail: error.to_string() }
    }
}

/// The same for an error of redb's storage.
pub(super) fn storage_failed(operation: &'static str) -> impl Fn(StorageError) -> DiskError {
    failed(operation)
}

fn kind_of(error: &std::io::Error) -> DiskErrorKind {
    rustix::io::Errno::from_io_error(error)
        .map_or(DiskErrorKind::Failed, super::super::error::kind_of)
}
