//! Any bytes are a list of some torrents, or a named failure, in every format; and what was read is
//! saved and read back. Run it as `krpc` is run.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seedwatch_lists::{Format, ListFormat, SavedList, explain, parse};

fuzz_target!(|input: &[u8]| {
    let _ = SavedList::decode(input);
    let Some((kind, bytes)) = input.split_first() else {
        return;
    };
    let kinds = [Format::Auto, Format::Lines, Format::Csv, Format::Json, Format::Rss];
    let format = ListFormat {
        format: kinds[usize::from(*kind) % kinds.len()],
        ..ListFormat::default()
    };
    match parse(bytes, &format, None) {
        Ok(list) => {
            assert!(!list.entries.is_empty());
            let saved = SavedList {
                entries: list.entries.into(),
                ..SavedList::default()
            };
            assert_eq!(SavedList::decode(&saved.encode()), Ok(saved));
        }
        Err(failure) => {
            let detail = explain(bytes, &format, None, failure).unwrap_or_default();
            assert!(detail.chars().count() < 2000);
        }
    }
});
