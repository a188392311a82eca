//! Two ends that talk to each other through MSE, in all combinations.

use crate::meeting::{HASH, meet, params, with_pieces};
use seedwatch_dev_peer::{Accepts, Behaviour};
use seedwatch_peer::frame::id::BITFIELD;
use seedwatch_peer::mse::Method::{Plaintext, Rc4};
use seedwatch_peer::{Encryption, Reason, VisitParams};
use seedwatch_torrent::InfoHash;

const SPLITS: [usize; 4] = [1, 7, 100, usize::MAX];

#[test]
fn every_combination_of_policies_has_the_right_end() {
    let [ok, closed] = [Reason::LacksPieces, Reason::ClosedAtOnce];
    let half = Reason::ClosedInHandshake;
    for (ours, theirs, expected, method, connections) in [
        (Encryption::Disable, Accepts::Plaintext, ok, None, 1),
        (Encryption::Disable, Accepts::Any(Rc4), ok, None, 1),
        (Encryption::Disable, Accepts::Required(Rc4), closed, None, 1),
        (Encryption::Allow, Accepts::Plaintext, ok, None, 1),
        (Encryption::Allow, Accepts::Any(Rc4), ok, None, 1),
        (Encryption::Allow, Accepts::Required(Rc4), ok, Some(Rc4), 2),
        (
            Encryption::Allow,
            Accepts::Required(Plaintext),
            ok,
            Some(Plaintext),
            2,
        ),
        (Encryption::Require, Accepts::Plaintext, closed, None, 1),
        (Encryption::Require, Accepts::Any(Rc4), ok, Some(Rc4), 1),
        (
            Encryption::Require,
            Accepts::Any(Plaintext),
            ok,
            Some(Rc4),
            1,
        ),
        (
            Encryption::Require,
            Accepts::Required(Rc4),
            ok,
            Some(Rc4),
            1,
        ),
        (
            Encryption::Require,
            Accepts::Required(Plaintext),
            half,
            None,
            1,
        ),
    ] {
        for split in SPLITS {
            for padding in [0, 1, 511, 512] {
                let behaviour = Behaviour {
                    accepts: theirs,
                    padding,
                    ..Behaviour::new(HASH).says(BITFIELD, &[0xf0])
                };
                let params = VisitParams {
                    encryption: ours,
                    ..with_pieces(8)
                };
                let met = meet(params, &behaviour, split);
                let case = format!("{ours:?} {theirs:?} {split} {padding}");
                assert_eq!(met.report.reason, expected, "{case}");
                assert_eq!(met.report.encryption, method, "{case}");
                assert_eq!(met.peers.len(), connections, "{case}");
            }
        }
    }
}

#[test]
fn a_listener_without_the_torrent_closes_during_the_key_exchange() {
    let behaviour = Behaviour {
        info_hash: InfoHash([1; 20]),
        ..Behaviour::new(HASH)
    };
    let params = VisitParams {
        encryption: Encryption::Require,
        ..params()
    };
    let met = meet(params, &behaviour, usize::MAX);
    assert_eq!(met.report.reason, Reason::ClosedInHandshake);
}

#[test]
fn too_much_padding_is_refused() {
    for padding in [513, 5_000, 65_535] {
        let behaviour = Behaviour {
            padding,
            ..Behaviour::new(HASH)
        };
        let params = VisitParams {
            encryption: Encryption::Require,
            ..params()
        };
        for split in SPLITS {
            let met = meet(params.clone(), &behaviour, split);
            assert_eq!(
                met.report.reason,
                Reason::EncryptionFailed,
                "{padding} {split}"
            );
        }
    }
}
