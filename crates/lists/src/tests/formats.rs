//! Good lists of every kind.

use super::*;
use crate::{Fields, Role, SkipReason};

#[test]
fn lines_hold_magnets_and_hashes() {
    let text = format!(
        "# A comment\n\nmagnet:?xt=urn:btih:{}&dn=One&tr=udp%3A%2F%2Ft.example%3A1\n  {}  Two of \
         us\r\nurn:btih:{}\nhttps://site.example/4.torrent\n{}\nnot-a-hash\n",
        hash(1),
        hash(2),
        hash(3),
        hash(1)
    );
    let list = read(&text).unwrap();
    assert_eq!(numbers(&list), [1, 2, 3]);
    assert_eq!(list.entries[1].name.as_deref(), Some("Two of us"));
    assert_eq!(list.entries[0].trackers.len(), 1);
    let skipped: Vec<_> = list.skipped.iter().collect();
    assert_eq!(
        skipped,
        [
            (SkipReason::NoHash, 1),
            (SkipReason::BadHash, 1),
            (SkipReason::Duplicate, 1)
        ]
    );
}

#[test]
fn tables_have_quotes_newlines_and_any_separator() {
    for separator in [",", "\t", ";", "|"] {
        let text = format!(
            "Name;Info_Hash;Size\n\"A \"\"quoted\"\"\nname; really\";{};12\n;;\nshort\nB;{};x\n",
            hash(1),
            hash(2)
        );
        let text = text.replace(';', separator);
        let list = read(&text).unwrap();
        assert_eq!(numbers(&list), [1, 2], "{separator:?}");
        let name = list.entries[0].name.as_deref().unwrap();
        assert!(name.starts_with("A \"quoted\"name"), "{name}");
        assert_eq!(list.entries[0].size.map(|size| size.get()), Some(12));
        assert_eq!(list.entries[1].size, None);
        assert_eq!(list.skipped.of(SkipReason::NoHash), 1);
    }
}

#[test]
fn a_table_without_a_header_is_read_by_content() {
    let text = format!("One,magnet:?xt=urn:btih:{},7\nTwo,{},8\n", hash(1), hash(2));
    let list = read_as(Format::Csv, &text).unwrap();
    assert_eq!(numbers(&list), [1, 2]);
    assert_eq!(list.entries[1].name.as_deref(), Some("Two"));
}

#[test]
fn columns_are_found_by_the_names_of_the_user() {
    let text = format!("id,what,hash\n{},One,abc\n", hash(1));
    let format = ListFormat {
        fields: Fields::new(&[(Role::InfoHash, "id"), (Role::Name, "what")]),
        ..ListFormat::default()
    };
    let list = parse(text.as_bytes(), &format, None).unwrap();
    assert_eq!(numbers(&list), [1]);
    assert_eq!(list.entries[0].name.as_deref(), Some("One"));
}

#[test]
fn json_of_an_archive_is_read() {
    let text = format!(
        r#"[{{"url":"https://a.example/d/1.torrent","top_level_group_name":"managed_by_aa",
        "display_name":"one.torrent","is_metadata":false,"btih":"{}",
        "magnet_link":"magnet:?xt=urn:btih:{}&dn=one&tr=udp://t.example:1",
        "torrent_size":1234,"num_files":3,"data_size":98765,"seeders":3,
        "stats_scraped_at":null,"random":0.5}}]"#,
        hash(1),
        hash(1)
    );
    let list = read(&text).unwrap();
    assert_eq!(numbers(&list), [1]);
    assert_eq!(list.entries[0].name.as_deref(), Some("one.torrent"));
    assert_eq!(list.entries[0].size.map(|size| size.get()), Some(98765));
}

#[test]
fn json_lists_are_found_where_they_are() {
    let (a, b) = (hash(1), hash(2));
    for text in [
        format!(r#"["{a}","magnet:?xt=urn:btih:{b}"]"#),
        format!(r#"{{"count":2,"torrents":[{{"hash":"{a}"}},{{"hash":"{b}"}}]}}"#),
    ] {
        assert_eq!(numbers(&read(&text).unwrap()), [1, 2], "{text}");
    }
    for (path, text) in [
        (
            "arguments.torrents",
            format!(
                r#"{{"arguments":{{"torrents":[{{"hashString":"{a}"}},{{"hashString":"{b}"}}]}}}}"#
            ),
        ),
        // A map from hash to torrent.
        (
            "result",
            format!(r#"{{"result":{{"{a}":{{"name":"A"}},"{b}":{{"name":"B"}}}}}}"#),
        ),
        // Lists in a list.
        (
            "items.files",
            format!(
                r#"{{"items":[{{"files":[{{"btih":"{a}"}}]}},{{"files":[{{"btih":"{b}"}}]}}]}}"#
            ),
        ),
    ] {
        assert_eq!(numbers(&read_below(path, &text).unwrap()), [1, 2], "{text}");
    }
}

#[test]
fn json_fields_may_be_nested_and_trackers_in_tiers() {
    let text = format!(
        r#"[{{"torrent":{{"id":"\u0030{}"}},
        "trackers":[["udp://a.example:1"],["udp://b.example:2"]],
        "private":true}}, 7, null, [1]]"#,
        &hash(1)[1..]
    );
    let format = ListFormat {
        fields: Fields::new(&[(Role::InfoHash, "torrent.id")]),
        ..ListFormat::default()
    };
    let list = parse(text.as_bytes(), &format, None).unwrap();
    assert_eq!(numbers(&list), [1]);
    assert_eq!(list.entries[0].trackers.len(), 2);
    assert!(list.entries[0].is_private);
    assert_eq!(list.skipped.of(SkipReason::NoHash), 3);
}

/// A feed with these items.
fn rss(items: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rss version=\"2.0\" \
         xmlns:torznab=\"http://torznab.com/schemas/2015/feed\"><channel><title>Feed</title>\
         <link>https://feed.example/</link>{items}</channel></rss>\n"
    )
}

#[test]
fn all_six_forms_of_the_hash_in_a_feed() {
    let magnet = |n| format!("magnet:?xt=urn:btih:{}&amp;dn=x", hash(n));
    let items = [
        format!("<link>{}</link>", magnet(1)),
        format!(
            "<enclosure url=\"{}\" type=\"application/x-bittorrent\" length=\"9\"/>",
            magnet(2)
        ),
        format!("<guid isPermaLink=\"false\">{}</guid>", magnet(3)),
        format!("<torznab:attr name=\"infohash\" value=\"{}\"/>", hash(4)),
        format!("<info_hash>{}</info_hash>", hash(5)),
        format!(
            "<torrent xmlns=\"http://xmlns.ezrss.it/0.1/\"><infoHash>{}</infoHash></torrent>",
            hash(6).to_uppercase()
        ),
        format!("<guid>{}</guid>", hash(7)),
        // Also met: another namespace, CDATA, plain ampersands, our own identifiers.
        format!("<nyaa:infoHash>{}</nyaa:infoHash>", hash(8)),
        format!(
            "<link><![CDATA[magnet:?dn=a&xt=urn:btih:{}]]></link>",
            hash(9)
        ),
        format!(
            "<link>magnet:?dn=a&xt=urn:btih:{}&tr=udp://t.example:1</link>",
            hash(10)
        ),
        format!("<guid>urn:btih:{}</guid>", hash(11)),
    ];
    let items: String = items
        .iter()
        .map(|item| format!("<item><title>T &amp; &#252; &lt;</title>{item}</item>"))
        .collect();
    let list = read(&rss(&items)).unwrap();
    assert_eq!(numbers(&list), (1..=11).collect::<Vec<_>>());
    assert_eq!(list.entries[0].name.as_deref(), Some("T & ü <"));
    assert_eq!(list.entries[9].trackers.len(), 1);
    // The length of an enclosure is that of the file.
    assert_eq!(list.entries[1].size, None);
}

#[test]
fn torznab_has_attributes() {
    let item = format!(
        "<item><title>One</title><guid>https://i.example/1</guid><size>5</size>\
         <type>private</type><link>https://i.example/dl/1?apikey=KEY</link>\
         <enclosure url=\"https://i.example/dl/1?apikey=KEY\" length=\"5\" \
         type=\"application/x-bittorrent\" /><torznab:attr name=\"seeders\" value=\"3\" />\
         <torznab:attr name=\"magneturl\" value=\"magnet:?xt=urn:btih:{}&amp;tr=x\" />\
         <torznab:attr name=\"size\" value=\"6\" /></item>",
        hash(1)
    );
    let list = read(&rss(&item)).unwrap();
    assert_eq!(numbers(&list), [1]);
    assert_eq!(list.entries[0].size.map(|size| size.get()), Some(5));
    assert!(list.entries[0].is_private);
}

#[test]
fn atom_has_links_and_identifiers() {
    let text = format!(
        "<feed xmlns=\"http://www.w3.org/2005/Atom\"><id>urn:x</id>\
         <entry><title>One</title><link rel=\"alternate\" href=\"https://s.example/1\"/>\
         <link rel=\"enclosure\" href=\"magnet:?xt=urn:btih:{}&amp;xl=7\"/></entry>\
         <entry><title type=\"html\">Two</title><id>urn:btih:{}</id></entry></feed>",
        hash(1),
        hash(2)
    );
    let list = read(&text).unwrap();
    assert_eq!(numbers(&list), [1, 2]);
    assert_eq!(list.entries[0].size.map(|size| size.get()), Some(7));
    assert_eq!(list.entries[1].name.as_deref(), Some("Two"));
}

#[test]
fn media_content_has_the_size() {
    let item = format!(
        "<item><guid>{}</guid><media:content url=\"x\" fileSize=\"77\"/></item>",
        hash(1)
    );
    let list = read(&rss(&item)).unwrap();
    assert_eq!(list.entries[0].size.map(|size| size.get()), Some(77));
}
