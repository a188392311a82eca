//! What readers see of the daily history of a torrent.

use std::iter::repeat_n;

use super::calendar::UtcDay;
use super::runs::{Run, dated};
use super::sample::{DatedSample, Day};
use seedwatch_clock::Unix;

/// The daily history of one torrent in a snapshot.
///
/// ```
/// use seedwatch_core::history::DailyHistory;
/// use seedwatch_core::snapshot::{Snapshot, TorrentView};
///
/// /// Returns the largest number of peers of each of the last 30 days, for a sparkline.
/// fn sparkline(snapshot: &Snapshot, view: TorrentView<'_>) -> Vec<Option<u32>> {
///     let days = view.history.last_days(30, snapshot.taken);
///     days.map(|day| Some(day?.peers?.most)).collect()
/// }
/// # assert_eq!(DailyHistory::default().days().count(), 0);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct DailyHistory<'a> {
    /// The days before the current one, in order.
    runs: &'a [Run],
    /// The current day. Until the row is built after midnight, it is the day before.
    today: DatedSample,
}

impl<'a> DailyHistory<'a> {
    pub(crate) fn new(runs: &'a [Run], today: DatedSample) -> Self {
        Self { runs, today }
    }

    /// Returns all days on which something was known, the oldest first. Some may be older than
    /// [`HISTORY_DAYS`](super::HISTORY_DAYS), or in the future if the clock was ahead.
    pub fn days(self) -> impl Iterator<Item = Day> + 'a {
        let today = self.today;
        let before = dated(self.runs).take_while(move |(date, _)| *date < today.date);
        let after = dated(self.runs).skip_while(move |(date, _)| *date < today.date);
        // Once the block has been written after midnight, it has the final sample of the day
        // before.
        let is_closed = dated(self.runs).any(|(date, _)| date == today.date);
        let today = (!is_closed).then_some((today.date, today.sample));
        let all = before.chain(today).chain(after);
        all.filter_map(|(date, sample)| sample.show(date))
    }

    /// Returns the last `count` days up to the day of `until`, the oldest first. `None` is a day on
    /// which nothing was known.
    ///
    /// `until` is the time of the snapshot. If the clock was not set then, the last day is the last
    /// one on which something was known.
    pub fn last_days(self, count: usize, until: Unix) -> impl Iterator<Item = Option<Day>> + 'a {
        let last = UtcDay::of(until).or_else(|| Some(self.days().last()?.date));
        let last = last.unwrap_or_default();
        let end = last.0.saturating_add(1);
        let first = end.saturating_sub(u16::try_from(count).unwrap_or(u16::MAX));
        let mut days = self.days().peekable();
        let missing = count - usize::from(end - first);
        let shown = (first..end).map(move |date| {
            while days.next_if(|day| day.date.0 < date).is_some() {}
            days.next_if(|day| day.date.0 == date)
        });
        repeat_n(None, missing).chain(shown)
    }
}
