//! The pages for people. They load no other resource and run no script.
//!
//! | File | Page |
//! |---|---|
//! | `todo` | `/`: what needs doing |
//! | `torrents`, `torrent` | `/torrents`, `/torrents/NAME` |
//! | `collections`, `collection` | `/collections`, `/collections/NAME` |
//! | `trackers`, `tracker` | `/trackers`, `/trackers/NAME` |
//! | `countries` | `/countries` |
//! | `events` | `/events` |
//! | `about` | `/about`: the daemon itself |
//! | `badge` | `/badge/collection/NAME.svg`, `/badge/torrent/NAME.svg` |
//! | `problem` | what is shown in place of a page that cannot be |
//!
//! | File | Shared parts |
//! |---|---|
//! | `route` | which page a path names |
//! | `layout` | what stands around every page |
//! | `row`, `urgency` | rows of torrents, the most urgent first |
//! | `tiles` | numbers that lead to what they count |
//! | `paging` | tables over several pages |
//! | `chart`, `world` | drawings |
//! | `value` | numbers, times and names |
//!
//! The HTML stands in `src/web/templates`, one file per page around `layout.html`. The types here
//! hold what the templates show. Rows are built one at a time, while a page is written.

mod about;
mod badge;
mod changes;
mod chart;
mod collection;
mod collections;
mod countries;
mod events;
mod layout;
mod paging;
mod problem;
mod route;
mod row;
mod tiles;
mod todo;
mod torrent;
mod torrents;
mod tracker;
mod trackers;
mod urgency;
mod value;
mod world;

use std::sync::LazyLock;

use data_encoding::BASE64;
use hyper::header::HeaderValue;
use sha2::{Digest, Sha256};

pub(super) use self::layout::Site;
pub(super) use self::route::Endpoint;

/// The style sheet of all pages.
pub(super) const STYLE: &str = include_str!("templates/style.css");

/// The content security policy of a page: no resource, no script, no framing. The one style sheet
/// is allowed by its hash. Every page has the form of the search, which is sent to this server.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| policy("'self'"));

/// The policy of a page without a form.
static POLICY_WITHOUT_FORM: LazyLock<HeaderValue> = LazyLock::new(|| policy("'none'"));

fn policy(form_action: &str) -> HeaderValue {
    let hash = BASE64.encode(&Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; \
         form-action {form_action}; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
}
