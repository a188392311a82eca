//! Everything of the configuration that is not a torrent.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::raw;
use super::units::{Written, parse_duration, parse_rate, write_rate};
use super::{Accept, AnnounceMode, Dht, Metrics, Network, Probe, State, Tracker};
use seedwatch_input::yaml::Text;
use seedwatch_input::yaml::{Fault, Report, Source};
use seedwatch_torrent::Family;
use seedwatch_torrent::{Host, Scheme, TrackerUrl, TrackerUrlError};

/// Reads `probe:`. Faults are noted and replaced by defaults.
pub(super) fn probe(raw: raw::Probe<'_>, source: &Source, report: &mut Report) -> Probe {
    let mut read = |text: &Option<Text<'_>>, key: &str, range: RangeInclusive<Duration>| {
        let text = text.as_ref()?;
        report.take(duration(text, source, key, range))
    };
    let defaults = Probe::default();
    let interval = read(&raw.interval, "probe.interval", Probe::INTERVAL);
    let timeout = read(&raw.timeout, "probe.timeout", Probe::TIMEOUT);
    let stale_after = read(&raw.stale_after, "probe.stale_after", Probe::STALE_AFTER);
    let probe = match interval {
        None => Probe {
            timeout: timeout.unwrap_or(defaults.timeout),
            stale_after: stale_after.unwrap_or(defaults.stale_after),
            ..defaults
        },
        Some(interval) => Probe {
            interval,
            timeout: timeout.unwrap_or(defaults.timeout.min(interval)),
            stale_after: stale_after.unwrap_or(interval * 5 / 2),
        },
    };
    // Beside a value that is wrong, a comparison with its default would contradict the file.
    let is_wrong =
        |text: &Option<Text<'_>>, value: Option<Duration>| text.is_some() && value.is_none();
    if report.lacks("probe")
        || is_wrong(&raw.interval, interval)
        || is_wrong(&raw.timeout, timeout)
        || is_wrong(&raw.stale_after, stale_after)
    {
        return probe;
    }
    let line = |text: &Option<Text<'_>>| text.as_ref().map_or(0, |text| text.line);
    if probe.timeout > probe.interval {
        let message = format!(
            "must not be longer than probe.interval, which is {}",
            Written(probe.interval)
        );
        report.fault(source.fault(line(&raw.timeout), "probe.timeout", message));
    }
    if probe.stale_after <= probe.interval {
        let message = format!(
            "must be longer than probe.interval, which is {}",
            Written(probe.interval)
        );
        let line = line(&raw.stale_after).max(line(&raw.interval));
        report.fault(source.fault(line, "probe.stale_after", message));
    }
    probe
}

/// Reads `tracker:`. Faults are noted and replaced by defaults.
pub(super) fn tracker(raw: raw::Tracker<'_>, source: &Source, report: &mut Report) -> Tracker {
    let mut tracker = Tracker::default();
    if let Some(text) = raw.announce {
        match text.as_str() {
            "ghost" => tracker.announce = AnnounceMode::Ghost,
            "brief" => tracker.announce = AnnounceMode::Brief,
            "scrape" => tracker.announce = AnnounceMode::Scrape,
            _ => report.fault(source.fault(
                text.line,
                "tracker.announce",
                "must be ghost, brief or scrape",
            )),
        }
    }
    if let Some(text) = raw.max_rate {
        let rate = rate(&text, source, "tracker.max_rate", Tracker::MAX_RATE);
        tracker.max_rate = report.take(rate).unwrap_or(tracker.max_rate);
    }
    if let Some(text) = raw.numwant {
        match text.as_str().parse() {
            Ok(number) if Tracker::NUMWANT.contains(&number) => tracker.numwant = number,
            _ => report.fault(source.fault(
                text.line,
                "tracker.numwant",
                format!(
                    "must be a number from {} to {}",
                    Tracker::NUMWANT.start(),
                    Tracker::NUMWANT.end()
                ),
            )),
        }
    }
    let mut printable = |text: Option<Text<'_>>, key: &str, lengths: RangeInclusive<usize>| {
        let text = text?;
        let value = text.as_str();
        if lengths.contains(&value.len()) && value.bytes().all(|b| matches!(b, b' '..=b'~')) {
            return Some(value.into());
        }
        let message = format!(
            "must be {} to {} printable ASCII characters",
            lengths.start(),
            lengths.end()
        );
        report.fault(source.fault(text.line, key, message));
        None
    };
    if let Some(text) = printable(raw.user_agent, "tracker.user_agent", Tracker::USER_AGENT) {
        tracker.user_agent = text;
    }
    if let Some(text) = printable(
        raw.peer_id_prefix,
        "tracker.peer_id_prefix",
        Tracker::PEER_ID_PREFIX,
    ) {
        tracker.peer_id_prefix = text;
    }
    tracker
}

/// Reads `dht:`. Faults are noted and replaced by defaults.
pub(super) fn dht(raw: raw::Dht<'_>, source: &Source, report: &mut Report) -> Dht {
    let mut dht = Dht::default();
    dht.enabled = raw.enabled.unwrap_or(dht.enabled);
    if let Some(texts) = raw.listen {
        if texts.value.is_empty() && dht.enabled {
            let message = "must name an address; to leave the DHT alone, write enabled: false";
            report.fault(source.fault(texts.line, "dht.listen", message));
        }
        dht.listen = listen(&texts.value, source, report);
    }
    if let Some(texts) = raw.bootstrap {
        let hosts = hosts(&texts, Dht::MAX_BOOTSTRAP, source, "dht.bootstrap", report);
        dht.bootstrap = hosts.unwrap_or(dht.bootstrap);
    }
    if let Some(text) = raw.max_rate {
        let rate = rate(&text, source, "dht.max_rate", Dht::MAX_RATE);
        dht.max_rate = report.take(rate).unwrap_or(dht.max_rate);
    }
    if let Some(text) = raw.interval {
        let interval = duration(&text, source, "dht.interval", Dht::INTERVAL);
        dht.interval = report.take(interval).unwrap_or(dht.interval);
    }
    if let Some(text) = raw.recall_target {
        let number = text.as_str().parse().ok();
        dht.recall_target = number.filter(|share| Dht::RECALL_TARGET.contains(share));
        if dht.recall_target.is_none() {
            let message = format!(
                "must be a number from {} to {}",
                Dht::RECALL_TARGET.start(),
                Dht::RECALL_TARGET.end()
            );
            report.fault(source.fault(text.line, "dht.recall_target", message));
        }
    }
    dht
}

/// Reads `dht.listen`.
fn listen(texts: &[Text<'_>], source: &Source, report: &mut Report) -> Vec<SocketAddr> {
    let mut list: Vec<SocketAddr> = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        let mut fault = |message: &str| {
            let key = format!("dht.listen[{n}]");
            report.fault(source.fault(text.line, key, message));
        };
        let Ok(address) = text.as_str().parse::<SocketAddr>() else {
            fault("must be ADDRESS:PORT, such as 0.0.0.0:6881 or \"[::]:0\"");
            continue;
        };
        let family = Family::of(&address.ip());
        if list.iter().any(|known| Family::of(&known.ip()) == family) {
            fault("a second address of one family: there is one socket for each");
            break;
        }
        list.push(address);
    }
    list
}

/// Reads `state:`. Faults are noted and replaced by defaults. `base` is the directory of the configuration.
pub(super) fn state(
    raw: raw::State<'_>,
    base: &Path,
    source: &Source,
    report: &mut Report,
) -> State {
    let path = match &raw.path {
        Some(text) if text.as_str().contains(char::is_control) => {
            let message = "must be the name of a directory";
            report.fault(source.fault(text.line, "state.path", message));
            ""
        }
        Some(text) => text.as_str(),
        None => State::DEFAULT_PATH,
    };
    // Absolute, so that what is shown as being in effect says where to look.
    let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
    let interval = raw.interval.as_ref();
    let interval = interval.map(|text| duration(text, source, "state.interval", State::INTERVAL));
    let interval = interval.and_then(|interval| report.take(interval));
    State {
        path: (!path.is_empty()).then(|| absolute(base.join(path))),
        interval: interval.unwrap_or(State::default().interval),
    }
}

/// Reads `addresses.accept`.
pub(super) fn accept(raw: raw::Addresses<'_>, source: &Source, report: &mut Report) -> Accept {
    let Some(text) = raw.accept else {
        return Accept::default();
    };
    match text.as_str() {
        "global" => Accept::Global,
        "any" => Accept::Any,
        _ => {
            report.fault(source.fault(text.line, "addresses.accept", "must be global or any"));
            Accept::default()
        }
    }
}

/// Reads `network:`.
pub(super) fn network(raw: raw::Network<'_>, source: &Source, report: &mut Report) -> Network {
    let Some(texts) = raw.canaries else {
        return Network::default();
    };
    let most = Network::MAX_CANARIES;
    match hosts(&texts, most, source, "network.canaries", report) {
        Some(canaries) => Network { canaries },
        None => Network::default(),
    }
}

/// Reads a list of hosts; `None` if there are too many.
fn hosts(
    texts: &[Text<'_>],
    most: usize,
    source: &Source,
    key: &str,
    report: &mut Report,
) -> Option<Vec<(Host, u16)>> {
    if let Some(text) = texts.get(most) {
        let message = format!("more than {most} hosts");
        report.fault(source.fault(text.line, key, message));
        return None;
    }
    let hosts = texts.iter().enumerate().filter_map(|(n, text)| {
        report.take(host_and_port(text.as_str()).map_err(|error| {
            let key = format!("{key}[{n}]");
            match error {
                TrackerUrlError::NeverContacted => source.fault(text.line, key, error),
                _ => source.fault(
                    text.line,
                    key,
                    "must be HOST:PORT, such as dht.example:6881",
                ),
            }
        }))
    });
    Some(hosts.collect())
}

/// Reads `metrics:`.
pub(super) fn metrics(raw: &raw::Metrics) -> Metrics {
    let defaults = Metrics::default();
    Metrics {
        countries: raw.countries.unwrap_or(defaults.countries),
        per_tracker: raw.per_tracker.unwrap_or(defaults.per_tracker),
    }
}

fn duration(
    text: &Text<'_>,
    source: &Source,
    key: &str,
    range: RangeInclusive<Duration>,
) -> Result<Duration, Fault> {
    let Some(duration) = parse_duration(text.as_str()) else {
        return Err(source.fault(
            text.line,
            key,
            "must be a duration such as 30s, 1h30m or 7d",
        ));
    };
    if !range.contains(&duration) {
        let message = format!(
            "must be from {} to {}",
            Written(*range.start()),
            Written(*range.end())
        );
        return Err(source.fault(text.line, key, message));
    }
    Ok(duration)
}

fn rate(
    text: &Text<'_>,
    source: &Source,
    key: &str,
    range: RangeInclusive<f64>,
) -> Result<f64, Fault> {
    let rate = parse_rate(text.as_str()).filter(|rate| range.contains(rate));
    rate.ok_or_else(|| {
        let message = format!(
            "must be a rate from {} to {} in whole numbers, such as 20/s or 600/m",
            write_rate(*range.start()),
            write_rate(*range.end())
        );
        source.fault(text.line, key, message)
    })
}

/// The rules for host and port are those of a tracker URL without a path.
fn host_and_port(text: &str) -> Result<(Host, u16), TrackerUrlError> {
    if text.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '@')) {
        return Err(TrackerUrlError::NotUrl);
    }
    let url = TrackerUrl::parse(&format!("{}://{text}", Scheme::Udp.as_str()))?;
    Ok((url.host().clone(), url.port()))
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn good(name: &str) -> Config {
        Config::load(&Path::new("tests/config/good").join(name)).unwrap()
    }

    #[test]
    fn the_dht_is_on_unless_it_is_switched_off() {
        let dht = good("interval-only.yaml").dht;
        assert!(dht.enabled);
        let listen: Vec<String> = dht.listen.iter().map(ToString::to_string).collect();
        assert_eq!(listen, ["0.0.0.0:0", "[::]:0"]);
        assert_eq!(dht.bootstrap.len(), 5);
        assert_eq!((dht.max_rate, dht.recall_target), (50.0, None));
        assert_eq!(dht.interval, Duration::from_secs(3600));
        let dht = good("no-dht.yaml").dht;
        assert!(!dht.enabled && dht.listen.is_empty());
    }

    #[test]
    fn state_is_kept_beside_the_file_unless_told_otherwise() {
        let here = std::env::current_dir().unwrap();
        let path = |name| good(name).state.path;
        let beside = here.join("tests/config/good/state");
        assert_eq!(path("interval-only.yaml"), Some(beside));
        assert_eq!(path("dht.yaml"), None);
        assert_eq!(path("no-dht.yaml"), Some("/var/lib/seedwatch".into()));
        let interval = |name| good(name).state.interval.as_secs();
        assert_eq!((interval("dht.yaml"), interval("no-dht.yaml")), (300, 60));
    }
}
