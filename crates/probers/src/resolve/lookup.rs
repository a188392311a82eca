//! One lookup: hosts file, then A, AAAA and TXT at once.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RData};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::upstream::{Asked, from_hosts};
use super::{KEEP, KEEP_FAILURE, MAX_ADDRESSES, TXT_GRACE};
use seedwatch_torrent::address::is_global;
use seedwatch_tracker::dns_preference::TrackerPreference;
use seedwatch_tracker::{FailureReason, ProbeError};

/// The answer of a lookup.
#[derive(Debug)]
pub(super) struct Answer {
    /// The addresses that may be contacted, or why there are none.
    pub(super) addresses: Result<Vec<IpAddr>, ProbeError>,
    /// The tracker preference of its operator (BEP 34).
    pub(super) statement: TrackerPreference,
    /// How long the answer may be cached.
    pub(super) keep: Duration,
    /// Whether a name server said that there are no usable addresses.
    pub(super) is_missing: bool,
    /// The time that name servers took for the addresses; `None` if none was asked.
    pub(super) took: Option<Duration>,
}

impl Answer {
    /// Returns the answer for a literal address, which is the user's choice.
    pub(super) fn literal(ip: IpAddr) -> Self {
        Self::own_choice(vec![ip.to_canonical()])
    }

    fn own_choice(addresses: Vec<IpAddr>) -> Self {
        Self {
            addresses: Ok(addresses),
            statement: TrackerPreference::None,
            keep: KEEP.1,
            is_missing: false,
            took: None,
        }
    }

    pub(super) fn failed(text: &str) -> Self {
        Self {
            addresses: Err(ProbeError::new(FailureReason::Dns, text)),
            statement: TrackerPreference::None,
            keep: KEEP_FAILURE,
            is_missing: false,
            took: None,
        }
    }

    fn missing(text: &str) -> Self {
        Self {
            is_missing: true,
            ..Self::failed(text)
        }
    }
}

/// `localhost` and below are this machine, whatever a name server says (RFC 6761).
pub(super) fn localhost(name: &str) -> Option<Answer> {
    (name == "localhost" || name.ends_with(".localhost"))
        .then(|| Answer::own_choice(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]))
}

/// The time limit of a try, and what its end means.
#[derive(Debug, Clone, Copy)]
pub(super) struct Try {
    pub(super) within: Duration,
    /// Whether it is the last try.
    pub(super) is_last: bool,
}

/// Looks up a name. `None` if the name servers did not answer and there is another try.
pub(super) async fn run(asked: &Asked, name: &str, this: Try) -> Option<Answer> {
    // A trailing dot excludes search domains, which are for single labels.
    let absolute = if name.contains('.') { "." } else { "" };
    let Ok(fqdn) = Name::from_ascii(format!("{name}{absolute}")) else {
        return Some(Answer::failed("not a valid host name"));
    };
    let own = from_hosts(&asked.hosts, &fqdn);
    if !own.is_empty() {
        return Some(of_hosts_file(own));
    }
    let Some(dns) = &asked.dns else {
        return Some(Answer::failed("no name server is configured"));
    };
    let private = is_private_name(name);
    let start = Instant::now();
    let (done, when_done) = oneshot::channel::<bool>();
    let addresses = async {
        let (v4, v6) = tokio::join!(
            limited(this.within, dns.ipv4_lookup(fqdn.clone())),
            limited(this.within, dns.ipv6_lookup(fqdn.clone())),
        );
        let is_silent = [&v4, &v6]
            .into_iter()
            .any(|side| matches!(side, Err(NetError::Timeout)));
        let is_final = this.is_last || !is_silent;
        // Fails if the TXT answer arrived first.
        let _ = done.send(is_final);
        let ours = asked.sockets.lacked_since(start);
        is_final.then(|| (join(v4, v6, private, ours), start.elapsed()))
    };
    // Sent at the same time. The wait is only a little longer than for the addresses.
    let statement = async {
        if private {
            return (TrackerPreference::None, KEEP.1);
        }
        let enough = async {
            if when_done.await == Ok(true) {
                sleep(TXT_GRACE).await;
            }
        };
        tokio::select! {
            answer = dns.txt_lookup(fqdn.clone()) => statement(answer),
            () = enough => UNKNOWN,
        }
    };
    let (answer, (statement, keep)) = tokio::join!(addresses, statement);
    let (answer, took) = answer?;
    Some(Answer {
        statement,
        keep: answer.keep.min(keep).max(KEEP.0),
        took: Some(took),
        ..answer
    })
}

/// Returns the answer of the hosts file.
fn of_hosts_file(mut addresses: Vec<IpAddr>) -> Answer {
    // 0.0.0.0 would connect to this machine. Block lists use it for "nowhere".
    addresses.retain(|ip| !ip.is_unspecified());
    addresses.truncate(2 * MAX_ADDRESSES);
    let mut answer = match addresses.is_empty() {
        true => Answer::failed("blocked in the hosts file"),
        false => Answer::own_choice(addresses),
    };
    answer.keep = KEEP.0;
    answer
}

/// Sends a query with a time limit, after which it counts as unanswered.
async fn limited(
    within: Duration,
    question: impl Future<Output = Result<Lookup, NetError>>,
) -> Result<Lookup, NetError> {
    let answer = timeout(within, question).await;
    answer.unwrap_or(Err(NetError::Timeout))
}

/// The result without a TXT answer: nothing is denied, and the query is repeated soon.
const UNKNOWN: (TrackerPreference, Duration) = (TrackerPreference::None, KEEP.0);

/// Returns the tracker preference of an operator, and how long it is valid.
fn statement(answer: Result<Lookup, NetError>) -> (TrackerPreference, Duration) {
    match answer {
        Ok(lookup) => (read_statement(&lookup), ttl(&lookup)),
        Err(error) if error.is_no_records_found() => (TrackerPreference::None, KEEP.1),
        Err(_) => UNKNOWN,
    }
}

/// Merges both families into one answer. The failure of one does not fail the other, unless this
/// machine lacked resources (`ours`): then its addresses are unknown, not missing.
fn join(
    v4: Result<Lookup, NetError>,
    v6: Result<Lookup, NetError>,
    private: bool,
    ours: Option<ProbeError>,
) -> Answer {
    let is_unasked = |side: &Result<Lookup, NetError>| match side {
        Err(error) => !matches!(error, NetError::Dns(_)),
        Ok(_) => false,
    };
    if let Some(ours) = ours
        && [&v4, &v6].into_iter().any(is_unasked)
    {
        return Answer {
            addresses: Err(ours),
            ..Answer::failed("")
        };
    }
    let mut found = Vec::new();
    let mut shortest = KEEP.1;
    for lookup in [&v4, &v6].into_iter().flatten() {
        shortest = shortest.min(ttl(lookup));
        let ips = lookup.answers().iter().filter_map(|r| r.data.ip_addr());
        found.extend(ips.take(MAX_ADDRESSES));
    }
    if found.is_empty() {
        let is_missing = [&v4, &v6].into_iter().flat_map(|side| side.as_ref().err());
        let is_missing = is_missing.into_iter().all(NetError::is_no_records_found);
        return Answer {
            is_missing,
            ..Answer::failed(&explain(v4.err(), v6.err()))
        };
    }
    found.retain(|ip| !ip.is_unspecified() && (private || is_global(*ip)));
    if found.is_empty() {
        return Answer::missing(super::PRIVATE_ONLY);
    }
    // A family without any answer, not even a negative one, is looked up again soon.
    let half = [&v4, &v6]
        .into_iter()
        .any(|side| matches!(side, Err(error) if !error.is_no_records_found()));
    Answer {
        addresses: Ok(found),
        statement: TrackerPreference::None,
        keep: if half { KEEP.0 } else { shortest.max(KEEP.0) },
        is_missing: false,
        took: None,
    }
}

fn ttl(lookup: &Lookup) -> Duration {
    let shortest = lookup.answers().iter().map(|record| record.ttl).min();
    Duration::from_secs(shortest.unwrap_or(0).into())
}

fn read_statement(lookup: &Lookup) -> TrackerPreference {
    let texts: Vec<Vec<u8>> = lookup
        .answers()
        .iter()
        .filter_map(|record| match &record.data {
            // A long text is split into strings of 255 bytes.
            RData::TXT(txt) => Some(txt.txt_data.concat()),
            _ => None,
        })
        .collect();
    TrackerPreference::read(texts.iter().map(Vec::as_slice))
}

/// Returns why neither family has an address. A failure of the name server takes precedence over an
/// empty answer.
fn explain(v4: Option<NetError>, v6: Option<NetError>) -> String {
    let errors = || [&v4, &v6].into_iter().flatten();
    if let Some(error) = errors().find(|error| !error.is_no_records_found()) {
        return match error {
            NetError::Timeout => "the name servers do not answer".into(),
            NetError::Dns(DnsError::ResponseCode(code)) => format!("the name server says: {code}"),
            _ => "the name servers cannot be asked".into(),
        };
    }
    if errors().any(NetError::is_nx_domain) {
        "the name does not exist".into()
    } else {
        "the name has no address".into()
    }
}

/// Returns whether a name is in a local name space, which the public DNS does not serve (RFC 6761,
/// 6762, 8375, `.internal` of ICANN).
fn is_private_name(name: &str) -> bool {
    !name.contains('.')
        || [
            ".localhost",
            ".local",
            ".lan",
            ".internal",
            ".home.arpa",
            ".test",
        ]
        .iter()
        .any(|suffix| name.ends_with(suffix))
}
