//! Unique names: every torrent is a label value.

use std::collections::HashMap;

use super::catalogue::{Catalogue, Draft, Name};
use seedwatch_input::yaml::Report;
use seedwatch_torrent::Hashes;

/// For every draft, in order, its name where that is not the one it came with.
///
/// Chosen names must differ. Found ones that are equal to others, or to a chosen one, all get the
/// beginning of their info-hash appended, whatever their order: the name of a torrent does not
/// depend on where in the file it stands.
pub(super) fn choose(
    drafts: &[Draft],
    catalogue: &Catalogue,
    report: &mut Report,
) -> Vec<Option<Box<str>>> {
    let mut chosen: HashMap<&str, &Draft> = HashMap::new();
    let mut found: HashMap<&str, (&Draft, usize)> = HashMap::new();
    for draft in drafts {
        match &draft.name {
            Name::Chosen(name) => {
                if let Some(first) = chosen.insert(name, draft) {
                    report_taken(draft, first, catalogue, report);
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
            "{torrents} torrents have the name {name:?}: the info-hash is appended where none is \
             chosen"
        );
        report.warn(catalogue.fault(&draft.place, message));
    }
    let mut names: Vec<Option<Box<str>>> = drafts
        .iter()
        .map(|draft| match &draft.name {
            Name::Found(name) if is_ambiguous(name) => Some(with_hash(name, &draft.hashes, 8)),
            Name::Chosen(_) | Name::Found(_) => None,
            Name::None => Some(hash(&draft.hashes).into()),
        })
        .collect();
    settle(drafts, &mut names, catalogue, report);
    names
}

/// Names that are still equal: two hashes with one beginning, or somebody who chose a name that
/// looks like ours.
fn settle(
    drafts: &[Draft],
    names: &mut [Option<Box<str>>],
    catalogue: &Catalogue,
    report: &mut Report,
) {
    let mut count: HashMap<&str, u32> = HashMap::with_capacity(names.len());
    for (draft, name) in drafts.iter().zip(&*names) {
        *count.entry(in_effect(draft, name)).or_default() += 1;
    }
    if count.values().all(|count| *count == 1) {
        return;
    }
    let unsettled: Vec<bool> = drafts
        .iter()
        .zip(&*names)
        .map(|(draft, name)| count[in_effect(draft, name)] > 1)
        .collect();
    for ((draft, name), unsettled) in drafts.iter().zip(&mut *names).zip(unsettled) {
        if let (Name::Found(found), true) = (&draft.name, unsettled) {
            *name = Some(with_hash(found, &draft.hashes, 40));
        }
    }
    let mut taken: HashMap<&str, &Draft> = HashMap::with_capacity(names.len());
    for (draft, name) in drafts.iter().zip(&*names) {
        if let Some(first) = taken.insert(in_effect(draft, name), draft)
            // Two chosen names have been reported.
            && !matches!((&first.name, &draft.name), (Name::Chosen(_), Name::Chosen(_)))
        {
            report_taken(draft, first, catalogue, report);
        }
    }
}

/// The new name, or the one the draft came with.
fn in_effect<'a>(draft: &'a Draft, name: &'a Option<Box<str>>) -> &'a str {
    match (name, &draft.name) {
        (Some(name), _) | (None, Name::Chosen(name) | Name::Found(name)) => name,
        (None, Name::None) => "",
    }
}

fn report_taken(draft: &Draft, first: &Draft, catalogue: &Catalogue, report: &mut Report) {
    let place = catalogue.describe(&first.place);
    let message = format!("its name is taken by {place}");
    report.fault(catalogue.fault(&draft.place, message));
}

/// The info-hash as a name: version 1 if there is one.
fn hash(hashes: &Hashes) -> String {
    match hashes {
        Hashes::V1(hash) | Hashes::Hybrid(hash, _) => hash.to_string(),
        Hashes::V2(hash) => hash.to_string(),
    }
}

fn with_hash(name: &str, hashes: &Hashes, digits: usize) -> Box<str> {
    let hash = hash(hashes);
    let head = hash.get(..digits).unwrap_or(&hash);
    format!("{name} ({head})").into()
}
