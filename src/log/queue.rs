//! A bounded queue of log lines, which a thread writes to standard error.
//!
//! Standard error may be a pipe whose reader has stopped, or a file on a disk that hangs. Logging
//! only appends to the queue, so that no prober, endpoint or shutdown waits for the reader. A full
//! queue drops lines and counts them; a later line gives their number.

use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Most bytes that wait to be written.
const MAX_WAITING: usize = 1 << 20;

/// Longest time that [`Queue::flush`] waits.
pub const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// Pause before the next attempt to write to a non-blocking standard error that is full.
const RETRY: Duration = Duration::from_millis(10);

/// Lines that wait to be written. Clones share one queue.
#[derive(Debug, Clone, Default)]
pub(super) struct Queue {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Lines dropped after those that wait.
    dropped: u64,
    /// Whether the thread is writing lines that it took.
    is_writing: bool,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.dropped == 0
    }
}

impl Queue {
    /// Returns a queue whose lines a new thread writes to `to`. `note` returns the line that says
    /// how many lines were dropped.
    ///
    /// # Errors
    /// If the system has no thread for it.
    pub(super) fn start(
        to: impl Write + Send + 'static,
        note: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let queue = Self::default();
        let writer = queue.clone();
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writer.write_all(to, note))?;
        Ok(queue)
    }

    /// Appends a line, or counts it as dropped if the queue is full.
    fn push(&self, line: &[u8]) {
        let mut waiting = self.lock();
        // After a dropped line, others are dropped until the note is written: it must come before
        // them.
        if waiting.dropped > 0 || waiting.lines.len() + line.len() > MAX_WAITING {
            waiting.dropped += 1;
        } else {
            waiting.lines.extend_from_slice(line);
        }
        drop(waiting);
        self.shared.changed.notify_all();
    }

    /// Waits until all lines are written, at most [`FLUSH_LIMIT`].
    pub(super) fn flush(&self) {
        let busy = |waiting: &mut Waiting| waiting.is_writing || !waiting.is_empty();
        let waiting = self.lock();
        // A poisoned lock or a timeout leaves nothing to do.
        let _ = self
            .shared
            .changed
            .wait_timeout_while(waiting, FLUSH_LIMIT, busy);
    }

    /// Writes lines until the process ends.
    fn write_all(&self, mut to: impl Write, note: impl Fn(u64) -> String) {
        loop {
            let (lines, dropped) = self.take();
            write(&mut to, &lines);
            if dropped > 0 {
                write(&mut to, note(dropped).as_bytes());
            }
            self.lock().is_writing = false;
            self.shared.changed.notify_all();
        }
    }

    /// Waits for lines and takes all of them.
    fn take(&self) -> (Vec<u8>, u64) {
        let waiting = self.lock();
        let mut waiting = self
            .shared
            .changed
            .wait_while(waiting, |waiting| waiting.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        waiting.is_writing = true;
        let lines = std::mem::take(&mut waiting.lines);
        (lines, std::mem::take(&mut waiting.dropped))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        let waiting = self.shared.waiting.lock();
        waiting.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes bytes. If that fails they are lost: there is no other place to report it.
fn write(to: &mut impl Write, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(0) => return,
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Another program may have made the shared pipe non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY),
            Err(_) => return,
        }
    }
}

/// A writer that appends a line to the queue.
pub(super) struct Entry<'q>(&'q Queue);

impl Write for Entry<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'q> MakeWriter<'q> for Queue {
    type Writer = Entry<'q>;

    fn make_writer(&'q self) -> Entry<'q> {
        Entry(self)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Instant;

    use super::*;

    /// A pipe whose reader takes one write for each permission.
    struct Gate {
        may_write: Receiver<()>,
        written: Sender<String>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.may_write.recv().is_err() {
                return Err(ErrorKind::BrokenPipe.into());
            }
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            let _ = self.written.send(text);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated() -> (Queue, Sender<()>, Receiver<String>) {
        let (open, may_write) = channel();
        let (written, lines) = channel();
        let gate = Gate { may_write, written };
        let queue = Queue::start(gate, |dropped| format!("{dropped} dropped\n")).unwrap();
        (queue, open, lines)
    }

    #[test]
    fn a_stopped_reader_blocks_no_writer_and_later_gets_the_number_of_dropped_lines() {
        let (queue, open, lines) = gated();
        queue.push(b"first\n");
        // Once the thread has taken the line, the whole queue is free again.
        while !queue.lock().is_writing {
            thread::yield_now();
        }
        let line = [b'x'; 1 << 10];
        for _ in 0..MAX_WAITING / line.len() {
            queue.push(&line);
        }
        assert_eq!(queue.lock().dropped, 0, "the queue holds its limit");
        for _ in 0..3 {
            queue.push(b"\n");
        }
        assert_eq!(queue.lock().dropped, 3);
        let began = Instant::now();
        queue.flush();
        assert!(began.elapsed() >= FLUSH_LIMIT, "nothing could be written");

        for _ in 0..3 {
            open.send(()).unwrap();
        }
        assert_eq!(lines.recv().unwrap(), "first\n");
        assert_eq!(lines.recv().unwrap().len(), MAX_WAITING);
        assert_eq!(lines.recv().unwrap(), "3 dropped\n");
        queue.flush();
        open.send(()).unwrap();
        queue.push(b"last\n");
        assert_eq!(lines.recv().unwrap(), "last\n");
    }

    #[test]
    fn lines_are_written_in_order_and_flush_waits_for_them() {
        let (queue, open, lines) = gated();
        for _ in 0..100 {
            open.send(()).unwrap();
        }
        for number in 0..100 {
            queue.push(format!("{number}\n").as_bytes());
        }
        queue.flush();
        let text: String = lines.try_iter().collect();
        let expected: String = (0..100).map(|number| format!("{number}\n")).collect();
        assert_eq!(text, expected);
    }

    #[test]
    fn a_closed_standard_error_does_not_delay_the_flush() {
        let (queue, open, _lines) = gated();
        drop(open);
        queue.push(b"lost\n");
        let began = Instant::now();
        queue.flush();
        assert!(began.elapsed() < FLUSH_LIMIT);
    }
}
