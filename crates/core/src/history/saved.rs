//! The daily history of one torrent as bytes. See [`saved`](crate::saved) for the encoding of
//! values.
//!
//! ```text
//! current day, 0 = none | seconds known and sample 8, if there is a current day
//! | runs n | n × (days since the run before, or since 1970 | days 1 | sample 8)
//! ```

use super::calendar::UtcDay;
use super::runs::{Run, Runs};
use super::sample::DaySample;
use super::today::Today;
use crate::saved::{DecodeError, append, append_array, take, take_array, take_length};

/// The daily history of a torrent outside the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredHistory {
    pub(crate) today: Today,
    pub(crate) runs: Runs,
}

impl StoredHistory {
    /// Returns whether nothing was ever known of the torrent.
    pub fn is_empty(&self) -> bool {
        self.runs.as_slice().is_empty() && self.today.shown().sample.is_gap()
    }

    /// Unites two histories of the same torrent.
    pub(crate) fn unite(&mut self, mut other: Self) {
        if *self == Self::default() {
            *self = other;
            return;
        }
        if self.today.day < other.today.day {
            std::mem::swap(&mut self.today, &mut other.today);
        }
        match self.today.day == other.today.day {
            true => self.today.unite(&other.today),
            false => other.today.close(&mut other.runs),
        }
        self.runs.unite(other.runs.as_slice());
    }

    /// Appends the history to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        encode(&self.today, self.runs.as_slice(), out);
    }

    /// Reads a history from the front of `from` and advances `from` past it.
    ///
    /// # Errors
    /// If `from` does not begin with what [`StoredHistory::encode`] writes.
    pub fn decode(from: &mut &[u8]) -> Result<Self, DecodeError> {
        let today = decode_today(from)?;
        let mut runs = Vec::new();
        let mut end = UtcDay::default();
        let mut total = 0;
        for _ in 0..take_length(from, Runs::MOST)? {
            let first = end.after(take(from)?).ok_or(DecodeError)?;
            let days: u8 = take(from)?;
            let sample = valid(DaySample::from_bytes(take_array(from)?))?;
            let run = Run::lasting(first, days, sample).ok_or(DecodeError)?;
            end = run.end();
            total += usize::from(days);
            runs.push(run);
        }
        match total <= Runs::MOST {
            true => Ok(Self {
                today,
                runs: Runs(runs),
            }),
            false => Err(DecodeError),
        }
    }
}

/// Appends the history of a torrent.
pub(crate) fn encode(today: &Today, runs: &[Run], out: &mut Vec<u8>) {
    match today.shown().sample.is_gap() {
        true => append(&0_u16, out),
        false => {
            append(&(today.day, today.known), out);
            append_array(&today.sample.to_bytes(), out);
        }
    }
    append(&runs.len(), out);
    let mut end = UtcDay::default();
    for run in runs {
        append(&(run.first().0 - end.0, run.days()), out);
        append_array(&run.sample().to_bytes(), out);
        end = run.end();
    }
}

fn decode_today(from: &mut &[u8]) -> Result<Today, DecodeError> {
    let day: UtcDay = take(from)?;
    if day == UtcDay::default() {
        return Ok(Today::default());
    }
    let known: u32 = take(from)?;
    let sample = DaySample::from_bytes(take_array(from)?);
    valid(sample.known_for(known))?;
    let is_open = sample == sample.open() && u64::from(known) <= UtcDay::SECONDS;
    is_open.then_some(()).ok_or(DecodeError)?;
    Ok(Today::restored(day, sample, known))
}

fn valid(sample: DaySample) -> Result<DaySample, DecodeError> {
    sample.is_valid().then_some(sample).ok_or(DecodeError)
}
