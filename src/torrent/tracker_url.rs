//! Tracker URLs, with a display that keeps passkeys to itself.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// What a tracker speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// BEP 15.
    Udp,
    /// BEP 3.
    Http,
    /// BEP 3 over TLS.
    Https,
    /// WebTorrent; recognised, not spoken.
    Ws,
    /// WebTorrent over TLS; recognised, not spoken.
    Wss,
}

impl Scheme {
    /// As written in a URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scheme::Udp => "udp",
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Ws => "ws",
            Scheme::Wss => "wss",
        }
    }

    /// Filled in where a URL names none; UDP has no default (BEP 15).
    pub const fn default_port(self) -> Option<u16> {
        match self {
            Scheme::Udp => None,
            Scheme::Http | Scheme::Ws => Some(80),
            Scheme::Https | Scheme::Wss => Some(443),
        }
    }
}

/// The host of a tracker.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name in lower case, IDNA-encoded, without a trailing dot.
    Name(Box<str>),
    /// A literal address.
    Ip(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

/// Why a tracker URL is refused. The text never repeats the URL: it may hold a passkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrackerUrlError {
    /// Not a URL at all.
    #[error("not a URL")]
    NotUrl,
    /// A scheme nobody announces over.
    #[error("scheme must be udp, http, https, ws or wss")]
    Scheme,
    /// No host.
    #[error("the host is missing")]
    Host,
    /// UDP without a port (BEP 15), or port 0.
    #[error("the port is missing or 0")]
    Port,
    /// Longer than [`TrackerUrl::MAX_LENGTH`].
    #[error("longer than 2048 bytes")]
    TooLong,
    /// `user:password@` before the host: no probe would send them, so the tracker could only fail.
    #[error("a user and a password are not supported")]
    Credentials,
    /// The query already has a key that an announce must set.
    #[error("the query already contains info_hash")]
    Query,
}

/// An announce URL. `Display` and `Debug` show [`TrackerUrl::label`] only: scheme, host and port.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TrackerUrl {
    scheme: Scheme,
    host: Host,
    port: u16,
    /// Path and query as they go on the wire: percent-encoded, beginning with `/` or empty.
    path_and_query: Box<str>,
}

impl TrackerUrl {
    /// Longest URL accepted, in bytes.
    pub const MAX_LENGTH: usize = 2048;

    /// Reads an announce URL. White space and zero-width characters around and in it are dropped
    /// (they come with copying from web pages), the fragment too.
    pub fn parse(text: &str) -> Result<Self, TrackerUrlError> {
        if text.len() > Self::MAX_LENGTH {
            return Err(TrackerUrlError::TooLong);
        }
        let text: String = text.chars().filter(|c| !is_invisible(*c)).collect();
        let (scheme, rest) = text.split_once("://").ok_or(TrackerUrlError::NotUrl)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "udp" => Scheme::Udp,
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "ws" => Scheme::Ws,
            "wss" => Scheme::Wss,
            _ => return Err(TrackerUrlError::Scheme),
        };
        // `url` takes `http:///announce` for the host "announce".
        if rest.is_empty() || rest.starts_with(['/', '?', '#', ':']) {
            return Err(TrackerUrlError::Host);
        }
        // Read as http whatever the scheme: only then does `url` normalise host and path.
        let url =
            url::Url::parse(&format!("http://{rest}")).map_err(|_| TrackerUrlError::NotUrl)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TrackerUrlError::Credentials);
        }
        let host = match url.host().ok_or(TrackerUrlError::Host)? {
            url::Host::Domain(name) => Host::Name(name.trim_end_matches('.').into()),
            url::Host::Ipv4(ip) => Host::Ip(IpAddr::V4(ip)),
            url::Host::Ipv6(ip) => Host::Ip(IpAddr::V6(ip)),
        };
        // `url` hides port 80 as the default of http, so that is looked up in the text.
        let port = match url.port() {
            Some(port) => Some(port),
            None if names_port_80(rest) => Some(80),
            None => scheme.default_port(),
        };
        let port = port
            .filter(|port| *port != 0)
            .ok_or(TrackerUrlError::Port)?;
        if url.query_pairs().any(|(key, _)| key == "info_hash") {
            return Err(TrackerUrlError::Query);
        }
        let path_and_query = url[url::Position::BeforePath..url::Position::AfterQuery].into();
        Ok(Self {
            scheme,
            host,
            port,
            path_and_query,
        })
    }

    /// What it speaks.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Where it is.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Its port, the default filled in.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query, percent-encoded. May hold a passkey: never log or expose it.
    pub fn secret_path_and_query(&self) -> &str {
        &self.path_and_query
    }

    /// The value of the `tracker` label: `scheme://host:port`, and nothing that could be a passkey.
    pub fn label(&self) -> String {
        self.to_string()
    }

    /// The same tracker: scheme, host and port agree, path and query need not.
    pub fn same_tracker(&self, other: &Self) -> bool {
        (self.port, self.scheme) == (other.port, other.scheme) && self.host == other.host
    }

    /// An overlay network that the internet does not reach.
    pub fn is_overlay(&self) -> bool {
        matches!(&self.host, Host::Name(name)
            if [".i2p", ".onion", ".loki"].iter().any(|tld| name.ends_with(tld)))
            || matches!(&self.host, Host::Ip(IpAddr::V6(ip)) if is_yggdrasil(ip))
    }

    /// The tracker runs on this machine: it is nobody else's, so no courtesy is owed.
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Name(name) => &**name == "localhost" || name.ends_with(".localhost"),
            Host::Ip(ip) => ip.is_loopback(),
        }
    }
}

impl fmt::Display for TrackerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme.as_str(), self.host, self.port)
    }
}

impl fmt::Debug for TrackerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn is_invisible(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}')
}

fn names_port_80(rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && port.trim_start_matches('0') == "80" && !port.contains(']')
    })
}

/// 0200::/7.
fn is_yggdrasil(ip: &Ipv6Addr) -> bool {
    ip.segments()[0] & 0xfe00 == 0x0200
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(text: &str) -> String {
        TrackerUrl::parse(text).expect(text).label()
    }

    #[test]
    fn labels_are_normal() {
        for (text, expected) in [
            (
                "UDP://Tracker.Example:1337/Announce",
                "udp://tracker.example:1337",
            ),
            (
                "udp://tracker.example:80/announce",
                "udp://tracker.example:80",
            ),
            (
                "http://tracker.example./announce",
                "http://tracker.example:80",
            ),
            (
                "https://tracker.example/announce?passkey=abc",
                "https://tracker.example:443",
            ),
            (
                "https://tracker.example:80/announce",
                "https://tracker.example:80",
            ),
            (
                "http://[2001:DB8::1]:6969/announce",
                "http://[2001:db8::1]:6969",
            ),
            ("wss://tracker.example", "wss://tracker.example:443"),
            (
                "\u{200b}udp://tracker.example:6969 ",
                "udp://tracker.example:6969",
            ),
        ] {
            assert_eq!(label(text), expected);
        }
    }

    #[test]
    fn path_and_query_are_kept_as_written() {
        let url = TrackerUrl::parse("http://t.example/a%20b/announce.php?k=A+b&x#frag").unwrap();
        assert_eq!(url.secret_path_and_query(), "/a%20b/announce.php?k=A+b&x");
        assert!(!format!("{url:?} {url}").contains("announce"));
    }

    #[test]
    fn refusals_name_the_reason() {
        for (text, expected) in [
            ("tracker.example", TrackerUrlError::NotUrl),
            ("ftp://tracker.example/", TrackerUrlError::Scheme),
            ("http:///announce", TrackerUrlError::Host),
            ("udp://tracker.example/announce", TrackerUrlError::Port),
            ("http://tracker.example:0/", TrackerUrlError::Port),
            ("http://t.example/?info_hash=x", TrackerUrlError::Query),
            ("http://tracker.example:99999/", TrackerUrlError::NotUrl),
            ("http://u:p@t.example/", TrackerUrlError::Credentials),
            ("https://u@t.example:443/", TrackerUrlError::Credentials),
            ("udp://u:p@t.example:80/", TrackerUrlError::Credentials),
        ] {
            assert_eq!(TrackerUrl::parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn overlays_and_loopback_are_known() {
        assert!(
            TrackerUrl::parse("http://tracker.i2p/a")
                .unwrap()
                .is_overlay()
        );
        assert!(
            TrackerUrl::parse("udp://[200::1]:6969")
                .unwrap()
                .is_overlay()
        );
        assert!(
            TrackerUrl::parse("udp://127.3.2.1:6969")
                .unwrap()
                .is_loopback()
        );
        assert!(
            !TrackerUrl::parse("udp://tracker.example:6969")
                .unwrap()
                .is_loopback()
        );
    }
}
