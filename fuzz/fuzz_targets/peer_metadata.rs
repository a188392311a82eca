//! Any info dictionary can be verified and read, alone and as a peer sends it. Run it as `krpc` is
//! run.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seedwatch_clock::Mono;
use seedwatch_dev_peer::{Behaviour, ScriptedPeer};
use seedwatch_peer::frame::id;
use seedwatch_peer::{
    Encryption, MAX_PIECES, Metadata, MetadataError, MetadataResult, Timing, Visit, VisitParams,
};
use seedwatch_torrent::{Hashes, InfoHash, Metainfo};
use sha1::{Digest, Sha1};

/// Fetches a dictionary from a peer that has all pieces.
fn fetch(info: &[u8], hash: InfoHash) -> MetadataResult {
    let params = VisitParams {
        hashes: Hashes::V1(hash),
        info_hash: hash,
        peer_id: [1; 20],
        client: "seedwatch/0.1".into(),
        encryption: Encryption::Disable,
        pieces: None,
        fetch_metadata: true,
        timing: Timing::default(),
    };
    let behaviour = Behaviour::new(hash).offers(info.to_vec());
    let behaviour = behaviour.says(id::HAVE_NONE, &[]);
    let mut peer = ScriptedPeer::new(behaviour, [1; 32]);
    let mut visit = Visit::new(params, [5; 32]);
    visit.connected(Mono(0));
    loop {
        let sent = visit.take_output();
        if sent.is_empty() {
            break;
        }
        peer.receive(&sent);
        visit.receive(&peer.take_output(), Mono(10));
        assert!(visit.memory() <= Visit::MAX_MEMORY);
    }
    while let Some(at) = visit.next_timeout() {
        visit.poll(at);
    }
    visit.into_report().unwrap().metadata
}

fuzz_target!(|info: &[u8]| {
    let hash = InfoHash(Sha1::digest(info).into());
    let verified = Metadata::verify(info.to_vec(), &Hashes::V1(hash));
    assert!(verified != Err(MetadataError::WrongHash));
    let other = Metadata::verify(info.to_vec(), &Hashes::V1(InfoHash([7; 20])));
    assert_eq!(other, Err(MetadataError::WrongHash));
    if let Ok(metadata) = &verified {
        assert!(metadata.pieces().get() <= MAX_PIECES);
        if let Ok(metainfo) = Metainfo::parse(&metadata.to_metainfo()) {
            assert_eq!(metainfo.private, metadata.is_private());
        }
    }
    let expected = match verified {
        Ok(metadata) => MetadataResult::Verified(metadata),
        Err(_) if info.is_empty() => MetadataResult::BadSize,
        Err(_) => MetadataResult::Unusable,
    };
    assert_eq!(fetch(info, hash), expected);
});
