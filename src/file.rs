//! Reads whole files within a size limit and a time limit.
//!
//! A FIFO without a writer, or a mount whose server is gone, can block a read for ever. Files that
//! the daemon reads while it runs (configuration, certificates, state) are therefore read on a
//! thread of their own, and the caller waits for it only so long.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

/// The longest that a caller waits for a file.
pub const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// The most threads that may hang in reads at once; further reads fail.
const MAX_HANGING: usize = 32;

/// Paths whose reads have not ended in time.
static HANGING: LazyLock<Mutex<BTreeSet<PathBuf>>> = LazyLock::new(Mutex::default);

/// Reads a whole file of at most `limit` bytes, waiting at most [`READ_TIMEOUT`].
///
/// # Errors
///
/// [`io::ErrorKind::FileTooLarge`] if the file is longer than `limit`, which for a regular file is
/// found before it is read; [`io::ErrorKind::TimedOut`] if the read does not end in time, or an
/// earlier read of the same path has not ended yet; otherwise the error of the system.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_within(path, limit, READ_TIMEOUT)
}

/// Reads a whole text file; see [`read`].
///
/// # Errors
///
/// Those of [`read`], and [`io::ErrorKind::InvalidData`] if the file is not UTF-8.
pub fn read_to_string(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(read(path, limit)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8 text"))
}

/// Reads a whole file, waiting at most `timeout`; see [`read`].
///
/// # Errors
///
/// Those of [`read`].
pub fn read_within(path: &Path, limit: u64, timeout: Duration) -> io::Result<Vec<u8>> {
    {
        let hanging = hanging();
        if hanging.contains(path) {
            return Err(timed_out("an earlier read of the file still hangs"));
        }
        if hanging.len() >= MAX_HANGING {
            return Err(timed_out("too many reads of other files hang"));
        }
    }
    let (result, outcome) = mpsc::sync_channel(1);
    let owned = path.to_path_buf();
    thread::Builder::new()
        .name("file-read".to_owned())
        .spawn(move || {
            let _ = result.send(read_here(&owned, limit));
            hanging().remove(&owned);
        })?;
    // The thread takes the path off the list when it ends, so the path must be on it before the
    // caller gives up: both happen under the lock.
    match outcome.recv_timeout(timeout) {
        Ok(outcome) => outcome,
        Err(_) => {
            let mut hanging = hanging();
            if let Ok(outcome) = outcome.try_recv() {
                return outcome;
            }
            hanging.insert(path.to_path_buf());
            Err(timed_out(
                "the read does not end; is it a FIFO or a mount that hangs?",
            ))
        }
    }
}

fn read_here(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if file.metadata()?.len() > limit {
        return Err(too_large(limit));
    }
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(too_large(limit));
    }
    Ok(bytes)
}

fn hanging() -> std::sync::MutexGuard<'static, BTreeSet<PathBuf>> {
    HANGING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn timed_out(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, why)
}

fn too_large(limit: u64) -> io::Error {
    let why = format!("the file is larger than {limit} bytes");
    io::Error::new(io::ErrorKind::FileTooLarge, why)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use nix::sys::stat::Mode;

    use super::*;

    #[test]
    fn a_file_of_exactly_the_limit_is_read_and_a_longer_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read_to_string(&path, 5).unwrap(), "12345");
        let kind = read(&path, 4).unwrap_err().kind();
        assert_eq!(kind, io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_device_without_a_size_is_cut_at_the_limit() {
        let kind = read(Path::new("/dev/zero"), 1000).unwrap_err().kind();
        assert_eq!(kind, io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_fifo_blocks_no_caller_and_is_readable_again_after_a_writer_came() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
        let timeout = Duration::from_millis(20);
        for _ in 0..2 {
            let kind = read_within(&path, 100, timeout).unwrap_err().kind();
            assert_eq!(kind, io::ErrorKind::TimedOut);
        }
        // Lets the hanging read end.
        drop(fs::OpenOptions::new().write(true).open(&path).unwrap());
        while hanging().contains(&path) {
            thread::yield_now();
        }
        let writer = thread::spawn({
            let path = path.clone();
            move || {
                let mut fifo = fs::OpenOptions::new().write(true).open(path).unwrap();
                fifo.write_all(b"text").unwrap();
            }
        });
        assert_eq!(read(&path, 100).unwrap(), b"text");
        writer.join().unwrap();
    }
}
