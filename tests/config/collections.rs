//! Collections, and the many files of one work.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use seedwatch::config::Config;
use seedwatch_torrent::Hashes;

use super::{good, load};

/// Returns the name and the collection of each torrent.
fn collections(config: &Config) -> Vec<(&str, Option<&str>)> {
    let torrents = config.torrents.iter();
    torrents
        .map(|it| (&*it.name, it.collection().map(|name| &**name)))
        .collect()
}

/// Returns the number of names of collections in memory.
fn names_in_memory(config: &Config) -> usize {
    let torrents = config.torrents.iter();
    let mut names: Vec<*const str> = torrents
        .filter_map(|it| it.collection().map(Arc::as_ptr))
        .collect();
    names.sort_unstable_by_key(|name| name.cast::<u8>());
    names.dedup_by_key(|name| name.cast::<u8>());
    names.len()
}

/// The first collection that names a torrent wins, also over globs and included lists.
#[test]
fn a_torrent_is_in_one_collection() {
    let config = good("collections.yaml");
    let census = Some("census");
    assert_eq!(
        collections(&config),
        [
            ("0000000000000000000000000000000000000001", None),
            ("0123456789abcdef0123456789abcdef01234567", census),
            ("89abcdef0123456789abcdef0123456789abcdef", Some("maps")),
            ("fedcba9876543210fedcba9876543210fedcba98", census),
            ("seedwatch-fixture (5ea501c8)", census),
            ("seedwatch-fixture (d9c79f39)", census),
        ]
    );
    assert_eq!(names_in_memory(&config), 2);
    // A torrent without details needs no memory for them.
    assert_eq!(config.torrents[0].details, None);
    assert!(config.torrents[0].labels().is_empty());
}

/// A metainfo file knows the size, a magnet link may claim one, and hostile claims are unknown.
#[test]
fn sizes_are_known_or_unknown_with_a_warning() {
    let hash = |n: u8| format!("{n:02x}").repeat(20);
    let of_file = "9cbcf21570af1f77f72c56e9c99db1d3c4d0e8f7";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hybrid.torrent");
    let config = load(&format!(
        "torrents:\n\
         - {{name: a, magnet: \"magnet:?xt=urn:btih:{}&xl=7\"}}\n\
         - {{name: b, magnet: \"magnet:?xt=urn:btih:{}&xl=-7\"}}\n\
         - {{name: c, infohash: {}}}\n\
         - {{name: d, magnet: \"magnet:?xt=urn:btih:{of_file}&xl=9\"}}\n\
         - {{file: \"{}\"}}\n",
        hash(1),
        hash(2),
        hash(3),
        file.display(),
    ));
    let config = config.unwrap();
    let sizes: Vec<_> = config
        .torrents
        .iter()
        .map(|it| it.size.map(u64::from))
        .collect();
    assert_eq!(sizes[..3], [Some(7), None, None]);
    assert!(
        sizes[3].is_some_and(|size| size > 9),
        "that of the file: {sizes:?}"
    );
    let warnings: Vec<_> = config.warnings.iter().map(ToString::to_string).collect();
    let about_size: Vec<_> = warnings.iter().filter(|it| it.contains("size")).collect();
    assert_eq!(about_size.len(), 1, "{warnings:?}");
    let text = "its size is taken for unknown: a length is negative";
    assert!(about_size[0].contains(text), "{about_size:?}");
}

#[test]
fn a_hybrid_that_joins_two_collections_is_in_the_first() {
    let (v1, v2) = ("01".repeat(20), "02".repeat(32));
    let config = load(&format!(
        "torrents:\n\
         - {{infohash: {v1}, collection: a}}\n\
         - {{infohash: {v2}, collection: b}}\n\
         - {{magnet: \"magnet:?xt=urn:btih:{v1}&xt=urn:btmh:1220{v2}\", collection: c}}\n"
    ))
    .unwrap();
    let [(_, Some("a"))] = *collections(&config) else {
        panic!("{:?}", collections(&config));
    };
    let kept = config.warnings.iter().map(|warning| {
        let (_, place) = warning.split_once("the collection given by ")?;
        place.rsplit_once("config.yaml:").map(|(_, line)| line)
    });
    let kept: Vec<&str> = kept.flatten().collect();
    assert_eq!(kept, ["3 is kept", "2 is kept"]);
}

/// Writes `files` torrent files. Those from `distinct` on are copies of the first ones.
fn write_files(folder: &Path, files: usize, distinct: usize, name: impl Fn(usize) -> String) {
    for n in 0..files {
        let original = n % distinct;
        let name = name(original);
        let torrent = format!(
            "d8:announce24:udp://tracker.example:804:infod6:lengthi{original}e\
             4:name{}:{name}6:pieces0:ee",
            name.len()
        );
        fs::write(folder.join(format!("{n:03}.torrent")), torrent).unwrap();
    }
}

/// Returns the warnings without the path of the folder.
fn warnings(config: &Config, folder: &Path) -> Vec<String> {
    let warnings = config.warnings.iter();
    warnings
        .map(|warning| warning.replace(folder.to_str().unwrap(), ""))
        .collect()
}

/// A work of 275 files, 22 of which are copies.
#[test]
fn the_files_of_one_work_are_one_collection() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path();
    write_files(folder, 275, 253, |n| format!("volume {n:03}"));
    let path = folder.join("config.yaml");
    let yaml = "torrents:\n  - file: \"*.torrent\"\n    collection: the work\n";
    fs::write(&path, yaml).unwrap();
    let config = Config::load(&path).unwrap();
    let expected: Vec<String> = (0..253).map(|n| format!("volume {n:03}")).collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|name| (&**name, Some("the work")))
        .collect();
    assert_eq!(collections(&config), expected);
    assert_eq!(names_in_memory(&config), 1);
    let expected: Vec<String> = (253..275)
        .map(|n| {
            format!(
                "/config.yaml:2: torrents[0]: /{n}.torrent: the same torrent as \
                 /config.yaml:2 (/{:03}.torrent): merged",
                n - 253
            )
        })
        .collect();
    assert_eq!(warnings(&config, folder), expected);
}

/// Files with one name, some of which are copies.
#[test]
fn torrent_files_of_one_name_load() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path();
    write_files(folder, 30, 27, |_| "archive".to_owned());
    let path = folder.join("config.yaml");
    fs::write(&path, "torrents:\n  - file: \"*.torrent\"\n").unwrap();
    let config = Config::load(&path).unwrap();
    assert_eq!(config.torrents.len(), 27);
    for torrent in config.torrents.iter() {
        let Hashes::V1(hash) = &torrent.hashes else {
            panic!("{torrent:?}")
        };
        assert_eq!(
            *torrent.name,
            format!("archive ({})", &hash.to_string()[..8])
        );
    }
    assert_eq!(
        warnings(&config, folder),
        [
            "/config.yaml:2: torrents[0]: /027.torrent: the same torrent as \
             /config.yaml:2 (/000.torrent): merged",
            "/config.yaml:2: torrents[0]: /028.torrent: the same torrent as \
             /config.yaml:2 (/001.torrent): merged",
            "/config.yaml:2: torrents[0]: /029.torrent: the same torrent as \
             /config.yaml:2 (/002.torrent): merged",
            "/config.yaml:2: torrents[0]: /000.torrent: 27 torrents have the name \"archive\": \
             the info-hash is appended where none is chosen",
        ]
    );
}
