//! Why a torrent is in its state.

/// Why a torrent is in its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Reason {
    /// At least one source lists a peer.
    PeersNamed,
    /// All sources have said for two rounds that the swarm is empty.
    Empty,
    /// All sources say that the swarm is empty, but not for long enough.
    EmptyRecently,
    /// A source that named the last peers does not answer any more.
    SourceLost,
    /// The last peers were reachable over a family that our network has lost.
    FamilyLost,
    /// The DHT, which may know peers, does not answer. The trackers, if the torrent has any, say
    /// that the swarm is empty.
    DhtSilent,
    /// No source answers.
    Silence,
    /// Not every source has been asked yet.
    #[default]
    Unasked,
    /// Our own network does not work.
    Outage,
    /// The torrent has no tracker that may be asked, and the DHT is off.
    NoSource,
    /// The torrent is private.
    Private,
    /// In the only round of a one-shot probe, all sources say that the swarm is empty.
    EmptyOnce,
    /// In the only round of a one-shot probe, some sources say that the swarm is empty, and others
    /// give no conclusive answer.
    EmptyInPart,
    /// In the only round of a one-shot probe, no source gives a conclusive answer.
    SilentOnce,
    /// A tracker counts peers, and no source lists one.
    PeersClaimed,
}

impl Reason {
    /// All reasons, in the order of their codes.
    pub const ALL: [Self; 15] = [
        Self::PeersNamed,
        Self::Empty,
        Self::EmptyRecently,
        Self::SourceLost,
        Self::FamilyLost,
        Self::DhtSilent,
        Self::Silence,
        Self::Unasked,
        Self::Outage,
        Self::NoSource,
        Self::Private,
        Self::EmptyOnce,
        Self::EmptyInPart,
        Self::SilentOnce,
        Self::PeersClaimed,
    ];

    /// Returns the code of the reason in saved files. New reasons go to the end of the list.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Returns the reason with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Returns the name of the reason in the API.
    pub const fn as_label(self) -> &'static str {
        match self {
            Self::PeersNamed => "peers_named",
            Self::PeersClaimed => "peers_claimed",
            Self::Empty => "empty",
            Self::EmptyRecently => "empty_recently",
            Self::EmptyOnce => "empty_once",
            Self::EmptyInPart => "empty_in_part",
            Self::SilentOnce => "silent_once",
            Self::SourceLost => "source_lost",
            Self::FamilyLost => "family_lost",
            Self::DhtSilent => "dht_silent",
            Self::Silence => "silence",
            Self::Unasked => "unasked",
            Self::Outage => "outage",
            Self::NoSource => "no_source",
            Self::Private => "private",
        }
    }
}
