//! `GET /`: the state of everything, on one HTML page.
//!
//! The page loads no other resource and runs no script. Torrents that need attention come first,
//! and tables are cut at [`MAX_ROWS`], so that the page stays small with many torrents.
//!
//! The HTML stands in `src/web/templates`, of which `status.html` is the whole page. The types here
//! hold what the templates show. Rows are built one at a time, while the page is written.

mod events;
mod summary;
mod torrents;
mod trackers;
mod urgency;
mod value;

use std::fmt;
use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use askama::Template;
use data_encoding::BASE64;
use hyper::header::HeaderValue;
use sha2::{Digest, Sha256};

use self::events::Events;
use self::summary::Summary;
use self::torrents::{Collections, Torrents};
use self::trackers::Trackers;
use self::urgency::ByUrgency;

use crate::metrics::VERSION;
use seedwatch_core::snapshot::{Cause, Credit, Snapshot};
use seedwatch_exporter::ExternalUrl;

/// Most rows per table.
pub(super) const MAX_ROWS: usize = 500;

pub(super) const STYLE: &str = include_str!("templates/style.css");

/// The content security policy of the page: no resource, no script, no framing. The one style sheet
/// is allowed by its hash.
pub(super) static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = BASE64.encode(&Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
});

/// Writes the page. `metrics` is the path of the exposition. Links are relative, so that they also
/// work behind a proxy that adds a path prefix; `external_url` is the page's canonical address.
pub(super) fn write(
    snapshot: &Snapshot,
    metrics: &str,
    external_url: Option<&ExternalUrl>,
    to: &mut impl fmt::Write,
) -> fmt::Result {
    let torrents = ByUrgency::of(snapshot);
    let page = StatusPage {
        taken: httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(snapshot.taken.0)),
        external_url: external_url.map(ToString::to_string),
        metrics: metrics.trim_start_matches('/'),
        summary: Summary::of(snapshot, &torrents),
        events: Events::of(snapshot),
        torrents: Torrents::of(snapshot, &torrents),
        collections: Collections::of(snapshot),
        trackers: Trackers::of(snapshot),
        credit: snapshot.geo.credit,
        causes: &snapshot.causes,
        version: VERSION,
    };
    page.render_into(to).map_err(|_| fmt::Error)
}

/// What `status.html` shows.
#[derive(Template)]
#[template(path = "status.html")]
struct StatusPage<'a> {
    taken: String,
    /// The address of the daemon for people, if it is configured.
    external_url: Option<String>,
    /// The path of the exposition, without its first slash.
    metrics: &'a str,
    summary: Summary,
    events: Events<'a>,
    torrents: Torrents<'a>,
    collections: Collections<'a>,
    trackers: Trackers<'a>,
    /// The attribution that the table of countries asks for.
    credit: Option<Credit>,
    causes: &'a [Cause],
    version: &'static str,
}

/// How many rows of a table are shown.
struct Rows {
    shown: usize,
    more: usize,
    /// The link to all of them.
    all: &'static str,
}

impl Rows {
    fn of(total: usize, all: &'static str) -> Self {
        let shown = total.min(MAX_ROWS);
        Self {
            shown,
            more: total - shown,
            all,
        }
    }
}
