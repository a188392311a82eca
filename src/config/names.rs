//! Unique names: every torrent is a label value.

use std::collections::HashMap;

use super::catalogue::{Catalogue, Draft, Name};
use seedwatch_input::yaml::Report;
use seedwatch_torrent::Hashes;

/// Returns for every draft, in order, its name if that is not the one it came with.
///
/// Configured names must differ. Display names that are equal to each other, or to a configured
/// name, all get the beginning of their info-hash appended. The name of a torrent thus does not
/// depend on its position in the file.
pub(super) fn choose(
    drafts: &[Draft],
    catalogue: &Catalogue,
    report: &mut Report,
) -> Vec<Option<Box<str>>> {
    let mut chosen: HashMap<&str, &Draft> = HashMap::new();
    let mut found: HashMap<&str, (&Draft, usize)> = HashMap::new();
    for draft in drafts {
        match &draft.name {
            Name::Configured(name) => {
                if let Some(first) = chosen.insert(name, draft) {
                    report_name_taken(draft, first, catalogue, report);
                }
            }
            Name::Display(name) => found.entry(name).or_insert((draft, 0)).1 += 1,
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
        let location = &draft.location;
        (location.source, location.index, location.file.as_deref())
    });
    for (name, (draft, count)) in ambiguous {
        let torrents = count + usize::from(chosen.contains_key(*name));
        let message = format!(
            "{torrents} torrents have the name {name:?}: the info-hash is appended where none is \
             chosen"
        );
        report.warn(catalogue.fault(&draft.location, message));
    }
    let mut names: Vec<Option<Box<str>>> = drafts
        .iter()
        .map(|draft| match &draft.name {
            Name::Display(name) if is_ambiguous(name) => Some(with_hash(name, &draft.hashes, 8)),
            Name::Configured(_) | Name::Display(_) => None,
            Name::None => Some(hash_name(&draft.hashes).into()),
        })
        .collect();
    resolve_collisions(drafts, &mut names, catalogue, report);
    names
}

/// Resolves collisions that remain: info-hashes that begin alike, or a configured name that looks
/// like one with an info-hash.
fn resolve_collisions(
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
    let is_shared: Vec<bool> = drafts
        .iter()
        .zip(&*names)
        .map(|(draft, name)| count[in_effect(draft, name)] > 1)
        .collect();
    for ((draft, name), is_shared) in drafts.iter().zip(&mut *names).zip(is_shared) {
        if let (Name::Display(found), true) = (&draft.name, is_shared) {
            *name = Some(with_hash(found, &draft.hashes, 40));
        }
    }
    let mut taken: HashMap<&str, &Draft> = HashMap::with_capacity(names.len());
    for (draft, name) in drafts.iter().zip(&*names) {
        if let Some(first) = taken.insert(in_effect(draft, name), draft)
            // Two configured names have been reported.
            && !matches!((&first.name, &draft.name), (Name::Configured(_), Name::Configured(_)))
        {
            report_name_taken(draft, first, catalogue, report);
        }
    }
}

/// Returns the new name, or the one that the draft came with.
fn in_effect<'a>(draft: &'a Draft, name: &'a Option<Box<str>>) -> &'a str {
    match (name, &draft.name) {
        (Some(name), _) | (None, Name::Configured(name) | Name::Display(name)) => name,
        (None, Name::None) => "",
    }
}

fn report_name_taken(draft: &Draft, first: &Draft, catalogue: &Catalogue, report: &mut Report) {
    let location = catalogue.describe(&first.location);
    let message = format!("its name is taken by {location}");
    report.fault(catalogue.fault(&draft.location, message));
}

/// Returns the info-hash as a name: version 1 if there is one.
pub(super) fn hash_name(hashes: &Hashes) -> String {
    match hashes {
        Hashes::V1(hash) | Hashes::Hybrid(hash, _) => hash.to_string(),
        Hashes::V2(hash) => hash.to_string(),
    }
}

/// Returns a name with the beginning of the info-hash appended.
pub(super) fn with_hash(name: &str, hashes: &Hashes, digits: usize) -> Box<str> {
    let hash = hash_name(hashes);
    let head = hash.get(..digits).unwrap_or(&hash);
    format!("{name} ({head})").into()
}
