//! `GET /`: the state of everything, on one HTML page.
//!
//! The page loads no other resource and runs no script. Torrents that need attention come first,
//! and tables are cut at [`MAX_ROWS`], so that the page stays small with many torrents.

mod finding;
mod html;
mod summary;
mod trackers;

use std::fmt;
use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use data_encoding::BASE64;
use hyper::header::HeaderValue;
use sha2::{Digest, Sha256};

use self::finding::{Finding, Findings, Status};
pub(super) use self::html::MAX_ROWS;
use self::html::{Ago, Escaped, Link, OrUnknown, Table, TopCountries};
use crate::metrics::VERSION;
use seedwatch_core::snapshot::{Count, Snapshot, TorrentView, UniquePeers, Window};

const STYLE: &str = include_str!("status/style.css");

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
/// work behind a proxy that adds a path prefix.
pub(super) fn write(snapshot: &Snapshot, metrics: &str, to: &mut impl fmt::Write) -> fmt::Result {
    let findings = Findings::of(snapshot);
    write_head(snapshot, &findings, metrics, to)?;
    summary::write(snapshot, &findings, to)?;
    write_torrents(snapshot, &findings, to)?;
    write_collections(snapshot, to)?;
    trackers::write(snapshot, to)?;
    write_footer(snapshot, to)
}

/// Writes the page up to the first section.
fn write_head(
    snapshot: &Snapshot,
    findings: &Findings,
    metrics: &str,
    to: &mut impl fmt::Write,
) -> fmt::Result {
    let at = UNIX_EPOCH + Duration::from_secs(snapshot.taken.0);
    let metrics = Escaped(metrics.trim_start_matches('/'));
    write!(
        to,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>seedwatch: {dead} of {all} torrents dead</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<header>\n<h1>seedwatch</h1>\n<p>As of {at}. Peers are \
         distinct addresses, now and over the last 1, 7 and 30 days; ? is not known.</p>\n\
         <nav aria-label=\"More\"><ul>\n<li><a href=\"./{metrics}\">Metrics</a></li>\n\
         <li><a href=\"./config\">Configuration</a></li>\n\
         <li><a href=\"./api/v1/torrents\">Torrents as JSON</a></li>\n\
         <li><a href=\"./api/v1/collections\">Collections as JSON</a></li>\n\
         </ul></nav>\n</header>\n<main>\n",
        dead = findings.count(Status::Dead),
        all = snapshot.torrents.len(),
        at = httpdate::fmt_http_date(at),
    )
}

/// Writes the page after the last section.
fn write_footer(snapshot: &Snapshot, to: &mut impl fmt::Write) -> fmt::Result {
    to.write_str("</main>\n<footer>\n")?;
    if let Some(credit) = snapshot.geo.credit {
        writeln!(
            to,
            "<p>Countries: <a href=\"{}\">{}</a>, licensed under \
             <a href=\"https://creativecommons.org/licenses/by/4.0/\">CC BY 4.0</a></p>",
            Escaped(credit.url),
            Escaped(credit.text),
        )?;
    }
    write!(
        to,
        "<p>seedwatch {VERSION}</p>\n</footer>\n</body>\n</html>\n"
    )
}

fn write_torrents(
    snapshot: &Snapshot,
    findings: &Findings,
    to: &mut impl fmt::Write,
) -> fmt::Result {
    let columns = [
        "Torrent",
        "Finding",
        "Peers now",
        "1 day",
        "7 days",
        "30 days",
        "Trackers online",
        "Last peer seen",
        "Most peers in",
    ];
    let table = Table::begin(to, "torrents", "Torrents", &columns)?;
    let empty = snapshot.empty_breakdown();
    let mut rows = 0;
    for (finding, index) in findings.first(MAX_ROWS) {
        let Some(view) = snapshot.row(index) else {
            continue;
        };
        rows += 1;
        write_torrent(snapshot, view, finding, to)?;
        let breakdown = Snapshot::breakdown(view, &empty).filter(|_| snapshot.config.countries);
        let countries = breakdown.map(|breakdown| &*breakdown.countries);
        let countries = countries.unwrap_or_default().iter();
        let countries = countries.map(|row| (row.country, row.peers));
        writeln!(to, "<td>{}</td></tr>", TopCountries::of(countries))?;
    }
    let more = snapshot.torrents.len() - rows;
    table.end(to, rows, more, "./api/v1/torrents")
}

/// Writes all cells of a torrent but the last.
fn write_torrent(
    snapshot: &Snapshot,
    view: TorrentView<'_>,
    finding: Finding,
    to: &mut impl fmt::Write,
) -> fmt::Result {
    let now = snapshot.taken;
    let name = &*view.torrent.name;
    write!(
        to,
        "<tr><th scope=\"row\">{}</th><td class=\"{}\">{}</td>",
        Link("torrents", name),
        finding.class(),
        finding.text(),
    )?;
    write_peers(to, view.peers, view.unique(view.windows))?;
    let trackers = view.torrent.trackers.len();
    write!(
        to,
        "<td>{} of {trackers}</td><td>{}</td>",
        OrUnknown(view.trackers_online.get()),
        Ago(now, view.last_peer_seen.get()),
    )
}

fn write_collections(snapshot: &Snapshot, to: &mut impl fmt::Write) -> fmt::Result {
    let columns = [
        "Collection",
        "Torrents",
        "Peers now",
        "1 day",
        "7 days",
        "30 days",
        "Most peers in",
    ];
    let table = Table::begin(to, "collections", "Collections", &columns)?;
    let rows = snapshot.collections.len().min(MAX_ROWS);
    for row in &snapshot.collections[..rows] {
        write!(
            to,
            "<tr><th scope=\"row\">{}</th><td>{}</td>",
            Link("collections", &row.name),
            row.torrents,
        )?;
        write_peers(to, row.peers, row.unique)?;
        let countries = row.countries.iter().filter(|_| snapshot.config.countries);
        let known = countries.filter_map(|row| Some((row.country, row.peers.get()?)));
        writeln!(to, "<td>{}</td></tr>", TopCountries::of(known))?;
    }
    let more = snapshot.collections.len() - rows;
    table.end(to, rows, more, "./api/v1/collections")
}

/// Writes the current peers and the peers of each window.
fn write_peers(to: &mut impl fmt::Write, peers: [Count; 2], unique: UniquePeers) -> fmt::Result {
    let known = peers.iter().filter_map(|count| count.get());
    let now = known.map(u64::from).reduce(|a, b| a + b);
    write!(to, "<td>{}</td>", OrUnknown(now))?;
    for window in Window::ALL {
        write!(to, "<td>{}</td>", OrUnknown(unique[window.index()].get()))?;
    }
    Ok(())
}
