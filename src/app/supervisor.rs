//! What the service manager is told, by `sd_notify(3)`: ready, reloading, stopping, and still alive.
//!
//! Without a service manager (`NOTIFY_SOCKET` is not set) nothing is sent.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tracing::debug;

/// Longest time that a message waits for a service manager that does not take any.
const SEND_TIMEOUT: Duration = Duration::from_millis(200);

/// The link to the service manager. Signs of life come from whoever calls [`beat`](Self::beat): the
/// main loop alone, so that one that hangs is seen as that.
#[derive(Debug)]
pub(super) struct Supervisor {
    /// Time between two signs of life, and when the next is due; `None` if nobody waits for one.
    pulse: Option<(Duration, Instant)>,
    send: fn(&[NotifyState<'_>]),
}

impl Supervisor {
    /// The one that started us, if there is one.
    pub(super) fn from_environment(now: Instant) -> Self {
        Self::new(sd_notify::watchdog_enabled(), now, send)
    }

    /// `patience`: how long the service manager waits for a sign of life before it kills.
    fn new(patience: Option<Duration>, now: Instant, send: fn(&[NotifyState<'_>])) -> Self {
        let patience = patience.filter(|patience| !patience.is_zero());
        Self {
            pulse: patience.map(|patience| (patience / 2, now)),
            send,
        }
    }

    /// All endpoints answer, and the configuration is taken over; `status` is for people.
    pub(super) fn ready(&self, status: &str) {
        (self.send)(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// The configuration is being read anew; [`ready`](Self::ready) ends that.
    pub(super) fn reloading(&self) {
        // `Type=notify-reload` wants to know since when.
        match NotifyState::monotonic_usec_now() {
            Ok(now) => (self.send)(&[NotifyState::Reloading, now]),
            Err(_) => (self.send)(&[NotifyState::Reloading]),
        }
    }

    /// The end has begun.
    pub(super) fn stopping(&self) {
        (self.send)(&[NotifyState::Stopping]);
    }

    /// When the next sign of life is due.
    pub(super) fn next_beat(&self) -> Option<Instant> {
        self.pulse.map(|(_, next)| next)
    }

    /// Gives a sign of life if one is due.
    pub(super) fn beat(&mut self, now: Instant) {
        let Some((interval, next)) = &mut self.pulse else {
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
        // Nobody else can be told; a watchdog that waits in vain says the rest.
        debug!(error = %failed, "the service manager was not told");
    }
}

/// As `sd_notify::notify`, which waits without a limit when the queue of the socket is full.
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
    fn signs_of_life_come_twice_as_often_as_they_are_wanted() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut supervisor = Supervisor::new(Some(Duration::from_secs(60)), start, keep);
        assert_eq!(supervisor.next_beat(), Some(start));
        for second in 0..=120 {
            supervisor.beat(at(second));
        }
        assert_eq!(sent(), ["WATCHDOG=1"; 5], "at 0, 30, 60, 90 and 120 s");
        assert_eq!(supervisor.next_beat(), Some(at(150)));
        // A loop that was held up does not make up for what it missed.
        supervisor.beat(at(1000));
        supervisor.beat(at(1001));
        assert_eq!(sent(), ["WATCHDOG=1"]);
        assert_eq!(supervisor.next_beat(), Some(at(1030)));
    }

    #[test]
    fn nobody_is_told_that_we_live_unless_they_wait_for_it() {
        let now = Instant::now();
        for patience in [None, Some(Duration::ZERO)] {
            let mut supervisor = Supervisor::new(patience, now, keep);
            assert_eq!(supervisor.next_beat(), None);
            supervisor.beat(now);
            assert_eq!(sent(), Vec::<String>::new());
        }
    }

    #[test]
    fn a_reload_is_dated_and_ends() {
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
