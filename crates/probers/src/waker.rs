//! Wakes a thread that sleeps in `poll(2)` over sockets.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::SeqCst};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

/// Longest sleep, in milliseconds, when nothing is due: the `poll` of no kernel minds it.
const MAX_WAIT_MS: i32 = 60_000;

/// The owner works.
const AWAKE: u8 = 0;
/// The owner sleeps or is about to.
const ASLEEP: u8 = 1;
/// Something came; the owner has not looked yet.
const WOKEN: u8 = 2;

/// Rung by others when there is something to do that the socket does not tell. While the owner is
/// awake, ringing costs no system call.
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

    /// To be called after the work has been put where the owner looks for it.
    pub(super) fn wake(&self) {
        if self.state.swap(WOKEN, SeqCst) == ASLEEP {
            // Fails after 2⁶⁴ rings that nobody heard.
            let _ = self.event.write(1);
        }
    }

    /// Rings, and asks the owner to end.
    pub(super) fn stop(&self) {
        self.stop.store(true, SeqCst);
        self.wake();
    }

    /// Whether the owner is asked to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(SeqCst)
    }

    /// To be called by the owner before it looks for work: rings so far are heard.
    pub(super) fn reset(&self) {
        self.state.store(AWAKE, SeqCst);
    }

    /// Sleeps until one of `sockets` has something to read or an error to tell, the time is over,
    /// or the bell is rung; not at all if it was rung since it was last heard. Returns whether
    /// there is an error to be told.
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
        // Rounded up: a timer that is not yet due would only send us back to sleep.
        let wait = time.map_or(MAX_WAIT_MS, |time| {
            let whole = time.as_nanos().div_ceil(1_000_000);
            i32::try_from(whole).map_or(MAX_WAIT_MS, |wait| wait.min(MAX_WAIT_MS))
        });
        let wait = PollTimeout::try_from(wait).unwrap_or(PollTimeout::ZERO);
        // A signal wakes us early, and that is all.
        let _ = poll(&mut watched, wait);
        if watched[0].any().unwrap_or(false) {
            let _ = self.event.read();
        }
        let _ = self.state.compare_exchange(ASLEEP, AWAKE, SeqCst, SeqCst);
        watched[1..]
            .iter()
            .filter_map(PollFd::revents)
            .any(|told| told.contains(PollFlags::POLLERR))
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
    fn wakes_before_a_reset_are_one() {
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
