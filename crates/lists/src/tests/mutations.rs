//! Damaged lists: none makes a parser panic.

use super::*;
use crate::SavedList;

/// How many damaged lists are read.
const BODIES: u32 = 100_000;

/// A small generator of random numbers (xorshift), so that a failure is found again.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

/// Bytes that mean something in one of the formats.
const TOKENS: [&[u8]; 24] = [
    b"<item>",
    b"</item>",
    b"<![CDATA[",
    b"]]>",
    b"<!--",
    b"&amp;",
    b"&#x110000;",
    b"&x;",
    b"<!DOCTYPE",
    b"magnet:?xt=urn:btih:",
    b"magnet:?",
    b"urn:btmh:1220",
    b"\"",
    b"'",
    b"\n",
    b",",
    b"\t",
    b"{",
    b"]",
    b"\\u",
    b"\\ud800",
    b"\xff\xfe",
    b"\0",
    b"\xc3",
];

fn seeds() -> Vec<Vec<u8>> {
    let magnet = format!(
        "magnet:?xt=urn:btih:{}&dn=a&tr=udp%3A%2F%2Ft.example%3A1&xl=5",
        hash(1)
    );
    let feed = format!(
        "<?xml version=\"1.0\"?><rss><channel><item><title>A &amp; B</title><link>{}</link>\
         <torznab:attr name=\"infohash\" value=\"{}\"/><enclosure url='x' length='1'/></item>\
         </channel></rss>",
        magnet.replace('&', "&amp;"),
        hash(1)
    );
    let atom = format!(
        "<feed><entry><id>urn:btih:{}</id><link href='y'/></entry></feed>",
        hash(2)
    );
    let json = format!(
        r#"{{"a":[{{"btih":"{}","size":5,"trackers":[["udp://t.example:1"]]}},"{magnet}",null]}}"#,
        hash(3)
    );
    let table = format!(
        "name,magnet,size\n\"a \"\"b\"\",c\",{magnet},7\nx,{},\n",
        hash(4)
    );
    let lines = format!("# c\n{magnet}\n{} name\n", hash(5));
    let utf16 = table.encode_utf16().flat_map(u16::to_le_bytes).collect();
    [feed, atom, json, table, lines]
        .into_iter()
        .map(String::into_bytes)
        .chain([utf16])
        .collect()
}

fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(12)).min(bytes.len());
        match random.below(5) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let token = TOKENS[random.below(TOKENS.len())];
                bytes.splice(at..at, token.iter().copied());
            }
            3 => {
                let copy = bytes[at..end].to_vec();
                let to = random.below(bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = random.below(256) as u8;
                }
            }
        }
    }
}

#[test]
fn no_damaged_list_makes_a_parser_panic() {
    let seeds = seeds();
    let kinds = [
        Format::Auto,
        Format::Lines,
        Format::Csv,
        Format::Json,
        Format::Rss,
    ];
    let formats = kinds.map(|format| ListFormat {
        format,
        ..ListFormat::default()
    });
    let mut random = Random(0x5eed_0a7c);
    let (mut good, mut bad) = (0, 0);
    for n in 0..BODIES {
        let mut body = seeds[random.below(seeds.len())].clone();
        mutate(&mut body, &mut random);
        // Most lists are of a kind that is told by the content.
        let format = if n % 4 > 0 {
            0
        } else {
            random.below(formats.len())
        };
        match parse(&body, &formats[format], None) {
            Ok(list) => {
                good += 1;
                assert!(!list.entries.is_empty());
                let entries = list.entries.into();
                if n % 100 == 0 {
                    let saved = SavedList {
                        entries,
                        ..SavedList::default()
                    };
                    assert_eq!(SavedList::decode(&saved.encode()), Ok(saved));
                }
            }
            Err(_) => bad += 1,
        }
    }
    assert!(
        good > BODIES / 20 && bad > BODIES / 20,
        "{good} good, {bad} bad"
    );
}
