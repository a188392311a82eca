//! A process that is killed at any moment restores everything that was acknowledged as saved.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::*;

/// The number of kills.
const KILLS: u32 = 200;

/// The environment variable with the state directory of the child.
const FOLDER: &str = "SEEDWATCH_TEST_FOLDER";

/// Saves in a loop and acknowledges each save on standard output. Not a test of its own.
#[test]
#[ignore = "the victim of the test below"]
fn victim() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    runtime().block_on(async {
        let folder = Path::new(&folder);
        let mut run = Run::start(folder, Unix(START)).await;
        // The clock continues from the last save.
        if let (Some(seen), _) = run.minima() {
            run.release();
            run = Run::start(folder, seen).await;
        }
        // Enough for a country that is watched.
        run.more_peers = 40;
        for round in 0u64.. {
            run.probe();
            run.snapshot();
            // Alternates between one shard and several.
            run.writer.shardings[0].bytes = [0, 9 << 20, 30 << 20][(round % 3) as usize];
            run.writer.shardings[1].bytes = [9 << 20, 0][(round % 2) as usize];
            for sharding in &mut run.writer.shardings {
                sharding.shards = 1;
            }
            match round % 2 {
                0 => run.save().await,
                _ => run.finish().await,
            }
            assert_eq!(run.writer.row().unwrap().failures, 0);
            let mut out = std::io::stdout();
            writeln!(out, "saved {}", run.now.unix.0).unwrap();
            out.flush().unwrap();
        }
    });
}

#[test]
fn acknowledged_saves_survive_a_kill_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = runtime();
    let mut rng = SmallRng::seed_from_u64(7);
    let mut acknowledged = 0;
    let mut interrupted = 0;
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "app::state::tests::kill::victim",
                "--ignored",
                "--nocapture",
            ])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let saved = |line: String| line.split("saved ").nth(1)?.trim().parse::<u64>().ok();
        // The first line shows that the child is saving.
        let first = lines.by_ref().map_while(Result::ok).find_map(saved);
        acknowledged = acknowledged.max(first.expect("a first save"));
        std::thread::sleep(Duration::from_micros(rng.random_range(..60_000)));
        child.kill().unwrap(); // SIGKILL
        let rest = lines.map_while(Result::ok).filter_map(saved);
        acknowledged = rest.fold(acknowledged, u64::max);
        child.wait().unwrap();

        let left = names(folder.path());
        interrupted += u32::from(left.iter().any(|name| name.ends_with(".new")));
        let at = Unix(acknowledged);
        let mut after = runtime.block_on(Run::start(folder.path(), at));
        let watched = WATCHED as usize + 1;
        assert_eq!(
            after.engine.saved_cliffs(),
            watched,
            "{kill}: torrents, and their collection"
        );
        let (seen, unique) = after.minima();
        assert!(seen >= Some(at), "{kill}: {seen:?} after {acknowledged}");
        let rounds = (acknowledged - START) / ROUND;
        // A month has 720 rounds.
        assert!(
            u64::from(unique) >= rounds.min(719),
            "{kill}: {unique} of {rounds}"
        );
        let lost: Vec<String> = names(folder.path())
            .into_iter()
            .filter(|name| name.contains(".bad-"))
            .collect();
        assert_eq!(lost, [""; 0], "{kill}");
        let collection = after.snapshot().collections[0].unique[Window::Month.index()].get();
        assert!(collection.is_some_and(|peers| u64::from(peers) >= rounds.min(719)));
    }
    // Some kills must have interrupted a write.
    assert!(
        interrupted > KILLS / 50,
        "{interrupted} of {KILLS} while writing"
    );
}
