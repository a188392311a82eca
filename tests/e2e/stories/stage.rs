//! Where a story is told. Everything in it is real but the length of the hours.
//!
//! What the daemon shows now, and what our rules make of it, is taken from a Prometheus that knows
//! nothing else. "It stays so for a day" moves the history so far back by a day, fills this day with
//! what was taken, and starts Prometheus anew on the result: it then looks back on that day as on any
//! other and goes on with what it scrapes.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::history::History;
use super::receiver::{Receiver, Told, subject};
use super::server::{Alertmanager, PATIENCE, Prometheus};
use crate::rig::daemon::Daemon;
use crate::rig::{address, wait};

/// Rounds after which no recording rule changes any more: one reads another's result of one before.
const RECORDED: usize = 3;
/// Rounds after which no alert begins any more.
const ALERTED: usize = RECORDED + 2;
/// A message that has not come after so long will not come: the longest waits of Alertmanager, twice.
const QUIET: Duration = Duration::from_secs(2);

/// An hour.
pub(super) const HOUR: Duration = Duration::from_secs(3600);
/// A day.
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// Prometheus, Alertmanager, and someone who is told.
pub(super) struct Stage {
    /// Where each daemon of the story listens.
    daemon: SocketAddr,
    receiver: Receiver,
    alertmanager: Alertmanager,
    /// Sees the present only.
    eye: Prometheus,
    history: History,
    prometheus: Option<Prometheus>,
}

impl Stage {
    pub(super) fn new() -> Self {
        let host = Ipv4Addr::LOCALHOST;
        let daemon = SocketAddr::from((host, address::free_port(host)));
        let nobody = SocketAddr::from((host, 9));
        let eye = Prometheus::start(daemon, nobody, &History::default());
        let receiver = Receiver::start();
        let alertmanager = Alertmanager::start(receiver.address());
        Self {
            daemon,
            receiver,
            alertmanager,
            eye,
            history: History::default(),
            prometheus: None,
        }
    }

    /// Starts the daemon where Prometheus looks for it.
    pub(super) fn daemon(&self, config: &str) -> Daemon {
        let address = self.daemon.to_string();
        Daemon::start_with(config, &["--web.listen-address", &address])
    }

    /// What the daemon shows has been so for this long.
    pub(super) fn stays(&mut self, span: Duration) {
        self.eye.forget();
        self.eye.rounds(RECORDED);
        self.history.push(span, self.eye.moment());
        self.prometheus = None;
    }

    /// Ends the time in which Prometheus looks at the present, and forgets all that was told of it.
    pub(super) fn closes(&mut self) {
        self.prometheus = None;
        wait::until("Alertmanager forgets", PATIENCE, || {
            self.alertmanager.active().is_empty().then_some(())
        });
        self.receiver.forget();
    }

    /// Lets Prometheus look at the present until this alert is told. What was told before it is
    /// forgotten and returned.
    pub(super) fn is_told_at_last(&mut self, receiver: &str, alert: &str) -> BTreeSet<String> {
        self.look();
        wait::until(alert, PATIENCE, || {
            let told = self.receiver.told();
            let told = told
                .iter()
                .any(|told| told.receiver == receiver && told.alert == alert);
            told.then_some(())
        });
        let before = self.order().into_iter().collect();
        self.receiver.forget();
        before
    }

    /// Lets Prometheus look at the present and waits until it has nothing more to say. Then exactly
    /// these alerts, each with its receiver, have been told and not forgotten.
    pub(super) fn is_told(&mut self, expected: &[(&str, &str)]) {
        let expected: BTreeSet<Told> = expected
            .iter()
            .map(|(receiver, alert)| Told {
                receiver: (*receiver).to_owned(),
                alert: (*alert).to_owned(),
            })
            .collect();
        self.look();
        let prometheus = self.prometheus.as_ref().unwrap();
        prometheus.rounds(ALERTED);
        wait::until("nothing is pending", PATIENCE, || {
            let pending = prometheus.query("ALERTS{alertstate=\"pending\"}");
            pending.is_empty().then_some(())
        });
        let told = || self.receiver.told().into_iter().collect::<BTreeSet<Told>>();
        wait::until_or_none(PATIENCE, || told().is_superset(&expected).then_some(()));
        std::thread::sleep(QUIET);
        assert_eq!(told(), expected, "firing: {:#?}", self.firing());
    }

    fn look(&mut self) {
        self.prometheus.get_or_insert_with(|| {
            Prometheus::start(self.daemon, self.alertmanager.address(), &self.history)
        });
    }

    /// What Prometheus says, told or not.
    pub(super) fn firing(&self) -> BTreeSet<String> {
        let Some(prometheus) = &self.prometheus else {
            return BTreeSet::new();
        };
        let rows = prometheus.query("ALERTS{alertstate=\"firing\"}");
        rows.iter().map(|(labels, _)| subject(labels)).collect()
    }

    /// Waits until Alertmanager knows this alert and keeps it to itself; returns all such alerts.
    pub(super) fn keeps_to_itself(&self, alert: &str) -> BTreeSet<String> {
        wait::until(&format!("{alert} is inhibited"), PATIENCE, || {
            let inhibited = self.alertmanager.inhibited();
            let inhibited: BTreeSet<String> = inhibited.iter().map(subject).collect();
            inhibited.contains(alert).then_some(inhibited)
        })
    }

    /// What came first of each alert, in the order in which it came.
    pub(super) fn order(&self) -> Vec<String> {
        let mut order = Vec::new();
        for told in self.receiver.told() {
            if !order.contains(&told.alert) {
                order.push(told.alert);
            }
        }
        order
    }
}
