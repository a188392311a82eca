//! Sending and retransmission of probes and connects.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::probe::{PendingRequest, Probe};
use super::remote::Connecting;
use super::{
    Engine, Link, NameLookup, Outbox, Owner, ProbeKey, QueueState, Remote, RemoteKey, codec,
};

/// The largest number of packets to one remote before the next has its turn: one segmented send.
const RUN: usize = 64;
/// After this many unanswered packets of one request, the connection id is given up: a tracker
/// ignores ids from before its restart.
const DOUBT_AFTER: u32 = 2;

impl Engine {
    /// Puts a probe into the right queue: `ready`, or `waiting` for an address or a connection id.
    pub(super) fn route(&mut self, key: ProbeKey, now: Instant) {
        let Some(probe) = self.probes.get_mut(key) else {
            return;
        };
        if probe.queue_state != QueueState::InFlight {
            return;
        }
        let remote_key = probe.remote;
        let Some(remote) = self.remotes.get_mut(remote_key) else {
            return;
        };
        remote.used = now;
        if remote.addresses.are_old(now) {
            remote.addresses.looking_up = true;
            self.lookups.push(NameLookup {
                tracker: remote.tracker,
                url: Arc::clone(&remote.url),
                limit: probe.job.timeout,
            });
        }
        let awaits_address = remote.addresses.are_awaited();
        if !awaits_address {
            probe.resume(Duration::ZERO, now);
        }
        if !awaits_address && remote.connection(probe.is_stop_announce(), now).is_some() {
            probe.queue_state = QueueState::Ready;
            remote.ready.push_back(key);
            self.unsent += 1;
            enqueue(&mut self.queue, remote, remote_key);
            return;
        }
        probe.queue_state = QueueState::Waiting;
        remote.waiting.push_back(key);
        if awaits_address && !self.closing {
            // The lookup may wait in our own queue, and has its own time limit.
            probe.hold(now);
            return;
        }
        let deadline = probe.deadline();
        self.arm(key, deadline);
        if !awaits_address {
            self.connect(remote_key, now);
        }
    }

    /// Starts a connect unless one is pending.
    fn connect(&mut self, key: RemoteKey, now: Instant) {
        let Some(remote) = self.remotes.get_mut(key) else {
            return;
        };
        if let Link::Connecting(connecting) = &mut remote.link {
            // A new probe must not wait for the rest of a doubled wait.
            if connecting.sent > 1 && now >= connecting.last + connecting.first_wait {
                connecting.sent = 0;
                connecting.due = now;
                enqueue(&mut self.queue, remote, key);
            }
            return;
        }
        remote.link = Link::Connecting(Connecting {
            transaction: self.transactions.open(Owner::Remote(key)),
            sent: 0,
            total: 0,
            last: now,
            first_wait: Duration::ZERO,
            due: now,
            ticket: None,
        });
        enqueue(&mut self.queue, remote, key);
    }

    /// Sets the timer of a probe. Earlier timers become stale.
    pub(super) fn arm(&mut self, key: ProbeKey, due: Instant) {
        if let Some(probe) = self.probes.get_mut(key) {
            probe.due = due;
            self.timers.insert(due, Owner::Probe(key));
        }
    }

    fn arm_deadline(&mut self, key: ProbeKey) {
        if let Some(due) = self.probes.get(key).map(Probe::deadline) {
            self.arm(key, due);
        }
    }

    /// Writes up to `room` packets to one remote. Returns how many.
    pub(super) fn send_from(
        &mut self,
        key: RemoteKey,
        room: usize,
        now: Instant,
        out: &mut Outbox,
    ) -> usize {
        let mut sent = 0;
        let Some(remote) = self.remotes.get_mut(key) else {
            return sent;
        };
        remote.queued = false;
        if matches!(remote.link, Link::Connecting(connecting) if connecting.due <= now) {
            sent += self.send_connect(key, now, out);
        }
        while sent < room.min(RUN) {
            let Some(remote) = self.remotes.get_mut(key) else {
                return sent;
            };
            if remote.ready.is_empty() {
                return sent;
            }
            if remote.window.room(now) == 0 {
                // An answer queues the remote again, or this timer.
                if let Some(due) = remote.window.next_room() {
                    self.timers.insert(due, Owner::Remote(key));
                }
                return sent;
            }
            let Some(probe) = remote.ready.pop_front() else {
                return sent;
            };
            self.unsent -= 1;
            sent += self.send_request(probe, now, out);
        }
        if let Some(remote) = self.remotes.get_mut(key) {
            enqueue(&mut self.queue, remote, key);
        }
        sent
    }

    fn send_request(&mut self, key: ProbeKey, now: Instant, out: &mut Outbox) -> usize {
        let Some(probe) = self.probes.get_mut(key) else {
            return 0;
        };
        let Some(remote) = self.remotes.get_mut(probe.remote) else {
            return 0;
        };
        probe.queue_state = QueueState::InFlight;
        if now >= probe.deadline() && !probe.extend_query(remote.heard_since(probe.taken())) {
            self.give_up(key, now);
            return 0;
        }
        let Some(connection) = remote.connection(probe.is_stop_announce(), now) else {
            self.route(key, now);
            return 0;
        };
        let (transaction, sent, first) = match probe.request {
            Some(request) => {
                request.release(&mut self.window, &mut remote.window);
                (request.transaction, request.sent + 1, request.first)
            }
            None => (self.transactions.open(Owner::Probe(key)), 1, now),
        };
        out.push(connection.to, |bytes| {
            probe.write(bytes, &self.settings, connection.id, transaction);
        });
        probe.request = Some(PendingRequest {
            transaction,
            connection: connection.id,
            sent,
            first,
            last: now,
            tickets: (self.window.take(now), remote.window.take(now)),
        });
        probe.requests += 1;
        let timeout = probe.job.timeout;
        let alive = remote.is_alive(first, timeout);
        let wait = remote.round_trip.wait(sent, timeout, alive);
        let due = (now + wait).min(probe.deadline());
        self.arm(key, due);
        1
    }

    /// Sends the connect packet that is due. It counts as a request of the probe that waits
    /// longest.
    fn send_connect(&mut self, key: RemoteKey, now: Instant, out: &mut Outbox) -> usize {
        let Some(payer) = self.first_waiting(key) else {
            self.disconnect(key);
            return 0;
        };
        let (Some(remote), Some(probe)) = (self.remotes.get_mut(key), self.probes.get_mut(payer))
        else {
            return 0;
        };
        let alive = remote.is_alive(probe.taken(), probe.job.timeout);
        let Link::Connecting(connecting) = &mut remote.link else {
            return 0;
        };
        if connecting.total > 0 {
            remote.addresses.rotate();
        }
        let Some(to) = remote.addresses.current() else {
            // The result of the pending lookup moves the waiting probes on.
            self.disconnect(key);
            return 0;
        };
        if let Some(ticket) = connecting.ticket.take() {
            self.window.release(ticket);
        }
        let transaction = connecting.transaction;
        out.push(to, |bytes| codec::write_connect(bytes, transaction));
        connecting.ticket = Some(self.window.take(now));
        connecting.sent += 1;
        connecting.total += 1;
        connecting.last = now;
        let timeout = probe.job.timeout;
        connecting.first_wait = remote.round_trip.wait(1, timeout, false);
        connecting.due = now + remote.round_trip.wait(connecting.sent, timeout, alive);
        self.timers.insert(connecting.due, Owner::Remote(key));
        probe.requests += 1;
        probe.connecting.get_or_insert(now);
        1
    }

    /// Returns the probe that has waited longest. Drops the keys of probes that have ended.
    fn first_waiting(&mut self, key: RemoteKey) -> Option<ProbeKey> {
        let remote = self.remotes.get_mut(key)?;
        while let Some(first) = remote.waiting.front() {
            if self.probes.get(*first).is_some() {
                return Some(*first);
            }
            remote.waiting.pop_front();
        }
        None
    }

    /// Abandons a pending connect.
    pub(super) fn disconnect(&mut self, key: RemoteKey) {
        let Some(remote) = self.remotes.get_mut(key) else {
            return;
        };
        if let Link::Connecting(connecting) = remote.link {
            self.transactions.close(connecting.transaction);
            if let Some(ticket) = connecting.ticket {
                self.window.release(ticket);
            }
        }
        remote.link = Link::Down;
    }

    /// Handles the timer of a remote: a connect is due, or its window has room.
    pub(super) fn on_remote_timer(&mut self, key: RemoteKey, now: Instant) {
        if let Some(remote) = self.remotes.get_mut(key) {
            let connects =
                matches!(remote.link, Link::Connecting(connecting) if connecting.due <= now);
            if connects || !remote.ready.is_empty() {
                enqueue(&mut self.queue, remote, key);
            }
        }
    }

    pub(super) fn on_probe_timer(&mut self, key: ProbeKey, now: Instant) {
        let Some(probe) = self.probes.get_mut(key) else {
            return;
        };
        if probe.due > now || probe.is_held() {
            return;
        }
        let is_waiting = probe.queue_state == QueueState::Waiting;
        if now >= probe.deadline() {
            if !self.extend_query(key) {
                self.give_up(key, now);
                return;
            }
            if is_waiting {
                self.arm_deadline(key);
            }
        }
        let Some(probe) = self.probes.get_mut(key) else {
            return;
        };
        // Until the next packet is sent, the deadline counts.
        probe.due = probe.deadline();
        if let Some(request) = probe.request
            && request.sent >= DOUBT_AFTER
            && let Some(remote) = self.remotes.get_mut(probe.remote)
            && !remote.heard_since(request.first)
            && matches!(remote.link, Link::Up(up) if up.id == request.connection)
        {
            remote.link = Link::Down;
        }
        self.route(key, now);
    }
}

/// Queues a remote for sending.
pub(super) fn enqueue(queue: &mut VecDeque<RemoteKey>, remote: &mut Remote, key: RemoteKey) {
    if !remote.queued {
        remote.queued = true;
        queue.push_back(key);
    }
}
