//! The state of one list between fetches.

use std::collections::BTreeMap;
use std::sync::Arc;

use tracing::{info, warn};

use super::copies::LoadedCopy;
use super::fetch::{Content, FetchRequest, FileStamp, Outcome};
use super::key::ListKey;
use crate::config::{List, ListSource};
use seedwatch_clock::{Mono, Now, Unix};
use seedwatch_core::snapshot::ListRow;
use seedwatch_lists::{
    Decision, Entry, Fetched, Guard, ListFailure, ParsedList, SavedList, Skipped, Validators,
};
use seedwatch_probers::http::Downloader;

/// A copy that is only confirmed is saved again after so many seconds, so that the time of the last
/// success survives a restart.
const SAVE_AGAIN: u64 = 3600;

/// The state of one list.
pub(super) struct Watched {
    list: Arc<List>,
    key: ListKey,
    guard: Guard,
    /// The last good copy.
    good: Option<SavedList>,
    /// The key of the list when that copy was read: the list may have another source since.
    copy_key: ListKey,
    /// When the copy was saved last.
    saved: Unix,
    /// The file that was read last.
    stamp: Option<FileStamp>,
    /// Whether a fetch is under way.
    is_busy: bool,
    /// The outcome of the latest fetch; `None` before the first.
    latest: Option<Result<(), ListFailure>>,
    /// What the latest fetch failed at.
    detail: Option<Box<str>>,
    failures: BTreeMap<&'static str, u64>,
}

/// A copy to save.
pub(super) struct Save {
    pub(super) key: ListKey,
    pub(super) copy: SavedList,
    /// The key of the copy to remove afterwards.
    pub(super) replaces: Option<ListKey>,
}

/// What follows from a fetch.
#[derive(Default)]
pub(super) struct Consequence {
    /// The copy to save.
    pub(super) save: Option<Save>,
    /// Whether the entries changed.
    pub(super) is_changed: bool,
}

impl Watched {
    /// Returns the state of a list that was not fetched yet by this process.
    pub(super) fn new(list: Arc<List>, key: ListKey, loaded: Option<LoadedCopy>) -> Self {
        let copy_key = loaded.as_ref().map_or(key, |loaded| loaded.key);
        let good = loaded.map(|loaded| loaded.copy);
        Self {
            guard: guard_of(&list),
            list,
            key,
            saved: good.as_ref().map_or(Unix(0), |copy| copy.confirmed),
            good,
            copy_key,
            stamp: None,
            is_busy: false,
            latest: None,
            detail: None,
            failures: BTreeMap::new(),
        }
    }

    /// Returns the state after a reload, which may have changed any setting of the list. The last
    /// good copy stays in use until the list was read from its new source once. A new interval
    /// holds from now on.
    pub(super) fn reloaded(self, list: Arc<List>, key: ListKey) -> Self {
        let mut guard = self.guard.clone();
        if list.interval != self.list.interval || list.source != self.list.source {
            guard = guard_of(&list);
        }
        if list.source == self.list.source {
            guard.resume(&self.guard);
            guard.hasten();
        }
        if key.has_source_of(self.key) {
            return Self {
                list,
                key,
                guard,
                ..self
            };
        }
        Self {
            list,
            key,
            guard,
            stamp: None,
            // The outcome of a fetch from the earlier source is dropped.
            is_busy: false,
            latest: None,
            detail: None,
            ..self
        }
    }

    /// Returns the key of the list.
    pub(super) fn key(&self) -> ListKey {
        self.key
    }

    /// Returns the key of the last good copy; `None` without one.
    pub(super) fn copy_key(&self) -> Option<ListKey> {
        self.good.as_ref().map(|_| self.copy_key)
    }

    /// Returns the last good copy if it is of the present source, read in the present way.
    fn own_copy(&self) -> Option<&SavedList> {
        let is_own = self.copy_key.has_source_of(self.key);
        self.good.as_ref().filter(|_| is_own)
    }

    /// Returns the entries in use; `None` without a good copy.
    pub(super) fn entries(&self) -> Option<Arc<[Entry]>> {
        self.good.as_ref().map(|copy| Arc::clone(&copy.entries))
    }

    /// Returns when a fetch is due; `None` while one is under way.
    pub(super) fn due(&self) -> Option<Mono> {
        (!self.is_busy).then(|| self.guard.due())
    }

    /// Begins a fetch.
    pub(super) fn begin(&mut self, downloader: Downloader) -> FetchRequest {
        self.is_busy = true;
        let good = self.own_copy();
        FetchRequest {
            list: Arc::clone(&self.list),
            validators: good.map(|copy| copy.validators.clone()).unwrap_or_default(),
            // A list that waits for its confirmation is read again.
            stamp: self.stamp.filter(|_| !self.guard.is_unconfirmed()),
            downloader,
        }
    }

    /// Takes the outcome of a fetch. `jitter` is a random number from 0 to 1.
    pub(super) fn end(&mut self, outcome: Outcome, jitter: f64, now: Now) -> Consequence {
        self.is_busy = false;
        let is_same_file = outcome.stamp.is_some() && outcome.stamp == self.stamp;
        self.stamp = outcome.stamp;
        if matches!(self.list.source, ListSource::File(_)) && !is_same_file {
            self.guard.file_changed(now.mono);
        }
        let retry_after = outcome.result.as_ref().err().and_then(|it| it.retry_after);
        let fetched = match &outcome.result {
            Ok(Content::List(list, _)) => Fetched::List(list),
            // The same file still has what was wrong with it.
            Ok(Content::Unchanged) => match self.latest {
                Some(Err(failure)) if is_same_file => Fetched::Failed(failure),
                _ => Fetched::Unchanged,
            },
            Err(error) => Fetched::Failed(error.failure),
        };
        // A list from another source may be much shorter.
        let good = self.own_copy().map(|copy| copy.entries.len());
        let guard = &mut self.guard;
        let decision = guard.absorb(fetched, good, retry_after, jitter, now.mono);
        match decision {
            Decision::Refused(failure) => {
                let is_news = !is_same_file || self.latest != Some(Err(failure));
                let detail = outcome.result.err().map(|error| error.detail);
                self.refuse(failure, detail, is_news);
                Consequence::default()
            }
            Decision::Confirmed => self.confirm(now.unix),
            Decision::Accepted => match outcome.result {
                Ok(Content::List(list, validators)) => self.accept(list, validators, now.unix),
                _ => Consequence::default(),
            },
        }
    }

    fn refuse(&mut self, failure: ListFailure, detail: Option<String>, is_news: bool) {
        if is_news {
            *self.failures.entry(failure.as_label()).or_default() += 1;
            let detail = detail.unwrap_or_else(|| failure.to_string());
            self.detail = Some(detail.into());
        }
        if self.latest.replace(Err(failure)) == Some(Err(failure)) {
            return;
        }
        let (list, reason) = (&self.list.name, failure.as_label());
        let detail = self.detail.as_deref();
        match &self.good {
            Some(good) => warn!(
                %list,
                reason,
                detail,
                entries = good.entries.len(),
                "torrent list not usable: the last good copy stays in use"
            ),
            None => warn!(
                %list,
                reason,
                detail,
                "torrent list not usable, and there is no good copy of it yet"
            ),
        }
    }

    fn confirm(&mut self, now: Unix) -> Consequence {
        self.recover();
        let Some(good) = &mut self.good else {
            return Consequence::default();
        };
        good.confirmed = now;
        let is_due = now.0.saturating_sub(self.saved.0) >= SAVE_AGAIN;
        Consequence {
            save: is_due.then(|| self.save(now)).flatten(),
            is_changed: false,
        }
    }

    fn accept(&mut self, list: ParsedList, validators: Validators, now: Unix) -> Consequence {
        let known = self.good.as_ref().map(|copy| &copy.entries);
        let is_changed = known.is_none_or(|known| **known != *list.entries);
        let has_other_validators =
            |known: &SavedList| known.validators != validators && validators != Default::default();
        self.recover();
        let must_save = is_changed || self.own_copy().is_none_or(has_other_validators);
        if is_changed {
            self.log(&list.skipped, list.entries.len());
        }
        // The same entries stay shared with the torrents in use.
        let entries = self.entries().filter(|_| !is_changed);
        self.good = Some(SavedList {
            entries: entries.unwrap_or_else(|| list.entries.into()),
            validators,
            confirmed: now,
        });
        let is_due = now.0.saturating_sub(self.saved.0) >= SAVE_AGAIN;
        Consequence {
            save: (must_save || is_due).then(|| self.save(now)).flatten(),
            is_changed,
        }
    }

    /// Returns the copy to save, which is one of the present source from now on.
    fn save(&mut self, now: Unix) -> Option<Save> {
        let copy = self.good.clone()?;
        self.saved = now;
        let before = std::mem::replace(&mut self.copy_key, self.key);
        Some(Save {
            key: self.key,
            copy,
            replaces: (before != self.key).then_some(before),
        })
    }

    fn recover(&mut self) {
        self.detail = None;
        if let Some(Err(_)) = self.latest.replace(Ok(())) {
            info!(list = %self.list.name, "torrent list is usable again");
        }
    }

    fn log(&self, skipped: &Skipped, entries: usize) {
        let reasons = skipped.iter();
        let reasons: Vec<String> = reasons
            .map(|(reason, count)| format!("{} {count}", reason.as_label()))
            .collect();
        match reasons.is_empty() {
            true => info!(list = %self.list.name, entries, "torrent list read"),
            false => info!(
                list = %self.list.name,
                entries,
                left_out = reasons.join(", "),
                "torrent list read"
            ),
        }
    }

    /// Returns the state for readers.
    pub(super) fn row(&self, now: Now) -> ListRow {
        let good = self.good.as_ref();
        let failures = self.failures.iter();
        ListRow {
            name: self.list.name.clone(),
            is_up: self.latest.map(|latest| latest.is_ok()),
            reason: self.latest.and_then(Result::err).map(ListFailure::as_label),
            detail: self.detail.clone(),
            entries: good.map(|copy| copy.entries.len() as u64),
            last_success: good.map(|copy| copy.confirmed).filter(|at| at.0 > 0),
            next_fetch: self
                .due()
                .map(|due| Unix(now.unix.0 + due.since(now.mono).as_secs())),
            failures: failures.map(|(reason, count)| (*reason, *count)).collect(),
        }
    }
}

/// Returns the guard of a list that was not fetched yet.
fn guard_of(list: &List) -> Guard {
    match &list.source {
        ListSource::Url(_) => Guard::of_url(list.interval),
        ListSource::File(_) => Guard::of_file(list.interval),
    }
}
