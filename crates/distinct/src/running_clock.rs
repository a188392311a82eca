//! A clock that never goes back, whatever the wall clock does.
//!
//! Windows need to know how much time passed while the daemon was off, and only the wall clock can
//! tell. But the wall clock may be wrong: set by hand, or read from a dead battery until the
//! network corrects it. The running clock therefore dates sightings by **running time**, which
//! never goes back, and records the jumps of the wall clock beside it. Sets hold running hours
//! only. A jump moves the edges of windows, and undoing the jump moves them back.
//!
//! * Steps forward of up to [`LARGEST_STEP`] are running time.
//! * A longer step forward is a **jump**: the daemon was off, the machine slept, or the clock was
//!   set. It ages everything that was seen before at once, so that gauges are right after a long
//!   downtime. For [`DOUBT`] of running time, no sighting is dropped because of it.
//! * A step **back** first undoes jumps in doubt, the latest first. A clock that was ahead and
//!   returns restores every earlier count, and sightings made meanwhile keep their true age. The
//!   rest of the step is no time: the running clock continues from where it was, without repeating
//!   or skipping hours. Where jumps explain less than half of the step, the step is no return from
//!   them, and they stay.
//! * A step forward that makes up for earlier steps back still in doubt is the **return** from
//!   them: only what exceeds them is time. A machine that starts in 1970 and is corrected a minute
//!   later thus has its true downtime. A return may come in parts if the first is longer than all
//!   windows and at least half of the way; a shorter first part is taken for downtime.
//! * Readings up to [`BACKLASH`] behind the latest are no step at all: they arrive out of order, or
//!   the clock was set back by minutes. Running time stands still until the wall clock catches up.
//!
//! Running time may differ from the wall clock by any amount; only its differences have a meaning.

use super::Window;
use super::codec::{DecodeError, read_varint, write_varint};
use seedwatch_clock::Unix;

const HOUR: u64 = 3600;
/// The longest step forward, in seconds, that is not a jump.
const LARGEST_STEP: u64 = 3 * HOUR;
/// How far behind the latest reading, in seconds, a reading is still no step back.
const BACKLASH: u64 = HOUR;
/// How long, in seconds of running time, a step in either direction can be undone.
const DOUBT: u64 = 7 * 24 * HOUR;
/// The latest reading accepted, in seconds since 1970, so that hours fit 32 bits.
const LATEST: u64 = (1 << 31) * HOUR;
/// The longest window in seconds.
const MONTH: u64 = Window::Month.hours() as u64 * HOUR;
/// Most jumps of a month: each of them ends an hour.
const MAX_JUMPS: usize = Window::Month.hours() as usize;

/// Turns readings of the wall clock into [`Moment`]s. All sets share one, which is saved with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningClock {
    /// Running time in seconds.
    running: u64,
    /// The latest reading of the wall clock.
    wall: u64,
    /// The jumps of the last month of running time, the oldest first.
    jumps: Vec<Jump>,
    /// Seconds by which running time is ahead because an undone jump had ended its hour early.
    ahead: u64,
    /// The unexplained part of steps back in doubt, in seconds.
    behind: u64,
    /// The running time of the latest step back, in seconds.
    behind_since: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Jump {
    /// The first running hour after the jump.
    before: u64,
    /// The length in seconds.
    length: u64,
}

/// An hour of a [`RunningClock`], and the hours in which windows begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The current hour of running time, at least 1.
    pub(super) hour: u32,
    /// The first hour of each window.
    pub(super) starts: [u32; Window::ALL.len()],
    /// The first of the last [`Moment::RECENT_HOURS`].
    pub(super) recent: u32,
    /// The latest hour that no window can contain again, whatever the wall clock does. It never
    /// goes back, and is at most the longest window ago.
    pub(super) expired: u32,
}

impl Moment {
    /// Eight days: a week and a day.
    pub const RECENT_HOURS: u32 = Window::Week.hours() + Window::Day.hours();

    /// Returns the current hour of running time, which never goes back.
    pub const fn hour(self) -> u32 {
        self.hour
    }

    /// Returns by how many hours all windows moved since `before`; `None` if they moved
    /// differently.
    pub(super) fn moved_since(self, before: Self) -> Option<usize> {
        let moved = |window: usize| self.starts[window].checked_sub(before.starts[window]);
        let hours = moved(0)?;
        let same = (0..self.starts.len()).all(|window| moved(window) == Some(hours));
        same.then_some(hours as usize)
    }

    /// Returns whether an hour of running time lies within a window that ends now. Hour 0 means
    /// never.
    pub const fn is_within(self, window: Window, hour: u32) -> bool {
        hour >= self.starts[window.index()]
    }

    /// Returns whether an hour of running time is one of the last [`Moment::RECENT_HOURS`].
    pub const fn is_recent(self, hour: u32) -> bool {
        hour >= self.recent
    }
}

impl RunningClock {
    /// Starts at a reading of the wall clock, with no history.
    pub fn start(now: Unix) -> Self {
        // The first hour is 1, because slot 0 of a set means never.
        let now = now.0.min(LATEST) + HOUR;
        Self {
            running: now,
            wall: now - HOUR,
            jumps: Vec::new(),
            ahead: 0,
            behind: 0,
            behind_since: 0,
        }
    }

    /// Takes a reading of the wall clock. Must be called at least every three hours, better every
    /// few minutes.
    pub fn tick(&mut self, now: Unix) -> Moment {
        let now = now.0.min(LATEST);
        if let Some(step) = now.checked_sub(self.wall) {
            self.wall = now;
            self.step_forward(step);
        } else if self.wall - now > BACKLASH {
            let step = self.wall - now;
            self.wall = now;
            self.step_back(step);
        }
        self.moment()
    }

    fn step_forward(&mut self, step: u64) {
        let time = step - self.part_of_return(step);
        if time <= LARGEST_STEP {
            return self.advance(time);
        }
        // Sightings before and after a jump must not share an hour.
        let rest_of_hour = HOUR - self.running % HOUR;
        self.running += rest_of_hour;
        self.jumps.push(Jump {
            before: self.running / HOUR,
            length: time - rest_of_hour,
        });
        self.forget_settled();
    }

    /// Returns how much of a step forward is the return from steps back, and thus no time.
    fn part_of_return(&mut self, step: u64) -> u64 {
        // Steps up to BACKLASH are the normal passing of time.
        let whole = step > BACKLASH && step + BACKLASH >= self.behind;
        // Few machines are off for a month, but a clock is often set roughly before it is set
        // exactly.
        let rough = step > MONTH && step >= self.behind / 2;
        if !whole && !rough {
            return 0;
        }
        let part = step.min(self.behind);
        self.behind -= part;
        if self.behind <= BACKLASH {
            self.behind = 0;
        } else if self.behind > LARGEST_STEP {
            // An earlier jump may have been wrong, too. A remainder below any jump is yet to
            // return.
            self.behind = self.undo_jumps(self.behind);
        }
        part
    }

    /// Lets running time pass, less the seconds by which it is ahead.
    fn advance(&mut self, step: u64) {
        let late = step.min(self.ahead);
        self.ahead -= late;
        self.running += step - late;
        self.forget_settled();
    }

    fn step_back(&mut self, step: u64) {
        let unexplained = self.undo_jumps(step);
        if unexplained > 0 {
            self.behind = self.behind.saturating_add(unexplained);
            self.behind_since = self.running;
        }
    }

    /// Undoes jumps in doubt by a step back. Returns the part of the step that they do not explain.
    fn undo_jumps(&mut self, mut step: u64) -> u64 {
        let in_doubt = self.jumps.iter().filter(|jump| jump.in_doubt(self.running));
        let explained: u64 = in_doubt.map(|jump| jump.length).sum();
        // The jumps were downtime, and the clock lost more than them. If they were undone, the
        // correct time would bring them back as downtime of now, and newer sightings would seem
        // older.
        if step / 2 > explained {
            return step;
        }
        while let Some(jump) = self.jumps.last_mut()
            && jump.in_doubt(self.running)
            && step > 0
        {
            let undone = step.min(jump.length);
            jump.length -= undone;
            step -= undone;
            if jump.length > 0 {
                return 0;
            }
            self.jumps.pop();
            let early = step.min(HOUR - self.ahead.min(HOUR));
            self.ahead += early;
            step -= early;
        }
        step
    }

    /// Forgets steps back beyond doubt, and jumps beyond the longest window.
    fn forget_settled(&mut self) {
        if self.running - self.behind_since >= DOUBT {
            self.behind = 0;
        }
        let month = u64::from(Window::Month.hours());
        let hour = self.running / HOUR;
        self.jumps.retain(|jump| hour - jump.before < month);
    }

    /// Returns the moment of the latest reading.
    pub fn moment(&self) -> Moment {
        let certain = |jump: &&Jump| !jump.in_doubt(self.running);
        let unexpired = self.first_hour(Window::Month.hours(), self.jumps.iter().filter(certain));
        let first = |hours| self.first_hour(hours, self.jumps.iter());
        Moment {
            hour: narrow(self.running / HOUR),
            starts: Window::ALL.map(|window| first(window.hours())),
            recent: first(Moment::RECENT_HOURS),
            expired: unexpired - 1,
        }
    }

    /// Returns the first running hour of the last `hours`, if these jumps were time; at least 1.
    fn first_hour<'a>(&self, hours: u32, jumps: impl DoubleEndedIterator<Item = &'a Jump>) -> u32 {
        let mut now = self.running;
        let first = |now: u64| (now / HOUR + 1).saturating_sub(hours.into());
        for jump in jumps.rev() {
            if first(now) >= jump.before {
                break;
            }
            now = now.saturating_add(jump.length);
            if first(now) >= jump.before {
                return narrow(jump.before);
            }
        }
        narrow(first(now).max(1))
    }

    /// Appends the encoding of the clock to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for value in [self.running, self.wall, self.ahead] {
            write_varint(out, value);
        }
        write_varint(out, self.behind);
        write_varint(out, self.behind_since);
        write_varint(out, self.jumps.len() as u64);
        for jump in &self.jumps {
            write_varint(out, jump.before);
            write_varint(out, jump.length);
        }
    }

    /// Decodes a clock from the front of `from` and advances `from` past it.
    ///
    /// # Errors
    ///
    /// If `from` does not begin with what [`RunningClock::encode`] writes.
    pub fn decode(from: &mut &[u8]) -> Result<Self, DecodeError> {
        let mut next = || read_varint(from);
        let mut clock = Self {
            running: next()?,
            wall: next()?,
            ahead: next()?,
            behind: next()?,
            behind_since: next()?,
            jumps: Vec::new(),
        };
        let hour = clock.running / HOUR;
        let sound = hour >= 1
            && clock.running <= 2 * LATEST
            && clock.wall <= LATEST
            && clock.ahead <= HOUR
            && clock.behind_since <= clock.running;
        let count = next()?;
        if !sound || count > MAX_JUMPS as u64 {
            return Err(DecodeError);
        }
        let mut earliest = (hour + 1).saturating_sub(MAX_JUMPS as u64);
        for _ in 0..count {
            let (before, length) = (next()?, next()?);
            if !(earliest..=hour).contains(&before) || !(1..=LATEST).contains(&length) {
                return Err(DecodeError);
            }
            earliest = before + 1;
            clock.jumps.push(Jump { before, length });
        }
        Ok(clock)
    }
}

impl Jump {
    /// Returns whether a step back can still undo the jump.
    fn in_doubt(&self, running: u64) -> bool {
        running < self.before * HOUR + DOUBT
    }
}

fn narrow(hour: u64) -> u32 {
    u32::try_from(hour).unwrap_or(u32::MAX)
}
