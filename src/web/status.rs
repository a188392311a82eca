//! `GET /`: how things stand, on one page for people.
//!
//! Nothing on it comes from elsewhere and nothing on it runs. What needs attention comes first, and
//! tables are cut at [`MAX_ROWS`]: the page stays small however much is watched.

mod finding;
mod html;
mod trackers;

use std::fmt;
use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use data_encoding::BASE64;
use hyper::header::HeaderValue;
use sha2::{Digest, Sha256};

use self::finding::{Finding, Findings, Life};
use self::html::{Ago, Escaped, Known, Link, Table, Top};
use crate::metrics::VERSION;
use seedwatch_core::snapshot::{Count, Family, Snapshot, TorrentView, Unique, Window};

/// Most rows of a table.
pub(super) const MAX_ROWS: usize = 500;

/// State that could not be saved for so long needs attention.
const LATE: u64 = 3600;

const STYLE: &str = include_str!("status/style.css");

/// Nothing is loaded, nothing runs, nobody frames the page; our one style is known by its hash.
pub(super) static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = BASE64.encode(&Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
});

/// Writes the page. `metrics` is the path of the exposition. Links are relative, so that they lead to
/// the right place behind a proxy that adds a prefix.
pub(super) fn write(snapshot: &Snapshot, metrics: &str, to: &mut impl fmt::Write) -> fmt::Result {
    let findings = Findings::of(snapshot);
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
        dead = findings.lives(Life::Dead),
        all = snapshot.torrents.len(),
        at = httpdate::fmt_http_date(at),
    )?;
    summary(snapshot, &findings, to)?;
    torrents(snapshot, &findings, to)?;
    collections(snapshot, to)?;
    trackers::write(snapshot, to)?;
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

fn summary(snapshot: &Snapshot, findings: &Findings, to: &mut impl fmt::Write) -> fmt::Result {
    to.write_str("<section aria-labelledby=\"summary\">\n<h2 id=\"summary\">Summary</h2>\n<dl>\n")?;
    write!(
        to,
        "<dt>Torrents</dt><dd>{} alive, {} dead, {} unknown",
        findings.lives(Life::Alive),
        findings.lives(Life::Dead),
        findings.lives(Life::Unknown),
    )?;
    match findings.lives(Life::LeftAlone) {
        0 => {}
        private => write!(to, ", {private} private and left alone")?,
    }
    to.write_str("</dd>\n")?;
    let [up, down, unknown] = trackers::health(snapshot);
    writeln!(
        to,
        "<dt>Trackers</dt><dd>{up} up, {down} down, {unknown} unknown</dd>"
    )?;
    let [day, week, month] = snapshot.fleet.unique.map(Count::get).map(Known);
    writeln!(
        to,
        "<dt>Distinct peers</dt><dd>{day} in a day, {week} in a week, {month} in a month</dd>"
    )?;
    by_family(to, "Our own network", snapshot.network_up)?;
    match &snapshot.dht {
        None => to.write_str("<dt>DHT</dt><dd>not asked</dd>\n")?,
        Some(dht) => {
            let up = |family: Family| dht.families[family.index()].and_then(|status| status.up);
            by_family(to, "DHT", [up(Family::Ipv4), up(Family::Ipv6)])?;
        }
    }
    let config = snapshot.config;
    let loaded = Ago(snapshot.taken, Some(config.last_reload_success));
    match config.last_reload_successful {
        true => writeln!(to, "<dt>Configuration</dt><dd>loaded {loaded}</dd>")?,
        false => writeln!(
            to,
            "<dt>Configuration</dt><dd class=\"bad\">the last reload failed; \
             in force is what was loaded {loaded}</dd>"
        )?,
    }
    match snapshot.state {
        None => to.write_str("<dt>State</dt><dd>not kept</dd>\n")?,
        Some(state) => {
            let saved = Ago(snapshot.taken, state.last_save);
            let late = state
                .last_save
                .is_none_or(|saved| saved.0 + LATE < snapshot.taken.0);
            let class = match late && state.failures > 0 {
                true => " class=\"bad\"",
                false => "",
            };
            writeln!(
                to,
                "<dt>State</dt><dd{class}>saved {saved}, failures: {}</dd>",
                state.failures
            )?;
        }
    }
    to.write_str("</dl>\n</section>\n")
}

fn by_family(to: &mut impl fmt::Write, what: &str, up: [Option<bool>; 2]) -> fmt::Result {
    let word = |up| match up {
        Some(true) => "up",
        Some(false) => "down",
        None => "unknown",
    };
    let class = match up.contains(&Some(false)) && !up.contains(&Some(true)) {
        true => " class=\"bad\"",
        false => "",
    };
    let [ipv4, ipv6] = up.map(word);
    writeln!(
        to,
        "<dt>{what}</dt><dd{class}>IPv4 {ipv4}, IPv6 {ipv6}</dd>"
    )
}

fn torrents(snapshot: &Snapshot, findings: &Findings, to: &mut impl fmt::Write) -> fmt::Result {
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
    let nobody = snapshot.nobody();
    let mut rows = 0;
    for (finding, place) in findings.first(MAX_ROWS) {
        let Some(view) = snapshot.row(place) else {
            continue;
        };
        rows += 1;
        torrent(snapshot, view, finding, to)?;
        let places = Snapshot::places(view, &nobody).filter(|_| snapshot.config.countries);
        let countries = places.map(|places| &*places.countries).unwrap_or_default();
        let countries = countries.iter().map(|row| (row.country, row.peers));
        writeln!(to, "<td>{}</td></tr>", Top::of(countries))?;
    }
    let more = snapshot.torrents.len() - rows;
    table.end(to, rows, more, "./api/v1/torrents")
}

/// All cells of a row but the last.
fn torrent(
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
        finding.words(),
    )?;
    numbers(to, view.peers, view.unique(view.reach))?;
    let trackers = view.torrent.trackers.len();
    write!(
        to,
        "<td>{} of {trackers}</td><td>{}</td>",
        Known(view.trackers_online.get()),
        Ago(now, view.last_peer_seen.get()),
    )
}

fn collections(snapshot: &Snapshot, to: &mut impl fmt::Write) -> fmt::Result {
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
        numbers(to, row.peers, row.unique)?;
        let countries = row.countries.iter().filter(|_| snapshot.config.countries);
        let known = countries.filter_map(|row| Some((row.country, row.peers.get()?)));
        writeln!(to, "<td>{}</td></tr>", Top::of(known))?;
    }
    let more = snapshot.collections.len() - rows;
    table.end(to, rows, more, "./api/v1/collections")
}

/// Peers now and in each window.
fn numbers(to: &mut impl fmt::Write, peers: [Count; 2], unique: Unique) -> fmt::Result {
    let known = peers.iter().filter_map(|count| count.get());
    let now = known.map(u64::from).reduce(|a, b| a + b);
    write!(to, "<td>{}</td>", Known(now))?;
    for window in Window::ALL {
        write!(to, "<td>{}</td>", Known(unique[window.index()].get()))?;
    }
    Ok(())
}
