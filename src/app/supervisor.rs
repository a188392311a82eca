//! Notifications to the service manager by `sd_notify(3)`: ready, reloading, stopping, and alive.
//!
//! Without a service manager (`NOTIFY_SOCKET` is not set) nothing is sent.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tracing::debug;

/// Longest time that a message waits for a service manager that reads none.
const SEND_TIMEOUT: Duration = Duration::from_millis(200);

/// The connection to the service manager. Only the main loop calls [`Supervisor::feed_watchdog`],
/// so that the watchdog notices if it hangs.
#[derive(Debug)]
pub(super) struct Supervisor {
    /// Time between two watchdog messages, and when the next is due; `None` without a watchdog.
    watchdog: Option<(Duration, Instant)>,
    send: fn(&[NotifyState<'_>]),
}

impl Supervisor {
    /// Returns the connection to the service manager that started this process, if there is one.
    pub(super) fn from_environment(now: Instant) -> Self {
        Self::new(sd_notify::watchdog_enabled(), now, send)
    }

    /// `timeout` is the time after which the service manager restarts a process that sends no
    /// watchdog message (`WATCHDOG_USEC`).
    fn new(timeout: Option<Duration>, now: Instant, send: fn(&[NotifyState<'_>])) -> Self {
        let timeout = timeout.filter(|timeout| !timeout.is_zero());
        Self {
            watchdog: timeout.map(|timeout| (timeout / 2, now)),
            send,
        }
    }

    /// Reports that all endpoints answer and the configuration is applied. `status` is for people.
    pub(super) fn ready(&self, status: &str) {
        (self.send)(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// Reports that the configuration is read again, until [`ready`](Self::ready) is called.
    pub(super) fn reloading(&self) {
        // `Type=notify-reload` requires the time at which the reload began.
        match NotifyState::monotonic_usec_now() {
            Ok(now) => (self.send)(&[NotifyState::Reloading, now]),
            Err(_) => (self.send)(&[NotifyState::Reloading]),
        }
    }

    /// Reports that the shutdown has begun.
    pub(super) fn stopping(&self) {
        (self.send)(&[NotifyState::Stopping]);
    }

    /// Returns when the next watchdog message is due.
    pub(super) fn next_watchdog_message(&self) -> Option<Instant> {
        self.watchdog.map(|(_, next)| next)
    }

    /// Sends a watchdog message if one is due.
    pub(super) fn feed_watchdog(&mut self, now: Instant) {
        let Some((interval, next)) = &mut self.watchdog else {
            return;
        };
        if now >= *next {
            *next = now + *interval;
            (self.send)(&[NotifyState::Watchdog]);
        }
    }
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(failed) = try_send(states) {
        // No other channel leads to the service manager. Its watchdog acts on missing messages.
        debug!(error = %failed, "cannot notify the service manager");
    }
}

/// Sends a message like `sd_notify::notify`, which would wait without a limit while the socket's
/// queue is full.
fn try_send(states: &[NotifyState<'_>]) -> io::Result<()> {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
        return Ok(());
    };
    let message: String = states.iter().map(|state| format!("{state}\n")).collect();
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(SEND_TIMEOUT))?;
    socket.connect(path)?;
    socket.send(message.as_bytes()).map(drop)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    thread_local! {
        static SENT: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

    fn keep(states: &[NotifyState<'_>]) {
        let lines: Vec<String> = states.iter().map(ToString::to_string).collect();
        SENT.with_borrow_mut(|sent| sent.push(lines.join(" ")));
    }

    fn sent() -> Vec<String> {
        SENT.take()
    }

    #[test]
    fn watchdog_messages_are_sent_twice_per_timeout() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut supervisor = Supervisor::new(Some(Duration::from_secs(60)), start, keep);
        assert_eq!(supervisor.next_watchdog_message(), Some(start));
        for second in 0..=120 {
            supervisor.feed_watchdog(at(second));
        }
        assert_eq!(sent(), ["WATCHDOG=1"; 5], "at 0, 30, 60, 90 and 120 s");
        assert_eq!(supervisor.next_watchdog_message(), Some(at(150)));
        // After a delay of the main loop, missed messages are not sent.
        supervisor.feed_watchdog(at(1000));
        supervisor.feed_watchdog(at(1001));
        assert_eq!(sent(), ["WATCHDOG=1"]);
        assert_eq!(supervisor.next_watchdog_message(), Some(at(1030)));
    }

    #[test]
    fn without_a_watchdog_no_message_is_sent() {
        let now = Instant::now();
        for timeout in [None, Some(Duration::ZERO)] {
            let mut supervisor = Supervisor::new(timeout, now, keep);
            assert_eq!(supervisor.next_watchdog_message(), None);
            supervisor.feed_watchdog(now);
            assert_eq!(sent(), Vec::<String>::new());
        }
    }

    #[test]
    fn a_reload_has_a_begin_and_an_end() {
        let supervisor = Supervisor::new(None, Instant::now(), keep);
        supervisor.reloading();
        supervisor.ready("Watching 3 torrents");
        supervisor.stopping();
        let sent = sent();
        let (reload, rest) = sent.split_first().unwrap();
        assert!(
            reload.starts_with("RELOADING=1 MONOTONIC_USEC="),
            "{reload}"
        );
        assert_eq!(rest, ["READY=1 STATUS=Watching 3 torrents", "STOPPING=1"]);
    }
}
