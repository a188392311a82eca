//! A verdict in words.

use super::reason::Reason;
use super::state::{Condition, State, Verdict};
use crate::snapshot::TorrentView;
use crate::{Grouped, Source, plural};

/// What an operator should do about a torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Advice {
    /// Nothing needs to be done.
    Nothing,
    /// Seed it again.
    Reseed,
    /// Add a seeder that stays.
    AddSeeder,
    /// Replace the trackers.
    ReplaceTrackers,
    /// Add a tracker, or turn the DHT on.
    AddSource,
    /// Check why the DHT does not answer.
    CheckDht,
    /// Check our own network.
    CheckNetwork,
    /// Wait for the next round.
    Wait,
    /// Probe again later: this was the only round.
    ProbeAgain,
}

impl Advice {
    /// All advice.
    pub const ALL: [Self; 9] = [
        Self::Nothing,
        Self::Reseed,
        Self::AddSeeder,
        Self::ReplaceTrackers,
        Self::AddSource,
        Self::CheckDht,
        Self::CheckNetwork,
        Self::Wait,
        Self::ProbeAgain,
    ];

    /// Returns what follows from a verdict.
    pub fn of(verdict: Verdict) -> Self {
        let has = |condition| verdict.conditions.has(condition);
        match (verdict.state, verdict.reason) {
            (_, Reason::Outage | Reason::FamilyLost) => Self::CheckNetwork,
            (_, Reason::EmptyInPart | Reason::SilentOnce) => Self::ProbeAgain,
            (State::Dead, _) => Self::Reseed,
            (State::AtRisk, _) => Self::AddSeeder,
            (_, Reason::NoSource) => Self::AddSource,
            (_, Reason::DhtSilent) => Self::CheckDht,
            (State::Unobserved, Reason::Unasked) => Self::Wait,
            (State::Unobserved, _) => Self::ReplaceTrackers,
            (State::Alive, _) if has(Condition::NoTracker) => Self::ReplaceTrackers,
            (State::Alive, Reason::PeersNamed | Reason::PeersClaimed) | (State::Private, _) => {
                Self::Nothing
            }
            (State::Alive | State::Pending, _) => Self::Wait,
        }
    }

    /// Returns the name of the advice in the API.
    pub const fn as_label(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Reseed => "reseed",
            Self::AddSeeder => "add_seeder",
            Self::ReplaceTrackers => "replace_trackers",
            Self::AddSource => "add_source",
            Self::CheckDht => "check_dht",
            Self::CheckNetwork => "check_network",
            Self::Wait => "wait",
            Self::ProbeAgain => "probe_again",
        }
    }

    /// Returns the advice as a sentence; empty if nothing needs to be done.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Reseed => "Seed it again.",
            Self::AddSeeder => "Add a seeder that stays.",
            Self::ReplaceTrackers => "Replace the trackers.",
            Self::AddSource => "Add a tracker, or turn the DHT on.",
            Self::CheckDht => "Check whether a firewall blocks UDP to the DHT.",
            Self::CheckNetwork => "Check the network of this machine.",
            Self::Wait => "Wait for further rounds.",
            Self::ProbeAgain => "Probe it again later, or let the daemon watch it.",
        }
    }
}

impl Reason {
    /// Returns the reason as a sentence without numbers, which is true of a moment in the past,
    /// too.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::PeersNamed => "A source listed peers.",
            Self::PeersClaimed => "A tracker counted peers, but none was listed.",
            Self::Empty => "All sources that answered said for two rounds that the swarm is empty.",
            Self::EmptyRecently => "No source listed a peer, but not for long enough.",
            Self::EmptyOnce => "Every source answered, and none listed a peer.",
            Self::EmptyInPart => {
                "No source listed a peer, but not every source gave a conclusive answer."
            }
            Self::SilentOnce => "No source gave a conclusive answer.",
            Self::SourceLost => {
                "No source listed a peer, but one that listed the last peers did not answer."
            }
            Self::FamilyLost => {
                "The last peers were reachable over IPv4 or IPv6, which our network had lost."
            }
            Self::DhtSilent => "The DHT, which may know peers, did not answer.",
            Self::Silence => "No source gave a usable answer.",
            Self::Unasked => "Not every source had been asked.",
            Self::Outage => "Our own network or resolver did not work.",
            Self::NoSource => "There was nothing to ask: no tracker, and no DHT.",
            Self::Private => "The torrent is private and is not probed.",
        }
    }
}

impl Verdict {
    /// Returns why the torrent is in its state, as one sentence. `view` is the torrent.
    pub fn sentence(&self, view: TorrentView<'_>) -> String {
        let sources = || sources(view);
        match self.reason {
            Reason::PeersNamed | Reason::PeersClaimed => self.alive_sentence(view),
            Reason::Empty => format!(
                "All sources that answer have said for two rounds that the swarm is empty; {}.",
                sources()
            ),
            Reason::EmptyRecently => format!(
                "No source lists a peer; {}. If that holds for two rounds and probe.dead_after \
                 (default: 90 minutes), it is dead.",
                sources()
            ),
            Reason::EmptyOnce => format!(
                "Every source that may be asked has answered, and none lists a peer; {}.",
                sources()
            ),
            Reason::EmptyInPart => format!(
                "No source lists a peer, but not every source has given a conclusive answer; {}.",
                sources()
            ),
            Reason::SilentOnce => {
                format!("No source has given a conclusive answer; {}.", sources())
            }
            Reason::SourceLost => format!(
                "No source lists a peer, but one that listed the last peers does not answer; {}.",
                sources()
            ),
            Reason::FamilyLost => "The last peers were reachable over IPv4 or IPv6, which our \
                                   network has lost."
                .to_owned(),
            Reason::DhtSilent => format!(
                "The DHT, which may know peers, does not answer; {}.",
                tracker_answers(view)
            ),
            Reason::Silence if self.state == State::Dead => format!(
                "The torrent was dead when sources last answered; {}.",
                sources()
            ),
            Reason::Silence => format!("Nothing is known; {}.", sources()),
            Reason::Unasked => "Not every source has been asked yet.".to_owned(),
            Reason::Outage => {
                "Our own network or resolver does not work; the state is kept.".to_owned()
            }
            Reason::NoSource => {
                "There is nothing to ask: no tracker that may be asked, and no DHT.".to_owned()
            }
            Reason::Private => "The torrent is private and is not probed; private: true in its \
                                entry permits it."
                .to_owned(),
        }
    }

    fn alive_sentence(&self, view: TorrentView<'_>) -> String {
        let peers: u32 = view.peers.iter().filter_map(|count| count.get()).sum();
        let has = |condition| self.conditions.has(condition);
        let what = match (has(Condition::FewPeers), has(Condition::NoSeeder)) {
            (true, true) => "For a day there have been hardly any peers and no seeder",
            (true, false) => "For a day there have been hardly any peers",
            (false, true) => "For a day no source has known of a seeder",
            (false, false) => "",
        };
        let lead = if what.is_empty() { "" } else { "; " };
        if self.reason == Reason::PeersClaimed {
            let a = if what.is_empty() { "A" } else { "a" };
            let sources = sources(view);
            return format!("{what}{lead}{a} tracker counts peers but lists none; {sources}.");
        }
        let now = if what.is_empty() { "" } else { " now" };
        let place = match has(Condition::OneNetwork) {
            true => ", all in one autonomous system or prefix",
            false => "",
        };
        let peers = plural(Grouped(peers.into()), "peer");
        format!("{what}{lead}{peers}{now}{place}; {}.", sources(view))
    }
}

/// Returns which sources answer.
fn sources(view: TorrentView<'_>) -> String {
    let trackers = tracker_answers(view);
    match view.probe_success[Source::Dht] {
        Some(true) => format!("{trackers} and the DHT answers"),
        Some(false) => format!("{trackers} and the DHT does not answer"),
        None => trackers,
    }
}

/// Returns how many trackers give valid answers.
fn tracker_answers(view: TorrentView<'_>) -> String {
    let trackers = view.torrent.trackers.len();
    match (trackers, view.trackers_online.get()) {
        (0, _) => "the torrent has no tracker".to_owned(),
        (_, None) => "the trackers have not answered yet".to_owned(),
        (1, Some(0)) => "the tracker gives no valid answer".to_owned(),
        (1, Some(_)) => "the tracker gives a valid answer".to_owned(),
        (_, Some(0)) => format!("none of {trackers} trackers gives a valid answer"),
        (_, Some(1)) => format!("1 of {trackers} trackers gives a valid answer"),
        (_, Some(online)) => format!("{online} of {trackers} trackers give valid answers"),
    }
}
