//! The harness of an incident. Everything in it is real except for the length of hours, and for
//! what the daemon says of torrents after hours: see [`super::verdicts`].
//!
//! A recording Prometheus, which knows nothing else, records what the daemon shows now and what our
//! rules make of it. "This lasts for a day" shifts the history back by a day, fills the day with
//! the recorded samples, and restarts Prometheus on the result. Prometheus then sees that day like
//! any other and continues with its own scrapes.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::history::History;
use super::receiver::{Notification, Receiver, subject};
use super::server::{Alertmanager, Prometheus, TIMEOUT};
use super::verdicts::Verdicts;
use crate::rig::daemon::Daemon;
use crate::rig::{address, wait};

/// Rule evaluations after which recording rules no longer change: a rule may read the previous
/// result of another.
const RECORDING_ROUNDS: usize = 3;
/// Rule evaluations after which no further alert becomes active.
const ALERT_ROUNDS: usize = RECORDING_ROUNDS + 2;
/// Time after which no further notification is expected: twice the longest waits of Alertmanager.
const QUIET: Duration = Duration::from_secs(2);

/// An hour.
pub(super) const HOUR: Duration = Duration::from_secs(3600);
/// A day.
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// Prometheus, Alertmanager and a receiver of notifications.
pub(super) struct AlertHarness {
    /// Address at which each daemon of the incident listens.
    daemon: SocketAddr,
    /// What Prometheus scrapes.
    verdicts: Verdicts,
    receiver: Receiver,
    alertmanager: Alertmanager,
    /// Scrapes the present only.
    recorder: Prometheus,
    history: History,
    prometheus: Option<Prometheus>,
}

impl AlertHarness {
    pub(super) fn new() -> Self {
        let host = Ipv4Addr::LOCALHOST;
        let daemon = SocketAddr::from((host, address::free_port(host)));
        let no_receiver = SocketAddr::from((host, 9));
        let verdicts = Verdicts::start(daemon);
        let recorder = Prometheus::start(verdicts.address(), no_receiver, &History::default());
        let receiver = Receiver::start();
        let alertmanager = Alertmanager::start(receiver.address());
        Self {
            daemon,
            verdicts,
            receiver,
            alertmanager,
            recorder,
            history: History::default(),
            prometheus: None,
        }
    }

    /// Starts the daemon whose page Prometheus scrapes.
    pub(super) fn daemon(&self, config: &str) -> Daemon {
        let address = self.daemon.to_string();
        Daemon::start_with(config, &["--web.listen-address", &address])
    }

    /// Lets the page say of a torrent what the daemon will say when enough time has passed.
    pub(super) fn decide(
        &self,
        torrent: &'static str,
        state: &'static str,
        conditions: &'static [&'static str],
    ) {
        self.verdicts.set(torrent, state, conditions);
    }

    /// Lets the page show the falls of countries that the daemon will report when enough time has
    /// passed.
    pub(super) fn set_cliffs(&self, cliffs: String) {
        self.verdicts.set_cliffs(cliffs);
    }

    /// Records that what the daemon shows now has lasted for `span`.
    pub(super) fn record(&mut self, span: Duration) {
        self.recorder.forget();
        self.recorder.rounds(RECORDING_ROUNDS);
        self.history.push(span, self.recorder.moment());
        self.prometheus = None;
    }

    /// Stops Prometheus, waits until all alerts are resolved, and forgets all notifications.
    pub(super) fn reset_alerts(&mut self) {
        self.prometheus = None;
        wait::until("all alerts are resolved", TIMEOUT, || {
            self.alertmanager.active().is_empty().then_some(())
        });
        self.receiver.forget();
    }

    /// Runs Prometheus until this alert is notified. Forgets and returns the earlier notifications.
    pub(super) fn wait_for_alert(&mut self, receiver: &str, alert: &str) -> BTreeSet<String> {
        self.start_prometheus();
        wait::until(alert, TIMEOUT, || {
            let notified = self.receiver.notified();
            let notified = notified
                .iter()
                .any(|notified| notified.receiver == receiver && notified.alert == alert);
            notified.then_some(())
        });
        let before = self.order().into_iter().collect();
        self.receiver.forget();
        before
    }

    /// Runs Prometheus until no alert is pending. Checks that exactly these alerts, each with its
    /// receiver, were notified since the last reset.
    pub(super) fn expect_alerts(&mut self, expected: &[(&str, &str)]) {
        let expected: BTreeSet<Notification> = expected
            .iter()
            .map(|(receiver, alert)| Notification {
                receiver: (*receiver).to_owned(),
                alert: (*alert).to_owned(),
            })
            .collect();
        self.start_prometheus();
        let prometheus = self.prometheus.as_ref().unwrap();
        prometheus.rounds(ALERT_ROUNDS);
        wait::until("nothing is pending", TIMEOUT, || {
            let pending = prometheus.query("ALERTS{alertstate=\"pending\"}");
            pending.is_empty().then_some(())
        });
        let notified = || {
            self.receiver
                .notified()
                .into_iter()
                .collect::<BTreeSet<Notification>>()
        };
        wait::until_or_none(TIMEOUT, || notified().is_superset(&expected).then_some(()));
        std::thread::sleep(QUIET);
        assert_eq!(notified(), expected, "firing: {:#?}", self.firing());
    }

    fn start_prometheus(&mut self) {
        self.prometheus.get_or_insert_with(|| {
            let target = self.verdicts.address();
            Prometheus::start(target, self.alertmanager.address(), &self.history)
        });
    }

    /// Returns the alerts that fire in Prometheus, notified or not.
    pub(super) fn firing(&self) -> BTreeSet<String> {
        let Some(prometheus) = &self.prometheus else {
            return BTreeSet::new();
        };
        let rows = prometheus.query("ALERTS{alertstate=\"firing\"}");
        rows.iter().map(|(labels, _)| subject(labels)).collect()
    }

    /// Waits until Alertmanager inhibits this alert. Returns all inhibited alerts.
    pub(super) fn wait_for_inhibited(&self, alert: &str) -> BTreeSet<String> {
        wait::until(&format!("{alert} is inhibited"), TIMEOUT, || {
            let inhibited = self.alertmanager.inhibited();
            let inhibited: BTreeSet<String> = inhibited.iter().map(subject).collect();
            inhibited.contains(alert).then_some(inhibited)
        })
    }

    /// Returns the alerts in the order of their first notifications.
    pub(super) fn order(&self) -> Vec<String> {
        let mut order = Vec::new();
        for notified in self.receiver.notified() {
            if !order.contains(&notified.alert) {
                order.push(notified.alert);
            }
        }
        order
    }
}
