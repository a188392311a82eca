//! Unique names: every torrent is a label value.

use std::collections::HashMap;
use std::fmt::Display;

use super::catalogue::{Catalogue, Draft, Name};
use super::report::Report;
use crate::torrent::Hashes;

/// One name a draft, in order.
///
/// Chosen names must differ. Found ones that are equal to others, or to a chosen one, all get the
/// beginning of their info-hash appended, whatever their order: the name of a torrent does not
/// depend on where in the file it stands.
pub(super) fn choose(
    drafts: &[Draft],
    catalogue: &Catalogue,
    report: &mut Report,
) -> Vec<Box<str>> {
    let mut chosen: HashMap<&str, &Draft> = HashMap::new();
    let mut found: HashMap<&str, (&Draft, usize)> = HashMap::new();
    for draft in drafts {
        match &draft.name {
            Name::Chosen(name) => {
                if let Some(first) = chosen.insert(name, draft) {
                    let place = catalogue.describe(&first.place);
                    let message = format!("its name is taken by {place}");
                    report.fault(catalogue.fault(&draft.place, message));
                }
            }
            Name::Found(name) => found.entry(name).or_insert((draft, 0)).1 += 1,
            Name::None => {}
        }
    }
    let is_ambiguous = |name: &str| {
        chosen.contains_key(name) || found.get(name).is_some_and(|(_, count)| *count > 1)
    };
    let mut ambiguous: Vec<_> = found
        .iter()
        .filter(|(name, _)| is_ambiguous(name))
        .collect();
    ambiguous.sort_unstable_by_key(|(_, (draft, _))| {
        let place = &draft.place;
        (place.source, place.index, place.file.as_deref())
    });
    for (name, (draft, count)) in ambiguous {
        let torrents = count + usize::from(chosen.contains_key(*name));
        let message = format!(
            "{torrents} torrents have the name {name:?}: the info-hash is appended where none is chosen"
        );
        report.warn(catalogue.fault(&draft.place, message));
    }
    let mut names: Vec<Box<str>> = drafts
        .iter()
        .map(|draft| match &draft.name {
            Name::Chosen(name) => name.clone(),
            Name::Found(name) if is_ambiguous(name) => with_hash(name, &draft.hashes, 8),
            Name::Found(name) => name.clone(),
            Name::None => hash(&draft.hashes).into(),
        })
        .collect();
    settle(drafts, &mut names, catalogue, report);
    names
}

/// Names that are still equal: two hashes with one beginning, or somebody who chose a name that
/// looks like ours.
fn settle(drafts: &[Draft], names: &mut [Box<str>], catalogue: &Catalogue, report: &mut Report) {
    let mut count: HashMap<&str, u32> = HashMap::with_capacity(names.len());
    for name in &*names {
        *count.entry(name).or_default() += 1;
    }
    if count.values().all(|count| *count == 1) {
        return;
    }
    let unsettled: Vec<bool> = names.iter().map(|name| count[&**name] > 1).collect();
    for ((draft, name), unsettled) in drafts.iter().zip(&mut *names).zip(unsettled) {
        if let (Name::Found(found), true) = (&draft.name, unsettled) {
            *name = with_hash(found, &draft.hashes, 40);
        }
    }
    let mut taken: HashMap<&str, &Draft> = HashMap::with_capacity(names.len());
    for (draft, name) in drafts.iter().zip(&*names) {
        match taken.insert(name, draft) {
            // Two chosen names have been reported.
            Some(first)
                if !matches!(
                    (&first.name, &draft.name),
                    (Name::Chosen(_), Name::Chosen(_))
                ) =>
            {
                let place = catalogue.describe(&first.place);
                let message = format!("its name is taken by {place}");
                report.fault(catalogue.fault(&draft.place, message));
            }
            _ => {}
        }
    }
}

/// The info-hash as a name: version 1 if there is one.
fn hash(hashes: &Hashes) -> String {
    match (hashes.v1(), hashes.v2()) {
        (Some(v1), _) => v1.to_string(),
        (None, Some(v2)) => v2.to_string(),
        (None, None) => String::new(),
    }
}

fn with_hash(name: &str, hashes: &Hashes, digits: usize) -> Box<str> {
    let hash = hash(hashes);
    let head: &dyn Display = &hash.get(..digits).unwrap_or(&hash);
    format!("{name} ({head})").into()
}
