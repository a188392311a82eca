//! Peers of python3-libtorrent in all states.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use crate::socket::visit;
use seedwatch_dev_peer::{Accepts, Behaviour, ScriptedPeer};
use seedwatch_dev_programs::skip_without;
use seedwatch_peer::frame::id;
use seedwatch_peer::mse::Method;
use seedwatch_peer::{
    Availability, CompleteAgo, Encryption, MetadataResult, Outcome, PieceCount, Reason, Timing,
    VisitParams, VisitReport,
};
use seedwatch_torrent::{Hashes, InfoHash, InfoHashV2};
use tempfile::TempDir;

/// Pieces of the torrent.
const PIECES: u32 = 20;

/// Running peers.
struct Zoo {
    child: Child,
    /// The peers end when this closes, even if the test is killed.
    _stdin: ChildStdin,
    _folder: TempDir,
    hashes: Hashes,
    info: Vec<u8>,
    ports: BTreeMap<String, u16>,
}

impl Zoo {
    fn open(roles: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new("/usr/bin/python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/zoo.py"))
            .arg(folder.path())
            .args(roles)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let [_, v1, v2, path] = first.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{first}");
        };
        let v1 = InfoHash::parse(v1).ok();
        let hashes = Hashes::of(v1, InfoHashV2::parse(v2).ok()).unwrap();
        let info = std::fs::read(path).unwrap();
        let ports = lines.take(roles.len()).map(|line| {
            let line = line.unwrap();
            let (role, port) = line.split_once(' ').unwrap();
            (role.to_owned(), port.parse().unwrap())
        });
        let ports = ports.collect();
        Self {
            _stdin: child.stdin.take().unwrap(),
            child,
            _folder: folder,
            hashes,
            info,
            ports,
        }
    }

    fn params(&self) -> VisitParams {
        VisitParams {
            hashes: self.hashes.clone(),
            info_hash: self.hashes.wire().next().unwrap(),
            peer_id: *b"-SW0100-abcdefghijkl",
            client: "seedwatch/0.1".into(),
            encryption: Encryption::Allow,
            pieces: None,
            fetch_metadata: true,
            timing: Timing::default(),
        }
    }

    fn visit(&self, role: &str) -> VisitReport {
        visit(self.params(), self.ports[role])
    }

    fn check(&self, role: &str, reason: Reason, encryption: Option<Method>) -> VisitReport {
        let report = self.visit(role);
        assert_eq!(
            (report.reason, report.encryption),
            (reason, encryption),
            "{role}: {report:?}"
        );
        report
    }

    fn check_metadata(&self, report: &VisitReport) {
        let MetadataResult::Verified(metadata) = &report.metadata else {
            panic!("{report:?}");
        };
        assert_eq!(metadata.info(), self.info);
        assert_eq!(metadata.pieces().get(), PIECES);
    }
}

impl Drop for Zoo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn peers_in_every_state_are_named_rightly() {
    skip_without!(["libtorrent"]);
    let roles = [
        "seed", "lower", "hole", "empty", "super", "selected", "magnet",
    ];
    let zoo = Zoo::open(&roles);
    // At the same time, because some of them take more than ten seconds.
    let [seed, lower, hole, empty, super_seed, selected, magnet] = std::thread::scope(|scope| {
        let visits = roles.map(|role| scope.spawn(|| zoo.visit(role)));
        visits.map(|visit| visit.join().unwrap())
    });
    for (report, reason) in [
        (&seed, Reason::HasAll),
        (&lower, Reason::LacksPieces),
        (&hole, Reason::LacksPieces),
        (&empty, Reason::HasNone),
        (&super_seed, Reason::PossibleSuperSeed),
        (&selected, Reason::LacksPieces),
        (&magnet, Reason::NoPieceState),
    ] {
        assert_eq!(
            (report.reason, report.encryption),
            (reason, None),
            "{report:?}"
        );
    }
    zoo.check_metadata(&seed);
    assert!(seed.claims.client.unwrap().starts_with("libtorrent/"));
    zoo.check_metadata(&lower);
    assert_eq!(lower.pieces.unwrap().len(), Some(10));
    assert_eq!(lower.claims.upload_only, None);
    assert_eq!(lower.claims.complete_ago, Some(CompleteAgo::Never));
    let pieces = hole.pieces.unwrap();
    assert!(pieces.contains(0) && pieces.contains(5));
    assert_eq!(pieces.len(), Some(2));
    assert_eq!(selected.claims.upload_only, Some(true), "a partial seed");
    assert_eq!(magnet.metadata, MetadataResult::NotOffered);
}

#[test]
fn two_halves_are_one_copy() {
    skip_without!(["libtorrent"]);
    let zoo = Zoo::open(&["lower", "upper", "most"]);
    let mut availability = Availability::new(PieceCount::exactly(PIECES.try_into().unwrap()));
    for (role, expected) in [("lower", "0.500"), ("upper", "1.000"), ("most", "1.950")] {
        let report = zoo.visit(role);
        availability.add(report.pieces.as_ref().unwrap()).unwrap();
        assert_eq!(availability.copies().to_string(), expected, "{role}");
    }
    assert_eq!(availability.complete_peers(), 0);
}

#[test]
fn encryption_is_used_where_it_is_required() {
    skip_without!(["libtorrent"]);
    let zoo = Zoo::open(&[
        "encrypted-seed",
        "encrypted-lower",
        "encrypted-empty",
        "plaintext",
    ]);
    let rc4 = Some(Method::Rc4);
    zoo.check_metadata(&zoo.check("encrypted-seed", Reason::HasAll, rc4));
    zoo.check("encrypted-lower", Reason::LacksPieces, rc4);
    zoo.check("encrypted-empty", Reason::HasNone, rc4);
    zoo.check("plaintext", Reason::HasAll, None);
    let with = |encryption, role: &str| {
        let params = VisitParams {
            encryption,
            ..zoo.params()
        };
        visit(params, zoo.ports[role])
    };
    let report = with(Encryption::Disable, "encrypted-seed");
    assert_eq!(report.reason, Reason::ClosedAtOnce);
    let report = with(Encryption::Require, "plaintext");
    assert_eq!(report.outcome(), Outcome::Closed);
    let report = with(Encryption::Require, "encrypted-seed");
    assert_eq!((report.reason, report.encryption), (Reason::HasAll, rc4));
}

#[test]
fn peers_that_refuse_are_closed_and_not_empty() {
    skip_without!(["libtorrent"]);
    let zoo = Zoo::open(&["paused", "other"]);
    for role in ["paused", "other"] {
        let report = zoo.visit(role);
        assert_eq!(report.outcome(), Outcome::Closed, "{role}: {report:?}");
    }
}

#[test]
fn both_swarms_of_a_hybrid_answer() {
    skip_without!(["libtorrent"]);
    let zoo = Zoo::open(&["hybrid"]);
    for hash in zoo.hashes.wire() {
        let params = VisitParams {
            info_hash: hash,
            ..zoo.params()
        };
        let report = visit(params, zoo.ports["hybrid"]);
        assert_eq!(report.reason, Reason::HasAll, "{report:?}");
        assert!(zoo.hashes.wire().any(|it| report.info_hash == Some(it)));
        assert!(matches!(report.metadata, MetadataResult::Verified(_)));
    }
}

/// Proves the accepting side of the key exchange, which other tests rest on.
#[test]
fn libtorrent_calls_a_scripted_peer_encrypted() {
    skip_without!(["libtorrent"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let zoo = Zoo::open(&[&format!("caller:{port}")]);
    let hash = zoo.hashes.wire().next().unwrap();
    let behaviour = Behaviour {
        accepts: Accepts::Required(Method::Rc4),
        ..Behaviour::new(hash).says(id::HAVE_NONE, &[])
    };
    let mut peer = ScriptedPeer::new(behaviour, [4; 32]);
    let (mut socket, _) = listener.accept().unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let mut buffer = [0; 4096];
    while !peer.heard.contains(&(id::HAVE_ALL, Vec::new())) {
        let length = socket.read(&mut buffer).unwrap();
        assert!(length > 0 && !peer.is_closed(), "{peer:?}");
        peer.receive(&buffer[..length]);
        socket.write_all(&peer.take_output()).unwrap();
    }
    assert_eq!(peer.handshake().unwrap().info_hash, hash);
}
