use proptest::prelude::*;

use super::*;

const V1: &str = "1bd088ee9166a062cf4af09cf99720fa6e1a3133";
const BASE32: &str = "DPIIR3URM2QGFT2K6COPTFZA7JXBUMJT";
const V2: &str = "caf1e1c30e81cb361b9ee167c4aa64228a7fa4fa9f6105232b28ad099f3a302e";

fn v1() -> Hashes {
    Hashes::V1(InfoHash::parse(V1).unwrap())
}

fn v2() -> Hashes {
    Hashes::V2(Box::new(InfoHashV2::parse(V2).unwrap()))
}

fn hybrid() -> Hashes {
    Hashes::of(v1().v1(), v2().v2()).unwrap()
}

#[test]
fn every_notation_of_a_hash_is_read() {
    for (link, expected) in [
        (format!("magnet:?xt=urn:btih:{V1}"), v1()),
        (format!("magnet:?xt=urn:btih:{BASE32}"), v1()),
        (
            format!("magnet:?xt=urn:btih:{}", BASE32.to_lowercase()),
            v1(),
        ),
        (format!("MAGNET:?XT=URN:BTIH:{}", V1.to_uppercase()), v1()),
        (format!("magnet:?xt=urn%3Abtih%3A{V1}"), v1()),
        (format!("magnet:?xt.1=urn:btih:{V1}"), v1()),
        (format!("magnet:?dn=x&amp;xt=urn:btih:{V1}&amp;xl=1"), v1()),
        (
            format!("magnet:?xt=urn:ed2k:31D6CFE0D16AE931B73C59D7E0C089C0&xt=urn:btih:{V1}"),
            v1(),
        ),
        (
            format!("magnet:?xt=urn:btih:{V1}&xt=urn:btih:{BASE32}"),
            v1(),
        ),
        (format!("magnet:?xt=urn:btmh:1220{V2}"), v2()),
        (
            format!("magnet:?xt=urn:btih:{V1}&xt=urn:btmh:1220{V2}"),
            hybrid(),
        ),
        (
            format!("magnet:?xt.2=urn:btmh:1220{V2}&xt.1=urn:btih:{V1}"),
            hybrid(),
        ),
        (
            format!("magnet:?xt=urn:btih:{}&xt=urn:btmh:1220{V2}", &V2[..40]),
            v2(),
        ),
        (format!("  magnet:?xt=urn:btih:{V1}\n"), v1()),
        (
            format!("magnet:?xt=urn:btih:{V1}&so=0-4000000000&so=0,2,4-18446744073709551615"),
            v1(),
        ),
        (
            format!("magnet:?xt=urn:btih:{V1}&ws=http://x&x.pe=127.0.0.1:1&=&&%&as=%ff"),
            v1(),
        ),
    ] {
        let magnet = Magnet::parse(&link).unwrap();
        assert_eq!(magnet.hashes, expected, "{link}");
        assert!(magnet.trackers.is_empty(), "{link}");
    }
}

#[test]
fn trackers_are_decoded_in_order() {
    let link = format!(
        "magnet:?xt=urn:btih:{V1}\
         &tr=udp%3A%2F%2Fa.example%3A1337%2Fannounce\
         &tr.1=http://b.example/announce?passkey=s3cret\
         &TR.22=https%3a%2f%2fc.example%2fann%2Bounce\
         &tr=udp%253A%252F%252Fd.example%253A80\
         &tr=\
         &tr.x=udp://ignored.example:1\
         &amp;tr=http://e.example/a+b"
    );
    assert_eq!(
        Magnet::parse(&link).unwrap().trackers,
        [
            "udp://a.example:1337/announce",
            "http://b.example/announce?passkey=s3cret",
            "https://c.example/ann+ounce",
            "udp://d.example:80",
            "http://e.example/a+b",
        ]
    );
}

#[test]
fn links_from_web_pages_and_folded_lines_keep_trackers_and_name() {
    let tracker = "tr=udp%3A%2F%2Ft.example%3A1337%2Fannounce";
    for (head, between, key) in [
        ("magnet:?", "& ", ""),
        ("magnet:?", "&\n    ", ""),
        ("magnet:?", "&%20", ""),
        ("magnet:?", "&+", ""),
        ("magnet:?", "&\u{200b}", ""),
        ("magnet:?", "&amp;", ""),
        ("magnet:?", "&amp;amp;", ""),
        ("magnet:?", "&AMP; ", ""),
        ("magnet:?", "&#38;", ""),
        ("magnet:?", "&#038;", ""),
        ("magnet:?", "&#x26;", ""),
        ("magnet:?", "&#X0026; ", ""),
        ("magnet:///?", "&", ""),
        ("magnet://?", "&", ""),
        ("Magnet:/?", "&", ""),
        ("magnet:?", "&", "[]"),
        ("magnet:?", "&", "[0]"),
        ("magnet:?", "&", "%5B%5D"),
        ("magnet:?", "&", ".1"),
    ] {
        let tracker = tracker.replacen('=', &format!("{key}="), 1);
        let link = format!("{head}xt=urn:btih:{V1}{between}dn=n{between}{tracker}");
        let magnet = Magnet::parse(&link).unwrap();
        assert_eq!(magnet.trackers, ["udp://t.example:1337/announce"], "{link}");
        assert_eq!(magnet.name.as_deref(), Some("n"), "{link}");
        assert!(magnet.unread.is_empty(), "{link}");
    }
}

#[test]
fn web_seeds_are_read() {
    let link = format!(
        "magnet:?xt=urn:btih:{V1}&ws=https%3A%2F%2Fw.example%2Fa%20b&WS.1=http://x/&ws=\
         &as=http://y/"
    );
    let magnet = Magnet::parse(&link).unwrap();
    assert_eq!(magnet.web_seeds, ["https://w.example/a b", "http://x/"]);
    assert!(magnet.unread.is_empty() && magnet.trackers.is_empty());
}

#[test]
fn unknown_parameters_are_listed_without_secrets() {
    let link = format!(
        "magnet:?xt=urn:btih:{V1}&tr.x=udp://t.example:1&passkey=s3cret&x.pe=1.2.3.4:5&so=1\
         &http://t.example/s3cret/announce&0123456789abcdef0123456789abcdef=1&ws[0]=http://w/&;&"
    );
    let magnet = Magnet::parse(&link).unwrap();
    let unread: Vec<&str> = magnet.unread.iter().map(|key| &**key).collect();
    assert_eq!(unread, ["tr.x", "passkey", "?", "?", "?"]);
    let many = format!("magnet:?xt=urn:btih:{V1}{}", "&a=1".repeat(100));
    assert_eq!(Magnet::parse(&many).unwrap().unread.len(), MAX_UNKNOWN);
}

#[test]
fn names_are_decoded_and_printable() {
    for (dn, expected) in [
        ("dn=debian+13%20net%2Binst", Some("debian 13 net+inst")),
        ("dn=%E2%82%AC%0A%00", Some("€")),
        ("dn=caf%E9", Some("caf\u{fffd}")),
        ("dn=&dn=second", Some("second")),
        ("dn=100%", Some("100%")),
        ("xl=1", None),
    ] {
        let link = format!("magnet:?{dn}&xt=urn:btih:{V1}");
        let magnet = Magnet::parse(&link).unwrap();
        assert_eq!(magnet.name.as_deref(), expected, "{dn}");
    }
}

#[test]
fn rejections_name_the_reason() {
    let other = "0".repeat(40);
    for (link, expected) in [
        (String::new(), MagnetError::NotMagnet),
        (format!("magnet:xt=urn:btih:{V1}"), MagnetError::NotMagnet),
        (V1.to_owned(), MagnetError::NotMagnet),
        ("magnet:?".to_owned(), MagnetError::NoHash),
        (
            "magnet:?xt=urn:ed2k:31D6CFE0D16AE931B73C59D7E0C089C0".to_owned(),
            MagnetError::NoHash,
        ),
        (
            format!("magnet:?xt=urn:btih:{}", &V1[1..]),
            HashError::LengthV1(39).into(),
        ),
        (
            format!("magnet:?xt=urn:btih:{}", V1.replace('1', "g")),
            HashError::Hex.into(),
        ),
        (
            format!("magnet:?xt=urn:btih:{}", BASE32.replace('D', "0")),
            HashError::Base32.into(),
        ),
        (
            format!("magnet:?xt=urn:btmh:1114{V1}"),
            HashError::Multihash.into(),
        ),
        (
            format!("magnet:?xt=urn:btih:{V1}&xt=urn:btih:{other}"),
            MagnetError::TwoTorrents,
        ),
        (
            format!("magnet:?xt=urn:btih:{V1}&tr={}", "x".repeat(70_000)),
            MagnetError::TooLong,
        ),
    ] {
        assert_eq!(Magnet::parse(&link), Err(expected), "{link}");
    }
}

#[test]
fn debug_and_errors_never_show_a_passkey() {
    let link = format!("magnet:?xt=urn:btih:{V1}&tr=http://t.example/s3cret/announce");
    assert!(!format!("{:?}", Magnet::parse(&link)).contains("s3cret"));
    let link = "magnet:?xt=urn:btih:s3cret&tr=http://t.example/s3cret/announce";
    let error = Magnet::parse(link).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("s3cret"));
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        let _ = Magnet::parse(&text);
        let _ = Magnet::parse(&format!("magnet:?xt=urn:btih:{V1}&{text}"));
    }

    #[test]
    fn arbitrary_queries_never_panic(
        parameters in prop::collection::vec(
            "(xt|xt\\.1|tr|dn|so|amp;tr|%78t)=(urn:bt[im]h:|urn%3Abtih%3A)?(1220)?\
             [a-f0-9A-Z%é&+.]{0,70}",
            0..8,
        )
    ) {
        let _ = Magnet::parse(&format!("magnet:?{}", parameters.join("&")));
    }

    #[test]
    fn written_links_are_read(hash in any::<[u8; 20]>(), path in "[a-z0-9/]{0,40}") {
        let tracker = format!("udp://tracker.example:6969/{path}");
        let escaped = percent_encoding::utf8_percent_encode(
            &tracker,
            percent_encoding::NON_ALPHANUMERIC,
        );
        let link = format!("magnet:?xt=urn:btih:{}&tr={escaped}", InfoHash(hash));
        let magnet = Magnet::parse(&link).unwrap();
        prop_assert_eq!(magnet.hashes, Hashes::V1(InfoHash(hash)));
        prop_assert_eq!(magnet.trackers, vec![tracker]);
    }
}
