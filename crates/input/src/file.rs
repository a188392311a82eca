//! Reads whole files within a size limit and a time limit.
//!
//! A FIFO without a writer, or a mount whose server is gone, can block a read forever. The daemon
//! therefore reads its files (configuration, certificates, state) on a separate thread, and the
//! caller waits for that thread only for a limited time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak, mpsc};
use std::thread;
use std::time::Duration;

/// Longest time that a caller waits for a file.
pub const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// Most threads that may hang in reads at once. Further reads fail.
const MAX_HANGING: usize = 32;

/// Paths whose reads did not end in time. A read that has ended has dropped its `Arc`.
type Hanging = BTreeMap<PathBuf, Weak<()>>;

static HANGING: LazyLock<Mutex<Hanging>> = LazyLock::new(Mutex::default);

/// Makes a call that may hang on a separate thread, and waits at most `limit` for it. A call that
/// has not ended by then continues, and its result is dropped.
///
/// # Errors
///
/// [`io::ErrorKind::TimedOut`] if the call does not end in time; another error if no thread can be
/// started.
pub fn within<T: Send + 'static>(
    thread_name: &str,
    limit: Duration,
    call: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (result, outcome) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name(thread_name.to_owned())
        .spawn(move || {
            // The caller may have stopped waiting.
            let _ = result.send(call());
        })?;
    let outcome = outcome.recv_timeout(limit);
    outcome.map_err(|_| timed_out("the call does not end"))
}

/// Reads a whole file of at most `limit` bytes, waiting at most [`READ_TIMEOUT`].
///
/// # Errors
///
/// [`io::ErrorKind::FileTooLarge`] if the file is longer than `limit`, which is checked before a
/// regular file is read; [`io::ErrorKind::TimedOut`] if the read does not end in time, or an
/// earlier read of the same path has not ended yet; otherwise the error of the operating system.
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
pub(crate) fn read_within(path: &Path, limit: u64, timeout: Duration) -> io::Result<Vec<u8>> {
    {
        let hanging = hanging();
        if hanging.contains_key(path) {
            return Err(timed_out("an earlier read of the file still hangs"));
        }
        if hanging.len() >= MAX_HANGING {
            return Err(timed_out("too many reads of other files hang"));
        }
    }
    let under_way = Arc::new(());
    let hangs = Arc::downgrade(&under_way);
    let owned = path.to_path_buf();
    let read = move || {
        let bytes = read_here(&owned, limit);
        drop(under_way);
        bytes
    };
    match within("file-read", timeout, read) {
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            hanging().insert(path.to_path_buf(), hangs);
            Err(timed_out(
                "the read does not end; is it a FIFO or a mount that hangs?",
            ))
        }
        read => read?,
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

/// Returns the paths whose reads hang now.
fn hanging() -> MutexGuard<'static, Hanging> {
    let mut hanging = HANGING.lock().unwrap_or_else(PoisonError::into_inner);
    hanging.retain(|_, read| read.strong_count() > 0);
    hanging
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
    fn only_files_up_to_the_limit_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read_to_string(&path, 5).unwrap(), "12345");
        let kind = read(&path, 4).unwrap_err().kind();
        assert_eq!(kind, io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_device_without_an_end_is_too_large() {
        let kind = read(Path::new("/dev/zero"), 1000).unwrap_err().kind();
        assert_eq!(kind, io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_call_that_hangs_times_out() {
        assert_eq!(within("test", Duration::MAX, || 7).unwrap(), 7);
        let (end, hang) = mpsc::channel::<()>();
        let call = move || hang.recv().is_err();
        let kind = within("test", Duration::from_millis(20), call)
            .unwrap_err()
            .kind();
        assert_eq!(kind, io::ErrorKind::TimedOut);
        drop(end);
    }

    #[test]
    fn a_fifo_blocks_no_caller_and_is_readable_after_a_writer_came() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
        let timeout = Duration::from_millis(20);
        for _ in 0..2 {
            let kind = read_within(&path, 100, timeout).unwrap_err().kind();
            assert_eq!(kind, io::ErrorKind::TimedOut);
        }
        // A writer lets the hanging read end.
        drop(fs::OpenOptions::new().write(true).open(&path).unwrap());
        while hanging().contains_key(&path) {
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
