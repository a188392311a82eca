//! The words of a verdict.

use std::sync::Arc;

use super::super::{Advice, Condition, Conditions, Reason, State, Verdict};
use crate::history::DailyHistory;
use crate::snapshot::{Source, TorrentRow, TorrentView};
use seedwatch_torrent::{Hashes, InfoHash, Privacy, Torrent, TrackerUrl};

fn sentence(verdict: Verdict, trackers: usize, set: impl Fn(&mut TorrentRow)) -> String {
    let url = |n| TrackerUrl::parse(&format!("udp://t{n}.example:1/announce"));
    let torrent = Torrent {
        name: "t".into(),
        hashes: Hashes::V1(InfoHash([1; 20])),
        trackers: (0..trackers).map(|n| Arc::new(url(n).unwrap())).collect(),
        details: None,
        privacy: Privacy::Public,
        size: None,
    };
    let mut row = TorrentRow::default();
    set(&mut row);
    verdict.sentence(TorrentView {
        torrent: &torrent,
        row: &row,
        announces: &[],
        windows: None,
        history: DailyHistory::default(),
    })
}

fn verdict(state: State, reason: Reason) -> Verdict {
    Verdict {
        state,
        reason,
        ..Verdict::default()
    }
}

#[test]
fn a_living_torrent_shows_its_peers_and_sources() {
    let alive = verdict(State::Alive, Reason::PeersNamed);
    let text = sentence(alive, 3, |row| {
        row.peers = [Some(12).into(), Some(2).into()];
        row.trackers_online = Some(2).into();
        row.probe_success[Source::Dht] = Some(true);
    });
    assert_eq!(
        text,
        "14 peers; 2 of 3 trackers give valid answers and the DHT answers."
    );
    assert_eq!(Advice::of(alive), Advice::Nothing);
}

#[test]
fn a_risk_names_its_condition() {
    let at_risk = Verdict {
        conditions: Conditions::default().with(Condition::FewPeers, true),
        ..verdict(State::AtRisk, Reason::PeersNamed)
    };
    let text = sentence(at_risk, 1, |row| {
        row.peers[0] = Some(1).into();
        row.trackers_online = Some(1).into();
    });
    let expected = "For a day there have been hardly any peers; 1 peer now; the tracker \
                    gives a valid answer.";
    assert_eq!(text, expected);
    assert_eq!(Advice::of(at_risk), Advice::AddSeeder);
}

#[test]
fn peers_that_a_tracker_only_counts_are_told_apart() {
    let claimed = verdict(State::Alive, Reason::PeersClaimed);
    let answers = |row: &mut TorrentRow| row.trackers_online = Some(1).into();
    assert_eq!(
        sentence(claimed, 1, answers),
        "A tracker counts peers but lists none; the tracker gives a valid answer."
    );
    assert_eq!(Advice::of(claimed), Advice::Nothing);
    let at_risk = Verdict {
        conditions: Conditions::default().with(Condition::NoSeeder, true),
        ..verdict(State::AtRisk, Reason::PeersClaimed)
    };
    assert_eq!(
        sentence(at_risk, 1, answers),
        "For a day no source has known of a seeder; a tracker counts peers but lists none; the \
         tracker gives a valid answer."
    );
}

#[test]
fn a_doubt_and_what_the_sources_say_are_two_statements() {
    let answers = |row: &mut TorrentRow| {
        row.trackers_online = Some(1).into();
        row.probe_success[Source::Dht] = Some(false);
    };
    let of = |reason, trackers| sentence(verdict(State::Pending, reason), trackers, answers);
    assert_eq!(
        of(Reason::EmptyRecently, 1),
        "No source lists a peer; the tracker gives a valid answer and the DHT does not answer. If \
         that holds for two rounds and probe.dead_after (default: 90 minutes), it is dead."
    );
    assert_eq!(
        of(Reason::DhtSilent, 0),
        "The DHT, which may know peers, does not answer; the torrent has no tracker."
    );
    assert_eq!(
        of(Reason::DhtSilent, 1),
        "The DHT, which may know peers, does not answer; the tracker gives a valid answer."
    );
    for reason in Reason::ALL {
        assert!(!of(reason, 1).contains(": the"), "{reason:?}");
    }
}

#[test]
fn a_private_torrent_names_the_setting_that_permits_probes() {
    let text = sentence(verdict(State::Private, Reason::Private), 1, |_| ());
    assert!(text.contains("private: true"), "{text}");
}

#[test]
fn a_living_torrent_without_a_tracker_needs_new_ones() {
    let verdict = Verdict {
        conditions: Conditions::default().with(Condition::NoTracker, true),
        ..verdict(State::Alive, Reason::PeersNamed)
    };
    assert_eq!(Advice::of(verdict), Advice::ReplaceTrackers);
}

#[test]
fn every_reason_has_a_sentence_and_every_state_advice_that_fits() {
    let expected = [
        (State::Dead, Reason::Empty, Advice::Reseed),
        (State::Dead, Reason::Silence, Advice::Reseed),
        (State::Dead, Reason::Outage, Advice::CheckNetwork),
        (State::Alive, Reason::EmptyRecently, Advice::Wait),
        (State::Alive, Reason::SourceLost, Advice::Wait),
        (State::Alive, Reason::FamilyLost, Advice::CheckNetwork),
        (State::Unobserved, Reason::DhtSilent, Advice::CheckDht),
        (State::Unobserved, Reason::Silence, Advice::ReplaceTrackers),
        (State::Unobserved, Reason::NoSource, Advice::AddSource),
        (State::Unobserved, Reason::Unasked, Advice::Wait),
        (State::Pending, Reason::Unasked, Advice::Wait),
        (State::Dead, Reason::EmptyOnce, Advice::Reseed),
        (State::Pending, Reason::EmptyInPart, Advice::ProbeAgain),
        (State::Pending, Reason::SilentOnce, Advice::ProbeAgain),
        (State::Private, Reason::Private, Advice::Nothing),
    ];
    for (state, reason, advice) in expected {
        let verdict = verdict(state, reason);
        assert_eq!(Advice::of(verdict), advice, "{state:?} {reason:?}");
        for trackers in 0..3 {
            let text = sentence(verdict, trackers, |_| ());
            assert!(text.ends_with('.') && text.len() > 20, "{text}");
        }
    }
}
