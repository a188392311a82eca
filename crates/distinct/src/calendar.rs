//! A time that the wall clock cannot tear apart.
//!
//! Windows need to know how much time passed while the daemon was off, and only the wall clock can
//! tell. But it may be wrong: set by hand, or read from a dead battery until the network corrects it.
//! The calendar therefore dates sightings by **running time**, which never goes back, and notes beside
//! it the leaps between. Sets keep running hours only; a leap moves the edges of windows, and undoing it
//! moves them back.
//!
//! * Steps forward of up to [`LARGEST_STEP`] are running time.
//! * A **leap** forward beyond that (the daemon was off, the machine slept, or the clock jumped) ages
//!   at once all that was seen before, so that gauges are right after a long rest. But for [`DOUBT`]
//!   of running time nothing is forgotten because of it.
//! * A step **back** first undoes leaps in doubt, the latest first: a clock that was ahead and returns
//!   finds everything again, and what was seen meanwhile is as old as it is. The rest of the step is
//!   no time: the calendar goes on from where it was, neither repeating hours nor waiting. Where leaps
//!   explain less than half of the step, it is no return from them, and they stay.
//! * A step forward that makes up for the steps back before it, if these are still in doubt, is the
//!   **return** from them: only what exceeds them is time. So a machine that starts in 1970 and is
//!   corrected a minute later has rested as long as it did. A return may come in parts, if the first
//!   is longer than all windows and at least half of the way; a shorter one is taken for a rest.
//! * Readings up to [`BACKLASH`] behind the latest are no step at all: they come out of order, or the
//!   clock was set by minutes. Time stands still until the clock catches up.
//!
//! Running time may differ from the wall clock by any amount; only its differences mean anything.

use super::Window;
use super::code::{Nonsense, read_varint, write_varint};
use seedwatch_clock::Unix;

const HOUR: u64 = 3600;
/// The longest step forward, in seconds, that is nothing to wonder about.
const LARGEST_STEP: u64 = 3 * HOUR;
/// How far behind, in seconds, a reading is still no step back.
const BACKLASH: u64 = HOUR;
/// How long, in seconds of running time, a step either way can be undone.
const DOUBT: u64 = 7 * 24 * HOUR;
/// No wall clock reads later, so that hours fit 32 bits.
const LATEST: u64 = (1 << 31) * HOUR;
/// The longest window in seconds.
const MONTH: u64 = Window::Month.hours() as u64 * HOUR;
/// Leaps of a month, each of which ends an hour.
const MOST_LEAPS: usize = Window::Month.hours() as usize;

/// Turns readings of the wall clock into [`Moment`]s. One for all sets, saved with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// Running time in seconds.
    running: u64,
    /// The latest reading of the wall clock.
    wall: u64,
    /// Of the last month of running time, the oldest first.
    leaps: Vec<Leap>,
    /// Seconds that running time is ahead because a leap that was undone ended an hour early.
    ahead: u64,
    /// The unexplained part of steps back in doubt, in seconds, and the running time of the latest.
    behind: u64,
    behind_since: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Leap {
    /// The first running hour after it.
    before: u64,
    /// Its length in seconds.
    length: u64,
}

/// An hour of a [`Calendar`], and where windows begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Hours of running time, at least 1.
    pub(super) hour: u32,
    /// The first hour of each window.
    pub(super) starts: [u32; Window::ALL.len()],
    /// The first hour of the last eight days.
    pub(super) lately: u32,
    /// The last hour whose sightings are over whatever the clock does. Never goes back, and is no
    /// more than the longest window ago.
    pub(super) floor: u32,
}

impl Moment {
    /// Eight days: a day more than a week ago.
    pub const LATELY: u32 = Window::Week.hours() + Window::Day.hours();

    /// Hours of running time: they never go back, whatever the clock does.
    pub const fn hour(self) -> u32 {
        self.hour
    }

    /// By how many hours all windows moved on since then; `None` if not all by the same.
    pub(super) fn moved_since(self, before: Self) -> Option<usize> {
        let moved = |window: usize| self.starts[window].checked_sub(before.starts[window]);
        let hours = moved(0)?;
        let same = (0..self.starts.len()).all(|window| moved(window) == Some(hours));
        same.then_some(hours as usize)
    }

    /// Whether an hour of running time lies within a window that ends now. Hour 0 is never.
    pub const fn is_within(self, window: Window, hour: u32) -> bool {
        hour >= self.starts[window.index()]
    }

    /// Whether an hour of running time lies within the last [`Moment::LATELY`] hours.
    pub const fn is_lately(self, hour: u32) -> bool {
        hour >= self.lately
    }
}

impl Calendar {
    /// Begins now, with nothing remembered.
    pub fn start(now: Unix) -> Self {
        // The first hour is 1, because slot 0 of a set is never.
        let now = now.0.min(LATEST) + HOUR;
        Self {
            running: now,
            wall: now - HOUR,
            leaps: Vec::new(),
            ahead: 0,
            behind: 0,
            behind_since: 0,
        }
    }

    /// Reads the wall clock. To be called every few minutes, and at least every three hours.
    pub fn tick(&mut self, now: Unix) -> Moment {
        let now = now.0.min(LATEST);
        if let Some(step) = now.checked_sub(self.wall) {
            self.wall = now;
            self.forward(step);
        } else if self.wall - now > BACKLASH {
            let step = self.wall - now;
            self.wall = now;
            self.back(step);
        }
        self.moment()
    }

    fn forward(&mut self, step: u64) {
        let leap = step - self.returned(step);
        if leap <= LARGEST_STEP {
            return self.run(leap);
        }
        // What is seen from now on must not share an hour with what was seen before.
        let rest = HOUR - self.running % HOUR;
        self.running += rest;
        self.leaps.push(Leap {
            before: self.running / HOUR,
            length: leap - rest,
        });
        self.tidy();
    }

    /// How much of a step forward is the return from steps back, and thus no time.
    fn returned(&mut self, step: u64) -> u64 {
        // Those up to BACKLASH are how time goes by.
        let whole = step > BACKLASH && step + BACKLASH >= self.behind;
        // Few rest for so long, but clocks are often set roughly before they are set right.
        let rough = step > MONTH && step >= self.behind / 2;
        if !whole && !rough {
            return 0;
        }
        let part = step.min(self.behind);
        self.behind -= part;
        if self.behind <= BACKLASH {
            self.behind = 0;
        } else if self.behind > LARGEST_STEP {
            // A leap from before may have been wrong, too. What is shorter than any is yet to come.
            self.behind = self.undo(self.behind);
        }
        part
    }

    fn run(&mut self, step: u64) {
        let late = step.min(self.ahead);
        self.ahead -= late;
        self.running += step - late;
        self.tidy();
    }

    fn back(&mut self, step: u64) {
        let rest = self.undo(step);
        if rest > 0 {
            self.behind = self.behind.saturating_add(rest);
            self.behind_since = self.running;
        }
    }

    /// Undoes leaps in doubt by a step back. What they do not explain of it is left.
    fn undo(&mut self, mut step: u64) -> u64 {
        let in_doubt = self.leaps.iter().filter(|leap| leap.in_doubt(self.running));
        let explained: u64 = in_doubt.map(|leap| leap.length).sum();
        // They were rests, and the clock lost more than them. If undone, they would come back with
        // the right time as a rest of now, and who was seen since would seem older.
        if step / 2 > explained {
            return step;
        }
        while let Some(leap) = self.leaps.last_mut()
            && leap.in_doubt(self.running)
            && step > 0
        {
            let undone = step.min(leap.length);
            leap.length -= undone;
            step -= undone;
            if leap.length > 0 {
                return 0;
            }
            self.leaps.pop();
            let early = step.min(HOUR - self.ahead.min(HOUR));
            self.ahead += early;
            step -= early;
        }
        step
    }

    /// Drops what does not matter any more.
    fn tidy(&mut self) {
        if self.running - self.behind_since >= DOUBT {
            self.behind = 0;
        }
        let month = u64::from(Window::Month.hours());
        let hour = self.running / HOUR;
        self.leaps.retain(|leap| hour - leap.before < month);
    }

    /// The moment of the latest reading.
    pub fn moment(&self) -> Moment {
        let certain = |leap: &&Leap| !leap.in_doubt(self.running);
        let over = self.first_hour(Window::Month.hours(), self.leaps.iter().filter(certain));
        let first = |hours| self.first_hour(hours, self.leaps.iter());
        Moment {
            hour: narrow(self.running / HOUR),
            starts: Window::ALL.map(|window| first(window.hours())),
            lately: first(Moment::LATELY),
            floor: over - 1,
        }
    }

    /// The first running hour of so many that end now, if these leaps were real; at least 1.
    fn first_hour<'a>(&self, hours: u32, leaps: impl DoubleEndedIterator<Item = &'a Leap>) -> u32 {
        let mut now = self.running;
        let first = |now: u64| (now / HOUR + 1).saturating_sub(hours.into());
        for leap in leaps.rev() {
            if first(now) >= leap.before {
                break;
            }
            now = now.saturating_add(leap.length);
            if first(now) >= leap.before {
                return narrow(leap.before);
            }
        }
        narrow(first(now).max(1))
    }

    /// Appends it to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for value in [self.running, self.wall, self.ahead] {
            write_varint(out, value);
        }
        write_varint(out, self.behind);
        write_varint(out, self.behind_since);
        write_varint(out, self.leaps.len() as u64);
        for leap in &self.leaps {
            write_varint(out, leap.before);
            write_varint(out, leap.length);
        }
    }

    /// Takes one from the front of `from`.
    ///
    /// # Errors
    ///
    /// If there is none that [`Calendar::encode`] could have written.
    pub fn decode(from: &mut &[u8]) -> Result<Self, Nonsense> {
        let mut next = || read_varint(from);
        let mut calendar = Self {
            running: next()?,
            wall: next()?,
            ahead: next()?,
            behind: next()?,
            behind_since: next()?,
            leaps: Vec::new(),
        };
        let hour = calendar.running / HOUR;
        let sound = hour >= 1
            && calendar.running <= 2 * LATEST
            && calendar.wall <= LATEST
            && calendar.ahead <= HOUR
            && calendar.behind_since <= calendar.running;
        let count = next()?;
        if !sound || count > MOST_LEAPS as u64 {
            return Err(Nonsense);
        }
        let mut earliest = (hour + 1).saturating_sub(MOST_LEAPS as u64);
        for _ in 0..count {
            let (before, length) = (next()?, next()?);
            if !(earliest..=hour).contains(&before) || !(1..=LATEST).contains(&length) {
                return Err(Nonsense);
            }
            earliest = before + 1;
            calendar.leaps.push(Leap { before, length });
        }
        Ok(calendar)
    }
}

impl Leap {
    fn in_doubt(&self, running: u64) -> bool {
        running < self.before * HOUR + DOUBT
    }
}

fn narrow(hour: u64) -> u32 {
    u32::try_from(hour).unwrap_or(u32::MAX)
}
