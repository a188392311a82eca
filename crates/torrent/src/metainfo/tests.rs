use proptest::prelude::*;

use super::*;

fn v1(text: &str) -> InfoHash {
    InfoHash::parse(text).unwrap()
}

fn v2(text: &str) -> InfoHashV2 {
    InfoHashV2::parse(text).unwrap()
}

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures")
        .join(name)
}

/// libtorrent 2.1.1 wrote the files and computed the hashes.
#[test]
fn hashes_agree_with_libtorrent() {
    let v1_only = v1("5ea501c886228c84617a6f14986f36fbc7bbd1b4");
    let v2_only = v2("d9c79f391046e643024b8dd1c4b206f4ba2a25cec8348220bd90566f2510b7fd");
    let hybrid_v1 = v1("9cbcf21570af1f77f72c56e9c99db1d3c4d0e8f7");
    let hybrid_v2 = v2("e7243ba40c95366422a4200a2c9b22828d28eec61ec3c4ebc6cbd289c73f1a07");
    for (file, hashes) in [
        ("v1.torrent", Hashes::V1(v1_only)),
        ("v2.torrent", Hashes::V2(Box::new(v2_only))),
        (
            "hybrid.torrent",
            Hashes::Hybrid(hybrid_v1, Box::new(hybrid_v2)),
        ),
    ] {
        let metainfo = Metainfo::open(&fixture(file)).unwrap();
        assert_eq!(metainfo.hashes, hashes, "{file}");
        assert_eq!(metainfo.name.as_deref(), Some("seedwatch-fixture"));
        assert!(!metainfo.private);
        // libtorrent writes the first tracker twice, as `announce` and as the first tier.
        assert_eq!(
            metainfo.trackers,
            [
                "udp://tracker.example:6969/announce",
                "udp://tracker.example:6969/announce",
                "http://tracker.example/announce",
                "https://second.example/announce",
            ],
            "{file}"
        );
    }
    let tiered = Metainfo::open(&fixture("v1.torrent")).unwrap();
    let tiers: Vec<_> = tiered.tiers.iter().map(|tier| tier.get()).collect();
    assert_eq!(tiers, [Some(0), Some(0), Some(1), Some(1)]);
}

#[test]
fn private_torrents_are_recognised() {
    let private = Metainfo::open(&fixture("private.torrent")).unwrap();
    assert!(private.private);
    assert_eq!(
        private.hashes,
        Hashes::V1(v1("70ce4fb36d5b9bf11152ef08f9c43f829a14cb05"))
    );
    assert!(!format!("{private:?}").contains("0123456789abcdef/"));
}

/// BEP 3 sets no limit to integers.
#[test]
fn integers_beyond_64_bits_are_tolerated() {
    let good = b"d13:creation datei18446744073709551615e4:infod6:lengthi99999999999999999999999e\
        4:name1:x6:pieces0:7:privatei18446744073709551615eee";
    assert!(Metainfo::parse(good).unwrap().private);
}

#[test]
fn the_hash_covers_the_raw_bytes() {
    // Unsorted keys, repeated keys and a leading zero are hashed as written.
    let info = b"d6:pieces20:aaaaaaaaaaaaaaaaaaaa6:lengthi007e4:name1:x4:name1:ye";
    let mut bytes = b"d8:announce0:4:info".to_vec();
    bytes.extend_from_slice(info);
    bytes.extend_from_slice(b"e\r\ntrailing");
    let metainfo = Metainfo::parse(&bytes).unwrap();
    assert_eq!(
        metainfo.hashes,
        Hashes::V1(InfoHash(Sha1::digest(info).into()))
    );
    assert!(metainfo.trackers.is_empty());
}

#[test]
fn web_seeds_may_be_a_list_a_string_or_empty() {
    let files = |url: &str| (url.to_owned(), WebSeedKind::Files);
    let pieces = |url: &str| (url.to_owned(), WebSeedKind::Pieces);
    for (entries, expected) in [
        ("8:url-list0:", vec![]),
        ("8:url-list1:a", vec![files("a")]),
        ("8:url-listl1:a0:1:be", vec![files("a"), files("b")]),
        (
            "9:httpseedsl1:ae8:url-list1:b",
            vec![files("b"), pieces("a")],
        ),
        ("8:url-listi1e", vec![]),
    ] {
        let bytes = format!("d{entries}4:infod6:pieces0:ee");
        let metainfo = Metainfo::parse(bytes.as_bytes()).unwrap();
        assert_eq!(metainfo.web_seeds, expected, "{entries}");
    }
    let many = format!("d8:url-listl{}e4:infod6:pieces0:ee", "1:a".repeat(5000));
    let metainfo = Metainfo::parse(many.as_bytes()).unwrap();
    assert_eq!(metainfo.web_seeds.len(), Metainfo::MAX_WEB_SEEDS);
}

fn with_trackers(entries: &str) -> Vec<String> {
    let bytes = format!("d{entries}4:infod6:pieces0:ee");
    Metainfo::parse(bytes.as_bytes()).unwrap().trackers
}

#[test]
fn announce_lists_may_be_nested_flat_or_malformed() {
    for (entries, expected) in [
        ("8:announce4:u://", &["u://"][..]),
        ("13:announce-listll1:a1:bel1:cee", &["a", "b", "c"]),
        ("13:announce-listl1:a1:be", &["a", "b"]),
        ("13:announce-list1:a", &["a"]),
        ("13:announce-listli1eledel1:aee", &["a"]),
        ("8:announcei1e13:announce-listll1:aee", &["a"]),
        ("8:announcel1:ae13:announce-listle", &["a"]),
        ("8:announce3: a 13:announce-listll0:1: ee", &["a"]),
    ] {
        assert_eq!(with_trackers(entries), expected, "{entries}");
    }
    let many = format!("13:announce-listl{}e", "1:a".repeat(5000));
    assert_eq!(with_trackers(&many).len(), Metainfo::MAX_TRACKERS);
}

#[test]
fn names_are_cleaned() {
    for (entries, expected) in [
        ("4:name3:abc", Some("abc")),
        ("4:name3:abc10:name.utf-83:\u{20ac}", Some("\u{20ac}")),
        ("10:name.utf-80:4:name3:abc", Some("abc")),
        ("4:name5:a\nb\x00c", Some("abc")),
        ("4:namei1e", None),
        ("", None),
    ] {
        let bytes = format!("d4:infod6:pieces0:{entries}ee");
        let metainfo = Metainfo::parse(bytes.as_bytes()).unwrap();
        assert_eq!(metainfo.name.as_deref(), expected, "{entries}");
    }
    let latin1 = b"d4:infod6:pieces0:4:name4:caf\xe9ee";
    assert_eq!(
        Metainfo::parse(latin1).unwrap().name.as_deref(),
        Some("caf\u{fffd}")
    );
}

#[test]
fn rejections_name_the_reason() {
    let nested = [b"l".repeat(40_000), b"e".repeat(40_000)].concat();
    for (bytes, expected) in [
        (&b""[..], "empty"),
        (b"  \n", "empty"),
        (b"<!DOCTYPE html>", "a web page, not a torrent"),
        (b"hello", "not a torrent: not bencode"),
        (b"\x89PNG", "not a torrent: not bencode"),
        (
            b"d4:infod6:pieces20:",
            "not a torrent: ends in the middle of a value",
        ),
        (
            b"d4:info99999999999:",
            "not a torrent: ends in the middle of a value",
        ),
        (&nested, "not a torrent: nested too deep"),
        (b"le", "not a torrent: it has no info dictionary"),
        (b"4:info", "not a torrent: it has no info dictionary"),
        (b"d4:infolee", "not a torrent: it has no info dictionary"),
        (
            b"d4:infodee",
            "not a torrent: its info dictionary has neither pieces nor a version 2 file tree",
        ),
        (
            b"d4:infod12:meta versioni2eee",
            "not a torrent: its info dictionary has neither pieces nor a version 2 file tree",
        ),
        (b"d4:infod12:meta versioni3eee", "meta version 3 is unknown"),
    ] {
        let error = Metainfo::parse(bytes).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn only_regular_files_of_bounded_size_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let large = dir.path().join("large.torrent");
    File::create(&large)
        .unwrap()
        .set_len(Metainfo::MAX_SIZE as u64 + 1)
        .unwrap();
    for (path, expected) in [
        (dir.path().to_owned(), "not a regular file"),
        (large, "larger than 64 MiB"),
        (
            dir.path().join("none"),
            "cannot be read: No such file or directory (os error 2)",
        ),
        ("/dev/zero".into(), "not a regular file"),
    ] {
        assert_eq!(Metainfo::open(&path).unwrap_err().to_string(), expected);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Metainfo::parse(&bytes);
    }

    #[test]
    fn damaged_files_never_panic(
        cut in 0usize..912,
        flips in prop::collection::vec((0usize..912, any::<u8>()), 0..6),
    ) {
        let mut bytes = std::fs::read(fixture("hybrid.torrent")).unwrap();
        prop_assert!(Metainfo::parse(&bytes[..cut]).is_err());
        for (at, byte) in flips {
            bytes[at] = byte;
        }
        let _ = Metainfo::parse(&bytes);
    }
}
