//! The side of a key exchange that connected.

use rand::{Rng, RngExt};

use super::{
    KEY_LENGTH, KeyPair, MAX_PADDING, Method, Methods, Rc4, SharedSecret, Side, VERIFICATION,
};
use seedwatch_torrent::InfoHash;

/// Length of `crypto_select` and of the length of the padding after it.
const SELECT_LENGTH: usize = 6;

/// Most bytes among which the verification constant is looked for.
const SEARCHED: usize = MAX_PADDING + VERIFICATION.len();

/// Why a key exchange failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MseError {
    /// The public key is our own: the other side echoes.
    #[error("the peer returned our own key")]
    Echo,
    /// The public key is one that no honest peer has.
    #[error("the peer sent an impossible key")]
    Key,
    /// The verification constant is not where it must be.
    #[error("the peer did not prove that it knows the info-hash")]
    Verification,
    /// The selected method is none of those that were offered.
    #[error("the peer selected a method that was not offered")]
    Method,
    /// The padding is longer than [`MAX_PADDING`].
    #[error("the peer announced too much padding")]
    Padding,
}

/// The result of a key exchange.
#[derive(Debug)]
pub struct Established {
    /// The selected method.
    pub method: Method,
    /// The ciphers of received and sent bytes; `None` for plaintext.
    pub ciphers: Option<(Rc4, Rc4)>,
}

/// A key exchange without a socket.
///
/// ```
/// use rand::{SeedableRng, rngs::StdRng};
/// use seedwatch_peer::mse::{Initiator, KEY_LENGTH, MAX_PADDING, Methods};
/// use seedwatch_torrent::InfoHash;
///
/// let mut rng = StdRng::from_seed([1; 32]);
/// let (mut initiator, first) =
///     Initiator::new(InfoHash([7; 20]), Methods::Any, b"hello".to_vec(), &mut rng);
/// assert!((KEY_LENGTH..=KEY_LENGTH + MAX_PADDING).contains(&first.len()));
///
/// // Fewer bytes than a key: nothing to send yet.
/// let (mut input, mut out) = (&[9; 50][..], Vec::new());
/// assert!(initiator.receive(&mut input, &mut out)?.is_none());
/// assert!(out.is_empty());
/// # Ok::<(), seedwatch_peer::mse::MseError>(())
/// ```
#[derive(Debug)]
pub struct Initiator {
    info_hash: InfoHash,
    methods: Methods,
    /// Sent encrypted with the offer.
    first_bytes: Vec<u8>,
    padding: Vec<u8>,
    keys: KeyPair,
    /// Received and not yet understood: at most [`SEARCHED`] bytes.
    buffer: Vec<u8>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Key,
    Verification(Ciphers),
    Select(Ciphers),
    Padding(Ciphers, Method, usize),
    Done,
}

#[derive(Debug)]
struct Ciphers {
    read: Rc4,
    write: Rc4,
}

impl Initiator {
    /// Starts a key exchange; returns it with the first bytes to send. `first_bytes` follow
    /// encrypted as soon as the other key is known.
    pub fn new(
        info_hash: InfoHash,
        methods: Methods,
        first_bytes: Vec<u8>,
        rng: &mut impl Rng,
    ) -> (Self, Vec<u8>) {
        let keys = KeyPair::generate(rng);
        let first = [&keys.public[..], &padding(rng)].concat();
        let initiator = Self {
            info_hash,
            methods,
            first_bytes,
            padding: padding(rng),
            keys,
            buffer: Vec::new(),
            stage: Stage::Key,
        };
        (initiator, first)
    }

    /// Takes bytes off the input, and writes the answer to `out`. When the exchange is complete,
    /// the rest of the input belongs to the connection and is still encrypted.
    ///
    /// # Errors
    ///
    /// If the other side does not follow the protocol. It must not be called again then.
    pub fn receive(
        &mut self,
        input: &mut &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Established>, MseError> {
        loop {
            // One byte at a time where the end is unknown; this is at most 528 bytes in all.
            let wanted = match &self.stage {
                Stage::Key => KEY_LENGTH - self.buffer.len(),
                Stage::Verification(_) => 1,
                Stage::Select(_) => SELECT_LENGTH - self.buffer.len(),
                Stage::Padding(_, _, rest) => *rest,
                Stage::Done => return Ok(None),
            };
            let (part, rest) = input.split_at(input.len().min(wanted));
            *input = rest;
            self.buffer.extend_from_slice(part);
            let is_short = part.len() < wanted;
            let stage = std::mem::replace(&mut self.stage, Stage::Done);
            self.stage = match stage {
                Stage::Padding(mut ciphers, method, left) => {
                    ciphers.read.apply(&mut self.buffer);
                    self.buffer.clear();
                    if !is_short {
                        return Ok(Some(ciphers.established(method)));
                    }
                    self.stage = Stage::Padding(ciphers, method, left - part.len());
                    return Ok(None);
                }
                stage if is_short => {
                    self.stage = stage;
                    return Ok(None);
                }
                Stage::Key => Stage::Verification(self.key_received(out)?),
                Stage::Verification(ciphers) => self.search(ciphers)?,
                Stage::Select(ciphers) => self.select(ciphers)?,
                Stage::Done => return Ok(None),
            };
        }
    }

    /// Returns the bytes that the exchange holds.
    pub(crate) fn memory(&self) -> usize {
        self.buffer.capacity() + self.first_bytes.capacity() + self.padding.capacity()
    }

    fn key_received(&mut self, out: &mut Vec<u8>) -> Result<Ciphers, MseError> {
        let key = self.buffer.first_chunk().ok_or(MseError::Key)?;
        if *key == self.keys.public {
            return Err(MseError::Echo);
        }
        let secret = self.keys.agree(key).ok_or(MseError::Key)?;
        self.buffer.clear();
        let mut ciphers = Ciphers {
            read: secret.cipher(Side::Responder, self.info_hash),
            write: secret.cipher(Side::Initiator, self.info_hash),
        };
        self.offer(&secret, &mut ciphers.write, out);
        Ok(ciphers)
    }

    fn offer(&mut self, secret: &SharedSecret, cipher: &mut Rc4, out: &mut Vec<u8>) {
        out.extend(secret.synchronization());
        out.extend(secret.hidden_hash(self.info_hash));
        let start = out.len();
        out.extend(VERIFICATION);
        out.extend(self.methods.bits().to_be_bytes());
        for part in [&self.padding, &self.first_bytes] {
            // Our padding has at most 512 bytes, and the first bytes are a handshake.
            out.extend((part.len() as u16).to_be_bytes());
            out.extend(part);
        }
        cipher.apply(&mut out[start..]);
    }

    /// Looks for the encrypted verification constant at the end of what was received.
    fn search(&mut self, mut ciphers: Ciphers) -> Result<Stage, MseError> {
        let mut wanted = VERIFICATION;
        ciphers.read.clone().apply(&mut wanted);
        if self.buffer.ends_with(&wanted) {
            ciphers.read.apply(&mut wanted);
            self.buffer.clear();
            return Ok(Stage::Select(ciphers));
        }
        match self.buffer.len() < SEARCHED {
            true => Ok(Stage::Verification(ciphers)),
            false => Err(MseError::Verification),
        }
    }

    fn select(&mut self, mut ciphers: Ciphers) -> Result<Stage, MseError> {
        ciphers.read.apply(&mut self.buffer);
        let &[a, b, c, d, high, low] = &self.buffer[..] else {
            return Err(MseError::Method);
        };
        self.buffer.clear();
        let bits = u32::from_be_bytes([a, b, c, d]);
        let mut methods = [Method::Plaintext, Method::Rc4].into_iter();
        let offered = self.methods.bits();
        let method = methods.find(|method| bits == method.bit() && bits & offered != 0);
        let method = method.ok_or(MseError::Method)?;
        let padding = usize::from(u16::from_be_bytes([high, low]));
        match padding <= MAX_PADDING {
            true => Ok(Stage::Padding(ciphers, method, padding)),
            false => Err(MseError::Padding),
        }
    }
}

impl Ciphers {
    fn established(self, method: Method) -> Established {
        Established {
            method,
            ciphers: (method == Method::Rc4).then_some((self.read, self.write)),
        }
    }
}

fn padding(rng: &mut impl Rng) -> Vec<u8> {
    let mut padding = vec![0; rng.random_range(0..=MAX_PADDING)];
    rng.fill_bytes(&mut padding);
    padding
}
