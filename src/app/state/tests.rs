//! The state writer on a real file system, with an engine that receives simulated answers.

mod cliffs;
mod days;
mod files;
mod kill;
mod lost;

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::config::Config;
use seedwatch_clock::{Mono, Unix};
use seedwatch_core::snapshot::Snapshot;
use seedwatch_distinct::Window;
use seedwatch_torrent::{Endpoint4, Family, Peers};
use seedwatch_tracker::{
    AnnounceResponse, Counts, FailureReason, Job as Question, Observation, ProbeError, ProbeStats,
    Report, Request,
};

/// The number of configured torrents.
const WATCHED: u32 = 24;

/// When the first process starts.
const START: u64 = 1_800_000_000;

/// Seconds of simulated time between two rounds of probes.
const ROUND: u64 = 3600;

/// A tracker that lists a new peer in every round.
const ALIVE: &str = "udp://192.0.2.1:6969";
/// A tracker that refuses connections.
const DEAD: &str = "udp://192.0.2.2:6969";

fn config(state: &Path) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    let torrents: String = (0..WATCHED)
        .map(|n| {
            let hash = format!("{:08x}{n:032x}", n.wrapping_mul(0x9e37_79b9));
            format!(
                "- {{infohash: \"{hash}\", name: t{n:02}, collection: c, \
                 trackers: [{ALIVE}, {DEAD}]}}\n"
            )
        })
        .collect();
    let database = seedwatch_dev_mmdb::one_country();
    fs::write(folder.path().join("one.mmdb"), database).unwrap();
    let state = state.display();
    let text = format!(
        "dht: {{enabled: false}}\ngeoip: {{country_database: one.mmdb}}\n\
         state: {{path: \"{state}\"}}\ntorrents:\n{torrents}"
    );
    fs::write(&path, text).unwrap();
    Config::load(&path).unwrap()
}

/// A simulated process with its engine, its state writer and its clocks.
struct Run {
    config: Config,
    writer: StateWriter,
    engine: Engine,
    now: Now,
    outcomes: mpsc::Receiver<SaveOutcome>,
    /// DHT nodes to be saved.
    table: Vec<Contact>,
    lists_are_empty: bool,
    /// Peers that every list has beside the new one.
    more_peers: u32,
}

impl Run {
    /// Starts as the daemon does.
    async fn start(folder: &Path, at: Unix) -> Self {
        let config = config(folder);
        let now = Now {
            mono: Mono(0),
            unix: at,
        };
        let (out, outcomes) = mpsc::channel(8);
        let fresh = crate::app::identity::new_key().unwrap();
        let mut writer = StateWriter::open(&config.state, fresh, out).await.unwrap();
        let engine = Engine::empty(
            &crate::app::engine_settings(&config),
            [4242; 2],
            writer.key(),
            now,
        );
        let mut engine = writer.restore(engine, now).await;
        engine.reload(&crate::app::engine_settings(&config), now);
        let table = writer.table().await;
        Self {
            config,
            writer,
            engine,
            now,
            outcomes,
            table,
            lists_are_empty: false,
            more_peers: 0,
        }
    }

    /// Simulates a round of probes in which each torrent has one new peer.
    fn probe(&mut self) {
        self.now.mono = self.now.mono.after(Duration::from_secs(ROUND));
        self.now.unix.0 += ROUND;
        // Until a tracker has answered once, its queue sends one request at a time.
        for _ in 0..4 * WATCHED {
            let mut questions = Vec::new();
            self.engine.poll(self.now.mono, &mut questions);
            if questions.is_empty() {
                break;
            }
            for question in questions {
                let observation = self.answer(&question);
                self.engine.absorb(observation, self.now);
            }
            self.now.mono = self.now.mono.after(Duration::from_secs(1));
        }
    }

    fn answer(&self, question: &Question) -> Observation {
        let peer = |ip| Endpoint4 { ip, port: 6881 };
        let new = peer(0x0900_0000 + ((self.now.unix.0 - START) / ROUND) as u32);
        let more = (0..self.more_peers).map(|n| peer(0x0901_0000 + n));
        let report = match &question.request {
            request if question.family == Family::Ipv6 => Report::NoAddress { ids: request.ids() },
            request if question.url.label() == DEAD => {
                request.failed(ProbeError::new(FailureReason::Refused, ""))
            }
            Request::Announce { id, .. } => Report::Announce {
                id: *id,
                result: Ok(Box::new(AnnounceResponse {
                    peers: Peers {
                        v4: match self.lists_are_empty {
                            true => Vec::new(),
                            false => more.chain([new]).collect(),
                        },
                        ..Peers::default()
                    },
                    ..AnnounceResponse::default()
                })),
            },
            Request::Scrape { targets } => Report::Scrape {
                ids: question.request.ids(),
                result: Ok(vec![Some(Counts::default()); targets.len()]),
            },
        };
        Observation {
            tracker: question.tracker,
            family: question.family,
            report,
            stats: ProbeStats::default(),
        }
    }

    /// Runs a whole save pass as the main loop does.
    async fn save(&mut self) {
        loop {
            let table = self.table.clone();
            let table = || -> NodesFuture { Box::pin(std::future::ready(table)) };
            self.writer.step(&mut self.engine, table, self.now);
            let outcome = self.outcomes.recv().await.unwrap();
            self.writer.wrote(outcome);
            if self.writer.pass.is_none() {
                return;
            }
        }
    }

    async fn finish(&mut self) {
        let table = self.table.clone();
        let deadline = Instant::now() + Duration::from_secs(60);
        let finished = self
            .writer
            .finish(&mut self.engine, table, self.now, deadline);
        finished.await;
    }

    /// Releases the lock of the directory, as if the process had ended.
    fn release(&mut self) {
        let path = self.config.state.path.as_deref();
        self.writer.store = path.map(Store::at).map(Arc::new);
    }

    fn snapshot(&mut self) -> Snapshot {
        self.engine.snapshot(self.now)
    }

    /// Returns the minimum over all torrents of the time of the last peer, and of the unique peers
    /// in a month.
    fn minima(&mut self) -> (Option<Unix>, u32) {
        let snapshot = self.snapshot();
        let seen = snapshot.rows().map(|view| view.row.last_peer_seen.get());
        let month = Window::Month.index();
        let unique = snapshot
            .rows()
            .map(|view| view.row.unique(view.windows)[month].get());
        (
            seen.min().unwrap(),
            unique.min().unwrap().unwrap_or_default(),
        )
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_restart_restores_everything() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::start(folder.path(), Unix(START)).await;
    assert_eq!(run.writer.row(), Some(StateRow::default()));
    for _ in 0..5 {
        run.probe();
    }
    let seen = run.now.unix;
    assert_eq!(run.minima(), (Some(seen), 5));
    run.save().await;
    assert_eq!(run.writer.row().unwrap().last_save, Some(run.now.unix));
    assert_eq!(
        names(folder.path()),
        [
            "cliffs-1-0.state",
            "key.state",
            "shared-1-0.state",
            "torrents-1-0.state",
            "trackers.state"
        ]
    );

    run.release();
    let mut again = Run::start(folder.path(), Unix(seen.0 + 7200)).await;
    assert_eq!(again.minima(), (Some(seen), 5), "at once");
    let snapshot = again.snapshot();
    let all_peers = snapshot.totals.unique[Window::Month.index()];
    assert_eq!(all_peers.get(), Some(5));
    let collection = snapshot.collections[0].unique[Window::Month.index()];
    assert_eq!(collection.get(), Some(5));
    // Values that were not probed since the start are absent.
    let up = snapshot.trackers.iter().flatten().map(|row| row.up);
    assert!(up.flatten().all(|up| up.is_none()));
    let fresh = |view: seedwatch_core::snapshot::TorrentView<'_>| {
        view.row.trackers_online.get().is_none() && view.row.peers.iter().all(|n| n.get().is_none())
    };
    assert!(snapshot.rows().all(fresh));
    // The dead tracker gets one probe.
    let mut questions = Vec::new();
    again.engine.poll(again.now.mono, &mut questions);
    let dead = questions
        .iter()
        .filter(|question| question.url.label() == DEAD && question.family == Family::Ipv4);
    assert_eq!(dead.count(), 1);
    for question in &questions {
        let observation = again.answer(question);
        again.engine.absorb(observation, again.now);
    }
    again.probe();
    assert_eq!(again.minima().1, 6);
    again.finish().await;
    again.release();
    let mut third = Run::start(folder.path(), again.now.unix).await;
    assert_eq!(third.minima(), (Some(again.now.unix), 6));
}

#[tokio::test]
async fn a_change_of_parts_leaves_one_set_of_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::start(folder.path(), Unix(START)).await;
    run.probe();
    let torrents = |folder: &Path| {
        let names = names(folder).into_iter();
        names.filter(|name| name.starts_with("torrents-")).count()
    };
    for (bytes, shards) in [(0, 1), (30 << 20, 8), (5 << 20, 1), (9 << 20, 2)] {
        run.writer.shardings[0].bytes = bytes;
        run.save().await;
        assert_eq!(
            (run.writer.shardings[0].shards, torrents(folder.path())),
            (shards, shards as usize)
        );
        run.release();
        let mut again = Run::start(folder.path(), run.now.unix).await;
        assert_eq!(again.minima(), (Some(run.now.unix), 1));
        assert_eq!(again.writer.shardings[0].shards, shards);
    }
    // After a crash before the old shards were removed, both sets are united.
    run.writer.shardings[0].bytes = 30 << 20;
    run.save().await;
    let old: Vec<(String, Vec<u8>)> = names(folder.path())
        .into_iter()
        .filter(|name| name.starts_with("torrents-8-"))
        .map(|name| {
            let bytes = fs::read(folder.path().join(&name)).unwrap();
            (name, bytes)
        })
        .collect();
    run.probe();
    run.writer.shardings[0].bytes = 9 << 20;
    run.writer.shardings[0].shards = 2;
    run.save().await;
    assert_eq!(torrents(folder.path()), 2);
    for (name, bytes) in &old {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    run.release();
    let mut again = Run::start(folder.path(), run.now.unix).await;
    assert_eq!(again.minima(), (Some(run.now.unix), 2));
    again.save().await;
    assert_eq!(
        torrents(folder.path()),
        again.writer.shardings[0].shards as usize
    );
}

#[tokio::test]
async fn nothing_is_saved_without_a_path() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::start(Path::new(""), Unix(START)).await;
    assert_eq!(run.config.state.path, None);
    assert_eq!((run.writer.row(), run.writer.due()), (None, None));
    run.probe();
    run.finish().await;
    assert!(names(folder.path()).is_empty());
}
