//! Any text can be read as the query string of a list of torrents; the canonical form of what was
//! read is read as the same query. Run it as `krpc` is run.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seedwatch::web::TorrentQuery;
use seedwatch_core::snapshot::Snapshot;

fuzz_target!(|text: &str| {
    match TorrentQuery::parse(text) {
        Ok(query) => {
            let canonical = query.to_query();
            assert!(canonical.bytes().all(|byte| byte.is_ascii_graphic()));
            assert_eq!(TorrentQuery::parse(&canonical), Ok(query.clone()));
            let selection = query.select(&Snapshot::default());
            assert!(selection.total == 0 && selection.indices.is_empty());
        }
        Err(error) => {
            assert!(error.to_string().len() < 1000 && !error.code().is_empty());
        }
    }
});
