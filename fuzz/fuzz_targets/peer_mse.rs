//! Any bytes end a key exchange or leave it waiting, the same way however they are split. Half of
//! the inputs are encrypted as a responder would, to reach what follows the key. Run it as `krpc`
//! is run.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rand::SeedableRng;
use rand::rngs::StdRng;
use seedwatch_peer::mse::{
    Initiator, KEY_LENGTH, KeyPair, MAX_PADDING, Method, Methods, MseError, Rc4, Side,
};
use seedwatch_torrent::InfoHash;

const HASH: InfoHash = InfoHash([7; 20]);

/// Most bytes of an answer.
const LONGEST: usize = KEY_LENGTH + MAX_PADDING + 8 + 6 + MAX_PADDING;

/// The key of the responder, and its cipher for the initiator of [`exchange`].
static RESPONDER: LazyLock<([u8; KEY_LENGTH], Rc4)> = LazyLock::new(|| {
    let pair = KeyPair::generate(&mut StdRng::from_seed([9; 32]));
    let (_, first) = initiator(Methods::Any);
    let secret = pair.agree(first.first_chunk().unwrap()).unwrap();
    (pair.public, secret.cipher(Side::Responder, HASH))
});

fn initiator(methods: Methods) -> (Initiator, Vec<u8>) {
    Initiator::new(HASH, methods, vec![1; 68], &mut StdRng::from_seed([8; 32]))
}

/// Returns the selected method, if there is one, and how many bytes were left over.
fn exchange(
    methods: Methods,
    bytes: &[u8],
    split: usize,
) -> Result<Option<(Method, usize)>, MseError> {
    let (mut initiator, _) = initiator(methods);
    let (mut out, mut read) = (Vec::new(), 0);
    for part in bytes.chunks(split) {
        let mut rest = part;
        let result = initiator.receive(&mut rest, &mut out);
        read += part.len() - rest.len();
        assert!(read <= LONGEST && out.len() <= 1024);
        if let Some(established) = result? {
            assert_eq!(
                established.ciphers.is_some(),
                established.method == Method::Rc4
            );
            return Ok(Some((established.method, bytes.len() - read)));
        }
        assert!(rest.is_empty());
    }
    Ok(None)
}

fuzz_target!(|input: &[u8]| {
    let Some((&[flags, padding, split], bytes)) = input.split_first_chunk() else {
        return;
    };
    let methods = match flags & 1 {
        0 => Methods::Any,
        _ => Methods::Rc4,
    };
    let bytes = match flags & 2 {
        0 => {
            let (key, cipher) = &*RESPONDER;
            let mut encrypted = bytes.to_vec();
            cipher.clone().apply(&mut encrypted);
            let padding = vec![padding; 3 * usize::from(padding)];
            [&key[..], &padding, &encrypted].concat()
        }
        _ => bytes.to_vec(),
    };
    let whole = exchange(methods, &bytes, usize::MAX);
    assert_eq!(exchange(methods, &bytes, usize::from(split) + 1), whole);
    let is_plaintext = matches!(whole, Ok(Some((Method::Plaintext, _))));
    assert!(!is_plaintext || methods == Methods::Any);
});
