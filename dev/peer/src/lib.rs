//! A peer for tests, without a socket: it accepts a connection, encrypted or not, says what its
//! [`Behaviour`] tells, serves metadata, and records what it hears.
//!
//! ```
//! use seedwatch_dev_peer::{Behaviour, ScriptedPeer};
//! use seedwatch_peer::handshake::PROTOCOL;
//! use seedwatch_torrent::InfoHash;
//!
//! let mut peer = ScriptedPeer::new(Behaviour::new(InfoHash([7; 20])), [1; 32]);
//! peer.receive(b"GET / HTTP/1.1\r\n\r\n.........");
//! // Not BitTorrent, so it may be the beginning of a key exchange.
//! assert!(!peer.is_closed() && peer.take_output().is_empty());
//! ```

mod responder;

use rand::SeedableRng;
use rand::rngs::StdRng;

pub use responder::{Accepted, Responder};
use seedwatch_peer::frame::{self, id};
use seedwatch_peer::handshake::{self, Handshake, PROTOCOL, Reserved};
use seedwatch_peer::mse::{Method, Rc4};
use seedwatch_torrent::InfoHash;

/// Length of a block of metadata (BEP 9).
const BLOCK: usize = 16 << 10;

/// The id under which a scripted peer reads requests for metadata.
pub const METADATA_ID: u8 = 3;

/// Which connections a peer accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepts {
    /// Plaintext only; it closes others.
    Plaintext,
    /// Plaintext, and key exchanges after which it prefers this method.
    Any(Method),
    /// Key exchanges with this method only.
    Required(Method),
}

/// What a peer does.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// The torrent that it has.
    pub info_hash: InfoHash,
    /// The hash of its handshake.
    pub answer_hash: InfoHash,
    /// The extensions of its handshake.
    pub reserved: Reserved,
    /// Its id.
    pub peer_id: [u8; 20],
    /// Which connections it accepts.
    pub accepts: Accepts,
    /// Bytes of padding in a key exchange.
    pub padding: usize,
    /// What it sends after its handshake.
    pub messages: Vec<u8>,
    /// The info dictionary that it serves.
    pub metadata: Option<Vec<u8>>,
}

impl Behaviour {
    /// Returns a peer with all extensions that says nothing.
    pub fn new(info_hash: InfoHash) -> Self {
        Self {
            info_hash,
            answer_hash: info_hash,
            reserved: Reserved::EXTENSIONS.with(Reserved::FAST),
            peer_id: *b"-XX0000-abcdefghijkl",
            accepts: Accepts::Any(Method::Rc4),
            padding: 100,
            messages: Vec::new(),
            metadata: None,
        }
    }

    /// Adds a message.
    #[must_use]
    pub fn says(mut self, id: u8, body: &[u8]) -> Self {
        frame::write(&mut self.messages, id, body);
        self
    }

    /// Adds an extension handshake (BEP 10).
    #[must_use]
    pub fn extends(self, dictionary: &str) -> Self {
        self.says(id::EXTENDED, &[b"\0", dictionary.as_bytes()].concat())
    }

    /// Offers an info dictionary (BEP 9).
    #[must_use]
    pub fn offers(self, info: Vec<u8>) -> Self {
        let size = info.len();
        let ids = format!("1:md11:ut_metadatai{METADATA_ID}ee");
        let offer = format!("d{ids}13:metadata_sizei{size}ee");
        Self {
            metadata: Some(info),
            ..self.extends(&offer)
        }
    }
}

/// A peer that has accepted a connection.
#[derive(Debug)]
pub struct ScriptedPeer {
    behaviour: Behaviour,
    stage: Stage,
    /// Received and not yet read, decrypted.
    input: Vec<u8>,
    output: Vec<u8>,
    read: Option<Rc4>,
    write: Option<Rc4>,
    handshake: Option<Handshake>,
    /// The messages that it has read: ids and bodies.
    pub heard: Vec<(u8, Vec<u8>)>,
}

#[derive(Debug)]
enum Stage {
    Undecided(Box<StdRng>),
    KeyExchange(Box<Responder>),
    Open,
    Closed,
}

impl ScriptedPeer {
    /// Returns a peer that has heard nothing.
    pub fn new(behaviour: Behaviour, seed: [u8; 32]) -> Self {
        Self {
            behaviour,
            stage: Stage::Undecided(Box::new(StdRng::from_seed(seed))),
            input: Vec::new(),
            output: Vec::new(),
            read: None,
            write: None,
            handshake: None,
            heard: Vec::new(),
        }
    }

    /// Returns whether the peer has closed the connection. It discards what it did not send.
    pub fn is_closed(&self) -> bool {
        matches!(self.stage, Stage::Closed)
    }

    /// Returns the handshake of the other side.
    pub fn handshake(&self) -> Option<Handshake> {
        self.handshake
    }

    /// Returns the bytes to send, once.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Takes received bytes.
    pub fn receive(&mut self, bytes: &[u8]) {
        let start = self.input.len();
        self.input.extend_from_slice(bytes);
        if let Some(cipher) = &mut self.read {
            cipher.apply(&mut self.input[start..]);
        }
        if matches!(self.stage, Stage::Undecided(_)) {
            self.decide();
        }
        if let Stage::KeyExchange(responder) = &mut self.stage {
            match responder.receive(&mut self.input, &mut self.output) {
                Ok(None) => {}
                Ok(Some(accepted)) => self.accept(accepted),
                Err(()) => self.close(),
            }
        }
        if matches!(self.stage, Stage::Open) {
            self.talk();
        }
    }

    /// Tells plaintext from a key exchange by the first 20 bytes, as clients do.
    fn decide(&mut self) {
        let Some(first) = self.input.first_chunk::<20>() else {
            return;
        };
        let is_plaintext = first == PROTOCOL;
        let stage = std::mem::replace(&mut self.stage, Stage::Closed);
        self.stage = match (stage, self.behaviour.accepts) {
            (_, Accepts::Plaintext | Accepts::Any(_)) if is_plaintext => Stage::Open,
            (_, Accepts::Required(_)) if is_plaintext => Stage::Closed,
            (Stage::Undecided(rng), Accepts::Any(method) | Accepts::Required(method)) => {
                let (hash, padding) = (self.behaviour.info_hash, self.behaviour.padding);
                let is_required = matches!(self.behaviour.accepts, Accepts::Required(_));
                let responder = Responder::new(hash, method, is_required, padding, *rng);
                Stage::KeyExchange(Box::new(responder))
            }
            _ => Stage::Closed,
        };
    }

    fn accept(&mut self, accepted: Accepted) {
        self.stage = Stage::Open;
        let mut input = accepted.first_bytes;
        let start = input.len();
        input.append(&mut self.input);
        if let Some((mut read, write)) = accepted.ciphers {
            read.apply(&mut input[start..]);
            (self.read, self.write) = (Some(read), Some(write));
        }
        self.input = input;
    }

    fn close(&mut self) {
        self.stage = Stage::Closed;
        self.output.clear();
    }

    fn talk(&mut self) {
        let start = self.output.len();
        if self.handshake.is_none() {
            let Some(first) = self.input.first_chunk::<{ handshake::LENGTH }>() else {
                return;
            };
            let theirs = Handshake::parse(first);
            if theirs.is_none_or(|it| it.info_hash != self.behaviour.info_hash) {
                return self.close();
            }
            self.handshake = theirs;
            self.input.drain(..handshake::LENGTH);
            let ours = Handshake {
                reserved: self.behaviour.reserved,
                info_hash: self.behaviour.answer_hash,
                peer_id: self.behaviour.peer_id,
            };
            self.output.extend(ours.to_bytes());
            self.output.extend(&self.behaviour.messages);
        }
        while let Some((id, body)) = self.next_message() {
            self.answer(id, &body);
            self.heard.push((id, body));
        }
        if let Some(cipher) = &mut self.write {
            cipher.apply(&mut self.output[start..]);
        }
    }

    fn next_message(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            let length = u32::from_be_bytes(*self.input.first_chunk()?) as usize;
            let message = self.input.get(4..4 + length)?.to_vec();
            self.input.drain(..4 + length);
            if let Some((id, body)) = message.split_first() {
                return Some((*id, body.to_vec()));
            }
        }
    }

    /// Answers requests for metadata in the order of their blocks.
    fn answer(&mut self, id: u8, body: &[u8]) {
        let (Some(info), true) = (
            &self.behaviour.metadata,
            id == id::EXTENDED && body.first() == Some(&METADATA_ID),
        ) else {
            return;
        };
        let text = String::from_utf8_lossy(&body[1..]);
        let block = text
            .split("5:piecei")
            .nth(1)
            .and_then(|it| it.split('e').next());
        let Some(block) = block.and_then(|it| it.parse::<usize>().ok()) else {
            return;
        };
        let size = info.len();
        let data = info.chunks(BLOCK).nth(block).unwrap_or_default();
        let head = format!("\x02d8:msg_typei1e5:piecei{block}e10:total_sizei{size}ee");
        let answer = [head.as_bytes(), data].concat();
        frame::write(&mut self.output, id::EXTENDED, &answer);
    }
}
