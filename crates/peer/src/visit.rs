//! One visit: at most two connections to one peer, and one report.

mod timing;

use std::num::NonZeroU32;

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::conversation::Conversation;
use crate::extension::MAX_NAME;
use crate::handshake::{Handshake, Reserved};
use crate::mse::{Established, Initiator, Method, Methods, MseError, Rc4};
use crate::piece_state::Ending;
use crate::report::{Reason, VisitReport};
use seedwatch_clock::Mono;
use seedwatch_torrent::{Hashes, InfoHash};
pub use timing::Timing;

/// Whether a visit may use message stream encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encryption {
    /// Plaintext only.
    Disable,
    /// Plaintext first; encrypted if the peer closes the connection without a byte, as peers do
    /// that require encryption.
    #[default]
    Allow,
    /// Encrypted only, with RC4.
    Require,
}

/// What a visit needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitParams {
    /// The hashes of the torrent.
    pub hashes: Hashes,
    /// The swarm in which the peer was listed: one of the [`wire`](Hashes::wire) hashes. With the
    /// version 1 hash of a hybrid, the peer may answer with the version 2 hash (BEP 52).
    pub info_hash: InfoHash,
    /// Our id: a prefix that names the program, and random bytes.
    pub peer_id: [u8; 20],
    /// Name and version of our program, which peers may show.
    pub client: Box<str>,
    /// Whether encryption may be used.
    pub encryption: Encryption,
    /// The number of pieces, if the metadata is known.
    pub pieces: Option<NonZeroU32>,
    /// Whether to fetch the metadata, if the peer offers it.
    pub fetch_metadata: bool,
    /// How long to wait.
    pub timing: Timing,
}

impl VisitParams {
    /// Returns whether a peer may answer with this hash.
    pub(crate) fn accepts(&self, hash: InfoHash) -> bool {
        hash == self.info_hash || (self.can_upgrade() && self.truncated_v2() == Some(hash))
    }

    /// Returns the name of our program, bounded.
    pub(crate) fn client_name(&self) -> &str {
        let end = self.client.char_indices().nth(MAX_NAME);
        &self.client[..end.map_or(self.client.len(), |(at, _)| at)]
    }

    fn truncated_v2(&self) -> Option<InfoHash> {
        self.hashes.v2().map(|hash| hash.truncated())
    }

    /// Returns whether the peer may answer with the version 2 hash of a hybrid.
    fn can_upgrade(&self) -> bool {
        self.hashes.v1() == Some(self.info_hash) && self.hashes.v2().is_some()
    }

    /// Returns our handshake. The version 2 bit invites an answer with the version 2 hash, so it is
    /// set only where that hash is known.
    fn handshake(&self) -> Handshake {
        let mut reserved = Reserved::EXTENSIONS.with(Reserved::FAST);
        if self.hashes.v2().is_some() {
            reserved = reserved.with(Reserved::V2);
        }
        Handshake {
            reserved,
            info_hash: self.info_hash,
            peer_id: self.peer_id,
        }
    }
}

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectError {
    /// No answer in time.
    Timeout,
    /// The host refused (a reset in answer to the first packet).
    Refused,
    /// The network has no route, or this machine no resources.
    NoRoute,
}

/// A visit without a socket. The caller connects when [`needs_connection`] says so, and moves bytes
/// until there is a [`report`]; then it closes the connection.
///
/// See the example in the [crate documentation](crate).
///
/// [`needs_connection`]: Visit::needs_connection
/// [`report`]: Visit::report
#[derive(Debug)]
pub struct Visit {
    params: VisitParams,
    seed: [u8; 32],
    phase: Phase,
    is_retry: bool,
    conversation: Conversation,
    output: Vec<u8>,
    /// When the connection was made.
    connected: Mono,
    /// The selected method, after a key exchange.
    method: Option<Method>,
    ciphers: Option<Box<(Rc4, Rc4)>>,
}

#[derive(Debug)]
enum Phase {
    Connecting,
    KeyExchange(Box<Initiator>, HasBegun),
    Talking,
    Ended(Box<VisitReport>),
}

/// Whether the peer has sent a byte of the key exchange.
type HasBegun = bool;

impl Visit {
    /// Most bytes on the heap that a visit holds between two calls: the longest bitfield twice, the
    /// longest metadata, and what is sent.
    pub const MAX_MEMORY: usize = timing::MAX_MEMORY;

    /// Returns a visit that has sent nothing. The seed makes the keys and the padding of a key
    /// exchange; take it from the random generator of the system.
    pub fn new(params: VisitParams, seed: [u8; 32]) -> Self {
        Self {
            conversation: Conversation::new(&params),
            params,
            seed,
            phase: Phase::Connecting,
            is_retry: false,
            output: Vec::new(),
            connected: Mono::default(),
            method: None,
            ciphers: None,
        }
    }

    /// Returns whether the caller shall open a connection, the first or the second one. Any earlier
    /// connection is over.
    pub fn needs_connection(&self) -> bool {
        matches!(self.phase, Phase::Connecting)
    }

    /// Notes that the connection is open.
    pub fn connected(&mut self, now: Mono) {
        if !self.needs_connection() {
            return;
        }
        self.connected = now;
        let handshake = self.params.handshake().to_bytes().to_vec();
        let methods = match self.params.encryption {
            Encryption::Require => Methods::Rc4,
            Encryption::Allow if self.is_retry => Methods::Any,
            Encryption::Allow | Encryption::Disable => {
                self.output = handshake;
                self.phase = Phase::Talking;
                return;
            }
        };
        let mut rng = StdRng::from_seed(self.seed);
        let hash = self.params.info_hash;
        let (initiator, first) = Initiator::new(hash, methods, handshake, &mut rng);
        self.output = first;
        self.phase = Phase::KeyExchange(Box::new(initiator), false);
    }

    /// Notes that no connection could be opened.
    pub fn connect_failed(&mut self, error: ConnectError) {
        if !self.needs_connection() {
            return;
        }
        self.end(match error {
            // The peer was there a moment ago.
            _ if self.is_retry => Reason::ClosedAtOnce,
            ConnectError::Timeout => Reason::Timeout,
            ConnectError::Refused => Reason::ConnectionRefused,
            ConnectError::NoRoute => Reason::NoRoute,
        });
    }

    /// Takes received bytes.
    pub fn receive(&mut self, bytes: &[u8], now: Mono) {
        self.poll(now);
        let mut input = bytes;
        if let Phase::KeyExchange(initiator, has_begun) = &mut self.phase {
            *has_begun |= !input.is_empty();
            match initiator.receive(&mut input, &mut self.output) {
                Ok(None) => return,
                Ok(Some(established)) => self.established(established),
                Err(MseError::Echo) => return self.end(Reason::OwnPeerId),
                Err(_) => return self.end(Reason::EncryptionFailed),
            }
        }
        if !matches!(self.phase, Phase::Talking) || input.is_empty() {
            return;
        }
        self.talk(input, now);
    }

    /// Notes that the peer closed or reset the connection. The caller then asks
    /// [`needs_connection`](Self::needs_connection) again.
    pub fn closed(&mut self, now: Mono) {
        self.poll(now);
        if matches!(self.phase, Phase::Connecting | Phase::Ended(_)) {
            return;
        }
        if self.conversation.greeted.is_some() {
            self.judge(Ending::Closed);
        } else if self.has_begun() {
            self.end(Reason::ClosedInHandshake);
        } else if self.params.encryption == Encryption::Allow && !self.is_retry {
            self.is_retry = true;
            self.output.clear();
            self.phase = Phase::Connecting;
        } else {
            self.end(Reason::ClosedAtOnce);
        }
    }

    /// Returns the bytes to send, once.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Ends the visit if its time is over. The caller calls this at
    /// [`next_timeout`](Self::next_timeout).
    pub fn poll(&mut self, now: Mono) {
        if self.next_timeout().is_none_or(|at| now < at) {
            return;
        }
        if self.conversation.greeted.is_some() {
            return self.judge(Ending::Settled);
        }
        self.end(match self.has_begun() {
            true => Reason::HandshakeTimeout,
            false => Reason::Silent,
        });
    }

    /// Returns when the visit ends if nothing arrives; `None` before a connection and after the
    /// end. The time to connect is the caller's to limit.
    pub fn next_timeout(&self) -> Option<Mono> {
        match self.phase {
            Phase::Connecting | Phase::Ended(_) => None,
            Phase::KeyExchange(..) | Phase::Talking => {
                let timing = &self.params.timing;
                let greeting = self.connected.after(timing.handshake);
                Some(timing.end(&self.conversation).unwrap_or(greeting))
            }
        }
    }

    /// Returns the result, when the visit is over.
    pub fn report(&self) -> Option<&VisitReport> {
        match &self.phase {
            Phase::Ended(report) => Some(report),
            _ => None,
        }
    }

    /// Returns the result, when the visit is over.
    pub fn into_report(self) -> Option<VisitReport> {
        match self.phase {
            Phase::Ended(report) => Some(*report),
            _ => None,
        }
    }

    /// Returns the bytes on the heap that the visit holds: at most
    /// [`MAX_MEMORY`](Self::MAX_MEMORY).
    pub fn memory(&self) -> usize {
        let phase = match &self.phase {
            Phase::KeyExchange(initiator, _) => initiator.memory() + size_of::<Initiator>(),
            Phase::Ended(report) => report.memory(),
            Phase::Connecting | Phase::Talking => 0,
        };
        let ciphers = self.ciphers.as_ref().map_or(0, |_| size_of::<(Rc4, Rc4)>());
        phase + ciphers + self.conversation.memory() + self.output.capacity()
    }

    /// Returns whether the peer has sent a byte on this connection.
    fn has_begun(&self) -> bool {
        match &self.phase {
            Phase::KeyExchange(_, has_begun) => *has_begun,
            _ => self.method.is_some() || self.conversation.has_begun(),
        }
    }

    fn established(&mut self, established: Established) {
        self.method = Some(established.method);
        self.ciphers = established.ciphers.map(Box::new);
        self.phase = Phase::Talking;
    }

    /// Passes received bytes to the conversation, in parts that bound the copy for decryption.
    fn talk(&mut self, input: &[u8], now: Mono) {
        for part in input.chunks(timing::CHUNK) {
            let mut plain = part.to_vec();
            if let Some(ciphers) = &mut self.ciphers {
                ciphers.0.apply(&mut plain);
            }
            let start = self.output.len();
            let params = &self.params;
            let result = self
                .conversation
                .receive(&plain, now, params, &mut self.output);
            if let Some(ciphers) = &mut self.ciphers {
                ciphers.1.apply(&mut self.output[start..]);
            }
            match result {
                Err(reason) => return self.end(reason),
                Ok(()) if self.conversation.is_over(now, &self.params) => {
                    return self.judge(Ending::Settled);
                }
                Ok(()) => {}
            }
        }
    }

    fn judge(&mut self, ending: Ending) {
        let is_upload_only = self.conversation.claims.upload_only == Some(true);
        self.end(self.conversation.pieces.judge(ending, is_upload_only));
    }

    fn end(&mut self, reason: Reason) {
        let conversation =
            std::mem::replace(&mut self.conversation, Conversation::new(&self.params));
        self.phase = Phase::Ended(Box::new(report(conversation, reason, self.method)));
        self.output = Vec::new();
        self.ciphers = None;
    }
}

fn report(mut talk: Conversation, reason: Reason, encryption: Option<Method>) -> VisitReport {
    let metadata = talk.take_metadata();
    let info_hash = talk.info_hash();
    // Verified metadata is right, however its sender behaves. All else it said is not.
    let is_credible = !reason.is_misbehaviour();
    let pieces = is_credible && talk.pieces.is_known();
    VisitReport {
        reason,
        pieces: pieces.then_some(talk.pieces.set),
        info_hash: info_hash.filter(|_| is_credible),
        encryption,
        claims: match is_credible {
            true => talk.claims,
            false => Default::default(),
        },
        metadata,
    }
}
