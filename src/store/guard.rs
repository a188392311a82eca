//! Opens files of the state directory without following what others put there.
//!
//! The path of the directory may lead through symbolic links: it is the user's choice. The files in
//! it may not: with a link, another user could choose what is read, or what is overwritten. A file
//! counts only if it is regular and belongs to us, to the owner of the directory or to root;
//! those can do what they like there anyway.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;

use super::file::{Bad, MAX_FILE};

/// Only we may read.
const FILE_MODE: u32 = 0o600;

/// The user id of root.
const ROOT: u32 = 0;

/// User ids whose files are trusted.
#[derive(Debug)]
pub(super) struct Owners([Option<u32>; 3]);

impl Owners {
    /// Those of files in a directory; `ours` owns the files that we make there, if that is known.
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

/// Makes a file that was not there before. What an interrupted save or another user left in its place
/// is removed and never opened.
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

/// Reads all of a file, if there is one.
pub(super) fn read(path: &Path, owners: &Owners) -> Result<Option<Vec<u8>>, Bad> {
    // Neither a link is followed, nor is the other end of a FIFO waited for.
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
        // What NotFound says of a link's target, ELOOP says of a link; a socket is ENXIO.
        Err(error) => {
            return match fs::symlink_metadata(path) {
                Ok(metadata) if !metadata.is_file() => Err(Bad::NotAFile),
                _ => Err(error.into()),
            };
        }
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Bad::NotAFile);
    }
    if !owners.have(metadata.uid()) {
        return Err(Bad::Owner);
    }
    if metadata.len() > MAX_FILE as u64 {
        return Err(Bad::TooLong);
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes)?;
    match bytes.len() > MAX_FILE {
        true => Err(Bad::TooLong),
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
            assert!(matches!(why, Bad::NotAFile), "{name}: {why}");
        }

        let uid = fs::metadata(at("file")).unwrap().uid();
        let others = Owners([Some(uid + 1), None, None]);
        let why = read(&at("file"), &others).unwrap_err();
        assert!(matches!(why, Bad::Owner), "{why}");
    }

    #[test]
    fn what_is_in_the_way_of_a_new_file_is_replaced_and_never_written_to() {
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
