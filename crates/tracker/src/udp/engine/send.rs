//! How probes and connects get to be sent, and sent again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::probe::{PendingRequest, Probe};
use super::remote::Connecting;
use super::{Engine, Key, Link, Lookup, Outbox, Owner, QueueState, Remote, codec};

/// Most packets one remote sends before it is the turn of the next: one segmented send.
const RUN: usize = 64;
/// Packets of one request without any sign of life after which the connection id is doubted:
/// a tracker that restarted ignores the ids of its former life.
const DOUBT_AFTER: u32 = 2;

impl Engine {
    /// Puts a probe where it can go on: to the senders, or among those that wait for an address or
    /// a connection id.
    pub(super) fn route(&mut self, key: Key, now: Instant) {
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
            self.lookups.push(Lookup {
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
            // The lookup may wait in our own queue. It has a limit of its own.
            probe.hold(now);
            return;
        }
        let deadline = probe.deadline();
        self.arm(key, deadline);
        if !awaits_address {
            self.connect(remote_key, now);
        }
    }

    /// Sees to it that a connect is under way.
    fn connect(&mut self, key: Key, now: Instant) {
        let Some(remote) = self.remotes.get_mut(key) else {
            return;
        };
        if let Link::Connecting(connecting) = &mut remote.link {
            // Whoever comes late to a doubled wait must not sit it out.
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

    /// Sets the one timer of a probe that counts.
    pub(super) fn arm(&mut self, key: Key, due: Instant) {
        if let Some(probe) = self.probes.get_mut(key) {
            probe.due = due;
            self.timers.insert(due, Owner::Probe(key));
        }
    }

    fn arm_deadline(&mut self, key: Key) {
        if let Some(due) = self.probes.get(key).map(Probe::deadline) {
            self.arm(key, due);
        }
    }

    /// Writes up to `room` packets of one remote; returns how many.
    pub(super) fn send_from(
        &mut self,
        key: Key,
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
                // An answer brings it back, or this timer.
                if let Some(due) = remote.window.next_room() {
                    self.timers.insert(due, Owner::Remote(key));
                }
                return sent;
            }
            let Some(probe) = remote.ready.pop_front() else {
                return sent;
            };
            self.unsent -= 1;
            sent += self.send_question(probe, now, out);
        }
        if let Some(remote) = self.remotes.get_mut(key) {
            enqueue(&mut self.queue, remote, key);
        }
        sent
    }

    fn send_question(&mut self, key: Key, now: Instant, out: &mut Outbox) -> usize {
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

    /// Sends the connect packet that is due, on the account of the probe that waits longest.
    fn send_connect(&mut self, key: Key, now: Instant, out: &mut Outbox) -> usize {
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
            // The lookup under way brings back those who wait.
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

    /// The probe that has waited longest; those that ended meanwhile are dropped on the way.
    fn first_waiting(&mut self, key: Key) -> Option<Key> {
        let remote = self.remotes.get_mut(key)?;
        while let Some(first) = remote.waiting.front() {
            if self.probes.get(*first).is_some() {
                return Some(*first);
            }
            remote.waiting.pop_front();
        }
        None
    }

    /// Gives up a connect, if one is under way.
    pub(super) fn disconnect(&mut self, key: Key) {
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

    /// A connect is to be sent again, or the window of a remote has room again.
    pub(super) fn on_remote_timer(&mut self, key: Key, now: Instant) {
        if let Some(remote) = self.remotes.get_mut(key) {
            let connects =
                matches!(remote.link, Link::Connecting(connecting) if connecting.due <= now);
            if connects || !remote.ready.is_empty() {
                enqueue(&mut self.queue, remote, key);
            }
        }
    }

    pub(super) fn on_probe_timer(&mut self, key: Key, now: Instant) {
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
        // From here on the deadline counts; the senders look at it.
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

/// Gives a remote its turn to send.
pub(super) fn enqueue(queue: &mut VecDeque<Key>, remote: &mut Remote, key: Key) {
    if !remote.queued {
        remote.queued = true;
        queue.push_back(key);
    }
}
