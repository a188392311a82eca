//! The state of one list between fetches.

use std::collections::BTreeMap;
use std::sync::Arc;

use tracing::{info, warn};

use super::fetch::{Fetched, FileStamp, Job, Outcome};
use crate::config::{List, ListSource};
use seedwatch_clock::{Mono, Now, Unix};
use seedwatch_core::snapshot::ListRow;
use seedwatch_lists::{
    self as lists, Entry, Guard, ListFailure, ParsedList, Ruling, SavedList, Skipped, Validators,
};
use seedwatch_probers::http::Downloader;

/// A copy that is only confirmed is saved again after so many seconds, so that the time of the last
/// success survives a restart.
const SAVE_AGAIN: u64 = 3600;

/// The state of one list.
pub(super) struct Watched {
    list: Arc<List>,
    id: u64,
    guard: Guard,
    /// The last good copy.
    good: Option<SavedList>,
    /// When the copy was saved last.
    saved: Unix,
    /// The file that was read last.
    stamp: Option<FileStamp>,
    /// Whether a fetch is under way.
    is_busy: bool,
    /// The outcome of the latest fetch; `None` before the first.
    latest: Option<Result<(), ListFailure>>,
    failures: BTreeMap<&'static str, u64>,
}

/// What follows from a fetch.
#[derive(Default)]
pub(super) struct Consequence {
    /// The copy to save.
    pub(super) save: Option<SavedList>,
    /// Whether the entries changed.
    pub(super) is_changed: bool,
}

impl Watched {
    /// Returns the state of a list that was not fetched yet by this process.
    pub(super) fn new(list: Arc<List>, id: u64, good: Option<SavedList>) -> Self {
        let guard = match &list.source {
            ListSource::Url(_) => Guard::of_url(list.interval),
            ListSource::File(_) => Guard::of_file(list.interval),
        };
        Self {
            list,
            id,
            guard,
            saved: good.as_ref().map_or(Unix(0), |copy| copy.confirmed),
            good,
            stamp: None,
            is_busy: false,
            latest: None,
            failures: BTreeMap::new(),
        }
    }

    /// Returns the same state for a list whose other settings may have changed. A new interval
    /// holds from now on.
    pub(super) fn with(self, list: Arc<List>) -> Self {
        if list.interval == self.list.interval {
            return Self { list, ..self };
        }
        let fresh = Self::new(Arc::clone(&list), self.id, None);
        Self {
            list,
            guard: fresh.guard,
            ..self
        }
    }

    /// Returns the number of the list.
    pub(super) fn id(&self) -> u64 {
        self.id
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
    pub(super) fn begin(&mut self, downloader: Downloader) -> Job {
        self.is_busy = true;
        let good = self.good.as_ref();
        Job {
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
            Ok(Fetched::List(list, _)) => lists::Fetched::List(list),
            // The same file still has what was wrong with it.
            Ok(Fetched::Unchanged) => match self.latest {
                Some(Err(failure)) if is_same_file => lists::Fetched::Failed(failure),
                _ => lists::Fetched::Unchanged,
            },
            Err(error) => lists::Fetched::Failed(error.failure),
        };
        let good = self.good.as_ref().map(|copy| copy.entries.len());
        let guard = &mut self.guard;
        let ruling = guard.absorb(fetched, good, retry_after, jitter, now.mono);
        match ruling {
            Ruling::Refused(failure) => {
                let is_news = !is_same_file || self.latest != Some(Err(failure));
                let detail = outcome.result.err().map(|error| error.detail);
                self.refuse(failure, detail.as_deref(), is_news);
                Consequence::default()
            }
            Ruling::Confirmed => self.confirm(now.unix),
            Ruling::Accepted => match outcome.result {
                Ok(Fetched::List(list, validators)) => self.accept(list, validators, now.unix),
                _ => Consequence::default(),
            },
        }
    }

    fn refuse(&mut self, failure: ListFailure, detail: Option<&str>, is_news: bool) {
        if is_news {
            *self.failures.entry(failure.as_label()).or_default() += 1;
        }
        if self.latest.replace(Err(failure)) != Some(Err(failure)) {
            let detail = detail.map_or_else(|| failure.to_string(), str::to_owned);
            warn!(
                list = %self.list.name,
                reason = failure.as_label(),
                detail,
                entries = self.good.as_ref().map_or(0, |copy| copy.entries.len()),
                "torrent list not usable: the last good copy stays in use"
            );
        }
    }

    fn confirm(&mut self, now: Unix) -> Consequence {
        self.recover();
        let Some(good) = &mut self.good else {
            return Consequence::default();
        };
        good.confirmed = now;
        let is_due = now.0.saturating_sub(self.saved.0) >= SAVE_AGAIN;
        if is_due {
            self.saved = now;
        }
        Consequence {
            save: is_due.then(|| good.clone()),
            is_changed: false,
        }
    }

    fn accept(&mut self, list: ParsedList, validators: Validators, now: Unix) -> Consequence {
        let known = self.good.as_ref().map(|copy| &copy.entries);
        let is_changed = known.is_none_or(|known| **known != *list.entries);
        let has_other_validators =
            |known: &SavedList| known.validators != validators && validators != Default::default();
        if !is_changed {
            let must_save = self.good.as_ref().is_some_and(has_other_validators);
            if let Some(good) = &mut self.good {
                good.validators = validators;
            }
            let consequence = self.confirm(now);
            return Consequence {
                save: consequence.save.or(self.good.clone().filter(|_| must_save)),
                ..consequence
            };
        }
        self.recover();
        self.log(&list.skipped, list.entries.len());
        let good = SavedList {
            entries: list.entries.into(),
            validators,
            confirmed: now,
        };
        self.saved = now;
        self.good = Some(good.clone());
        Consequence {
            save: Some(good),
            is_changed: true,
        }
    }

    fn recover(&mut self) {
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
    pub(super) fn row(&self) -> ListRow {
        let good = self.good.as_ref();
        let failures = self.failures.iter();
        ListRow {
            name: self.list.name.clone(),
            is_up: self.latest.map(|latest| latest.is_ok()),
            reason: self.latest.and_then(Result::err).map(ListFailure::as_label),
            entries: good.map(|copy| copy.entries.len() as u64),
            last_success: good.map(|copy| copy.confirmed).filter(|at| at.0 > 0),
            failures: failures.map(|(reason, count)| (*reason, *count)).collect(),
        }
    }
}
