//! Answers, refusals and timeouts: what they mean for probes and connects.

use std::net::SocketAddr;
use std::time::Instant;

use super::send::enqueue;
use super::{
    Connection, DatagramStats, Engine, FailureReason, Link, NO_BUFFERS, ProbeError, ProbeKey,
    QueueState, Remote, RemoteKey, ResponseBody, Step, Undelivered, codec,
};
use crate::tracker_message;

impl Engine {
    /// Handles the answer to a connect.
    pub(super) fn on_connected(
        &mut self,
        key: RemoteKey,
        from: SocketAddr,
        answer: &ResponseBody<'_>,
        now: Instant,
    ) {
        let Some(remote) = self.remotes.get_mut(key) else {
            return;
        };
        let Link::Connecting(connecting) = remote.link else {
            return;
        };
        if !accept(remote, from, &mut self.datagram_stats) {
            return;
        }
        remote.last_answer = Some(now);
        if connecting.total == 1 {
            let sample = now.saturating_duration_since(connecting.last);
            remote.round_trip.sample(sample);
            self.window.sample(sample);
        }
        // After a rotation, the answer may come from an address that was tried before.
        let to = Some(from)
            .filter(|from| remote.addresses.contains(*from))
            .or(remote.addresses.current())
            .unwrap_or(from);
        self.disconnect(key);
        match answer {
            ResponseBody::Connect(id) => {
                let connection = Connection {
                    id: *id,
                    to,
                    since: now,
                };
                self.release_waiting(key, connection, now);
            }
            ResponseBody::Error(text) => {
                let failed = self
                    .remotes
                    .get(key)
                    .map(|remote| tracker_message::refusal(text, &remote.url, None));
                if let Some(failed) = failed {
                    self.fail_waiting(key, &failed, now);
                }
            }
            _ => {
                let failed = ProbeError::new(
                    FailureReason::Malformed,
                    "the answer to a connect is damaged",
                );
                self.fail_waiting(key, &failed, now);
            }
        }
    }

    fn release_waiting(&mut self, key: RemoteKey, connection: Connection, now: Instant) {
        let Some(remote) = self.remotes.get_mut(key) else {
            return;
        };
        remote.link = Link::Up(connection);
        for key in std::mem::take(&mut remote.waiting) {
            if let Some(probe) = self.probes.get_mut(key) {
                if let Some(since) = probe.connecting.take() {
                    probe.phases.connect = Some(now.saturating_duration_since(since));
                }
                probe.queue_state = QueueState::InFlight;
                self.route(key, now);
            }
        }
    }

    fn fail_waiting(&mut self, key: RemoteKey, failed: &ProbeError, now: Instant) {
        let Some(remote) = self.remotes.get_mut(key) else {
            return;
        };
        for key in std::mem::take(&mut remote.waiting) {
            if let Some(probe) = self.probes.get_mut(key) {
                probe.queue_state = QueueState::InFlight;
                self.fail(key, failed.clone(), now);
            }
        }
    }

    /// Handles a connect that met a closed port or no route. Tries the next address; if none is
    /// left, fails all waiting probes.
    pub(super) fn on_connect_undelivered(
        &mut self,
        key: RemoteKey,
        why: Undelivered,
        now: Instant,
    ) {
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
            Undelivered::Refused => ProbeError::new(FailureReason::Refused, "the port is closed"),
            _ => ProbeError::new(FailureReason::Unreachable, "there is no route to the host"),
        };
        self.disconnect(key);
        self.fail_waiting(key, &failed, now);
    }

    /// Handles the answer to an announce or a scrape.
    pub(super) fn on_answer(
        &mut self,
        key: ProbeKey,
        from: SocketAddr,
        answer: &ResponseBody<'_>,
        now: Instant,
    ) {
        let Some(probe) = self.probes.get_mut(key) else {
            return;
        };
        let Some(remote) = self.remotes.get_mut(probe.remote) else {
            return;
        };
        if !accept(remote, from, &mut self.datagram_stats) {
            return;
        }
        let Some(request) = probe.request.take() else {
            return;
        };
        self.transactions.close(request.transaction);
        request.release(&mut self.window, &mut remote.window);
        remote.window.release_overtaken(request.tickets.1);
        if !remote.ready.is_empty() {
            // The window of the remote may have been full; it has room now.
            enqueue(&mut self.queue, remote, probe.remote);
        }
        remote.last_answer = Some(now);
        if request.sent == 1 {
            let sample = now.saturating_duration_since(request.last);
            remote.round_trip.sample(sample);
            remote.window.sample(sample);
            self.window.sample(sample);
        }
        probe
            .phases
            .response
            .get_or_insert(now.saturating_duration_since(request.first));
        if let ResponseBody::Error(text) = answer
            && !probe.reconnected
            && codec::is_about_connection(text)
        {
            probe.reconnected = true;
            if matches!(remote.link, Link::Up(up) if up.id == request.connection) {
                remote.link = Link::Down;
            }
            self.advance(key, Step::Send, now);
            return;
        }
        let step = probe.answered(answer, &self.settings);
        self.advance(key, step, now);
    }

    /// Ends the current request of a probe with a failure.
    pub(super) fn fail(&mut self, key: ProbeKey, failed: ProbeError, now: Instant) {
        if let Some(probe) = self.probes.get_mut(key) {
            let step = probe.failed(failed, &self.settings);
            self.advance(key, step, now);
        }
    }

    /// Extends the first `stopped` of a probe whose time is up, if its tracker has answered
    /// nothing. Returns whether it did.
    pub(super) fn extend_query(&mut self, key: ProbeKey) -> bool {
        let Some(probe) = self.probes.get_mut(key) else {
            return false;
        };
        let since = probe.taken();
        let remote = self.remotes.get(probe.remote);
        probe.extend_query(remote.is_some_and(|remote| remote.heard_since(since)))
    }

    /// Ends the current request of a probe because its time is up.
    pub(super) fn give_up(&mut self, key: ProbeKey, now: Instant) {
        let Some(probe) = self.probes.get(key) else {
            return;
        };
        let since = probe.taken();
        let mut failed = match probe.requests {
            0 => ProbeError::new(FailureReason::Timeout, "no answer"),
            1 => ProbeError::new(FailureReason::Timeout, "no answer to one packet"),
            n => ProbeError::new(FailureReason::Timeout, format!("no answer to {n} packets")),
        };
        if let Some(remote) = self.remotes.get_mut(probe.remote)
            && !remote.heard_since(since)
        {
            if remote.lost.is_some_and(|then| then >= since) {
                self.fail(key, ProbeError::ours(NO_BUFFERS), now);
                return;
            } else if remote.addresses.are_awaited() {
                failed = ProbeError::new(FailureReason::Dns, "the lookup took too long");
            } else if remote.unreachable.is_some_and(|then| then >= since) {
                failed = ProbeError::new(
                    FailureReason::Unreachable,
                    "a router reports that the host is unreachable",
                );
            }
            remote.addresses.doubtful = true;
        }
        self.fail(key, failed, now);
    }

    /// Performs the next step of a probe after an answer or a failure.
    pub(super) fn advance(&mut self, key: ProbeKey, step: Step, now: Instant) {
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
            Step::Send => {
                let deadline = probe.deadline();
                if probe.queue_state == QueueState::Waiting {
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

/// Returns whether an answer may come from this address: an address of the remote, or another
/// address of its host (common over IPv6) with the same port.
fn accept(remote: &Remote, from: SocketAddr, datagram_stats: &mut DatagramStats) -> bool {
    if remote.addresses.contains(from) {
        return true;
    }
    let same_port = from.port() == remote.url.port();
    if same_port {
        datagram_stats.foreign += 1;
    } else {
        datagram_stats.stray += 1;
    }
    same_port
}
