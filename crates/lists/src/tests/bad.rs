//! Lists that cannot be used, each with its reason.

use proptest::prelude::*;

use super::*;
use crate::{MAX_BYTES, MAX_DEPTH, MAX_ENTRIES, SkipReason};

fn failure(text: &str) -> ListFailure {
    read(text).unwrap_err()
}

#[test]
fn what_is_no_list_is_named() {
    let billion = "<?xml version=\"1.0\"?><!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol1 \
                   \"&lol;&lol;\">]><rss><channel><item><title>&lol1;</title></item>\
                   </channel></rss>";
    let external = "<!DOCTYPE rss SYSTEM \"file:///etc/passwd\"><rss/>";
    let entity = "<rss><channel><item><title>a&nbsp;b</title></item></channel></rss>";
    let in_attribute = "<rss><channel><item><link href='&x;'/></item></channel></rss>";
    for (text, expected) in [
        ("", ListFailure::Empty),
        (" \n\t", ListFailure::Empty),
        ("# only a comment\n", ListFailure::Empty),
        ("[]", ListFailure::Empty),
        ("{\"torrents\":[]}", ListFailure::Empty),
        ("name,infohash\n", ListFailure::Empty),
        ("<rss><channel/></rss>", ListFailure::Empty),
        ("<!doctype html><title>504</title>", ListFailure::Html),
        (
            "<html><title>Just a moment...</title></html>",
            ListFailure::BotWall,
        ),
        ("{\"error\":\"no\"}", ListFailure::NotAList),
        (
            "<error code=\"100\" description=\"Incorrect user credentials\"/>",
            ListFailure::Rejected,
        ),
        ("<opml></opml>", ListFailure::NotAList),
        ("<rss><channel></rss></channel>", ListFailure::NotAList),
        ("[1,2,,]", ListFailure::NotAList),
        ("[]]", ListFailure::NotAList),
        ("[{\"name\":\"x\"}]", ListFailure::NoHashes),
        (
            "name,link\na,https://s.example/1.torrent\n",
            ListFailure::NoHashes,
        ),
        ("d8:announce3:abce", ListFailure::NoHashes),
        (billion, ListFailure::Entities),
        (external, ListFailure::Entities),
        (entity, ListFailure::Entities),
        (in_attribute, ListFailure::Entities),
    ] {
        assert_eq!(failure(text), expected, "{text}");
    }
}

#[test]
fn lists_that_end_in_the_middle_are_cut() {
    let json = format!(
        "[{{\"btih\":\"{}\"}},{{\"btih\":\"{}\"}}]",
        hash(1),
        hash(2)
    );
    for length in 1..json.len() {
        let cut = read_as(Format::Json, &json[..length]).unwrap_err();
        assert_eq!(cut, ListFailure::Truncated, "{}", &json[..length]);
    }
    let feed = format!(
        "<rss><channel><item><guid>{}</guid></item></channel></rss>",
        hash(1)
    );
    for length in 5..feed.len() {
        let cut = read_as(Format::Rss, &feed[..length]).unwrap_err();
        assert_eq!(cut, ListFailure::Truncated, "{}", &feed[..length]);
    }
    let table = format!("name,infohash\none,{}\ntwo,{}", hash(1), hash(2));
    assert!(read(&table).is_ok());
    assert_eq!(failure(&table[..table.len() - 1]), ListFailure::Truncated);
    let quoted = format!("infohash,name\n{},one\n{},\"two\nthree\n", hash(1), hash(2));
    assert_eq!(failure(&quoted), ListFailure::Truncated);
    let lines = format!("{}\n{}", hash(1), hash(2));
    assert!(read(&lines).is_ok());
    assert_eq!(failure(&lines[..lines.len() - 1]), ListFailure::Truncated);
}

#[test]
fn nesting_is_bounded_before_it_is_read() {
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    let at_most = format!("[{},\"{}\"]", deep(MAX_DEPTH - 1), hash(1));
    assert!(read(&at_most).is_ok());
    for levels in [MAX_DEPTH + 1, 100_000] {
        assert_eq!(failure(&deep(levels)), ListFailure::TooDeep);
        assert_eq!(failure(&"{\"a\":".repeat(levels)), ListFailure::TooDeep);
        assert_eq!(
            failure(&format!("<rss>{}", "<a>".repeat(levels))),
            ListFailure::TooDeep
        );
    }
    // Brackets in strings are no nesting.
    let text = format!("[\"{}\",\"{}\"]", "[".repeat(1000), hash(1));
    assert_eq!(numbers(&read(&text).unwrap()), [1]);
}

#[test]
fn size_and_entries_are_bounded() {
    let format = ListFormat::default();
    let large = parse(&vec![b'#'; MAX_BYTES + 1], &format, None);
    assert_eq!(large, Err(ListFailure::TooLarge));
    let many = format!("{}\n", hash(1)).repeat(MAX_ENTRIES + 1);
    assert_eq!(failure(&many), ListFailure::TooLarge);
    let many = format!("[{}0]", "0,".repeat(MAX_ENTRIES));
    assert_eq!(failure(&many), ListFailure::TooLarge);
}

#[test]
fn an_entry_that_is_too_long_is_counted() {
    let long = "x".repeat(70_000);
    for text in [
        format!("{}\nmagnet:?xt=urn:btih:{}&dn={long}\n", hash(1), hash(2)),
        format!(
            "[\"{}\",{{\"magnet\":\"magnet:?xt=urn:btih:{}&dn={long}\"}}]",
            hash(1),
            hash(2)
        ),
        format!(
            "name,magnet\na,{}\n{long},magnet:?xt=urn:btih:{}&dn={long}\n",
            hash(1),
            hash(2)
        ),
        format!(
            "<rss><item><guid>{}</guid></item>\
             <item><link>magnet:?xt=urn:btih:{}{long}</link></item></rss>",
            hash(1),
            hash(2)
        ),
    ] {
        let list = read(&text).unwrap();
        assert_eq!(numbers(&list), [1]);
        assert_eq!(list.skipped.of(SkipReason::TooLong), 1, "{}", &text[..80]);
    }
}

#[test]
fn encodings_of_spreadsheets_are_read() {
    let text = format!("name;infohash\nZürich;{}\n", hash(1));
    let latin1: Vec<u8> = text.chars().map(|c| c as u8).collect();
    let utf16: Vec<u8> = "\u{feff}"
        .encode_utf16()
        .chain(text.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let marked = [&b"\xef\xbb\xbf"[..], text.as_bytes()].concat();
    for bytes in [latin1, utf16, marked, text.into_bytes()] {
        let list = parse(&bytes, &ListFormat::default(), None).unwrap();
        assert_eq!(list.entries[0].name.as_deref(), Some("Zürich"));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_list_or_a_failure(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        format in 0usize..5,
    ) {
        let format = [Format::Auto, Format::Lines, Format::Csv, Format::Json, Format::Rss][format];
        let format = ListFormat { format, ..ListFormat::default() };
        if let Ok(list) = parse(&bytes, &format, None) {
            prop_assert!(!list.entries.is_empty());
        }
    }

    #[test]
    fn hashes_survive_every_format(numbers_in in proptest::collection::vec(0u32..50, 1..20)) {
        let mut expected = Vec::new();
        for n in &numbers_in {
            if !expected.contains(n) {
                expected.push(*n);
            }
        }
        let join = |entry: fn(u32) -> String, between| {
            let entries: Vec<String> = numbers_in.iter().map(|n| entry(*n)).collect();
            entries.join(between)
        };
        let json = format!("[{}]", join(|n| format!("{{\"hash\":\"{}\"}}", hash(n)), ","));
        let feed = format!(
            "<rss>{}</rss>",
            join(|n| format!("<item><guid>{}</guid></item>", hash(n)), "")
        );
        let table = format!("x,infohash\n{}\n", join(|n| format!("a,{}", hash(n)), "\n"));
        for text in [json, feed, table, join(hash, "\n")] {
            let list = read(&text).unwrap();
            prop_assert_eq!(numbers(&list), &expected[..]);
            let duplicates = list.skipped.of(SkipReason::Duplicate) as usize;
            prop_assert_eq!(duplicates, numbers_in.len() - expected.len());
        }
    }
}
