//! Opens files of the state directory without following links that other users put there.
//!
//! The path of the directory may contain symbolic links: the operator chose it. The files in it may
//! not be links: with a link, another user could choose which file is read or overwritten. A file
//! is read only if it is regular and belongs to us, to the owner of the directory or to root, all
//! of which can change the directory anyway.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;

use super::file::{FileError, MAX_FILE};

/// Only our user may read.
const FILE_MODE: u32 = 0o600;

/// The user id of root.
const ROOT: u32 = 0;

/// User ids whose files are trusted.
#[derive(Debug)]
pub(super) struct Owners([Option<u32>; 3]);

impl Owners {
    /// Returns the trusted owners of files in a directory. `ours` owns the files that we create
    /// there, if known.
    pub(super) fn of(folder: &Path, ours: Option<u32>) -> Self {
        let of_folder = fs::metadata(folder).ok().map(|metadata| metadata.uid());
        Self([Some(ROOT), of_folder, ours])
    }

    fn have(&self, uid: u32) -> bool {
        self.0.contains(&Some(uid))
    }
}

/// Opens a directory; a FIFO in its place does not block.
pub(super) fn open_folder(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_DIRECTORY.bits())
        .open(path)
}

/// Creates a new file. A file that an interrupted save or another user left in its place is removed
/// and never opened.
pub(super) fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)
}

/// Opens a file of this length to append to it, and refuses any other file.
pub(super) fn append_to(path: &Path, length: u64) -> io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = OpenOptions::new()
        .append(true)
        .custom_flags(flags.bits())
        .open(path)?;
    let metadata = file.metadata()?;
    match metadata.is_file() && metadata.len() == length {
        true => Ok(file),
        false => Err(io::Error::other(
            "the file is not the one that was written last",
        )),
    }
}

/// Reads a whole file; returns `None` if there is none.
pub(super) fn read(path: &Path, owners: &Owners) -> Result<Option<Vec<u8>>, FileError> {
    read_at_most(MAX_FILE, path, owners)
}

/// Reads a whole file of at most so many bytes; returns `None` if there is none.
pub(super) fn read_at_most(
    most: usize,
    path: &Path,
    owners: &Owners,
) -> Result<Option<Vec<u8>>, FileError> {
    // These flags neither follow a link nor wait for the writer of a FIFO.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path);
    let file = match opened {
        Ok(file) => file,
        // Below something that is no directory there is no file either.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        // Opening a link fails with ELOOP, opening a socket with ENXIO.
        Err(error) => {
            return match fs::symlink_metadata(path) {
                Ok(metadata) if !metadata.is_file() => Err(FileError::NotAFile),
                _ => Err(error.into()),
            };
        }
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(FileError::NotAFile);
    }
    if !owners.have(metadata.uid()) {
        return Err(FileError::Owner);
    }
    if metadata.len() > most as u64 {
        return Err(FileError::TooLong);
    }
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes)?;
    match bytes.len() > most {
        true => Err(FileError::TooLong),
        false => Ok(Some(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::sys::stat::Mode;

    use super::*;

    #[test]
    fn only_regular_files_of_trusted_owners_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let owners = Owners::of(folder.path(), None);
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), b"content").unwrap();
        assert_eq!(read(&at("file"), &owners).unwrap().unwrap(), b"content");
        assert!(read(&at("missing"), &owners).unwrap().is_none());
        assert!(read(&at("file/below"), &owners).unwrap().is_none());

        symlink(at("file"), at("link")).unwrap();
        symlink(at("nowhere"), at("dangling")).unwrap();
        symlink(at("loop"), at("loop")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        nix::unistd::mkfifo(&at("fifo"), Mode::S_IRWXU).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        for name in ["link", "dangling", "loop", "folder", "fifo", "socket"] {
            let why = read(&at(name), &owners).unwrap_err();
            assert!(matches!(why, FileError::NotAFile), "{name}: {why}");
        }

        let uid = fs::metadata(at("file")).unwrap().uid();
        let others = Owners([Some(uid + 1), None, None]);
        let why = read(&at("file"), &others).unwrap_err();
        assert!(matches!(why, FileError::Owner), "{why}");
    }

    #[test]
    fn create_replaces_existing_files_without_writing_to_them() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("precious"), b"content").unwrap();
        symlink(at("precious"), at("link")).unwrap();
        fs::hard_link(at("precious"), at("hard link")).unwrap();
        nix::unistd::mkfifo(&at("fifo"), Mode::S_IRWXU).unwrap();
        for name in ["link", "hard link", "fifo"] {
            let file = create(&at(name)).unwrap();
            assert!(file.metadata().unwrap().is_file(), "{name}");
            assert_eq!(fs::read(at("precious")).unwrap(), b"content", "{name}");
        }
        fs::create_dir(at("folder")).unwrap();
        assert!(create(&at("folder")).is_err());
        nix::unistd::mkfifo(&at("not a folder"), Mode::S_IRWXU).unwrap();
        assert!(open_folder(&at("not a folder")).is_err());
    }
}
