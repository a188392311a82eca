//! The cost of an HTTP announce for the client, on kept and on fresh connections. Compared with
//! reqwest alone on the same kind of runtime, and with bare sockets in the same run. `reqwest`
//! sends one ready request again and again and looks at no body; `reqwest-peers` also does what
//! every tracker client must: it writes the URL of each announce, and reads the peers.
//! `cargo bench --bench http`, or one part with `-- kept` or `-- fresh`. With the name of a client,
//! only that one runs, for a profiler.
//!
//! The server is another process that answers every request with the same 100 peers, so that only
//! the CPU time of the client is counted. The clients take short turns, so that other load on this
//! machine slows all of them equally.

#![expect(
    clippy::expect_used,
    reason = "a benchmark reports errors by panicking"
)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use seedwatch_probers::http::{HttpProber, Settings};
use seedwatch_probers::resolve::{Fixed, Resolver};
use seedwatch_torrent::Family;
use seedwatch_torrent::{InfoHash, TrackerUrl};
use seedwatch_tracker::announce_session::AnnounceRequest;
use seedwatch_tracker::http::answer::{self, AnnounceContext};
use seedwatch_tracker::http::query::{self, AnnounceQueries};
use seedwatch_tracker::{
    AnnounceId, AnnounceStrategy, Identity, Job, Observation, Report, Request, TrackerId,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use seedwatch_dev_bench::child::ChildProcess;

/// Tracker hosts, each at a loopback address of its own.
const HOSTS: u8 = 16;
/// Concurrent exchanges per host.
const PER_HOST: u32 = 4;
/// Jobs per host that the prober has. Some wait in a queue, as in the daemon.
const JOBS_PER_HOST: u32 = 16;
/// Runs of each client; the best counts.
const TURNS: usize = 15;

/// The identity of the clients.
const IDENTITY: Identity = Identity {
    peer_id: *b"-SW0000-abcdefghijkl",
    key: 1,
    ports: [6881; 2],
};

/// A part of the benchmark and its budget.
struct Part {
    name: &'static str,
    path: &'static str,
    /// Announces per run.
    count: u32,
    /// Budget in microseconds of CPU time per announce.
    budget: f64,
}

const PARTS: [Part; 2] = [
    Part {
        name: "kept",
        path: "/keep",
        count: 10_000,
        budget: 15.0,
    },
    Part {
        name: "fresh",
        path: "/close",
        count: 4_000,
        budget: 70.0,
    },
];

/// The clients, and the arguments that select one.
const CLIENTS: [&str; 4] = ["sockets", "reqwest", "reqwest-peers", "seedwatch"];

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    if wanted.iter().any(|word| word == "serve") {
        return serve();
    }
    let is_wanted = |name: &str, all: &[&str]| {
        let named = wanted.iter().any(|word| word == name);
        named || !wanted.iter().any(|word| all.contains(&word.as_str()))
    };
    let mut server = ChildProcess::start("serve", &[]);
    let port = server.read_line().trim().parse().expect("a port");
    println!("CPU of the client per announce of 100 peers, best of {TURNS} turns, by turns\n");
    println!("connection   what             µs CPU    announces/s   ratio to sockets");
    let parts = PARTS.map(|part| part.name);
    for part in PARTS.iter().filter(|part| is_wanted(part.name, &parts)) {
        let mut clients = Client::all(port, part);
        clients.retain(|client| is_wanted(client.name, &CLIENTS));
        measure(part, &mut clients);
    }
}

/// A client that is compared.
struct Client {
    name: &'static str,
    /// Makes all announces of a run.
    turn: Box<dyn FnMut()>,
}

impl Client {
    fn all(port: u16, part: &Part) -> Vec<Self> {
        let (path, count) = (part.path, part.count);
        let (reqwest, peers) = (Reqwest::start(port, path), Reqwest::start(port, path));
        let mut probes = Probes::start(port, path);
        let turns: [Box<dyn FnMut()>; 4] = [
            Box::new(move || bare_sockets(port, path, count)),
            Box::new(move || reqwest.announce(count)),
            Box::new(move || peers.announce_and_read(count)),
            Box::new(move || probes.announce(count)),
        ];
        let named = CLIENTS.into_iter().zip(turns);
        named.map(|(name, turn)| Self { name, turn }).collect()
    }
}

fn measure(part: &Part, clients: &mut [Client]) {
    let mut best = vec![(f64::INFINITY, 0.0); clients.len()];
    for turn in 0..=TURNS {
        for (best, client) in best.iter_mut().zip(&mut *clients) {
            let this = measured(part.count, &mut client.turn);
            // The first run opens connections and warms up the code.
            if turn > 0 && this.0 < best.0 {
                *best = this;
            }
        }
    }
    let limit = best[0].0;
    for (client, (cpu, rate)) in clients.iter().zip(best) {
        let (part, client, ratio) = (part.name, client.name, limit / cpu);
        println!("{part:<12} {client:<13} {cpu:>9.1} {rate:>14.0} {ratio:>18.2}");
    }
    println!("{:<12} budget        {:>9.1}", part.name, part.budget);
}

/// CPU time per announce in microseconds, and announces per second.
type Figures = (f64, f64);

fn measured(count: u32, work: impl FnOnce()) -> Figures {
    let cpu = || {
        let usage = getrusage(UsageWho::RUSAGE_SELF).expect("getrusage");
        let both = usage.user_time() + usage.system_time();
        both.num_microseconds() as f64
    };
    let (before, start) = (cpu(), Instant::now());
    work();
    let wall = start.elapsed().as_secs_f64();
    ((cpu() - before) / f64::from(count), f64::from(count) / wall)
}

fn host(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 80, 0, number + 1)
}

/// Sends the same bytes over blocking sockets: the cost of the kernel.
fn bare_sockets(port: u16, path: &str, count: u32) {
    let each = count / u32::from(HOSTS);
    let request = format!(
        "GET {path}?info_hash={} HTTP/1.1\r\nuser-agent: seedwatch\r\naccept: */*\r\n\
         host: 127.80.0.1:6969\r\n\r\n",
        "%AA".repeat(80)
    );
    let length = canned_answer(path == "/close").len();
    std::thread::scope(|scope| {
        for number in 0..HOSTS {
            let (address, request) = (SocketAddr::from((host(number), port)), &request);
            scope.spawn(move || {
                let mut buffer = vec![0; length];
                let mut kept = None;
                for _ in 0..each {
                    let mut stream = kept.take().unwrap_or_else(|| connect(address));
                    stream.write_all(request.as_bytes()).expect("write");
                    stream.read_exact(&mut buffer).expect("read");
                    if path == "/keep" {
                        kept = Some(stream);
                    }
                }
            });
        }
    });
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("connect");
    stream.set_nodelay(true).expect("nodelay");
    stream
}

/// reqwest alone, for comparison.
struct Reqwest {
    runtime: Runtime,
    client: reqwest::Client,
    urls: Vec<reqwest::Url>,
}

impl Reqwest {
    fn start(port: u16, path: &str) -> Self {
        // An earlier part has set it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .http1_only()
            .pool_max_idle_per_host(PER_HOST as usize)
            .build()
            .expect("a client");
        let query = format!("info_hash={}", "%AA".repeat(80));
        let url = |number| format!("http://{}:{port}{path}?{query}", host(number)).parse();
        Self {
            runtime: runtime(),
            client,
            urls: (0..HOSTS).map(|n| url(n).expect("a URL")).collect(),
        }
    }

    /// Makes `count` announces, a few at a time per host.
    fn announce(&self, count: u32) {
        self.run(count, |client, url, left| async move {
            while take(&left) {
                let request = reqwest::Request::new(reqwest::Method::GET, url.clone());
                let response = client.execute(request).await.expect("an answer");
                assert!(response.bytes().await.expect("a body").len() > 600);
            }
        });
    }

    /// As [`Reqwest::announce`], but writes the URL of each announce and reads the peers.
    fn announce_and_read(&self, count: u32) {
        self.run(count, |client, mut url, left| async move {
            url.set_query(None);
            let tracker = TrackerUrl::parse(url.as_str()).expect("a URL");
            let queries = AnnounceQueries::new(&IDENTITY, Family::Ipv4, 200);
            let context = AnnounceContext {
                family: Family::Ipv4,
                limit: 200,
            };
            while take(&left) {
                let hash = InfoHash([0xaa; 20]);
                let query = queries.query(AnnounceRequest::StoppedQuery, &hash, None);
                let request = client.get(query::announce_url(&tracker, &query));
                let response = request.send().await.expect("an answer");
                let body = response.bytes().await.expect("a body");
                let reply = answer::announce(&body, None, &tracker, context);
                let peers = reply.expect("peers").announced.peers;
                assert_eq!(peers.len(), 100);
            }
        });
    }

    /// Runs a few tasks per host until `count` announces are taken.
    fn run<F: Future<Output = ()> + Send + 'static>(
        &self,
        count: u32,
        task: impl Fn(reqwest::Client, reqwest::Url, Arc<AtomicU32>) -> F,
    ) {
        let left = Arc::new(AtomicU32::new(count));
        let urls = self.urls.iter().cycle();
        self.runtime.block_on(async {
            let mut tasks = tokio::task::JoinSet::new();
            for url in urls.take(self.urls.len() * PER_HOST as usize) {
                tasks.spawn(task(self.client.clone(), url.clone(), left.clone()));
            }
            while let Some(done) = tasks.join_next().await {
                done.expect("no panic");
            }
        });
    }
}

/// Takes one announce of those that are left.
fn take(left: &AtomicU32) -> bool {
    let relaxed = Ordering::Relaxed;
    left.fetch_update(relaxed, relaxed, |n| n.checked_sub(1))
        .is_ok()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// The prober in its thread, with jobs as in the daemon.
struct Probes {
    runtime: Runtime,
    prober: HttpProber,
    observations: mpsc::Receiver<Vec<Observation>>,
    urls: Vec<Arc<TrackerUrl>>,
}

impl Probes {
    fn start(port: u16, path: &str) -> Self {
        let settings = Settings {
            identity: IDENTITY,
            numwant: 200,
            accept: seedwatch_torrent::address::Accept::Any,
            user_agent: "seedwatch".into(),
            roots: Vec::new(),
        };
        let (out, observations) = mpsc::channel(1024);
        let resolver = Resolver::fixed(Fixed::default());
        let url = |number| TrackerUrl::parse(&format!("http://{}:{port}{path}", host(number)));
        Self {
            runtime: runtime(),
            prober: HttpProber::start(settings, resolver, out).expect("a prober"),
            observations,
            urls: (0..HOSTS)
                .map(|n| Arc::new(url(n).expect("a URL")))
                .collect(),
        }
    }

    /// Makes `count` announces. Each answer is followed by another job for the same host.
    fn announce(&mut self, count: u32) {
        let hosts = 0..u32::from(HOSTS);
        let jobs = hosts.flat_map(|host| (0..JOBS_PER_HOST).map(move |_| host));
        let jobs: Vec<Job> = jobs.map(|host| self.job(host)).collect();
        let (mut open, mut left) = (jobs.len(), count as usize - jobs.len());
        self.prober.submit(jobs);
        while open > 0 {
            let batch = self.runtime.block_on(self.observations.recv());
            let batch = batch.expect("the prober lives");
            open -= batch.len();
            let mut next = Vec::with_capacity(batch.len());
            for observation in batch {
                match observation.report {
                    Report::Announce {
                        result: Ok(answer), ..
                    } => assert_eq!(answer.peers.len(), 100),
                    other => panic!("{other:?}"),
                }
                if left > 0 {
                    left -= 1;
                    next.push(self.job(observation.tracker.0));
                }
            }
            open += next.len();
            self.prober.submit(next);
        }
    }

    fn job(&self, host: u32) -> Job {
        Job {
            tracker: TrackerId(host),
            family: Family::Ipv4,
            url: self.urls[host as usize].clone(),
            timeout: Duration::from_secs(15),
            request: Request::Announce {
                id: AnnounceId(host),
                info_hash: InfoHash([0xaa; 20]),
                strategy: AnnounceStrategy::StoppedFirst,
            },
        }
    }
}

fn canned_answer(close: bool) -> Vec<u8> {
    let mut body = b"d8:completei60e10:incompletei40e8:intervali1800e5:peers600:".to_vec();
    for peer in 0..100u8 {
        body.extend_from_slice(&[1, 2, 3, peer, 0x1a, 0xe1]);
    }
    body.push(b'e');
    let connection = if close { "Connection: close\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{connection}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}

/// Serves in the other process: one thread for all connections, as in opentracker.
fn serve() {
    runtime().block_on(async {
        let first = TcpListener::bind((host(0), 0)).await.expect("bind");
        let port = first.local_addr().expect("bound").port();
        let mut listeners = vec![first];
        for number in 1..HOSTS {
            let listener = TcpListener::bind((host(number), port)).await;
            listeners.push(listener.expect("bind"));
        }
        println!("{port}");
        for listener in listeners {
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(converse(stream));
                }
            });
        }
        // Until the client is gone.
        let closed = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]));
        let _ = closed.await;
    });
}

async fn converse(mut stream: tokio::net::TcpStream) {
    let (keep, close) = (canned_answer(false), canned_answer(true));
    let mut buffer = [0; 4096];
    let mut filled = 0;
    loop {
        match stream.read(&mut buffer[filled..]).await {
            Ok(0) | Err(_) => return,
            Ok(more) => filled += more,
        }
        if buffer[..filled].ends_with(b"\r\n\r\n") {
            filled = 0;
            let is_last = buffer.starts_with(b"GET /close");
            let bytes = if is_last { &close } else { &keep };
            if stream.write_all(bytes).await.is_err() || is_last {
                return;
            }
        }
    }
}
