//! The accepting side of message stream encryption. It shares the primitives of the initiator and
//! nothing of its order.

use rand::Rng;
use rand::rngs::StdRng;

use seedwatch_peer::mse::{
    KEY_LENGTH, KeyPair, MAX_PADDING, Method, Rc4, SharedSecret, Side, VERIFICATION,
};
use seedwatch_torrent::InfoHash;

/// A completed key exchange.
#[derive(Debug)]
pub struct Accepted {
    /// The selected method.
    pub method: Method,
    /// The bytes that came with the offer, decrypted.
    pub first_bytes: Vec<u8>,
    /// The ciphers of received and sent bytes; `None` for plaintext.
    pub ciphers: Option<(Rc4, Rc4)>,
}

/// A key exchange of the accepting side.
#[derive(Debug)]
pub struct Responder {
    info_hash: InfoHash,
    method: Method,
    is_required: bool,
    padding: usize,
    rng: Box<StdRng>,
    secret: Option<SharedSecret>,
    /// The ciphers, and the decrypted offer, once the padding has ended.
    offer: Option<(Rc4, Rc4, Vec<u8>)>,
}

impl Responder {
    /// Returns a responder that has a torrent and prefers a method.
    pub fn new(
        info_hash: InfoHash,
        method: Method,
        is_required: bool,
        padding: usize,
        rng: StdRng,
    ) -> Self {
        Self {
            info_hash,
            method,
            is_required,
            padding,
            rng: Box::new(rng),
            secret: None,
            offer: None,
        }
    }

    /// Takes bytes off the input, and writes the answer to `out`.
    ///
    /// # Errors
    ///
    /// If a listener would close the connection.
    #[expect(clippy::result_unit_err, reason = "a listener closes without a word")]
    pub fn receive(
        &mut self,
        input: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Accepted>, ()> {
        if self.secret.is_none() {
            let Some(key) = input.first_chunk::<KEY_LENGTH>().copied() else {
                return Ok(None);
            };
            input.drain(..KEY_LENGTH);
            let pair = KeyPair::generate(&mut self.rng);
            self.secret = Some(pair.agree(&key).ok_or(())?);
            out.extend(pair.public);
            self.pad(out);
        }
        if self.offer.is_none() && !self.find_offer(input)? {
            return Ok(None);
        }
        self.read_offer(input, out)
    }

    /// Looks for the end of the padding and checks the info-hash after it.
    fn find_offer(&mut self, input: &mut Vec<u8>) -> Result<bool, ()> {
        let secret = self.secret.as_ref().ok_or(())?;
        let mark = secret.synchronization();
        let found = input.windows(mark.len()).position(|it| it == mark);
        let Some(start) = found else {
            let is_over = input.len() >= MAX_PADDING + mark.len();
            return if is_over { Err(()) } else { Ok(false) };
        };
        let Some(hidden) = input[start + mark.len()..].first_chunk::<20>() else {
            return Ok(false);
        };
        if start > MAX_PADDING || *hidden != secret.hidden_hash(self.info_hash) {
            return Err(());
        }
        input.drain(..start + mark.len() + hidden.len());
        let ciphers = [Side::Initiator, Side::Responder];
        let [read, write] = ciphers.map(|side| secret.cipher(side, self.info_hash));
        self.offer = Some((read, write, Vec::new()));
        Ok(true)
    }

    /// Decrypts the offer byte by byte, because what follows it may be plaintext.
    fn read_offer(
        &mut self,
        input: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Accepted>, ()> {
        let (read, _, offer) = self.offer.as_mut().ok_or(())?;
        while !input.is_empty() {
            let mut byte = [input.remove(0)];
            read.apply(&mut byte);
            offer.extend(byte);
            if let Some((methods, first_bytes)) = parse_offer(offer)? {
                return self.select(methods, first_bytes, out).map(Some);
            }
        }
        Ok(None)
    }

    fn select(
        &mut self,
        methods: u32,
        first_bytes: Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Accepted, ()> {
        let other = match self.method {
            Method::Plaintext => Method::Rc4,
            Method::Rc4 => Method::Plaintext,
        };
        let acceptable = match self.is_required {
            true => &[self.method][..],
            false => &[self.method, other],
        };
        let method = acceptable.iter().find(|it| methods & it.bit() != 0);
        let method = *method.ok_or(())?;
        let (read, mut write, _) = self.offer.take().ok_or(())?;
        let start = out.len();
        out.extend(VERIFICATION);
        out.extend(method.bit().to_be_bytes());
        out.extend((self.padding as u16).to_be_bytes());
        self.pad(out);
        write.apply(&mut out[start..]);
        Ok(Accepted {
            method,
            first_bytes,
            ciphers: (method == Method::Rc4).then_some((read, write)),
        })
    }

    fn pad(&mut self, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + self.padding, 0);
        self.rng.fill_bytes(&mut out[start..]);
    }
}

/// Reads the offer: the methods and the first bytes, when it is complete.
fn parse_offer(offer: &[u8]) -> Result<Option<(u32, Vec<u8>)>, ()> {
    let length = |at: usize| {
        let bytes = offer.get(at..at + 2)?;
        Some(usize::from(u16::from_be_bytes(bytes.try_into().ok()?)))
    };
    let Some(padding) = length(12) else {
        return Ok(None);
    };
    if !offer.starts_with(&VERIFICATION) || padding > MAX_PADDING {
        return Err(());
    }
    let Some(first) = length(14 + padding) else {
        return Ok(None);
    };
    // libtorrent accepts a handshake here and nothing more.
    if first > 68 {
        return Err(());
    }
    let bytes = offer.get(16 + padding..16 + padding + first);
    let methods = offer[8..12].try_into().map(u32::from_be_bytes);
    Ok(bytes
        .zip(methods.ok())
        .map(|(bytes, methods)| (methods, bytes.to_vec())))
}
