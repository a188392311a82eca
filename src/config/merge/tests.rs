use std::fs;

use super::*;
use crate::config::Config;
use seedwatch_lists::{ListFormat, parse};

const TRACKER: &str = "udp://tracker.example:1337/announce";

fn hash(n: u8) -> String {
    format!("{n:02x}").repeat(20)
}

/// A configuration with this text, whose lists have these contents.
fn merged(yaml: &str, contents: &[&str]) -> (Config, Merged) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    fs::write(&path, yaml).unwrap();
    let config = Config::load(&path).unwrap();
    let lists: Vec<_> = config.lists.all.iter().zip(contents).collect();
    let entries = |text: &str| {
        let list = parse(text.as_bytes(), &ListFormat::default(), None).unwrap();
        list.entries.into()
    };
    let lists: Vec<_> = lists
        .into_iter()
        .map(|(list, text)| (Arc::clone(list), entries(text)))
        .collect();
    let merged = config.merge(&lists);
    (config, merged)
}

fn names(merged: &Merged) -> Vec<&str> {
    merged.torrents.iter().map(|it| &*it.name).collect()
}

fn trackers(torrent: &Torrent) -> Vec<String> {
    torrent.trackers.iter().map(|url| url.to_string()).collect()
}

#[test]
fn without_a_list_the_torrents_are_shared() {
    let yaml = format!(
        "torrents: [{{infohash: {}}}]\nlists: [{{file: a}}]\n",
        hash(1)
    );
    let (config, merged) = merged(&yaml, &[]);
    assert!(Arc::ptr_eq(&merged.torrents, &config.lists.configured));
}

#[test]
fn names_are_unique_and_those_of_the_configuration_stay() {
    let yaml = format!(
        "torrents: [{{infohash: {}, name: One}}]\nlists: [{{file: a}}, {{file: b}}]",
        hash(1)
    );
    let one = format!(
        "{} One\n{} Two\n{} Three\n{}\n",
        hash(2),
        hash(3),
        hash(4),
        hash(5)
    );
    let two = format!("{} Two\n{} Other name\n", hash(6), hash(4));
    let (_, merged) = merged(&yaml, &[&one, &two]);
    let expected = [
        &*hash(5),
        "One",
        "One (02020202)",
        "Three",
        "Two",
        "Two (06060606)",
    ];
    assert_eq!(names(&merged), expected);
    assert_eq!(merged.left_out, 0);
}

#[test]
fn a_second_list_renames_nothing() {
    let yaml = "lists: [{file: a}, {file: b}]";
    let first = format!("{} One\n{} One\n", hash(3), hash(4));
    let (_, alone) = merged(yaml, &[&first, &format!("{} x\n", hash(5))]);
    assert_eq!(names(&alone), ["One", "One (04040404)", "x"]);
    // The second takes a name, the hash of a torrent without a name, and the name after it.
    let second = format!("{} One\n{} {}\n{}\n", hash(1), hash(2), hash(6), hash(6));
    let (_, both) = merged(yaml, &[&first, &second]);
    let nameless = format!("{0} ({0})", hash(6));
    let expected = [
        &*hash(6),
        &*nameless,
        "One",
        "One (01010101)",
        "One (04040404)",
    ];
    assert_eq!(names(&both), expected);
    let one = both.torrents.iter().find(|it| &*it.name == "One").unwrap();
    assert_eq!(one.hashes.v1().unwrap().to_string(), hash(3));
}

#[test]
fn privacy_does_not_depend_on_the_order() {
    let yaml = |consent: [bool; 2]| {
        format!(
            "trackers: [udp://everywhere.example:1]\n\
             lists: [{{file: a, private: {}}}, {{file: b, private: {}}}]\n",
            consent[0], consent[1]
        )
    };
    let public = format!(
        "magnet:?xt=urn:btih:{}&tr=udp://public.example:2\n",
        hash(1)
    );
    let private = format!(
        "infohash,private,trackers\n{},true,udp://private.example:3\n",
        hash(1)
    );
    for (consent, expected) in [(false, Privacy::LeftAlone), (true, Privacy::Consented)] {
        let (_, first) = merged(&yaml([consent, false]), &[&private, &public]);
        let (_, last) = merged(&yaml([false, consent]), &[&public, &private]);
        for merged in [&first, &last] {
            assert_eq!(merged.torrents.len(), 1);
            assert_eq!(merged.torrents[0].privacy, expected);
        }
        let of_private = ["udp://private.example:3"];
        if consent {
            assert_eq!(trackers(&first.torrents[0]), of_private);
            assert_eq!(trackers(&last.torrents[0]), of_private);
        }
    }
}

#[test]
fn a_torrent_that_any_list_calls_private_gets_nothing_from_another() {
    let yaml = format!(
        "torrents: [{{infohash: {}, name: mine, trackers: [{TRACKER}]}}]\n\
         lists: [{{file: a, collection: books}}, {{file: b}}]\n",
        hash(1)
    );
    let link = format!("magnet:?xt=urn:btih:{}&tr=udp://own.example:2\n", hash(1));
    let private = format!("infohash,private\n{},true\n", hash(1));
    let (config, merged) = merged(&yaml, &[&link, &private]);
    assert_eq!(merged.torrents[..], config.lists.configured[..]);
}

#[test]
fn what_a_list_adds_to_a_torrent_was_not_published() {
    let own = format!("magnet:?xt=urn:btih:{}&tr={TRACKER}", hash(1));
    let yaml = format!("torrents: [{{magnet: \"{own}\"}}]\nlists: [{{file: a}}]\n");
    let link = format!("magnet:?xt=urn:btih:{}&tr=udp://own.example:2\n", hash(1));
    let (_, merged) = merged(&yaml, &[&link]);
    let torrent = &merged.torrents[0];
    assert_eq!(torrent.trackers.len(), 2);
    let tiers = [0, 1].map(|n| torrent.trackers.tier(n));
    assert_eq!(tiers, [Some(0), None]);
}

#[test]
fn a_list_gives_its_torrents_collection_labels_and_trackers() {
    let yaml = format!(
        "trackers: [udp://everywhere.example:1]\nlists:\n  - file: a\n    collection: books\n    \
         labels: {{team: a}}\n    trackers: [{TRACKER}]\n"
    );
    let link = format!(
        "magnet:?xt=urn:btih:{}&dn=x&xl=7&tr=udp://own.example:2&ws=https://web.example/x\n",
        hash(1)
    );
    let (_, merged) = merged(&yaml, &[&link]);
    let torrent = &merged.torrents[0];
    assert_eq!(torrent.collection().map(|name| &**name), Some("books"));
    assert_eq!(torrent.labels()["team"], "a");
    assert_eq!(torrent.size.map(|size| size.get()), Some(7));
    assert_eq!(torrent.web_seeds().len(), 1);
    let expected = [
        "udp://tracker.example:1337",
        "udp://own.example:2",
        "udp://everywhere.example:1",
    ];
    assert_eq!(trackers(torrent), expected);
    assert_eq!(torrent.trackers.tier(1), Some(0));
}

#[test]
fn a_torrent_of_the_configuration_gets_what_it_lacks() {
    let yaml = format!(
        "torrents:\n  - {{infohash: {}, name: mine, trackers: [{TRACKER}], labels: {{a: \"1\"}}}}\n\
         lists: [{{file: a, collection: books, labels: {{a: \"2\", b: \"2\"}}}}]\n",
        hash(1)
    );
    let link = format!(
        "magnet:?xt=urn:btih:{}&dn=x&xl=7&tr=udp://own.example:2\n",
        hash(1)
    );
    let (_, merged) = merged(&yaml, &[&link]);
    let torrent = &merged.torrents[0];
    assert_eq!(&*torrent.name, "mine");
    assert_eq!(torrent.collection().map(|name| &**name), Some("books"));
    assert_eq!(
        (&*torrent.labels()["a"], &*torrent.labels()["b"]),
        ("1", "2")
    );
    assert_eq!(torrent.size.map(|size| size.get()), Some(7));
    assert_eq!(
        trackers(torrent),
        ["udp://tracker.example:1337", "udp://own.example:2"]
    );
}

#[test]
fn a_private_torrent_gets_nothing_from_a_list() {
    let yaml = format!(
        "torrents:\n  - {{infohash: {}, name: mine, private: true, trackers: [{TRACKER}]}}\n\
         lists: [{{file: a, collection: books}}]\n",
        hash(1)
    );
    let link = format!(
        "magnet:?xt=urn:btih:{}&xl=7&tr=udp://own.example:2\n",
        hash(1)
    );
    let (config, merged) = merged(&yaml, &[&link]);
    assert_eq!(merged.torrents[..], config.lists.configured[..]);
}

#[test]
fn private_entries_need_the_word_of_their_list() {
    let list = |n| format!("infohash,private\n{},true\n", hash(n));
    let yaml = "trackers: [udp://everywhere.example:1]\n\
                lists: [{file: a}, {file: b, private: true}]\n";
    let (_, merged) = merged(yaml, &[&list(1), &list(2)]);
    let privacy: Vec<Privacy> = merged.torrents.iter().map(|it| it.privacy).collect();
    assert_eq!(privacy, [Privacy::LeftAlone, Privacy::Consented]);
    assert!(merged.torrents.iter().all(|it| it.trackers.is_empty()));
}

#[test]
fn urls_in_lists_do_not_lead_into_local_networks() {
    let yaml = "trackers: [http://10.0.0.1:8080/announce]\nlists: [{file: a}]\n";
    let link = format!(
        "magnet:?xt=urn:btih:{}&tr=http://192.168.0.1/announce&tr=http://10.0.0.1:8080/announce\
         &tr=http://10.0.0.1:8080/other&tr=http://169.254.169.254/announce\n",
        hash(1)
    );
    let (_, merged) = merged(yaml, &[&link]);
    let torrent = &merged.torrents[0];
    assert_eq!(trackers(torrent), ["http://10.0.0.1:8080"]);
    assert_eq!(torrent.trackers[0].secret_path_and_query(), "/announce");
}
