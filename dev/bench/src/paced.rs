//! The daemon at the pace of a large installation: announces are spread evenly over the round.
//!
//! The daemon is the real binary with a configuration of its own; the trackers are another process.
//! The benchmark measures the CPU time of the whole daemon while it only announces.

use std::fmt::Write as _;
use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};

use crate::far_trackers::FarTrackers;
pub use crate::far_trackers::run_if_child;
use crate::usage::{Cost, CostMeter};

/// Watched torrents.
const TORRENTS: u32 = 200_000;
/// Announces per second.
const RATE: u32 = 5_000;
/// Announces before the measurement. The first answers of all torrents allocate memory that later
/// ones reuse, and name peers whose countries are not known yet.
const WARM_UP: u64 = TORRENTS as u64 * 3 / 2;
/// Longest duration of this warm-up.
const PATIENCE: Duration = Duration::from_secs(240);
/// Duration of the measurement.
const MEASURED: Duration = Duration::from_secs(20);
/// Duration for which system calls are counted.
const TRACED: Duration = Duration::from_secs(3);
/// Time between two batches of the bare loop.
const BARE_TICK: Duration = Duration::from_millis(20);
/// Budget of CPU time per announce, in microseconds.
const BUDGET: f64 = 8.0;

/// A way to reach the rate.
struct Scenario {
    name: &'static str,
    hosts: u8,
    /// Shortest and longest round trip.
    far: [Duration; 2],
}

const SCENARIOS: [Scenario; 3] = [
    Scenario {
        name: "one host, answers at once",
        hosts: 1,
        far: [Duration::ZERO; 2],
    },
    Scenario {
        name: "250 hosts at 20/s, answers at once",
        hosts: 250,
        far: [Duration::ZERO; 2],
    },
    Scenario {
        name: "250 hosts at 20/s, 20 to 120 ms away",
        hosts: 250,
        far: [Duration::from_millis(20), Duration::from_millis(120)],
    },
];

/// Measures the scenarios whose names contain `wanted`.
pub fn measure(binary: &str, hash: impl Fn(u32) -> String, wanted: Option<&str>) {
    println!("{RATE} announces per second, {TORRENTS} torrents, CPU time of the whole daemon:");
    let near = FarTrackers::start(1, [Duration::ZERO; 2]);
    let bare = (0..3)
        .map(|_| bare_loop(near.addresses[0], Duration::from_secs(2)))
        .min_by(f64::total_cmp)
        .unwrap_or(f64::NAN);
    drop(near);
    println!("  bare loop, one sendmmsg each 20 ms      {bare:6.2} µs an announce");
    let wanted = |scenario: &&Scenario| wanted.is_none_or(|name| scenario.name.contains(name));
    for scenario in SCENARIOS.iter().filter(wanted) {
        run(scenario, binary, &hash, bare);
    }
}

fn run(scenario: &Scenario, binary: &str, hash: impl Fn(u32) -> String, bare: f64) {
    let mut trackers = FarTrackers::start(scenario.hosts, scenario.far);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, config(&trackers.addresses, hash)).expect("a configuration");
    let daemon = Daemon::start(binary, &file);
    let start = Instant::now();
    while trackers.announces() < WARM_UP {
        assert!(start.elapsed() < PATIENCE, "the daemon is far too slow");
        std::thread::sleep(Duration::from_millis(100));
    }
    let (before, sent) = (daemon.usage(), trackers.announces());
    let start = Instant::now();
    std::thread::sleep(MEASURED);
    let (after, announces) = (daemon.usage(), trackers.announces() - sent);
    let seconds = start.elapsed().as_secs_f64();
    let each = (after.cpu - before.cpu).as_secs_f64() * 1e6 / announces as f64;
    println!(
        "  {:<39} {each:6.2} µs an announce (budget {BUDGET:.2}), {:.1} of the bare loop; \
         {:.0} announces and {:.0} wake-ups per second; {} MB",
        scenario.name,
        each / bare,
        announces as f64 / seconds,
        (after.wake_ups - before.wake_ups) as f64 / seconds,
        after.resident / 1_000_000,
    );
    for (thread, wake_ups) in &after.threads {
        let before = before.threads.iter().find(|(name, _)| name == thread);
        let wake_ups = wake_ups - before.map_or(0, |(_, before)| *before);
        println!(
            "      {thread:<20} {:6.0} wake-ups per second",
            wake_ups as f64 / seconds
        );
    }
    let sent = trackers.announces();
    let calls = daemon.calls(TRACED);
    let announces = (trackers.announces() - sent) as f64;
    for (call, count) in calls {
        println!(
            "      {call:<20} {:6.1} announces a call",
            announces / count as f64
        );
    }
}

/// Returns a configuration with each torrent at one of the trackers. One round over all torrents
/// has the wanted rate.
fn config(trackers: &[SocketAddr], hash: impl Fn(u32) -> String) -> String {
    let interval = TORRENTS / RATE * 9 / 10;
    let rate = f64::from(RATE) / trackers.len() as f64;
    let mut text = format!(
        "addresses: {{accept: any}}\nnetwork: {{canaries: []}}\ndht: {{enabled: false}}\n\
         probe: {{interval: {interval}s, timeout: 15s, stale_after: 10m}}\n\
         tracker: {{max_rate: {rate}/s}}\ntorrents:\n"
    );
    for (n, tracker) in (0..TORRENTS).zip(trackers.iter().cycle()) {
        let hash = hash(n);
        let _ = writeln!(
            text,
            "  - {{infohash: {hash}, name: t{n}, trackers: [\"udp://{tracker}/announce\"]}}"
        );
    }
    text
}

/// The running daemon. It stops when this value is dropped.
struct Daemon(Child);

/// Resources that the daemon used so far.
struct Usage {
    cpu: Duration,
    wake_ups: u64,
    /// Wake-ups by thread name.
    threads: Vec<(String, u64)>,
    /// Resident memory, in bytes.
    resident: u64,
}

impl Daemon {
    fn start(binary: &str, config: &std::path::Path) -> Self {
        let child = Command::new(binary)
            .arg("--config.file")
            .arg(config)
            .args([
                "--web.listen-address",
                "127.0.0.1:0",
                "--log.level",
                "error",
            ])
            .current_dir(config.parent().expect("a folder"))
            .stdin(Stdio::null())
            .spawn();
        Self(child.expect("the daemon"))
    }

    fn usage(&self) -> Usage {
        let root = format!("/proc/{}", self.0.id());
        let stat = std::fs::read_to_string(format!("{root}/stat")).expect("the daemon runs");
        let (_, fields) = stat.rsplit_once(") ").expect("a name in brackets");
        let fields: Vec<u64> = fields.split(' ').map(|f| f.parse().unwrap_or(0)).collect();
        let mut threads: Vec<(String, u64)> = Vec::new();
        for task in std::fs::read_dir(format!("{root}/task")).expect("threads") {
            let task = task.expect("a thread").path();
            let status = std::fs::read_to_string(task.join("status")).unwrap_or_default();
            let value = |key: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(key));
                line.unwrap_or_default().trim().to_owned()
            };
            let wake_ups = value("voluntary_ctxt_switches:").parse().unwrap_or(0);
            let name = value("Name:");
            match threads.iter_mut().find(|(known, _)| *known == name) {
                Some((_, count)) => *count += wake_ups,
                None => threads.push((name, wake_ups)),
            }
        }
        Usage {
            // User and system time in hundredths of per second, and resident pages.
            cpu: Duration::from_millis(10 * (fields[11] + fields[12])),
            wake_ups: threads.iter().map(|(_, count)| count).sum(),
            threads,
            resident: fields[21] * 4096,
        }
    }

    /// Counts the relevant system calls. Returns nothing if `strace` is missing.
    fn calls(&self, time: Duration) -> Vec<(String, u64)> {
        let strace = Command::new("strace")
            .args([
                "-f",
                "-c",
                "-e",
                "trace=sendmmsg,sendmsg,recvmmsg,poll,epoll_wait,futex",
            ])
            .args(["-p", &self.0.id().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(strace) = strace else {
            return Vec::new();
        };
        std::thread::sleep(time);
        let pid = nix::unistd::Pid::from_raw(strace.id() as i32);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT);
        let output = strace.wait_with_output().expect("strace ends");
        let table = String::from_utf8_lossy(&output.stderr).into_owned();
        let rows = table.lines().filter_map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let count = words.get(3)?.parse().ok()?;
            let name = words.last().filter(|name| **name != "total")?;
            Some(((*name).to_owned(), count))
        });
        rows.collect()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the CPU time per announce, in microseconds, of a loop that only sends and receives at
/// the same rate.
fn bare_loop(to: SocketAddr, time: Duration) -> f64 {
    const BATCH: usize = (RATE / 50) as usize;
    const REQUEST: usize = 98 + 2 + "/announce".len();
    let SocketAddr::V4(to) = to else {
        unreachable!("loopback is IPv4 here");
    };
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let mut requests = vec![0u8; REQUEST * BATCH];
    for request in requests.chunks_exact_mut(REQUEST) {
        request[11] = 1;
    }
    let slices: Vec<_> = requests
        .chunks_exact(REQUEST)
        .map(|request| [IoSlice::new(request)])
        .collect();
    let addresses = [Some(SockaddrIn::from(to)); BATCH];
    let mut outgoing = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let mut incoming = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let mut answers = vec![0u8; 2048 * BATCH];
    let fd = socket.as_raw_fd();
    let (start, since) = (Instant::now(), CostMeter::now());
    let (mut next, mut received) = (start, 0);
    while start.elapsed() < time {
        let none = MsgFlags::empty();
        sendmmsg(fd, &mut outgoing, &slices, addresses, [], none).expect("sent");
        next += BARE_TICK;
        let mut open = BATCH;
        while open > 0 {
            let mut watched = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
            poll(&mut watched, PollTimeout::from(100u8)).expect("poll");
            let mut room: Vec<[IoSliceMut<'_>; 1]> = answers
                .chunks_exact_mut(2048)
                .map(|answer| [IoSliceMut::new(answer)])
                .collect();
            let flags = MsgFlags::MSG_DONTWAIT;
            let Ok(answers) = recvmmsg(fd, &mut incoming, &mut room, flags, None) else {
                break;
            };
            let count = answers.count();
            open -= count;
            received += count;
        }
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    let cost: Cost = since.cost();
    cost.cpu_each(received)
}
