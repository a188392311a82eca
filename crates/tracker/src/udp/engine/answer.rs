//! What answers, refusals and the end of patience do to probes and connects.

use std::net::SocketAddr;
use std::time::Instant;

use super::send::enqueue;
use super::{
    Answer, Connection, Engine, Failed, Failure, Key, Link, NO_BUFFERS, Oddities, Place, Remote,
    Step, Undelivered, codec,
};
use crate::tracker_message;

impl Engine {
    /// The answer to a connect.
    pub(super) fn on_connected(
        &mut self,
        key: Key,
        from: SocketAddr,
        answer: &Answer<'_>,
        now: Instant,
    ) {
        let Some(remote) = self.remotes.get_mut(key) else {
            return;
        };
        let Link::Connecting(connecting) = remote.link else {
            return;
        };
        if !accept(remote, from, &mut self.oddities) {
            return;
        }
        remote.heard = Some(now);
        if connecting.total == 1 {
            let sample = now.saturating_duration_since(connecting.last);
            remote.round_trip.measured(sample);
            self.window.measured(sample);
        }
        // After a rotation the answer may come from an address tried before.
        let to = Some(from)
            .filter(|from| remote.addresses.contains(*from))
            .or(remote.addresses.current())
            .unwrap_or(from);
        self.disconnect(key);
        match answer {
            Answer::Connect(id) => {
                let connection = Connection {
                    id: *id,
                    to,
                    since: now,
                };
                self.release_waiting(key, connection, now);
            }
            Answer::Error(text) => {
                let failed = self
                    .remotes
                    .get(key)
                    .map(|remote| tracker_message::refusal(text, &remote.url, None));
                if let Some(failed) = failed {
                    self.fail_waiting(key, &failed, now);
                }
            }
            _ => {
                let failed = Failed::new(Failure::Malformed, "the answer to a connect is damaged");
                self.fail_waiting(key, &failed, now);
            }
        }
    }

    fn release_waiting(&mut self, key: Key, connection: Connection, now: Instant) {
        let Some(remote) = self.remotes.get_mut(key) else {
            return;
        };
        remote.link = Link::Up(connection);
        for key in std::mem::take(&mut remote.waiting) {
            if let Some(probe) = self.probes.get_mut(key) {
                if let Some(since) = probe.connecting.take() {
                    probe.phases.connect = Some(now.saturating_duration_since(since));
                }
                probe.place = Place::Flying;
                self.route(key, now);
            }
        }
    }

    fn fail_waiting(&mut self, key: Key, failed: &Failed, now: Instant) {
        let Some(remote) = self.remotes.get_mut(key) else {
            return;
        };
        for key in std::mem::take(&mut remote.waiting) {
            if let Some(probe) = self.probes.get_mut(key) {
                probe.place = Place::Flying;
                self.fail(key, failed.clone(), now);
            }
        }
    }

    /// A connect met a closed port or no route: the next address, or the end for all who wait.
    pub(super) fn on_connect_undelivered(&mut self, key: Key, why: Undelivered, now: Instant) {
        let Some(remote) = self.remotes.get_mut(key) else {
            return;
        };
        let Link::Connecting(connecting) = &mut remote.link else {
            return;
        };
        if (connecting.total as usize) < remote.addresses.len() {
            connecting.due = now;
            enqueue(&mut self.queue, remote, key);
            return;
        }
        remote.addresses.doubtful = true;
        let failed = match why {
            Undelivered::Refused => Failed::new(Failure::Refused, "the port is closed"),
            _ => Failed::new(Failure::Unreachable, "there is no route to the host"),
        };
        self.disconnect(key);
        self.fail_waiting(key, &failed, now);
    }

    /// The answer to an announce or a scrape.
    pub(super) fn on_answer(
        &mut self,
        key: Key,
        from: SocketAddr,
        answer: &Answer<'_>,
        now: Instant,
    ) {
        let Some(probe) = self.probes.get_mut(key) else {
            return;
        };
        let Some(remote) = self.remotes.get_mut(probe.remote) else {
            return;
        };
        if !accept(remote, from, &mut self.oddities) {
            return;
        }
        let Some(request) = probe.request.take() else {
            return;
        };
        self.transactions.close(request.transaction);
        request.release(&mut self.window, &mut remote.window);
        remote.window.overtake(request.places.1);
        if !remote.ready.is_empty() {
            // Perhaps held up by its window, which has room now.
            enqueue(&mut self.queue, remote, probe.remote);
        }
        remote.heard = Some(now);
        if request.sent == 1 {
            let sample = now.saturating_duration_since(request.last);
            remote.round_trip.measured(sample);
            remote.window.measured(sample);
            self.window.measured(sample);
        }
        probe
            .phases
            .response
            .get_or_insert(now.saturating_duration_since(request.first));
        if let Answer::Error(text) = answer
            && !probe.reconnected
            && codec::is_about_connection(text)
        {
            probe.reconnected = true;
            if matches!(remote.link, Link::Up(up) if up.id == request.connection) {
                remote.link = Link::Down;
            }
            self.advance(key, Step::Ask, now);
            return;
        }
        let step = probe.answered(answer, &self.settings);
        self.advance(key, step, now);
    }

    /// Ends the present stage of a probe with a failure.
    pub(super) fn fail(&mut self, key: Key, failed: Failed, now: Instant) {
        if let Some(probe) = self.probes.get_mut(key) {
            let step = probe.failed(failed, &self.settings);
            self.advance(key, step, now);
        }
    }

    /// Whether the stage of a probe whose time is up goes on all the same.
    pub(super) fn looks_on(&mut self, key: Key) -> bool {
        let Some(probe) = self.probes.get_mut(key) else {
            return false;
        };
        let since = probe.taken();
        let remote = self.remotes.get(probe.remote);
        probe.look_on(remote.is_some_and(|remote| remote.heard_since(since)))
    }

    /// Time is up.
    pub(super) fn give_up(&mut self, key: Key, now: Instant) {
        let Some(probe) = self.probes.get(key) else {
            return;
        };
        let since = probe.taken();
        let mut failed = match probe.requests {
            0 => Failed::new(Failure::Timeout, "no answer"),
            1 => Failed::new(Failure::Timeout, "no answer to one packet"),
            n => Failed::new(Failure::Timeout, format!("no answer to {n} packets")),
        };
        if let Some(remote) = self.remotes.get_mut(probe.remote)
            && !remote.heard_since(since)
        {
            if remote.lost.is_some_and(|then| then >= since) {
                self.fail(key, Failed::ours(NO_BUFFERS), now);
                return;
            } else if remote.addresses.are_awaited() {
                failed = Failed::new(Failure::Dns, "the lookup took too long");
            } else if remote.unreachable.is_some_and(|then| then >= since) {
                failed = Failed::new(Failure::Unreachable, "a router says: unreachable");
            }
            remote.addresses.doubtful = true;
        }
        self.fail(key, failed, now);
    }

    /// What comes after an answer or a failure.
    pub(super) fn advance(&mut self, key: Key, step: Step, now: Instant) {
        let Some(probe) = self.probes.get_mut(key) else {
            return;
        };
        if let Some(request) = probe.request.take() {
            self.transactions.close(request.transaction);
            if let Some(remote) = self.remotes.get_mut(probe.remote) {
                request.release(&mut self.window, &mut remote.window);
            }
        }
        match step {
            Step::Ask => {
                let deadline = probe.deadline();
                if probe.place == Place::Waiting {
                    self.arm(key, deadline);
                } else {
                    probe.due = deadline;
                    self.route(key, now);
                }
            }
            Step::Done(report) => {
                if let Some(report) = report {
                    let remote = self.remotes.get(probe.remote);
                    let address = remote.and_then(|remote| remote.addresses.current());
                    let address = address.map(|address| address.ip());
                    self.observations
                        .push(probe.observation(report, address, now));
                }
                self.probes.remove(key);
            }
        }
    }
}

/// Whether an answer may come from there: from the remote itself, or from another address of a
/// host with many (common over IPv6), but then from the same port.
fn accept(remote: &Remote, from: SocketAddr, oddities: &mut Oddities) -> bool {
    if remote.addresses.contains(from) {
        return true;
    }
    let same_port = from.port() == remote.url.port();
    if same_port {
        oddities.foreign += 1;
    } else {
        oddities.stray += 1;
    }
    same_port
}
