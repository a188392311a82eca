//! The summary at the top of the page.

use std::fmt::{self, Write};

use super::finding::{Findings, Status};
use super::html::{Ago, OrUnknown};
use super::trackers;
use seedwatch_core::snapshot::{ConfigRow, Count, Family, Snapshot, StateRow, Unix};

/// Age in seconds at which the last save needs attention, if saving fails.
const LATE_SAVE: u64 = 3600;

/// Writes the section.
pub(super) fn write(snapshot: &Snapshot, findings: &Findings, to: &mut impl Write) -> fmt::Result {
    to.write_str("<section aria-labelledby=\"summary\">\n<h2 id=\"summary\">Summary</h2>\n<dl>\n")?;
    write_torrents(findings, to)?;
    let [up, down, unknown] = trackers::health(snapshot);
    writeln!(
        to,
        "<dt>Trackers</dt><dd>{up} up, {down} down, {unknown} unknown</dd>"
    )?;
    let [day, week, month] = snapshot.totals.unique.map(Count::get).map(OrUnknown);
    writeln!(
        to,
        "<dt>Distinct peers</dt><dd>{day} in a day, {week} in a week, {month} in a month</dd>"
    )?;
    write_by_family(to, "Our own network", snapshot.network_up)?;
    match &snapshot.dht {
        None => to.write_str("<dt>DHT</dt><dd>not asked</dd>\n")?,
        Some(dht) => {
            let up = |family: Family| dht.families[family.index()].and_then(|status| status.up);
            write_by_family(to, "DHT", Family::ALL.map(up))?;
        }
    }
    write_config(snapshot.config, snapshot.taken, to)?;
    match snapshot.state {
        None => to.write_str("<dt>State</dt><dd>not kept</dd>\n")?,
        Some(state) => write_state(state, snapshot.taken, to)?,
    }
    to.write_str("</dl>\n</section>\n")
}

fn write_torrents(findings: &Findings, to: &mut impl Write) -> fmt::Result {
    write!(
        to,
        "<dt>Torrents</dt><dd>{} alive, {} dead, {} unknown",
        findings.count(Status::Alive),
        findings.count(Status::Dead),
        findings.count(Status::Unknown),
    )?;
    match findings.count(Status::LeftAlone) {
        0 => {}
        private => write!(to, ", {private} private and left alone")?,
    }
    to.write_str("</dd>\n")
}

/// Writes whether something works over each family. Over no family it is bad.
fn write_by_family(to: &mut impl Write, what: &str, up: [Option<bool>; 2]) -> fmt::Result {
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

fn write_config(config: ConfigRow, now: Unix, to: &mut impl Write) -> fmt::Result {
    let loaded = Ago(now, Some(config.last_reload_success));
    match config.last_reload_successful {
        true => writeln!(to, "<dt>Configuration</dt><dd>loaded {loaded}</dd>"),
        false => writeln!(
            to,
            "<dt>Configuration</dt><dd class=\"bad\">the last reload failed; \
             in force is what was loaded {loaded}</dd>"
        ),
    }
}

fn write_state(state: StateRow, now: Unix, to: &mut impl Write) -> fmt::Result {
    let saved = Ago(now, state.last_save);
    let is_late = state
        .last_save
        .is_none_or(|saved| saved.0 + LATE_SAVE < now.0);
    let class = match is_late && state.failures > 0 {
        true => " class=\"bad\"",
        false => "",
    };
    writeln!(
        to,
        "<dt>State</dt><dd{class}>saved {saved}, failures: {}</dd>",
        state.failures
    )
}
