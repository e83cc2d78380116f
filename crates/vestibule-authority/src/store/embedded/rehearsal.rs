//! A file that is read, and not written: what is written goes to memory.

use std::{
    collections::BTreeMap,
    io,
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
};

use redb::{BackendError, StorageBackend, backends::FileBackend};

/// How much is copied to memory at once, in bytes; the size of redb's pages.
const BLOCK: u64 = 4096;

/// Shows the file as it would be if everything were written that was.
#[derive(Debug)]
pub(super) struct Rehearsal {
    file: FileBackend,
    written: Mutex<Written>,
}

#[derive(Debug, Default)]
struct Written {
    /// What is not as in the file, by the number of the block.
    blocks: BTreeMap<u64, Box<[u8]>>,
    /// The size, if it was changed.
    size: Option<u64>,
    /// What is behind this was cut off once, and is zero where it was not written since.
    cut: Option<u64>,
}

impl Rehearsal {
    pub(super) fn new(file: FileBackend) -> Self {
        Self { file, written: Mutex::default() }
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn size(&self, written: &Written) -> io::Result<u64> {
        written.size.map_or_else(|| self.file.len(), Ok)
    }

    /// A block, with zeros where the file has nothing.
    fn block(&self, written: &Written, number: u64) -> io::Result<Box<[u8]>> {
        if let Some(block) = written.blocks.get(&number) {
            return Ok(block.clone());
        }
        let from = number.saturating_mul(BLOCK);
        let end = self.file.len()?.min(written.cut.unwrap_or(u64::MAX));
        let there = end.saturating_sub(from).min(BLOCK);
        let mut block = vec![0; length(BLOCK)?];
        if let Some(there) = block.get_mut(..length(there)?)
            && !there.is_empty()
        {
            self.file.read(from, there)?;
        }
        Ok(block.into())
    }
}

fn length(length: u64) -> io::Result<usize> {
    usize::try_from(length).map_err(io::Error::other)
}

/// Calls `each` with the number of each block that is touched, where in it, and where in the data.
fn blocks(
    offset: u64,
    size: usize,
    mut each: impl FnMut(u64, std::ops::Range<usize>, std::ops::Range<usize>) -> io::Result<()>,
) -> io::Result<()> {
    let mut done = 0_usize;
    while done < size {
        let at = offset.saturating_add(u64::try_from(done).map_err(io::Error::other)?);
        let within = length(at % BLOCK)?;
        let count = length(BLOCK)?.saturating_sub(within).min(size.saturating_sub(done));
        let next = done.saturating_add(count);
        each(at / BLOCK, within..within.saturating_add(count), done..next)?;
        done = next;
    }
    Ok(())
}

fn copy(to: Option<&mut [u8]>, from: Option<&[u8]>) -> io::Result<()> {
    match (to, from) {
        (Some(to), Some(from)) if to.len() == from.len() => {
            to.copy_from_slice(from);
            Ok(())
        }
        (Some(_) | None, Some(_) | None) => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

impl StorageBackend for Rehearsal {
    fn len(&self) -> io::Result<u64> {
        self.size(&self.written())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let written = self.written();
        let end = offset.saturating_add(u64::try_from(out.len()).map_err(io::Error::other)?);
        if end > self.size(&written)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        blocks(offset, out.len(), |number, within, here| {
            copy(out.get_mut(here), self.block(&written, number)?.get(within))
        })
    }

    fn set_len(&self, size: u64) -> io::Result<()> {
        let mut written = self.written();
        if size < self.size(&written)? {
            written.cut = Some(written.cut.map_or(size, |cut| cut.min(size)));
            written.blocks.split_off(&size.div_ceil(BLOCK));
            let last = size / BLOCK;
            if let Some(block) = written.blocks.get_mut(&last)
                && let Some(behind) = block.get_mut(length(size % BLOCK)?..)
            {
                behind.fill(0);
            }
        }
        written.size = Some(size);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut written = self.written();
        blocks(offset, data.len(), |number, within, here| {
            let mut block = self.block(&written, number)?;
            copy(block.get_mut(within), data.get(here))?;
            written.blocks.insert(number, block);
            Ok(())
        })
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::{collection, prelude::*};

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Write(usize, Vec<u8>),
        Size(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let data = collection::vec(any::<u8>(), 1..6000);
        prop_oneof![
            3 => (0..20_000_usize, data).prop_map(|(at, data)| Step::Write(at, data)),
            1 => (0..20_000_usize).prop_map(Step::Size),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_reads_what_was_written_and_leaves_the_file_alone(
            content in collection::vec(any::<u8>(), 0..15_000),
            script in collection::vec(step(), 0..12),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("file");
            fs::write(&path, &content).unwrap();
            let file = FileBackend::new(fs::File::open(&path).unwrap()).unwrap();
            let (rehearsal, mut expected) = (Rehearsal::new(file), content.clone());
            for step in script {
                match step {
                    Step::Size(size) => {
                        rehearsal.set_len(size.try_into().unwrap()).unwrap();
                        expected.resize(size, 0);
                    }
                    Step::Write(at, data) => {
                        let size = expected.len().max(at + data.len());
                        rehearsal.set_len(size.try_into().unwrap()).unwrap();
                        rehearsal.write(at.try_into().unwrap(), &data).unwrap();
                        expected.resize(size, 0);
                        expected[at..at + data.len()].copy_from_slice(&data);
                    }
                }
                let mut read = vec![1; expected.len()];
                rehearsal.read(0, &mut read).unwrap();
                prop_assert!(read == expected);
                let size = rehearsal.len().unwrap();
                prop_assert_eq!(size, u64::try_from(expected.len()).unwrap());
                prop_assert!(rehearsal.read(size, &mut [0]).is_err());
            }
            prop_assert!(fs::read(&path).unwrap() == content);
        }
    }
}
