//! Files of the state directory.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::StoreError;
use super::file::{self, FileError, MAX_PAYLOAD};
use super::guard::{Owners, create, open_folder, read, read_at_most};
use seedwatch_clock::Clock;

/// Most quarantines per section whose files are kept: the latest ones.
pub const MAX_QUARANTINED: usize = 3;

/// Only our user may read the state.
const FOLDER_MODE: u32 = 0o700;

/// The extension of the file of a section.
const SUFFIX: &str = ".state";
/// Separates the section and the time in the name of a quarantined file.
const QUARANTINE: &str = ".bad-";

/// The state directory, used by one process at a time.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    /// Held while saving, because two saves at once would write to the same temporary file.
    saving: Mutex<()>,
    /// The start of this process in Unix seconds. All its quarantines count as one.
    started: u64,
    /// The directory with our lock on it. The kernel releases the lock when the process ends.
    locked: OnceLock<File>,
    /// The owner of the files that we create there. Some file systems map owners.
    owner: OnceLock<u32>,
}

impl Drop for Store {
    /// Unlocks the directory. Closing it would not do while a process that was just forked still
    /// shares it.
    fn drop(&mut self) {
        if let Some(folder) = self.locked.get() {
            let _ = folder.unlock();
        }
    }
}

impl Store {
    /// Returns a store in a directory without accessing it: a directory that is unusable now may be
    /// repaired later.
    pub fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            saving: Mutex::new(()),
            started: Clock::start().now().unix.0,
            locked: OnceLock::new(),
            owner: OnceLock::new(),
        }
    }

    /// Creates the directory and its parents if they are missing, locks it for this process, and
    /// writes a test file.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if another process has locked it; [`StoreError::Folder`] if it cannot
    /// be created, is no directory or cannot be written to.
    pub fn prepare(&self) -> Result<(), StoreError> {
        let _saving = self.lock_saving();
        let created = DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(&self.folder);
        self.lock_folder()?;
        let probe = self.folder.join("probe.new");
        let written = created
            .and_then(|()| create(&probe))
            // A full disk accepts empty files.
            .and_then(|mut file| {
                self.owner.get_or_init(|| owner(&file));
                file.write_all(&[0; 64]).and_then(|()| file.sync_all())
            });
        let removed = fs::remove_file(&probe);
        written.and(removed).map_err(|source| self.unusable(source))
    }

    /// Locks the directory, because two processes would overwrite each other's state. Goes on
    /// without a lock if the file system has none.
    fn lock_folder(&self) -> Result<(), StoreError> {
        if self.locked.get().is_some() {
            return Ok(());
        }
        let Ok(folder) = open_folder(&self.folder) else {
            return Ok(());
        };
        match folder.try_lock() {
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
                path: self.folder.clone(),
            }),
            Err(TryLockError::Error(_)) => Ok(()),
            Ok(()) => {
                self.locked.get_or_init(|| folder);
                Ok(())
            }
        }
    }

    /// Returns the saved sections, sorted.
    ///
    /// # Errors
    /// [`StoreError::Folder`] if the directory exists and cannot be listed.
    pub fn sections(&self) -> Result<Vec<String>, StoreError> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|source| self.unusable(source))?,
        };
        let mut sections: Vec<String> = entries
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                Some(name.strip_suffix(SUFFIX)?.to_owned())
            })
            .collect();
        sections.sort_unstable();
        Ok(sections)
    }

    pub(super) fn unusable(&self, source: io::Error) -> StoreError {
        StoreError::Folder {
            path: self.folder.clone(),
            source,
        }
    }

    /// Reads a file of at most so many bytes; returns `None` if there is none.
    pub(super) fn read(&self, path: &Path, most: usize) -> Result<Option<Vec<u8>>, FileError> {
        let owners = Owners::of(&self.folder, self.owner.get().copied());
        read_at_most(most, path, &owners)
    }

    pub(super) fn lock_saving(&self) -> MutexGuard<'_, ()> {
        self.saving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Saves a section. Its name is a word, followed by `-` and numbers if the section is a shard.
    /// Once this returns without error, the section survives a loss of power.
    ///
    /// # Errors
    /// [`StoreError::Save`], also if the payload is longer than [`MAX_PAYLOAD`].
    pub fn save(&self, section: &str, version: u16, payload: &[u8]) -> Result<(), StoreError> {
        let _saving = self.lock_saving();
        let path = self.path(section);
        let result = match payload.len() > MAX_PAYLOAD {
            true => Err(io::Error::other(FileError::TooLong)),
            false => self.replace(&path, &file::encode(section, version, payload)),
        };
        result.map_err(|source| StoreError::Save { path, source })
    }

    /// Loads a section: its version, at most `known`, and its payload. Returns `None` if it was
    /// never saved.
    ///
    /// # Errors
    /// [`StoreError::File`] if there is a file that cannot be used. It has been quarantined.
    pub fn load(&self, section: &str, known: u16) -> Result<Option<(u16, Vec<u8>)>, StoreError> {
        let owners = Owners::of(&self.folder, self.owner.get().copied());
        let loaded = match read(&self.path(section), &owners) {
            Ok(None) => return Ok(None),
            Ok(Some(bytes)) => file::decode(section, known, &bytes)
                .map(|(version, payload)| (version, payload.to_vec())),
            Err(why) => Err(why),
        };
        loaded.map(Some).map_err(|why| self.reject(section, why))
    }

    /// Removes a section that other sections have replaced.
    ///
    /// # Errors
    /// [`StoreError::Save`].
    pub fn remove(&self, section: &str) -> Result<(), StoreError> {
        let _saving = self.lock_saving();
        let path = self.path(section);
        let removed = fs::remove_file(&path);
        removed.map_err(|source| StoreError::Save { path, source })
    }

    /// Removes a section, if it is there.
    ///
    /// # Errors
    /// [`StoreError::Save`].
    pub(super) fn remove_if_there(&self, section: &str) -> Result<(), StoreError> {
        match self.remove(section) {
            Err(StoreError::Save { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(())
            }
            removed => removed,
        }
    }

    /// Quarantines the file of a section, and returns the error that reports it.
    pub fn reject(&self, section: &str, why: FileError) -> StoreError {
        let path = self.path(section);
        let now = Clock::start().now().unix.0;
        let quarantined = self.folder.join(format!("{section}{QUARANTINE}{now}"));
        let moved = fs::rename(&path, &quarantined).is_ok();
        self.remove_old_quarantines(section);
        StoreError::File {
            path,
            why,
            quarantined: moved.then_some(quarantined),
        }
    }

    /// Removes all but the latest quarantined files. The shards of one group count together,
    /// because they become useless together.
    fn remove_old_quarantines(&self, section: &str) {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return;
        };
        let files: Vec<(u64, PathBuf)> = entries
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name();
                let (of, when) = name.to_str()?.split_once(QUARANTINE)?;
                let when: u64 = when.parse().ok()?;
                (group(of) == group(section)).then(|| (when.min(self.started), entry.path()))
            })
            .collect();
        let mut times: Vec<u64> = files.iter().map(|(when, _)| *when).collect();
        times.sort_unstable();
        times.dedup();
        let surplus = times.len().saturating_sub(MAX_QUARANTINED);
        for (_, path) in files
            .iter()
            .filter(|(when, _)| times[..surplus].contains(when))
        {
            // A file that cannot be removed does no harm.
            let _ = fs::remove_file(path);
        }
    }

    pub(super) fn path(&self, section: &str) -> PathBuf {
        self.folder.join(format!("{section}{SUFFIX}"))
    }

    /// Replaces a file completely or not at all.
    pub(super) fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let new = path.with_extension("new");
        let written = create(&new)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&new, path));
        if written.is_err() {
            // A partial file is useless, and the next attempt would overwrite it.
            let _ = fs::remove_file(&new);
        }
        written?;
        // The rename reaches the disk only when the directory does.
        open_folder(&self.folder)?.sync_all()
    }
}

/// Reads the payload of a section from another process's directory, without changing anything
/// there.
pub(super) fn peek(folder: &Path, section: &str, known: u16) -> Option<Vec<u8>> {
    let owners = Owners::of(folder, None);
    let bytes = read(&folder.join(format!("{section}{SUFFIX}")), &owners).ok()??;
    let (_, payload) = file::decode(section, known, &bytes).ok()?;
    Some(payload.to_vec())
}

/// Returns the group of a section: `torrents` for `torrents-4-2`.
fn group(section: &str) -> &str {
    section.split('-').next().unwrap_or_default()
}

/// Returns the owner of a file that we have just created; root if unknown, which is trusted anyway.
fn owner(file: &File) -> u32 {
    file.metadata().map_or(0, |metadata| metadata.uid())
}
