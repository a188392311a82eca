//! Message stream encryption (MSE, also called protocol encryption): a key exchange that no byte
//! pattern gives away, then RC4 or plaintext.
//!
//! ```text
//! initiator                                             responder
//! ─────────── public key A, padding of 0..=512 ────────────▶
//! ◀────────── public key B, padding of 0..=512 ─────────────
//! ─ HASH('req1', S), HASH('req2', hash) ^ HASH('req3', S) ─▶
//! ─ RC4A(8 zeros, methods, padding, first bytes) ──────────▶
//! ◀───────── RC4B(8 zeros, method, padding) ────────────────
//! ◀════════════ RC4 or plaintext, as selected ═════════════▶
//! ```
//!
//! A visit only initiates; [`Initiator`] is that half. The primitives serve both sides, so that
//! `dev/peer` can respond in tests. MSE hides the protocol from networks that throttle it; it
//! authenticates nothing and keeps nothing secret.

mod initiator;
mod key;
mod rc4;

pub use initiator::{Established, Initiator, MseError};
pub use key::{KEY_LENGTH, KeyPair, SharedSecret, Side};
pub use rc4::Rc4;

/// Most padding bytes that either side may send at one place.
pub const MAX_PADDING: usize = 512;

/// The verification constant: eight zeros, which mark where the encrypted part begins.
pub const VERIFICATION: [u8; 8] = [0; 8];

/// How the bytes after the key exchange are sent, as bits of `crypto_provide`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Methods {
    /// RC4 only.
    Rc4,
    /// Plaintext or RC4, as the responder selects.
    Any,
}

impl Methods {
    /// Returns the bits as on the wire.
    pub fn bits(self) -> u32 {
        match self {
            Methods::Rc4 => Method::Rc4.bit(),
            Methods::Any => Method::Plaintext.bit() | Method::Rc4.bit(),
        }
    }
}

/// The method that the responder selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Only the key exchange is encrypted.
    Plaintext,
    /// Everything is encrypted.
    Rc4,
}

impl Method {
    /// Returns the bit of `crypto_select`.
    pub fn bit(self) -> u32 {
        match self {
            Method::Plaintext => 1,
            Method::Rc4 => 2,
        }
    }
}
