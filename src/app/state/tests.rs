//! The state_writer on a real file system, with a core that is told what it hears.

mod files;
mod kill;
mod lost;

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::app::engine_settings;
use crate::config::Config;
use seedwatch_clock::{Mono, Unix};
use seedwatch_core::snapshot::Snapshot;
use seedwatch_distinct::Window;
use seedwatch_torrent::{Endpoint4, Family, Peers};
use seedwatch_tracker::{
    AnnounceResponse, Counts, FailureReason, Job as Question, Observation, ProbeError, ProbeStats,
    Report, Request,
};

/// Torrents that are watched.
const WATCHED: u32 = 24;

/// When the first process starts.
const START: u64 = 1_800_000_000;

/// Simulated time between two rounds of probes.
const ROUND: u64 = 3600;

/// A tracker that lists one peer more every time, and one that is dead.
const ALIVE: &str = "udp://192.0.2.1:6969";
const DEAD: &str = "udp://192.0.2.2:6969";

fn config(state: &Path) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    let torrents: String = (0..WATCHED)
        .map(|n| {
            let hash = format!("{:08x}{n:032x}", n.wrapping_mul(0x9e37_79b9));
            format!("- {{infohash: \"{hash}\", name: t{n:02}, collection: c, trackers: [{ALIVE}, {DEAD}]}}\n")
        })
        .collect();
    let places = seedwatch_dev_mmdb::one_country();
    fs::write(folder.path().join("one.mmdb"), places).unwrap();
    let state = state.display();
    let text = format!(
        "dht: {{enabled: false}}\ngeoip: {{country_database: one.mmdb}}\n\
         state: {{path: \"{state}\"}}\ntorrents:\n{torrents}"
    );
    fs::write(&path, text).unwrap();
    Config::load(&path).unwrap()
}

/// A process: what it knows, what it keeps, and its clocks.
struct Run {
    config: Config,
    state_writer: StateWriter,
    core: Engine,
    now: Now,
    written: mpsc::Receiver<Written>,
    /// Nodes of the DHT to be saved.
    table: Vec<Contact>,
    lists_are_empty: bool,
}

impl Run {
    /// Starts as the daemon does.
    async fn start(folder: &Path, at: Unix) -> Self {
        let config = config(folder);
        let now = Now {
            mono: Mono(0),
            unix: at,
        };
        let (out, written) = mpsc::channel(8);
        let fresh = crate::app::identity::new_key().unwrap();
        let mut state_writer = StateWriter::open(&config.state, fresh, out).await.unwrap();
        let core = Engine::empty(
            &engine_settings(&config),
            [4242; 2],
            state_writer.key(),
            now,
        );
        let mut core = state_writer.restore(core, now).await;
        core.reload(&engine_settings(&config), now);
        let table = state_writer.table().await;
        Self {
            config,
            state_writer,
            core,
            now,
            written,
            table,
            lists_are_empty: false,
        }
    }

    /// Lets a round of probes end; each torrent has one new peer.
    fn hear(&mut self) {
        self.now.mono = self.now.mono.after(Duration::from_secs(ROUND));
        self.now.unix.0 += ROUND;
        // A lane that is not proven yet lets one question out at a time.
        for _ in 0..4 * WATCHED {
            let mut questions = Vec::new();
            self.core.poll(self.now.mono, &mut questions);
            if questions.is_empty() {
                break;
            }
            for question in questions {
                let observation = self.answer(&question);
                self.core.absorb(observation, self.now);
            }
            self.now.mono = self.now.mono.after(Duration::from_secs(1));
        }
    }

    fn answer(&self, question: &Question) -> Observation {
        let peer = Endpoint4 {
            ip: 0x0900_0000 + ((self.now.unix.0 - START) / ROUND) as u32,
            port: 6881,
        };
        let report = match &question.request {
            ask if question.family == Family::Ipv6 => Report::NoAddress { ids: ask.ids() },
            ask if question.url.label() == DEAD => {
                ask.failed(ProbeError::new(FailureReason::Refused, ""))
            }
            Request::Announce { id, .. } => Report::Announce {
                id: *id,
                result: Ok(Box::new(AnnounceResponse {
                    peers: Peers {
                        v4: Vec::from_iter((!self.lists_are_empty).then_some(peer)),
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

    /// One round of saving as the main loop does it.
    async fn save(&mut self) {
        loop {
            let table = self.table.clone();
            let table = || -> Table { Box::pin(std::future::ready(table)) };
            self.state_writer.step(&mut self.core, table, self.now);
            let outcome = self.written.recv().await.unwrap();
            self.state_writer.wrote(outcome);
            if self.state_writer.round.is_none() {
                return;
            }
        }
    }

    async fn finish(&mut self) {
        let table = self.table.clone();
        let deadline = Instant::now() + Duration::from_secs(60);
        let finished = self
            .state_writer
            .finish(&mut self.core, table, self.now, deadline);
        finished.await;
    }

    /// Lets the directory go, as if it had ended.
    fn leave(&mut self) {
        let path = self.config.state.path.as_deref();
        self.state_writer.store = path.map(Store::at).map(Arc::new);
    }

    fn picture(&mut self) -> Snapshot {
        self.core.snapshot(self.now)
    }

    /// The oldest that is known of any torrent: when it last had a peer, how many it had in a month.
    fn oldest(&mut self) -> (Option<Unix>, u32) {
        let picture = self.picture();
        let seen = picture.rows().map(|view| view.row.last_peer_seen.get());
        let month = Window::Month.index();
        let unique = picture
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
async fn a_restart_forgets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::start(folder.path(), Unix(START)).await;
    assert_eq!(run.state_writer.row(), Some(StateRow::default()));
    for _ in 0..5 {
        run.hear();
    }
    let seen = run.now.unix;
    assert_eq!(run.oldest(), (Some(seen), 5));
    run.save().await;
    assert_eq!(
        run.state_writer.row().unwrap().last_save,
        Some(run.now.unix)
    );
    assert_eq!(
        names(folder.path()),
        [
            "fleet-1-0.state",
            "key.state",
            "torrents-1-0.state",
            "trackers.state"
        ]
    );

    run.leave();
    let mut again = Run::start(folder.path(), Unix(seen.0 + 7200)).await;
    assert_eq!(again.oldest(), (Some(seen), 5), "at once");
    let picture = again.picture();
    let fleet = picture.totals.unique[Window::Month.index()];
    assert_eq!(fleet.get(), Some(5));
    let collection = picture.collections[0].unique[Window::Month.index()];
    assert_eq!(collection.get(), Some(5));
    // Nothing is shown that was not looked at.
    let up = picture.trackers.iter().flatten().map(|row| row.up);
    assert!(up.flatten().all(|up| up.is_none()));
    let fresh = |view: seedwatch_core::snapshot::TorrentView<'_>| {
        view.row.trackers_online.get().is_none() && view.row.peers.iter().all(|n| n.get().is_none())
    };
    assert!(picture.rows().all(fresh));
    // The dead one gets one question.
    let mut questions = Vec::new();
    again.core.poll(again.now.mono, &mut questions);
    let dead = questions
        .iter()
        .filter(|question| question.url.label() == DEAD && question.family == Family::Ipv4);
    assert_eq!(dead.count(), 1);
    for question in &questions {
        let observation = again.answer(question);
        again.core.absorb(observation, again.now);
    }
    again.hear();
    assert_eq!(again.oldest().1, 6);
    again.finish().await;
    again.leave();
    let mut third = Run::start(folder.path(), again.now.unix).await;
    assert_eq!(third.oldest(), (Some(again.now.unix), 6));
}

#[tokio::test]
async fn a_change_of_parts_leaves_one_set_of_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::start(folder.path(), Unix(START)).await;
    run.hear();
    let torrents = |folder: &Path| {
        let names = names(folder).into_iter();
        names.filter(|name| name.starts_with("torrents-")).count()
    };
    for (bytes, parts) in [(0, 1), (30 << 20, 8), (5 << 20, 1), (9 << 20, 2)] {
        run.state_writer.splits[0].bytes = bytes;
        run.save().await;
        assert_eq!(
            (run.state_writer.splits[0].parts, torrents(folder.path())),
            (parts, parts as usize)
        );
        run.leave();
        let mut again = Run::start(folder.path(), run.now.unix).await;
        assert_eq!(again.oldest(), (Some(run.now.unix), 1));
        assert_eq!(again.state_writer.splits[0].parts, parts);
    }
    // Killed before the old ones were removed: what both say is united.
    run.state_writer.splits[0].bytes = 30 << 20;
    run.save().await;
    let old: Vec<(String, Vec<u8>)> = names(folder.path())
        .into_iter()
        .filter(|name| name.starts_with("torrents-8-"))
        .map(|name| {
            let bytes = fs::read(folder.path().join(&name)).unwrap();
            (name, bytes)
        })
        .collect();
    run.hear();
    run.state_writer.splits[0].bytes = 9 << 20;
    run.state_writer.splits[0].parts = 2;
    run.save().await;
    assert_eq!(torrents(folder.path()), 2);
    for (name, bytes) in &old {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    run.leave();
    let mut again = Run::start(folder.path(), run.now.unix).await;
    assert_eq!(again.oldest(), (Some(run.now.unix), 2));
    again.save().await;
    assert_eq!(
        torrents(folder.path()),
        again.state_writer.splits[0].parts as usize
    );
}

#[tokio::test]
async fn nothing_is_kept_where_nothing_is_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::start(Path::new(""), Unix(START)).await;
    assert_eq!(run.config.state.path, None);
    assert_eq!(
        (run.state_writer.row(), run.state_writer.due()),
        (None, None)
    );
    run.hear();
    run.finish().await;
    assert!(names(folder.path()).is_empty());
}
