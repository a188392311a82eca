//! Killed at any moment, it finds what it was told was saved.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use super::*;

/// Moments of death.
const KILLS: u32 = 200;

/// Where the child keeps its state.
const FOLDER: &str = "SEEDWATCH_TEST_FOLDER";

/// Saves without end, and says when it has. Not a test of its own.
#[test]
#[ignore = "the victim of the test below"]
fn victim() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    runtime().block_on(async {
        let folder = Path::new(&folder);
        let mut run = Run::start(folder, Unix(START)).await;
        // The clock goes on where it was.
        if let (Some(seen), _) = run.oldest() {
            run.leave();
            run = Run::start(folder, seen).await;
        }
        for round in 0u64.. {
            run.hear();
            // Now in one part, now in many.
            run.keeper.splits[0].bytes = [0, 9 << 20, 30 << 20][(round % 3) as usize];
            run.keeper.splits[1].bytes = [9 << 20, 0][(round % 2) as usize];
            for split in &mut run.keeper.splits {
                split.parts = 1;
            }
            match round % 2 {
                0 => run.save().await,
                _ => run.finish().await,
            }
            assert_eq!(run.keeper.row().unwrap().failures, 0);
            let mut out = std::io::stdout();
            writeln!(out, "saved {}", run.now.unix.0).unwrap();
            out.flush().unwrap();
        }
    });
}

/// A generator of numbers that is good enough to choose moments.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    *seed >> 33
}

#[test]
fn killed_at_any_moment_it_loses_nothing_that_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = runtime();
    let mut seed = 7;
    let mut acknowledged = 0;
    let mut cut_short = 0;
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
        // It saves from the first line on.
        let first = lines.by_ref().map_while(Result::ok).find_map(saved);
        acknowledged = acknowledged.max(first.expect("a first save"));
        std::thread::sleep(Duration::from_micros(next(&mut seed) % 60_000));
        child.kill().unwrap(); // SIGKILL
        let rest = lines.map_while(Result::ok).filter_map(saved);
        acknowledged = rest.fold(acknowledged, u64::max);
        child.wait().unwrap();

        let left = names(folder.path());
        cut_short += u32::from(left.iter().any(|name| name.ends_with(".new")));
        let at = Unix(acknowledged);
        let mut after = runtime.block_on(Run::start(folder.path(), at));
        let (seen, unique) = after.oldest();
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
        let collection = after.picture().collections[0].unique[Window::Month.index()].get();
        assert!(collection.is_some_and(|peers| u64::from(peers) >= rounds.min(719)));
    }
    // The moments were not all between two saves.
    assert!(
        cut_short > KILLS / 50,
        "{cut_short} of {KILLS} while writing"
    );
}
