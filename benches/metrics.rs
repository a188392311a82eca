//! The cost of one scrape of a large installation: `cargo bench --bench metrics [series]`.
//!
//! Prints milliseconds and nanoseconds per series for each format, the best and the median of
//! several runs, and the memory that a scrape adds. Also prints the effect of scrapes on probing:
//! the lateness of a timer, and the duration of UDP probes from the job to the observation, with
//! and without scrapes. The tracker runs in a separate process.

#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot run must stop"
)]

mod large;

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use large::{COUNTRIES_EACH, TRACKERS_EACH, snapshot};
use seedwatch::metrics::{self, Format, Process};
use seedwatch::web::State;
use seedwatch_core::snapshot::{Snapshot, TrackerId};
use seedwatch_dev_bench::null_tracker::{self, NullTracker, TrackerBehaviour};
use seedwatch_exporter::{bind, serve};
use seedwatch_probers::resolve::Resolver;
use seedwatch_probers::udp::{Settings, UdpProber};
use seedwatch_torrent::Family;
use seedwatch_torrent::{InfoHash, TrackerUrl};
use seedwatch_tracker::{AnnounceId, AnnounceStrategy, Identity, Job, Request};

const RUNS: usize = 7;
/// Budget for a page of a million series in the text format.
const BUDGET: Duration = Duration::from_millis(150);
/// Probes in flight.
const PROBES: u32 = 64;
/// Pause between rounds of probes.
const PAUSE: Duration = Duration::from_millis(5);
/// Series per torrent with [`TRACKERS_EACH`] trackers if all values are known.
const SERIES_EACH: usize = 29 + 5 * TRACKERS_EACH as usize + COUNTRIES_EACH as usize;

fn main() {
    null_tracker::run_if_child();
    // `cargo bench` and `cargo test --benches` add their own flags.
    let wanted = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(1_000_000usize);
    let snapshot = Arc::new(snapshot(wanted.div_ceil(SERIES_EACH)));
    let mut counter = Counter::default();
    let before = resident();
    page(Format::Text, &snapshot, &mut counter);
    println!(
        "{} series, {} MB of text, resident memory +{} kB over one scrape",
        counter.series,
        counter.bytes / 1_000_000,
        resident().saturating_sub(before) / 1024,
    );
    for (name, format) in [
        ("OpenMetrics", Format::OpenMetrics),
        ("text 0.0.4", Format::Text),
    ] {
        let best = report(name, counter.series, || {
            page(format, &snapshot, &mut Chunks::default());
        });
        if format == Format::Text {
            let million = best * 1_000_000 / counter.series as u32;
            println!("{:14} {million:.0?} for 1,000,000 (budget {BUDGET:?})", "");
        }
    }
    for level in 1..=3 {
        report(&format!("text, gzip -{level}"), counter.series, || {
            let mut sink = Gzip(
                flate2::write::GzEncoder::new(std::io::sink(), flate2::Compression::new(level)),
                String::with_capacity(2 * CHUNK),
            );
            page(Format::Text, &snapshot, &mut sink);
        });
    }
    over_http(snapshot, counter.series);
}

/// Measures the complete path: requests over loopback, with the page read by another thread.
fn over_http(snapshot: Arc<Snapshot>, series: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let (reload, _reloads) = tokio::sync::mpsc::channel(1);
    let snapshot = Arc::new(arc_swap::ArcSwap::new(snapshot));
    let state = State::new(snapshot, reload, "/metrics".to_owned(), 40);
    let address = runtime.block_on(async {
        let listeners = bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
        let address = listeners[0].local_addr().unwrap();
        tokio::spawn(serve(
            listeners,
            None,
            Arc::new(state),
            std::future::pending(),
        ));
        address
    });
    let tracker = NullTracker::start(1, TrackerBehaviour::Answers);
    let (lateness, latency) = (Times::default(), Times::default());
    runtime.spawn(measure_timer(lateness.clone()));
    runtime.spawn(measure_probes(tracker.addresses[0], latency.clone()));
    // The first probes resolve the address of the tracker, so their times are discarded.
    std::thread::sleep(Duration::from_millis(200));
    latency.take();
    std::thread::sleep(Duration::from_secs(1));
    let print_times = |when: &str| {
        println!("timer  {when:<14} late by {}", lateness.take());
        println!("probes {when:<14} take    {}", latency.take());
    };
    print_times("without");
    let before = resident();
    for (name, path, encoding) in [
        ("HTTP, text", "/metrics", "identity"),
        ("HTTP, gzip", "/metrics", "gzip"),
        ("HTTP, status", "/", "identity"),
    ] {
        report(name, series, || {
            scrape(address, path, encoding);
        });
        print_times(name);
    }
    println!(
        "resident memory +{} kB after {} pages over HTTP",
        resident().saturating_sub(before) / 1024,
        3 * RUNS,
    );
}

/// Durations that concurrent tasks measure.
#[derive(Clone, Default)]
struct Times(Arc<Mutex<Vec<Duration>>>);

impl Times {
    fn push(&self, time: Duration, count: usize) {
        let mut times = self.0.lock().unwrap();
        times.extend(std::iter::repeat_n(time, count));
    }

    /// Returns the median and the 99th percentile since the last call.
    fn take(&self) -> String {
        let mut times = std::mem::take(&mut *self.0.lock().unwrap());
        times.sort_unstable();
        // A page may be written faster than the first probe ends.
        if times.is_empty() {
            return "none".to_owned();
        }
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_micros();
        let (median, p99, count) = (at(0.5), at(0.99), times.len());
        format!("{median} µs (median), {p99} µs (p99) of {count}")
    }
}

/// Measures the lateness of a timer that fires every millisecond.
async fn measure_timer(lateness: Times) {
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    loop {
        let due = ticks.tick().await;
        lateness.push(due.elapsed(), 1);
    }
}

/// Announces in rounds. Measures each announce until its observation reaches the runtime that also
/// serves pages.
async fn measure_probes(tracker: SocketAddr, latency: Times) {
    let settings = Settings {
        identity: Identity {
            peer_id: *b"-SW0100-benchbenchbe",
            key: 1,
            ports: [4242; 2],
        },
        numwant: 200,
        accept: seedwatch_torrent::address::Accept::Any,
    };
    let (out, mut observations) = tokio::sync::mpsc::channel(1024);
    let prober = UdpProber::start(settings, Resolver::system(), out).unwrap();
    let url = Arc::new(TrackerUrl::parse(&format!("udp://{tracker}/announce")).unwrap());
    let job = |n: u32| Job {
        tracker: TrackerId(0),
        family: Family::Ipv4,
        url: Arc::clone(&url),
        timeout: Duration::from_secs(15),
        request: Request::Announce {
            id: AnnounceId(n),
            info_hash: InfoHash([n as u8; 20]),
            strategy: AnnounceStrategy::StoppedFirst,
        },
    };
    loop {
        let start = Instant::now();
        prober.submit((0..PROBES).map(job).collect());
        let mut open = PROBES as usize;
        while open > 0 {
            let batch = observations.recv().await.unwrap();
            latency.push(start.elapsed(), batch.len());
            open -= batch.len();
            let answered = batch.iter().all(|probe| probe.report.failed().is_none());
            assert!(answered, "the tracker did not answer every probe");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn scrape(address: SocketAddr, path: &str, encoding: &str) -> usize {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nAccept-Encoding: {encoding}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut buffer = vec![0; 256 * 1024];
    let mut total = 0;
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => return total,
            read => total += read,
        }
    }
}

fn page(format: Format, snapshot: &Arc<Snapshot>, sink: &mut impl fmt::Write) {
    metrics::write(format, Arc::clone(snapshot), Process::read(), sink).unwrap();
}

/// Prints the best and the median time of several runs, and returns the best.
fn report(name: &str, series: usize, mut run: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    let (best, median) = (times[0], times[RUNS / 2]);
    println!(
        "{name:<14} best {:>4} ms {:>4} ns/series   median {:>4} ms",
        best.as_millis(),
        best.as_nanos() / series as u128,
        median.as_millis(),
    );
    best
}

const CHUNK: usize = 64 * 1024;

#[derive(Default)]
struct Counter {
    bytes: usize,
    series: usize,
    comment: bool,
}

impl fmt::Write for Counter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes += text.len();
        self.comment |= text.starts_with('#');
        if text.ends_with('\n') {
            self.series += usize::from(!self.comment);
            self.comment = false;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Chunks(Vec<u8>);

impl fmt::Write for Chunks {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Compresses in chunks, as the web server does.
        match *text.as_bytes() {
            [byte] => self.0.push(byte),
            [first, second] => self.0.extend_from_slice(&[first, second]),
            ref bytes => self.0.extend_from_slice(bytes),
        }
        if self.0.len() >= CHUNK {
            std::hint::black_box(&self.0);
            self.0.clear();
        }
        Ok(())
    }
}

struct Gzip(flate2::write::GzEncoder<std::io::Sink>, String);

impl fmt::Write for Gzip {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.1.push_str(text);
        if self.1.len() >= CHUNK {
            self.0
                .write_all(self.1.as_bytes())
                .map_err(|_| fmt::Error)?;
            self.1.clear();
        }
        Ok(())
    }
}

fn resident() -> u64 {
    Process::read().resident_memory_bytes.unwrap_or_default()
}
