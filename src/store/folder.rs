//! Files of the state directory.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::StoreError;
use super::file::{self, Bad, MAX_PAYLOAD};
use super::guard::{Owners, create, open_folder, read};
use seedwatch_clock::Clock;

/// Times that files of one section were put aside of which the files are kept: the latest.
pub const MAX_ASIDE: usize = 3;

/// Only we may read: nodes of the DHT are of no concern to other users of this machine.
const FOLDER_MODE: u32 = 0o700;

/// How the file of a section ends.
const SUFFIX: &str = ".state";
/// What stands between a section and the time it was put aside.
const ASIDE: &str = ".bad-";

/// The state directory. It is for one process at a time.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    /// Held while saving: two at once would write into one file.
    saving: Mutex<()>,
    /// What is put aside from here on is put aside together, however long that takes.
    since: u64,
    /// The directory with our lock on it. It ends with the process, however that ends.
    held: OnceLock<File>,
    /// Who owns the files that we make there. Some file systems map owners.
    owner: OnceLock<u32>,
}

impl Store {
    /// The store in a directory, which is looked at when it is needed: it may be unusable now and
    /// be mended later.
    pub fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            saving: Mutex::new(()),
            since: Clock::start().now().unix.0,
            held: OnceLock::new(),
            owner: OnceLock::new(),
        }
    }

    /// Makes the directory if it is missing, with its parents, takes it for this process, and sees whether
    /// it can be written to.
    ///
    /// # Errors
    /// [`StoreError::InUse`]: another process has taken it. [`StoreError::Folder`]: it cannot be made, is
    /// none, or nothing can be written there.
    pub fn prepare(&self) -> Result<(), StoreError> {
        let _saving = self.lock();
        let made = DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(&self.folder);
        self.hold()?;
        let probe = self.folder.join("probe.new");
        let written = made
            .and_then(|()| create(&probe))
            // A full disk takes empty files.
            .and_then(|mut file| {
                self.owner.get_or_init(|| owner(&file));
                file.write_all(&[0; 64]).and_then(|()| file.sync_all())
            });
        let removed = fs::remove_file(&probe);
        written.and(removed).map_err(|source| self.unusable(source))
    }

    /// Two processes would overwrite what the other saved. A file system that has no locks is trusted.
    fn hold(&self) -> Result<(), StoreError> {
        if self.held.get().is_some() {
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
                self.held.get_or_init(|| folder);
                Ok(())
            }
        }
    }

    /// The sections that are there, sorted.
    ///
    /// # Errors
    /// [`StoreError::Folder`]: there is something, and it cannot be listed.
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

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.saving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Saves a section, whose name is a plain word, or one followed by `-` and numbers if it is written in
    /// parts. When this returns without error, the section
    /// will be found after a loss of power.
    ///
    /// # Errors
    /// [`StoreError::Save`], also if the payload is longer than [`MAX_PAYLOAD`].
    pub fn save(&self, section: &str, version: u16, payload: &[u8]) -> Result<(), StoreError> {
        let _saving = self.lock();
        let path = self.path(section);
        let result = match payload.len() > MAX_PAYLOAD {
            true => Err(io::Error::other(Bad::TooLong)),
            false => self.replace(&path, &file::encode(section, version, payload)),
        };
        result.map_err(|source| StoreError::Save { path, source })
    }

    /// Loads a section: its version, at most `known`, and its payload. `None` if it was never
    /// saved.
    ///
    /// # Errors
    /// [`StoreError::Bad`]: there is a file, and it is of no use. It has been put aside.
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

    /// Removes a section that others have taken the place of.
    ///
    /// # Errors
    /// [`StoreError::Save`].
    pub fn remove(&self, section: &str) -> Result<(), StoreError> {
        let _saving = self.lock();
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

    /// Puts the file of a section aside, whose payload turned out to be of no use.
    pub fn reject(&self, section: &str, why: Bad) -> StoreError {
        let path = self.path(section);
        let now = Clock::start().now().unix.0;
        let aside = self.folder.join(format!("{section}{ASIDE}{now}"));
        let moved = fs::rename(&path, &aside).is_ok();
        self.forget_old(section);
        StoreError::Bad {
            path,
            why,
            aside: moved.then_some(aside),
        }
    }

    /// Removes what was put aside long ago. The parts of a section that is written in parts are
    /// one: they become useless together.
    fn forget_old(&self, section: &str) {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return;
        };
        let aside: Vec<(u64, PathBuf)> = entries
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name();
                let (of, when) = name.to_str()?.split_once(ASIDE)?;
                let when: u64 = when.parse().ok()?;
                (group(of) == group(section)).then(|| (when.min(self.since), entry.path()))
            })
            .collect();
        let mut times: Vec<u64> = aside.iter().map(|(when, _)| *when).collect();
        times.sort_unstable();
        times.dedup();
        let surplus = times.len().saturating_sub(MAX_ASIDE);
        for (_, path) in aside
            .iter()
            .filter(|(when, _)| times[..surplus].contains(when))
        {
            // It stays, then.
            let _ = fs::remove_file(path);
        }
    }

    pub(super) fn path(&self, section: &str) -> PathBuf {
        self.folder.join(format!("{section}{SUFFIX}"))
    }

    /// Puts a file in the place of another, whole or not at all.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let new = path.with_extension("new");
        let written = create(&new)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&new, path));
        if written.is_err() {
            // Half a file is of no use; the next attempt would overwrite it.
            let _ = fs::remove_file(&new);
        }
        written?;
        // The new name is on the disk only when the directory is.
        open_folder(&self.folder)?.sync_all()
    }
}

/// The payload of a section that somebody else's directory holds, if it is of use. Nothing is
/// changed there.
pub(super) fn peek(folder: &Path, section: &str, known: u16) -> Option<Vec<u8>> {
    let owners = Owners::of(folder, None);
    let bytes = read(&folder.join(format!("{section}{SUFFIX}")), &owners).ok()??;
    let (_, payload) = file::decode(section, known, &bytes).ok()?;
    Some(payload.to_vec())
}

/// `torrents-4-2` is one of the `torrents`.
fn group(section: &str) -> &str {
    section.split('-').next().unwrap_or_default()
}

/// The owner of a file that we have just made; root, whom we trust anyway, if it cannot be told.
fn owner(file: &File) -> u32 {
    file.metadata().map_or(0, |metadata| metadata.uid())
}
