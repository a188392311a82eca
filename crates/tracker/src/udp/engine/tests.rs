//! The engine against scripted trackers, in simulated time.

mod conversation;
mod faults;
mod random;
mod stopped;
mod timing;

use super::*;
use crate::{
    AnnounceId, AnnounceResponse, AnnounceStrategy, Identity, Report, Request, ScrapeResponse,
};
use seedwatch_torrent::InfoHash;

const TIMEOUT: Duration = Duration::from_secs(15);
const OUR_PORT: u16 = 50_000;
const ID: u64 = 0x1122_3344_5566_7788;

fn settings() -> Settings {
    Settings {
        identity: Identity {
            peer_id: *b"-SW0100-abcdefghijkl",
            key: 0xdead_beef,
            ports: [OUR_PORT, OUR_PORT + 1],
        },
        numwant: 200,
        accept: seedwatch_torrent::address::Accept::Any,
    }
}

/// An engine with a simulated clock and the packets that it sent.
struct Harness {
    engine: Engine,
    now: Instant,
    start: Instant,
    /// The result of every host lookup.
    addresses: Result<Vec<SocketAddr>, ProbeError>,
    /// The packets that the engine sent since the last call of `take_sent`.
    sent: Vec<SentRequest>,
    observations: Vec<Observation>,
}

/// A packet that the engine sent, with the time in milliseconds since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SentRequest {
    at: u64,
    to: SocketAddr,
    bytes: Vec<u8>,
}

impl SentRequest {
    fn word(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.bytes[at..at + 4].try_into().unwrap())
    }

    fn connection(&self) -> u64 {
        u64::from_be_bytes(self.bytes[..8].try_into().unwrap())
    }

    fn action(&self) -> u32 {
        self.word(8)
    }

    fn transaction(&self) -> u32 {
        self.word(12)
    }

    /// 2 is `started`, 3 is `stopped`.
    fn event(&self) -> u32 {
        assert_eq!(self.action(), 1);
        self.word(80)
    }

    fn reply(&self, action: u32, words: &[u32], rest: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for word in [&[action, self.transaction()], words].concat() {
            out.extend(word.to_be_bytes());
        }
        out.extend(rest);
        out
    }

    fn connected(&self, id: u64) -> Vec<u8> {
        assert_eq!((self.action(), self.connection()), (0, 0x0417_2710_1980));
        self.reply(0, &[], &id.to_be_bytes())
    }

    /// Returns an answer with an interval of 1800 seconds.
    fn announced(&self, seeders: u32, leechers: u32, peers: &[u8]) -> Vec<u8> {
        assert_eq!(self.action(), 1);
        self.reply(1, &[1800, leechers, seeders], peers)
    }

    fn error(&self, text: &str) -> Vec<u8> {
        self.reply(3, &[], text.as_bytes())
    }
}

fn server(n: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, n], 6969))
}

/// Returns compact IPv4 peers (BEP 15).
fn peers(ports: impl IntoIterator<Item = u16>) -> Vec<u8> {
    ports
        .into_iter()
        .flat_map(|port| [203, 0, 113, port as u8, (port >> 8) as u8, port as u8])
        .collect()
}

impl Harness {
    fn new() -> Self {
        Self::with(64, settings())
    }

    fn with(window: usize, settings: Settings) -> Self {
        let now = Instant::now();
        Self {
            engine: Engine::new(Family::Ipv4, settings, window, [1; 32], now),
            now,
            start: now,
            addresses: Ok(vec![server(1)]),
            sent: Vec::new(),
            observations: Vec::new(),
        }
    }

    fn job(tracker: u32, request: Request) -> Job {
        let url = format!("udp://tracker{tracker}.example:6969/announce");
        Job {
            tracker: TrackerId(tracker),
            family: Family::Ipv4,
            url: Arc::new(TrackerUrl::parse(&url).unwrap()),
            timeout: TIMEOUT,
            request,
        }
    }

    fn announce_as(&mut self, n: u32, strategy: AnnounceStrategy) {
        let request = Request::Announce {
            id: AnnounceId(n),
            info_hash: InfoHash([n as u8; 20]),
            strategy,
        };
        self.engine.submit(Self::job(1, request), self.now);
    }

    fn announce(&mut self, n: u32) {
        self.announce_as(n, AnnounceStrategy::StoppedOnly);
    }

    /// Runs the engine until it has nothing more to do at the present time.
    fn run_until_idle(&mut self) {
        loop {
            for lookup in self.engine.take_lookups() {
                let result = self.addresses.clone();
                self.engine
                    .on_lookup(lookup.tracker, result, None, self.now);
            }
            let mut outbox = Outbox::default();
            self.engine.poll(self.now, &mut outbox);
            for run in outbox.runs() {
                self.sent.extend(run.each().map(|bytes| SentRequest {
                    at: self.now.duration_since(self.start).as_millis() as u64,
                    to: run.to,
                    bytes: bytes.to_vec(),
                }));
            }
            self.engine.take_observations(&mut self.observations);
            if outbox.is_empty() && self.engine.lookups.is_empty() {
                return;
            }
        }
    }

    /// Returns the packets sent since the last call.
    fn take_sent(&mut self) -> Vec<SentRequest> {
        self.run_until_idle();
        std::mem::take(&mut self.sent)
    }

    /// Returns the only packet sent since the last call.
    fn take_one(&mut self) -> SentRequest {
        let mut sent = self.take_sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.receive_from(server(1), bytes);
    }

    fn receive_from(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.engine.on_datagram(from, bytes, self.now);
    }

    /// Advances the clock, firing timers as they become due.
    fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        self.run_until_idle();
        for _ in 0..100_000 {
            match self.engine.next_timeout() {
                Some(next) if next <= end => self.now = self.now.max(next),
                _ => {
                    self.now = end;
                    self.run_until_idle();
                    return;
                }
            }
            self.run_until_idle();
        }
        panic!("the timers of the engine do not advance");
    }

    fn advance_ms(&mut self, ms: u64) {
        self.advance(Duration::from_millis(ms));
    }

    /// Answers the connect and returns the packets that the engine then sends.
    fn connect(&mut self) -> Vec<SentRequest> {
        let connect = self.take_one();
        self.receive(&connect.connected(ID));
        self.take_sent()
    }

    /// Returns the only observation since the last call.
    fn observation(&mut self) -> Observation {
        self.run_until_idle();
        assert_eq!(self.observations.len(), 1, "{:?}", self.observations);
        self.observations.remove(0)
    }

    fn announced(&mut self) -> AnnounceResponse {
        match self.observation().report {
            Report::Announce {
                result: Ok(announced),
                ..
            } => *announced,
            other => panic!("{other:?}"),
        }
    }

    fn failure(&mut self) -> FailureReason {
        match self.observation().report {
            Report::Announce {
                result: Err(failed),
                ..
            } => failed.reason,
            other => panic!("{other:?}"),
        }
    }

    /// Asserts that the engine holds no state once unneeded connects have timed out.
    fn assert_at_rest(&mut self) {
        self.run_until_idle();
        assert_eq!(self.engine.active(), 0);
        self.advance(TIMEOUT * 2);
        assert_eq!(self.engine.unsent(), 0);
        assert_eq!(self.engine.transactions.len(), 0);
        assert!(self.observations.is_empty(), "{:?}", self.observations);
        assert!(self.sent.is_empty(), "{:?}", self.sent);
    }
}

fn scraped(seeders: u32, completed: u32, leechers: u32) -> Option<ScrapeResponse> {
    Some(ScrapeResponse {
        seeders: Some(seeders),
        leechers: Some(leechers),
        completed: Some(completed),
    })
}
