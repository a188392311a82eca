//! Drawings of the days of a torrent: a small one for rows, a large one for its page.
//!
//! A day on which nothing was known is a gap, never 0.

use std::fmt::Write as _;

use super::value::{DAY, Number, OrUnknown};
use crate::web::timestamp::Date;
use seedwatch_core::history::{Day, HISTORY_DAYS};
use seedwatch_core::snapshot::{Snapshot, TorrentView};
use seedwatch_core::verdict::State;

/// What is drawn of one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Point {
    /// Distinct peers of the day.
    pub(super) distinct: Option<u32>,
    /// The least and the most peers at a time.
    pub(super) range: Option<(u32, u32)>,
    /// Trackers online.
    pub(super) trackers: Option<u32>,
    /// The most urgent state.
    pub(super) state: Option<State>,
}

impl Point {
    fn of(day: Day) -> Self {
        Self {
            distinct: day.unique,
            range: day.peers.map(|peers| (peers.least, peers.most)),
            trackers: day.trackers_online,
            state: day.worst,
        }
    }

    /// Returns the distinct peers, or the most at a time if those are not known.
    fn peers(self) -> Option<u32> {
        self.distinct.or(self.range.map(|(_, most)| most))
    }
}

/// Units between two days of a small drawing.
const STEP: usize = 4;

/// The height of a small drawing between its smallest and largest value.
const HEIGHT: u32 = 14;

/// A line over the days, without axes.
pub(super) struct Sparkline {
    /// The path within a picture of 120 by 16 units.
    pub(super) path: String,
    /// What it shows, in words.
    pub(super) label: String,
}

impl Sparkline {
    /// Days that are drawn.
    const DAYS: usize = 30;

    /// Draws the last days of a torrent, if anything is known of them.
    pub(super) fn of_torrent(snapshot: &Snapshot, view: TorrentView<'_>) -> Option<Self> {
        let days = view.history.last_days(Self::DAYS, snapshot.taken);
        Self::of(days.map(|day| day.map(Point::of)))
    }

    /// Draws days, the latest last.
    fn of(days: impl Iterator<Item = Option<Point>>) -> Option<Self> {
        let values: Vec<_> = days.map(|day| day.and_then(Point::peers)).collect();
        let known = || values.iter().copied().flatten();
        let (first, last, most) = (known().next()?, known().last()?, known().max()?);
        let y = |value: u32| 1 + HEIGHT - scaled(value, HEIGHT, most);
        let mut path = String::new();
        let mut before: Option<u32> = None;
        for (at, value) in values.iter().enumerate() {
            let height = value.map(y);
            if let Some(height) = height {
                let _ = match before {
                    // Without a length, a line has round ends: a dot.
                    None => write!(path, "M{} {height}l0 0", 2 + at * STEP),
                    Some(before) => write!(path, " {STEP}{}", Step(before, height)),
                };
            }
            before = height;
        }
        let (first, last, most) = (Number::from(first), Number::from(last), Number::from(most));
        Some(Self {
            path,
            label: format!("{first} to {last} peers, most {most}"),
        })
    }
}

/// The step from one height to another, as short as a path can have it.
struct Step(u32, u32);

impl std::fmt::Display for Step {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match i64::from(self.1) - i64::from(self.0) {
            up @ ..0 => write!(to, "{up}"),
            down => write!(to, " {down}"),
        }
    }
}

/// Returns `value * length / most`, rounded; 0 if `most` is 0.
fn scaled(value: u32, length: u32, most: u32) -> u32 {
    let scaled = (u64::from(value) * u64::from(length) * 2 + u64::from(most))
        .checked_div(u64::from(most) * 2);
    scaled.unwrap_or(0) as u32
}

/// Units per day of a chart.
const DAY_WIDTH: usize = 9;
/// The left edge of the first day.
const LEFT: usize = 56;
/// The upper and the lower end of the scale.
const TOP: u32 = 12;
const BOTTOM: u32 = 172;

/// A chart with axes, and the same numbers as a table.
pub(super) struct Chart {
    /// The days, the latest first.
    pub(super) rows: Vec<ChartRow>,
    /// The line of distinct peers.
    pub(super) line: String,
    /// The area between the least and the most peers at a time.
    pub(super) range: String,
    /// Values of the scale: height and number.
    pub(super) scale: Vec<(u32, Number)>,
    /// Days without any knowledge: left edge and width.
    pub(super) gaps: Vec<(usize, usize)>,
    /// Days in the same state: left edge, width and class.
    pub(super) states: Vec<(usize, usize, &'static str)>,
    /// Dates below the chart: their middle and the day.
    pub(super) dates: Vec<(usize, Date)>,
}

/// The numbers of one day.
pub(super) struct ChartRow {
    pub(super) date: Date,
    /// Whether anything was known.
    pub(super) is_known: bool,
    pub(super) distinct: OrUnknown<Number>,
    pub(super) least: OrUnknown<Number>,
    pub(super) most: OrUnknown<Number>,
    pub(super) trackers: OrUnknown<Number>,
    /// Empty if it was not judged.
    pub(super) state: &'static str,
}

impl Chart {
    /// Draws the last days of a torrent, if anything is known of them.
    pub(super) fn of_torrent(snapshot: &Snapshot, view: TorrentView<'_>) -> Option<Self> {
        let days: Vec<_> = view
            .history
            .last_days(HISTORY_DAYS, snapshot.taken)
            .collect();
        // The days are consecutive, so one date tells all of them.
        let (at, known) = (days.iter().enumerate()).find_map(|(at, day)| Some((at, (*day)?)))?;
        let last = known.date.start().0 / DAY + (days.len() - 1 - at) as u64;
        let points: Vec<_> = days.iter().map(|day| day.map(Point::of)).collect();
        Self::of(&points, last)
    }

    /// Draws days, of which `last` is the last one, counted from 1970-01-01.
    fn of(days: &[Option<Point>], last: u64) -> Option<Self> {
        let known = days.iter().flatten();
        let most = known.filter_map(|day| day.distinct.max(day.range.map(|(_, most)| most)));
        let top = round_up(most.max()?);
        let y = |value: u32| BOTTOM - scaled(value, BOTTOM - TOP, top);
        let first = (last + 1).saturating_sub(days.len() as u64);
        let ticks = if top < 2 {
            vec![0, top]
        } else {
            vec![0, top / 2, top]
        };
        Some(Self {
            rows: rows(days, first),
            line: line(days, y),
            range: range(days, y),
            scale: ticks
                .into_iter()
                .map(|tick| (y(tick), tick.into()))
                .collect(),
            gaps: runs(days, |day| day.is_none().then_some(()))
                .map(|(at, days, ())| (LEFT + at * DAY_WIDTH, days * DAY_WIDTH))
                .collect(),
            states: runs(days, |day| day.and_then(|day| day.state))
                .map(|(at, days, state)| (LEFT + at * DAY_WIDTH, days * DAY_WIDTH, class(state)))
                .collect(),
            dates: (0..days.len())
                .rev()
                .step_by(15)
                .map(|at| {
                    (
                        LEFT + at * DAY_WIDTH + DAY_WIDTH / 2,
                        Date::of_day(first + at as u64),
                    )
                })
                .collect(),
        })
    }
}

/// Returns the numbers of days, the latest first.
fn rows(days: &[Option<Point>], first: u64) -> Vec<ChartRow> {
    let row = |(at, day): (usize, &Option<Point>)| {
        let point = day.unwrap_or_default();
        let count = |count: Option<u32>| OrUnknown(count.map(Number::from));
        ChartRow {
            date: Date::of_day(first + at as u64),
            is_known: day.is_some(),
            distinct: count(point.distinct),
            least: count(point.range.map(|(least, _)| least)),
            most: count(point.range.map(|(_, most)| most)),
            trackers: count(point.trackers),
            state: point.state.map_or("", word),
        }
    };
    days.iter().enumerate().rev().map(row).collect()
}

/// Returns the line through the distinct peers, interrupted by gaps. A day between two gaps is a
/// dot.
fn line(days: &[Option<Point>], y: impl Fn(u32) -> u32) -> String {
    let mut path = String::new();
    let mut is_open = false;
    for (at, day) in days.iter().enumerate() {
        let value = day.and_then(Point::peers);
        if let Some(value) = value {
            let command = if is_open { "L" } else { "M" };
            let (x, y) = (LEFT + at * DAY_WIDTH + DAY_WIDTH / 2, y(value));
            let dot = if is_open { "" } else { "h0" };
            let _ = write!(path, "{command}{x} {y}{dot}");
        }
        is_open = value.is_some();
    }
    path
}

/// Returns the area between the least and the most peers at a time: one step per day.
fn range(days: &[Option<Point>], y: impl Fn(u32) -> u32) -> String {
    let mut path = String::new();
    for (at, day) in days.iter().enumerate() {
        if let Some((least, most)) = day.and_then(|day| day.range) {
            let (upper, lower) = (y(most), y(least));
            // An area without height is not drawn.
            let height = (lower - upper).max(1);
            let _ = write!(
                path,
                "M{} {upper}h{DAY_WIDTH}v{height}h-{DAY_WIDTH}z",
                LEFT + at * DAY_WIDTH
            );
        }
    }
    path
}

/// Returns runs of days with equal values: the first day, the number of days and the value.
fn runs<V: PartialEq + Copy>(
    days: &[Option<Point>],
    value: impl Fn(Option<Point>) -> Option<V>,
) -> impl Iterator<Item = (usize, usize, V)> {
    let mut runs: Vec<(usize, usize, V)> = Vec::new();
    for (at, day) in days.iter().enumerate() {
        let Some(value) = value(*day) else {
            continue;
        };
        match runs.last_mut() {
            Some((first, days, same)) if *same == value && *first + *days == at => *days += 1,
            _ => runs.push((at, 1, value)),
        }
    }
    runs.into_iter()
}

/// Returns the smallest of 1, 2, 4, 6, 8, 10, 20, 40, … that is not below a value.
fn round_up(value: u32) -> u32 {
    let mut ten = 1u32;
    loop {
        for step in [1, 2, 4, 6, 8] {
            let top = ten.saturating_mul(step);
            if top >= value {
                return top;
            }
        }
        ten = ten.saturating_mul(10);
    }
}

/// Returns a state as people read it.
pub(super) const fn word(state: State) -> &'static str {
    match state {
        State::AtRisk => "at risk",
        state => state.as_label(),
    }
}

/// Returns the class of a state in the style sheet.
pub(super) const fn class(state: State) -> &'static str {
    match state {
        State::Dead => "bad",
        State::AtRisk | State::Unobserved => "poor",
        State::Alive => "good",
        State::Pending | State::Private => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(distinct: u32, state: State) -> Option<Point> {
        Some(Point {
            distinct: Some(distinct),
            range: Some((0, distinct)),
            trackers: Some(2),
            state: Some(state),
        })
    }

    #[test]
    fn a_gap_interrupts_the_line_and_is_no_zero() {
        let days = [
            day(9, State::Alive),
            day(9, State::Alive),
            None,
            day(0, State::Dead),
        ];
        let small = Sparkline::of(days.into_iter()).unwrap();
        assert_eq!(small.path, "M2 1l0 0 4 0M14 15l0 0");
        assert_eq!(small.label, "9 to 0 peers, most 9");
        let chart = Chart::of(&days, 20_000).unwrap();
        assert_eq!(chart.line, "M60 28h0L69 28M87 172h0");
        assert_eq!(chart.gaps, [(74, 9)]);
        assert_eq!(chart.states, [(56, 18, "good"), (83, 9, "bad")]);
        let shown: Vec<_> = chart
            .rows
            .iter()
            .map(|row| row.distinct.to_string())
            .collect();
        assert_eq!(shown, ["0", "?", "9", "9"]);
        assert_eq!(chart.rows[0].date.to_string(), "2024-10-04");
    }

    #[test]
    fn nothing_is_drawn_of_what_was_never_known() {
        assert!(Sparkline::of([None, None].into_iter()).is_none());
        assert!(Sparkline::of([Some(Point::default())].into_iter()).is_none());
        assert!(Chart::of(&[None; 90], 20_000).is_none());
        assert!(Chart::of(&[], 20_000).is_none());
    }

    #[test]
    fn scales_end_at_round_numbers() {
        for (most, top) in [
            (0, 1),
            (1, 1),
            (3, 4),
            (5, 6),
            (41, 60),
            (99, 100),
            (u32::MAX, u32::MAX),
        ] {
            assert_eq!(round_up(most), top);
        }
        let chart = Chart::of(&[day(u32::MAX, State::Alive)], 0).unwrap();
        assert_eq!(chart.scale.len(), 3);
    }
}
