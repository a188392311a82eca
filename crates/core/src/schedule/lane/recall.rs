//! What a lane knows from before a restart, and what it leaves for the next.

use super::Lane;
use crate::Health;
use crate::roster::Roster;
use crate::schedule::memory::Memory;
use seedwatch_clock::Mono;
use seedwatch_torrent::{InfoHash, Scheme};
use seedwatch_tracker::AnnounceId;

impl Lane {
    /// Takes over what was known before a restart.
    pub(in crate::schedule) fn recall(&mut self, memory: Memory, now: Mono) {
        if memory.closed_until > now {
            self.health = Health::Closed;
            self.hold_until = memory.closed_until;
        } else if memory.failures >= 2 {
            self.health = Health::Down;
            self.hearsay = true;
            self.failures = memory.failures;
        }
        self.limited_until = memory.limited_until;
        self.interval = memory.interval;
        self.stopped.habit = memory.habit;
        self.stopped.check_at = memory.check_at;
        self.scrape.not_before = memory.no_scrape_before;
        self.scrape.limit = memory.scrape_limit.into();
        self.recalled = memory.promises;
    }

    /// What is to be known after a restart.
    pub(in crate::schedule) fn memory(&self, roster: &Roster) -> Memory {
        let hash = |id: &AnnounceId| roster.info_hash(roster.announce(*id)?);
        let promises = self.promises.iter();
        let promises = promises.filter_map(|(id, until)| Some((hash(id)?, *until)));
        let recalled = self.recalled.iter().map(|(hash, until)| (*hash, *until));
        let is = |health: Health| self.health == health;
        // That a scheme is not spoken may change with the program.
        let spoken = !matches!(self.scheme, Scheme::Ws | Scheme::Wss);
        Memory {
            failures: if is(Health::Down) { self.failures } else { 0 },
            closed_until: if is(Health::Closed) && spoken {
                self.hold_until
            } else {
                Mono::default()
            },
            limited_until: self.limited_until,
            interval: self.interval,
            habit: self.stopped.habit,
            check_at: self.stopped.check_at,
            no_scrape_before: self.scrape.not_before,
            scrape_limit: u8::try_from(self.scrape.limit).unwrap_or(u8::MAX),
            promises: recalled.chain(promises).collect(),
        }
    }

    /// Its health as far as this process has looked itself, or was told not to.
    pub(in crate::schedule) fn witnessed(&self) -> Health {
        if self.hearsay {
            Health::Unknown
        } else {
            self.health
        }
    }

    /// Takes in a new swarm, due at once unless the tracker said otherwise before a restart.
    pub(in crate::schedule) fn admit(&mut self, id: AnnounceId, hash: Option<InfoHash>, now: Mono) {
        match hash.and_then(|hash| self.recalled.remove(&hash)) {
            Some(until) if until > now => self.promise(until, id),
            _ => self.push(now, id),
        }
    }
}
