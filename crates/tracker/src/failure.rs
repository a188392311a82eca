//! Why a probe failed: a closed list of reasons, which are also the values of a metric label.

use std::fmt;
use std::time::Duration;

use seedwatch_input::text::is_invisible;

/// Why a probe failed. Each variant is a value of the `reason` label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureReason {
    /// The name does not resolve, or resolves to private addresses only.
    Dns,
    /// There is no route, or the network reports that the host or network is unreachable.
    Unreachable,
    /// The port is closed.
    Refused,
    /// The connection was cut before the answer was complete.
    Reset,
    /// No answer arrived within the deadline.
    Timeout,
    /// The TLS handshake failed, or the certificate is not valid.
    Tls,
    /// An HTTP status that is neither success nor a rate limit.
    HttpStatus,
    /// The body does not begin like a bencoded dictionary: HTML, an empty body, a parked domain.
    NotBencode,
    /// Bencode or a datagram of the right kind, but unusable.
    Malformed,
    /// The tracker is up and refuses: `failure reason`, error packet, unregistered torrent.
    Rejected,
    /// HTTP 429, HTTP 503 with `Retry-After`, or a refusal that says "too fast".
    RateLimited,
    /// The operator asks not to be contacted (BEP 34).
    Denied,
    /// A scheme or network that seedwatch does not support.
    Unsupported,
}

impl FailureReason {
    /// All reasons, in the order of the metric catalogue.
    pub const ALL: [FailureReason; 13] = [
        FailureReason::Dns,
        FailureReason::Unreachable,
        FailureReason::Refused,
        FailureReason::Reset,
        FailureReason::Timeout,
        FailureReason::Tls,
        FailureReason::HttpStatus,
        FailureReason::NotBencode,
        FailureReason::Malformed,
        FailureReason::Rejected,
        FailureReason::RateLimited,
        FailureReason::Denied,
        FailureReason::Unsupported,
    ];

    /// Returns the value of the `reason` label.
    pub const fn as_label(self) -> &'static str {
        match self {
            FailureReason::Dns => "dns",
            FailureReason::Unreachable => "unreachable",
            FailureReason::Refused => "refused",
            FailureReason::Reset => "reset",
            FailureReason::Timeout => "timeout",
            FailureReason::Tls => "tls",
            FailureReason::HttpStatus => "http_status",
            FailureReason::NotBencode => "not_bencode",
            FailureReason::Malformed => "malformed",
            FailureReason::Rejected => "rejected",
            FailureReason::RateLimited => "rate_limited",
            FailureReason::Denied => "denied",
            FailureReason::Unsupported => "unsupported",
        }
    }

    /// Returns the position in [`FailureReason::ALL`], for arrays with one entry per reason.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Returns whether the tracker refuses: it is up and speaks its protocol, but the probe did not
    /// succeed.
    pub const fn is_refusal(self) -> bool {
        matches!(self, FailureReason::Rejected | FailureReason::RateLimited)
    }

    /// Returns whether no packet came back. Only such failures can be caused by an outage of our
    /// own network.
    pub const fn is_silence(self) -> bool {
        matches!(
            self,
            FailureReason::Dns | FailureReason::Unreachable | FailureReason::Timeout
        )
    }

    /// Returns whether seedwatch sent nothing because it must not or cannot.
    pub const fn is_abstention(self) -> bool {
        matches!(self, FailureReason::Denied | FailureReason::Unsupported)
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_label())
    }
}

/// When a tracker allows the next try (BEP 31 `retry in`, HTTP `Retry-After`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// After this time.
    After(Duration),
    /// Never again for this torrent.
    Never,
}

impl Retry {
    /// The longest wait that a tracker can impose on one torrent. It covers a tracker that says
    /// "never" by mistake.
    pub const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

    /// Returns the wait in seconds; for "never", how long the torrent is left alone.
    ///
    /// ```
    /// use seedwatch_tracker::Retry;
    ///
    /// assert_eq!(Retry::Never.seconds(), 7 * 24 * 3600);
    /// ```
    pub const fn seconds(self) -> u64 {
        match self {
            Self::After(wait) => wait.as_secs(),
            Self::Never => Self::LONGEST.as_secs(),
        }
    }
}

/// A failed probe: the reason, and a text that explains it. The text is no metric label and holds
/// no address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeError {
    /// The reason.
    pub reason: FailureReason,
    /// One printable line of at most [`ProbeError::MAX_TEXT`] bytes without passkeys. May be empty.
    pub text: Box<str>,
    /// When the tracker allows the next try, if it says so.
    pub retry: Option<Retry>,
    /// The longer of `interval` and `min interval` beside a `failure reason`, in seconds; 0 if
    /// there is none.
    pub interval_seconds: u32,
    /// This machine lacks descriptors, memory or buffers. The failure says nothing about the
    /// tracker.
    pub is_ours: bool,
}

impl ProbeError {
    /// The largest length of a text, in bytes.
    pub const MAX_TEXT: usize = 200;

    /// Returns a failure whose text is made [`printable`].
    pub fn new(reason: FailureReason, text: impl AsRef<str>) -> Self {
        Self {
            reason,
            text: printable(text.as_ref()),
            retry: None,
            interval_seconds: 0,
            is_ours: false,
        }
    }

    /// Returns the failure of a probe that this machine had no resources for.
    pub fn ours(lacks: &str) -> Self {
        Self {
            is_ours: true,
            ..Self::new(
                FailureReason::Unreachable,
                format!("this machine lacks resources: {lacks}"),
            )
        }
    }

    /// Sets when the tracker allows the next try.
    pub fn with_retry(mut self, retry: Option<Retry>) -> Self {
        self.retry = retry;
        self
    }

    /// Sets the interval that the tracker asks for.
    pub fn with_interval(mut self, interval: Option<Duration>) -> Self {
        let seconds = interval.unwrap_or_default().as_secs();
        self.interval_seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        self
    }

    /// Returns the interval that the tracker asks for beside its refusal.
    pub fn interval(&self) -> Option<Duration> {
        (self.interval_seconds > 0).then(|| Duration::from_secs(self.interval_seconds.into()))
    }
}

/// Returns a text as one line of at most [`ProbeError::MAX_TEXT`] bytes. Replaces control
/// characters by spaces and escapes invisible ones.
pub fn printable(text: &str) -> Box<str> {
    let mut line = String::with_capacity(text.len().min(ProbeError::MAX_TEXT));
    for c in text.chars() {
        let before = line.len();
        match c {
            c if is_invisible(c) => line.extend(c.escape_unicode()),
            c if c.is_control() => line.push(' '),
            c => line.push(c),
        }
        if line.len() > ProbeError::MAX_TEXT {
            line.truncate(before);
            break;
        }
    }
    line.trim().into()
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_empty() {
            write!(f, "{}", self.reason)
        } else {
            write!(f, "{}: {}", self.reason, self.text)
        }
    }
}
