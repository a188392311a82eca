//! The clock of the peer history: hours of running time, and when the windows last slid.

use seedwatch_clock::{Mono, Now, Unix};
use seedwatch_distinct::{Moment, RunningClock};

/// Hours between two passes that forget old peers.
const PRUNE_INTERVAL: u32 = 24;

/// Turns readings of the clocks into moments of running time.
#[derive(Debug)]
pub(super) struct HistoryClock {
    /// `None` before the first reading.
    running: Option<RunningClock>,
    moment: Moment,
    /// When the windows last slid.
    slid_at: Mono,
    /// The hour of the last prune; 0 = there was no reading yet.
    pruned_hour: u32,
}

/// The effects of a reading.
#[derive(Debug)]
pub(super) struct ClockTick {
    /// The windows slid. They also do when the clock is set.
    pub(super) has_slid: bool,
    /// It is time to forget old peers.
    pub(super) is_prune_due: bool,
}

impl Default for HistoryClock {
    fn default() -> Self {
        Self {
            running: None,
            moment: RunningClock::start(Unix(0)).moment(),
            slid_at: Mono(0),
            pruned_hour: 0,
        }
    }
}

impl HistoryClock {
    /// Returns the moment of the latest reading.
    pub(super) fn moment(&self) -> Moment {
        self.moment
    }

    /// Returns when the windows last slid.
    pub(super) fn slid_at(&self) -> Mono {
        self.slid_at
    }

    /// Reads the clocks.
    pub(super) fn tick(&mut self, now: Now) -> ClockTick {
        let running = self
            .running
            .get_or_insert_with(|| RunningClock::start(now.unix));
        let moment = running.tick(now.unix);
        if self.pruned_hour == 0 {
            self.pruned_hour = moment.hour();
        }
        let has_slid = moment != self.moment;
        if has_slid {
            self.slid_at = now.mono;
        }
        self.moment = moment;
        let is_prune_due = moment.hour().saturating_sub(self.pruned_hour) >= PRUNE_INTERVAL;
        if is_prune_due {
            self.pruned_hour = moment.hour();
        }
        ClockTick {
            has_slid,
            is_prune_due,
        }
    }

    /// Continues with a saved clock, unless a later one is known.
    pub(super) fn restore(&mut self, saved: RunningClock) {
        let known = self.running.as_ref().map(RunningClock::moment);
        if known.is_some_and(|known| known.hour() >= saved.moment().hour()) {
            return;
        }
        self.moment = saved.moment();
        self.running = Some(saved);
    }

    /// Appends the running clock to `out`.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match &self.running {
            Some(running) => running.encode(out),
            None => RunningClock::start(Unix(0)).encode(out),
        }
    }
}
