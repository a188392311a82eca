//! Wakes a thread that waits in `poll(2)` for sockets.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::SeqCst};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

/// The longest wait in milliseconds if nothing is due.
const MAX_WAIT_MS: i32 = 60_000;

/// The owner is working.
const AWAKE: u8 = 0;
/// The owner waits or is about to.
const ASLEEP: u8 = 1;
/// Another thread has called [`Waker::wake`] since the last [`Waker::reset`].
const WOKEN: u8 = 2;

/// Wakes its owner for work that does not come from a socket. While the owner is awake,
/// [`Waker::wake`] costs no system call.
#[derive(Debug)]
pub(super) struct Waker {
    event: EventFd,
    state: AtomicU8,
    stop: AtomicBool,
}

impl Waker {
    pub(super) fn new() -> io::Result<Self> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        Ok(Self {
            event: EventFd::from_value_and_flags(0, flags)?,
            state: AtomicU8::new(AWAKE),
            stop: AtomicBool::new(false),
        })
    }

    /// Wakes the owner. Called after the work is in its queue.
    pub(super) fn wake(&self) {
        if self.state.swap(WOKEN, SeqCst) == ASLEEP {
            // Fails only if the counter overflows, after 2⁶⁴ calls.
            let _ = self.event.write(1);
        }
    }

    /// Wakes the owner and asks it to end.
    pub(super) fn stop(&self) {
        self.stop.store(true, SeqCst);
        self.wake();
    }

    /// Returns whether the owner is asked to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(SeqCst)
    }

    /// Resets the waker. The owner calls it before it looks for work.
    pub(super) fn reset(&self) {
        self.state.store(AWAKE, SeqCst);
    }

    /// Waits until one of `sockets` is readable or has an error, the time is over, or
    /// [`Waker::wake`] is called. Returns at once if it was called since the last [`Waker::reset`].
    /// Returns whether a socket has an error.
    pub(super) fn wait(&self, sockets: &[BorrowedFd<'_>], time: Option<Duration>) -> bool {
        let asleep = self
            .state
            .compare_exchange(AWAKE, ASLEEP, SeqCst, SeqCst)
            .is_ok();
        if !asleep {
            return false;
        }
        let mut watched: Vec<PollFd<'_>> = [self.event.as_fd()]
            .iter()
            .chain(sockets)
            .map(|socket| PollFd::new(*socket, PollFlags::POLLIN))
            .collect();
        // Rounded up, because a wait that ends before the timer is due must be repeated.
        let wait = time.map_or(MAX_WAIT_MS, |time| {
            let whole = time.as_nanos().div_ceil(1_000_000);
            i32::try_from(whole).map_or(MAX_WAIT_MS, |wait| wait.min(MAX_WAIT_MS))
        });
        let wait = PollTimeout::try_from(wait).unwrap_or(PollTimeout::ZERO);
        // A signal ends the wait early, which is harmless.
        let _ = poll(&mut watched, wait);
        if watched[0].any().unwrap_or(false) {
            let _ = self.event.read();
        }
        let _ = self.state.compare_exchange(ASLEEP, AWAKE, SeqCst, SeqCst);
        watched[1..]
            .iter()
            .filter_map(PollFd::revents)
            .any(|flags| flags.contains(PollFlags::POLLERR))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::sync::Arc;
    use std::time::Instant;

    const LIMIT: Duration = Duration::from_secs(30);

    #[test]
    fn a_wake_before_or_during_a_wait_ends_it() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let waker = Arc::new(Waker::new().unwrap());
        let start = Instant::now();
        waker.wake();
        waker.wait(&[socket.as_fd()], Some(LIMIT));
        waker.reset();
        let other = {
            let waker = Arc::clone(&waker);
            std::thread::spawn(move || waker.stop())
        };
        while !waker.is_stopped() {
            waker.wait(&[socket.as_fd()], Some(LIMIT));
        }
        other.join().unwrap();
        assert!(start.elapsed() < LIMIT);
    }

    #[test]
    fn wakes_before_a_reset_are_merged() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let waker = Waker::new().unwrap();
        for _ in 0..3 {
            waker.wake();
        }
        waker.reset();
        let start = Instant::now();
        waker.wait(&[socket.as_fd()], Some(Duration::from_millis(5)));
        assert!(start.elapsed() >= Duration::from_millis(5));
    }

    #[test]
    fn datagrams_end_a_wait() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let waker = Waker::new().unwrap();
        socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();
        let start = Instant::now();
        waker.wait(&[socket.as_fd()], Some(LIMIT));
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        waker.wait(&[silent.as_fd(), socket.as_fd()], Some(LIMIT));
        assert!(start.elapsed() < LIMIT);
    }
}
