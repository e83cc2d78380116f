//! Opening a file: what it is, whose it is, and whether it is whole.
//!
//! Nothing is written before all that is known: redb repairs what it opens, and cannot say
//! beforehand whether it will like what it finds. So each opening is rehearsed, with all writes
//! going to memory.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process,
};

use redb::{
    Builder, Database, DatabaseError, ReadableDatabase, StorageBackend, StorageError, TableError,
    backends::{FileBackend, InMemoryBackend},
};

use super::{
    rehearsal::Rehearsal,
    tables::{FORMAT, FORMAT_WRITTEN, META},
    transaction::Open,
};
use crate::limits;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Somebody else has it open, on this host.
    #[error("the store is in use by another process")]
    InUse,
    /// It is something else, and was not touched.
    #[error("this is not a store of Vestibule, but {0}")]
    Foreign(&'static str),
    /// It is not what was written, and was not touched.
    #[error("the store is damaged ({0}); it was left as it is")]
    Damaged(Box<str>),
    /// It was written by another version, and was not touched.
    #[error(
        "the store has format {found}, and this version of Vestibule knows format {FORMAT_WRITTEN}; \
         it was left as it is"
    )]
    Format {
        /// What it has.
        found: u64,
    },
    /// It cannot be read, written or made.
    #[error("the store cannot be opened")]
    File(#[from] io::Error),
    /// The thread that writes could not be started.
    #[error("the thread that writes the store could not be started")]
    Thread(#[source] io::Error),
}

/// Opens the file, or makes it.
pub(super) fn file(path: &Path) -> Result<Database, OpenError> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => return Err(OpenError::Foreign("no regular file")),
        Ok(found) => warn_of_readers(path, &found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path)?,
        Err(error) => return Err(error.into()),
    }
    let whole = || -> Result<(), OpenError> {
        let database = open(Rehearsal::new(backend(path)?), Check::Everything)?;
        check_format(&database)
    };
    catch_unwind(AssertUnwindSafe(whole))
        .unwrap_or_else(|_| Err(OpenError::Damaged("it cannot be made sense of".into())))?;
    let mut database = open(backend(path)?, Check::AfterCrash)?;
    compact(path, &mut database)?;
    Ok(database)
}

/// Makes one in memory.
pub(super) fn memory() -> Result<Database, OpenError> {
    on(InMemoryBackend::new())
}

/// Makes or opens one wherever it is, without looking at it first.
pub(super) fn on(backend: impl StorageBackend) -> Result<Database, OpenError> {
    let database = open(backend, Check::AfterCrash)?;
    lay_out(&database)?;
    Ok(database)
}

/// Makes the file beside its place and then puts it there, so that there is a whole one or none.
fn make(path: &Path) -> Result<(), OpenError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", process::id()));
    let beside = PathBuf::from(beside);
    // Left by a process that had our number and came to a sudden end.
    remove(&beside)?;
    let file =
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&beside)?;
    let made = FileBackend::new(file)
        .map_err(OpenError::from)
        .and_then(|backend| on(backend).map(drop))
        .and_then(|()| put(&beside, path).map_err(OpenError::from));
    remove(&beside)?;
    made?;
    // The file is only there after a crash of the machine when its folder says so.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
    Ok(())
}

/// Puts it there unless there is one, whatever the filesystem can do.
fn put(beside: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(beside, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(_) if !path.exists() => fs::rename(beside, path),
        done @ (Ok(()) | Err(_)) => done,
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done @ (Ok(()) | Err(_)) => done,
    }
}

fn backend(path: &Path) -> Result<FileBackend, OpenError> {
    Ok(FileBackend::new(OpenOptions::new().read(true).write(true).open(path)?)?)
}

/// How much is checked.
#[derive(Clone, Copy)]
enum Check {
    /// Every page.
    Everything,
    /// Every page if the file was not closed.
    AfterCrash,
}

fn open(backend: impl StorageBackend, check: Check) -> Result<Database, OpenError> {
    let mut builder = Builder::new();
    builder.set_cache_size(limits::STORE_CACHE_BYTES);
    match check {
        Check::Everything => _ = builder.set_check_integrity_on_open(true),
        Check::AfterCrash => {}
    }
    Ok(builder.create_with_backend(backend)?)
}

/// Makes all tables, and says which layout they have.
fn lay_out(database: &Database) -> Result<(), OpenError> {
    let made = || -> Result<(), redb::Error> {
        let transaction = database.begin_write()?;
        Open::new(&transaction)?.close()?;
        transaction.open_table(META)?.insert(FORMAT, FORMAT_WRITTEN)?;
        transaction.commit()?;
        Ok(())
    };
    made().map_err(|error| OpenError::File(io::Error::other(error)))
}

fn check_format(database: &Database) -> Result<(), OpenError> {
    let meta = match database.begin_read().map_err(damaged)?.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_) | TableError::TableTypeMismatch { .. }) => {
            return Err(OpenError::Foreign("a database of something else"));
        }
        Err(error) => return Err(damaged(error)),
    };
    match meta.get(FORMAT).map_err(damaged)?.map(|format| format.value()) {
        Some(FORMAT_WRITTEN) => Ok(()),
        Some(found) => Err(OpenError::Format { found }),
        None => Err(OpenError::Foreign("a database of something else")),
    }
}

/// Gives back what is empty, if it is much: redb's files do not shrink by themselves.
fn compact(path: &Path, database: &mut Database) -> Result<(), OpenError> {
    let size = fs::metadata(path)?.len();
    if size < limits::COMPACTED_FROM {
        return Ok(());
    }
    let stats = || -> Result<u64, redb::Error> {
        let transaction = database.begin_write()?;
        let stats = transaction.stats()?;
        transaction.abort()?;
        Ok(stats.stored_bytes().saturating_add(stats.metadata_bytes()))
    };
    let used = stats().map_err(damaged)?;
    if used < size / 4 {
        database.compact().map_err(damaged)?;
        tracing::info!(from = size, to = fs::metadata(path)?.len(), "the store was compacted");
    }
    Ok(())
}

fn warn_of_readers(path: &Path, found: &fs::Metadata) {
    if found.mode() & 0o077 != 0 {
        let path = path.display();
        tracing::warn!(%path, "the store holds secrets, and others than its owner may open it");
    }
}

fn damaged(error: impl Into<redb::Error>) -> OpenError {
    OpenError::Damaged(error.into().to_string().into())
}

impl From<DatabaseError> for OpenError {
    fn from(error: DatabaseError) -> Self {
        if let DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch = error {
            return Self::InUse;
        }
        let DatabaseError::Storage(StorageError::Io(error)) = error else { return damaged(error) };
        if error.kind() == io::ErrorKind::InvalidData {
            // What redb says of a file that does not begin as its files do.
            return Self::Foreign("something else");
        }
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Self::Damaged("it was cut off".into());
        }
        Self::File(error)
    }
}
