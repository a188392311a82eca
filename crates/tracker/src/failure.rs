//! Why a probe gave no answer: a closed list that is also the metric label.

use std::fmt;
use std::time::Duration;

use seedwatch_input::text::is_invisible;

/// Why a probe failed. The variants are the values of the `reason` label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// The name does not resolve, or resolves to private space only.
    Dns,
    /// No route, or the network said that host or net cannot be reached.
    Unreachable,
    /// The port is closed.
    Refused,
    /// The connection was cut before the answer was complete.
    Reset,
    /// Nothing came within the deadline.
    Timeout,
    /// The TLS handshake failed, or the certificate is not valid.
    Tls,
    /// An HTTP status that is neither success nor a rate limit.
    HttpStatus,
    /// A body that does not begin like a bencoded dictionary: HTML, empty, a parked domain.
    NotBencode,
    /// Bencode or a datagram of the right kind, but damaged beyond use.
    Malformed,
    /// The tracker is up and says no: `failure reason`, error packet, unregistered torrent.
    Rejected,
    /// HTTP 429, HTTP 503 that names a time to come back, or a refusal that says "too fast".
    RateLimited,
    /// The operator asks not to be contacted (BEP 34).
    Denied,
    /// A scheme or network that seedwatch does not speak.
    Unsupported,
}

impl Failure {
    /// All reasons, in the order of the metric catalogue.
    pub const ALL: [Failure; 13] = [
        Failure::Dns,
        Failure::Unreachable,
        Failure::Refused,
        Failure::Reset,
        Failure::Timeout,
        Failure::Tls,
        Failure::HttpStatus,
        Failure::NotBencode,
        Failure::Malformed,
        Failure::Rejected,
        Failure::RateLimited,
        Failure::Denied,
        Failure::Unsupported,
    ];

    /// The value of the `reason` label.
    pub const fn as_label(self) -> &'static str {
        match self {
            Failure::Dns => "dns",
            Failure::Unreachable => "unreachable",
            Failure::Refused => "refused",
            Failure::Reset => "reset",
            Failure::Timeout => "timeout",
            Failure::Tls => "tls",
            Failure::HttpStatus => "http_status",
            Failure::NotBencode => "not_bencode",
            Failure::Malformed => "malformed",
            Failure::Rejected => "rejected",
            Failure::RateLimited => "rate_limited",
            Failure::Denied => "denied",
            Failure::Unsupported => "unsupported",
        }
    }

    /// Position in [`Failure::ALL`], for arrays with one place a reason.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The tracker is up and spoke its protocol, it only refuses: up, not successful.
    pub const fn is_refusal(self) -> bool {
        matches!(self, Failure::Rejected | Failure::RateLimited)
    }

    /// Nothing at all was heard from outside: the one class our own outage can explain.
    pub const fn is_silence(self) -> bool {
        matches!(self, Failure::Dns | Failure::Unreachable | Failure::Timeout)
    }

    /// No packet was sent because none may or can be.
    pub const fn is_abstention(self) -> bool {
        matches!(self, Failure::Denied | Failure::Unsupported)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_label())
    }
}

/// What the tracker asks of us before the next try (BEP 31 `retry in`, HTTP `Retry-After`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Come back after this time.
    After(Duration),
    /// Do not come back with this torrent.
    Never,
}

/// A failure with what a person needs to understand it. Never a label, never an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The closed reason.
    pub reason: Failure,
    /// One printable line of at most [`Failed::MAX_TEXT`] bytes, free of passkeys; may be empty.
    pub text: Box<str>,
    /// The tracker's wish, if it named one.
    pub retry: Option<Retry>,
    /// The longer of `interval` and `min interval` beside a `failure reason`, in seconds; 0 is none.
    pub interval_seconds: u32,
    /// The fault is ours: this machine lacks descriptors, memory or buffers. The failure says nothing
    /// about the tracker.
    pub is_ours: bool,
}

impl Failed {
    /// Longest text kept, in bytes.
    pub const MAX_TEXT: usize = 200;

    /// A failure with a text that is fit to be shown ([`printable`]).
    pub fn new(reason: Failure, text: impl AsRef<str>) -> Self {
        Self {
            reason,
            text: printable(text.as_ref()),
            retry: None,
            interval_seconds: 0,
            is_ours: false,
        }
    }

    /// The failure of a probe that this machine had no resources for.
    pub fn ours(lacks: &str) -> Self {
        Self {
            is_ours: true,
            ..Self::new(
                Failure::Unreachable,
                format!("this machine lacks resources: {lacks}"),
            )
        }
    }

    /// The same failure with the tracker's wish.
    pub fn with_retry(mut self, retry: Option<Retry>) -> Self {
        self.retry = retry;
        self
    }

    /// The same failure with the interval that the tracker asks for.
    pub fn with_interval(mut self, interval: Option<Duration>) -> Self {
        let seconds = interval.unwrap_or_default().as_secs();
        self.interval_seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        self
    }

    /// The interval that the tracker asks for beside its refusal.
    pub fn interval(&self) -> Option<Duration> {
        (self.interval_seconds > 0).then(|| Duration::from_secs(self.interval_seconds.into()))
    }
}

/// One line of a text of at most [`Failed::MAX_TEXT`] bytes. Control characters become spaces, and
/// characters that cannot be seen are escaped.
pub fn printable(text: &str) -> Box<str> {
    let mut line = String::with_capacity(text.len().min(Failed::MAX_TEXT));
    for c in text.chars() {
        let before = line.len();
        match c {
            c if is_invisible(c) => line.extend(c.escape_unicode()),
            c if c.is_control() => line.push(' '),
            c => line.push(c),
        }
        if line.len() > Failed::MAX_TEXT {
            line.truncate(before);
            break;
        }
    }
    line.trim().into()
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_empty() {
            write!(f, "{}", self.reason)
        } else {
            write!(f, "{}: {}", self.reason, self.text)
        }
    }
}
