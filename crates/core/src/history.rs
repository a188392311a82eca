//! The daily history: one packed sample per torrent and UTC day, for [`HISTORY_DAYS`] days.
//!
//! A day on which nothing was known has no sample. Readers show it as a gap, never as 0. A torrent
//! of which nothing was ever known has no history at all.
//!
//! Samples are recorded when the row of a torrent is built, which happens whenever an answer comes
//! or goes stale, and at least once an hour. A sample takes eight bytes; consecutive days with
//! equal samples share one. Neighbouring torrents share a block ([`HistoryBlock`]), which changes
//! once a day, so consecutive snapshots share it.
//!
//! The wall clock says which day it is. It may be wrong, so it never erases a day at once:
//!
//! - While it is not set (before 2020), nothing is recorded.
//! - A step back of up to an hour does not reopen the day before.
//! - A longer step back continues the sample of that day, and keeps the days that now lie in the
//!   future.
//! - Days outside the last [`HISTORY_DAYS`] are dropped once the clock has passed a week of
//!   midnights in order. Until then only their number is limited.
//!
//! | File | Contents |
//! |---|---|
//! | `calendar` | wall clock → UTC days |
//! | `scale` | counts in 12 bits |
//! | `sample` | the sample of one day |
//! | `today` | the sample of the current day, as it grows |
//! | `runs` | the samples of earlier days |
//! | `block` | the samples of neighbouring torrents |
//! | `view` | what readers see |
//! | `saved` | a history as bytes |

mod block;
mod calendar;
mod runs;
mod sample;
mod saved;
mod scale;
mod today;
mod view;

pub use block::HistoryBlock;
pub(crate) use calendar::Calendar;
pub use calendar::UtcDay;
pub use runs::Run;
pub(crate) use runs::Runs;
pub use sample::{DatedSample, Day, DaySample, PeerRange};
pub use saved::StoredHistory;
pub(crate) use saved::encode;
pub(crate) use today::{Observed, Today};
pub use view::DailyHistory;

/// For how many days, the current one included, a history is shown.
pub const HISTORY_DAYS: usize = 90;

#[cfg(test)]
mod tests;
