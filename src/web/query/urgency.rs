//! Which torrents need something, and which of them first: one rule for pages, tiles and queries.

use super::sort::{Position, known_peers};
use seedwatch_core::snapshot::TorrentView;
use seedwatch_core::verdict::{Advice, Conditions, State, Verdict};

/// Bits of a value below the rank.
const VALUE_BITS: u32 = 61;

/// The largest value below the rank, of torrents whose value is unknown.
const LAST: u64 = (1 << VALUE_BITS) - 1;

/// Ranks of torrents that need something. They come before all others.
const NEEDY_RANKS: u64 = 4;

/// Returns whether someone has to look after a torrent: it is dead, at risk or unobserved, or there
/// is something to do about it. To wait for the daemon is not.
pub(in crate::web) fn needs_something(verdict: Verdict) -> bool {
    matches!(
        verdict.state,
        State::Dead | State::AtRisk | State::Unobserved
    ) || !matches!(
        Advice::of(verdict),
        Advice::Nothing | Advice::Wait | Advice::ProbeAgain
    )
}

/// Returns whether the torrent at a position of this order needs something.
pub(in crate::web) const fn is_needy(position: Position) -> bool {
    position.0 >> VALUE_BITS < NEEDY_RANKS
}

/// Returns the position of the torrent at an index, the most urgent first.
///
/// | Torrents | Order among them |
/// |---|---|
/// | dead | the latest death first, because the others were seen before; then the largest |
/// | at risk, or alive with something to do | the fewest known copies first, then the largest |
/// | unobserved | the longest first, then the largest |
/// | all others | by name |
pub(in crate::web) fn position(index: usize, view: TorrentView<'_>) -> Position {
    let rank = rank(view.verdict);
    let since = || view.verdict.since.get().map(|at| at.0);
    let value = match (view.verdict.state, rank) {
        (State::Dead, _) => since().map(|at| LAST - 1 - at.min(LAST - 1)),
        (State::Unobserved, _) => since(),
        (_, ..NEEDY_RANKS) => few(view),
        _ => return (rank << VALUE_BITS, 0, index as u32),
    };
    let value = value.map_or(LAST, |value| value.min(LAST - 1));
    let size = view.torrent.size.map_or(0, std::num::NonZeroU64::get);
    (rank << VALUE_BITS | value, u64::MAX - size, index as u32)
}

/// Returns a number that grows with the seeders of a torrent, then with its peers; `None` if
/// neither is known.
fn few(view: TorrentView<'_>) -> Option<u64> {
    let seeders = view.known_copies();
    let peers = known_peers(view);
    if seeders.is_none() && peers.is_none() {
        return None;
    }
    // Without a count of seeders, every peer may be one.
    let most = |value: Option<u64>, bits: u32| value.map_or(0, |it| it.min((1 << bits) - 1));
    let seeders = seeders.map(u64::from).or(peers);
    Some(most(seeders, 28) << 32 | most(peers, 32))
}

/// Returns the rank of a verdict, the most urgent first. A living torrent with a condition comes
/// before those that nothing is known about yet.
fn rank(verdict: Verdict) -> u64 {
    let has_condition = verdict.conditions != Conditions::default();
    match verdict.state {
        State::Dead => 0,
        State::AtRisk => 1,
        State::Unobserved => 2,
        _ if needs_something(verdict) => 3,
        State::Alive if has_condition => 4,
        State::Pending => 5,
        State::Alive => 6,
        State::Private => 7,
    }
}
