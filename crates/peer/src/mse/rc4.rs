//! The RC4 stream cipher, which hides a connection from pattern matchers and protects nothing.
//!
//! Written here because it is shorter than the use of a crate, whose types fix the length of the
//! key. Nothing secret is encrypted with it.

/// Bytes of the key stream that MSE discards.
const DISCARDED: usize = 1024;

/// One direction of an encrypted connection. Encryption and decryption are the same.
#[derive(Clone)]
pub struct Rc4 {
    state: [u8; 256],
    i: u8,
    j: u8,
}

impl Rc4 {
    /// Returns the cipher of MSE: the first 1024 bytes of the key stream are discarded.
    pub fn new(key: &[u8; 20]) -> Self {
        let mut cipher = Self::undiscarded(key);
        cipher.apply(&mut [0; DISCARDED]);
        cipher
    }

    fn undiscarded(key: &[u8]) -> Self {
        let mut state: [u8; 256] = std::array::from_fn(|at| at as u8);
        let mut j = 0u8;
        for (i, key) in (0..=255u8).zip(key.iter().cycle()) {
            j = j.wrapping_add(state[usize::from(i)]).wrapping_add(*key);
            state.swap(i.into(), j.into());
        }
        Self { state, i: 0, j: 0 }
    }

    /// Encrypts or decrypts the next bytes of the stream in place.
    pub fn apply(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.i = self.i.wrapping_add(1);
            let a = self.state[usize::from(self.i)];
            self.j = self.j.wrapping_add(a);
            let b = self.state[usize::from(self.j)];
            self.state.swap(self.i.into(), self.j.into());
            *byte ^= self.state[usize::from(a.wrapping_add(b))];
        }
    }
}

impl std::fmt::Debug for Rc4 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rc4")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Key stream of RFC 6229, section 2, for the key 0x0102030405 at the offsets 0 and 1024.
    #[test]
    fn the_key_stream_is_that_of_rfc_6229() {
        let mut stream = [0; 1040];
        Rc4::undiscarded(&[1, 2, 3, 4, 5]).apply(&mut stream);
        let first = [0xb2, 0x39, 0x63, 0x05, 0xf0, 0x3d, 0xc0, 0x27];
        assert_eq!(stream[..8], first);
        let late = [0x30, 0xab, 0xbc, 0xc7, 0xc2, 0x0b, 0x01, 0x60];
        assert_eq!(stream[1024..1032], late);
    }

    #[test]
    fn parts_decrypt_what_was_encrypted_at_once() {
        let mut text = *b"a message that arrives in parts";
        Rc4::new(&[9; 20]).apply(&mut text);
        let mut cipher = Rc4::new(&[9; 20]);
        let (head, tail) = text.split_at_mut(7);
        cipher.apply(head);
        cipher.apply(tail);
        assert_eq!(&text, b"a message that arrives in parts");
    }
}
