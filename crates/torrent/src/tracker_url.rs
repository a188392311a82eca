//! Tracker URLs. Their display omits the path, which may contain a passkey.

use std::fmt;

use seedwatch_input::secret::Secret;
use url::ParseError;

use super::Host;
use super::url_list::{check_rest, is_blank};

/// The protocol of a tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// UDP (BEP 15).
    Udp,
    /// HTTP (BEP 3).
    Http,
    /// HTTP over TLS.
    Https,
    /// WebTorrent: recognised, but not supported.
    Ws,
    /// WebTorrent over TLS: recognised, but not supported.
    Wss,
}

impl Scheme {
    /// Returns the scheme as written in a URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scheme::Udp => "udp",
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Ws => "ws",
            Scheme::Wss => "wss",
        }
    }

    /// Returns the port of URLs without a port. UDP has no default (BEP 15).
    pub const fn default_port(self) -> Option<u16> {
        match self {
            Scheme::Udp => None,
            Scheme::Http | Scheme::Ws => Some(80),
            Scheme::Https | Scheme::Wss => Some(443),
        }
    }
}

/// Why a tracker URL is rejected. The text never quotes the URL, which may contain a passkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrackerUrlError {
    /// The text is no URL.
    #[error("not a URL")]
    NotUrl,
    /// The scheme is none of trackers.
    #[error("scheme must be udp, http, https, ws or wss")]
    Scheme,
    /// The URL has white space, a control character or an invisible character, even
    /// percent-encoded. Most often two URLs were joined, or a comment follows the URL.
    #[error("it has white space or a control character inside")]
    Space,
    /// Another URL begins inside, even percent-encoded. Its path could be the passkey of another
    /// tracker.
    #[error("a second URL begins inside it")]
    SecondUrl,
    /// The host is missing.
    #[error("the host is missing")]
    Host,
    /// The host is neither a valid name nor an address.
    #[error("the host is neither a valid name nor an address")]
    HostName,
    /// The host is link-local or a cloud metadata service.
    #[error("link-local and cloud metadata addresses are never contacted")]
    NeverContacted,
    /// A UDP URL has no port (BEP 15), or the port is 0 or too large.
    #[error("the port is missing or not from 1 to 65535")]
    Port,
    /// The URL exceeds [`TrackerUrl::MAX_LENGTH`].
    #[error("longer than 2048 bytes")]
    TooLong,
    /// The URL has `user:password@`. Probes would not send them, so the tracker could only refuse.
    #[error("a user and a password are not supported")]
    Credentials,
    /// The query has a key that an announce must set.
    #[error("the query already contains info_hash")]
    Query,
}

/// Segments of announce paths that are the same for all users. Everything else may be a passkey.
const PUBLIC_WORDS: [&str; 7] = [
    "announce",
    "announce.php",
    "ann",
    "ann.php",
    "bt",
    "tracker",
    "tracker.php",
];

/// An announce URL. `Display` and `Debug` show [`TrackerUrl::label`] only: scheme, host and port.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TrackerUrl {
    scheme: Scheme,
    host: Host,
    port: u16,
    /// Path and query as sent: percent-encoded, beginning with `/` or empty.
    path_and_query: Secret<Box<str>>,
    scope: AddressScope,
}

/// The addresses that a tracker may have. No scope includes link-local or cloud metadata addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum AddressScope {
    /// Routed addresses only. A metainfo file or magnet link names the tracker, and must not make
    /// us contact devices of the local network (server-side request forgery).
    Internet,
    /// Local addresses too, but over HTTP only with a path that ends in `/announce`. A metainfo
    /// file or magnet link names the tracker, and the operator permits local addresses.
    LocalAnnounce,
    /// Local addresses too. The configuration itself names the tracker.
    #[default]
    Local,
}

impl TrackerUrl {
    /// Longest URL that is accepted, in bytes.
    pub const MAX_LENGTH: usize = 2048;

    /// Reads an announce URL. Drops the fragment, and white space and invisible characters around
    /// the URL, which come from copying out of web pages. The scope is [`AddressScope::Local`].
    ///
    /// # Errors
    ///
    /// The first reason to reject the URL.
    pub fn parse(text: &str) -> Result<Self, TrackerUrlError> {
        if text.len() > Self::MAX_LENGTH {
            return Err(TrackerUrlError::TooLong);
        }
        let text = text.trim_matches(is_blank);
        if text.contains(is_blank) {
            return Err(TrackerUrlError::Space);
        }
        let (scheme, rest) = text.split_once("://").ok_or(TrackerUrlError::NotUrl)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "udp" => Scheme::Udp,
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "ws" => Scheme::Ws,
            "wss" => Scheme::Wss,
            _ => return Err(TrackerUrlError::Scheme),
        };
        // `url` reads `http:///announce` as the host "announce", and `\\` as `/`.
        if rest.is_empty() || rest.starts_with(['/', '\\', '?', '#', ':']) {
            return Err(TrackerUrlError::Host);
        }
        check_rest(rest)?;
        // `url` normalises host and path only of schemes like http.
        let url = url::Url::parse(&format!("http://{rest}")).map_err(explain)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TrackerUrlError::Credentials);
        }
        let host =
            Host::of(url.host().ok_or(TrackerUrlError::Host)?).ok_or(TrackerUrlError::HostName)?;
        if host.is_never_contacted() {
            return Err(TrackerUrlError::NeverContacted);
        }
        // `url` omits port 80 as the default of http, so the text is searched for it.
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
        let path_and_query = &url[url::Position::BeforePath..url::Position::AfterQuery];
        Ok(Self {
            scheme,
            host,
            port,
            path_and_query: Secret::new(path_and_query.into()),
            scope: AddressScope::Local,
        })
    }

    /// Returns the same URL with another [`AddressScope`].
    pub fn with_scope(self, scope: AddressScope) -> Self {
        Self { scope, ..self }
    }

    /// Returns the addresses that the tracker may have.
    pub fn scope(&self) -> AddressScope {
        self.scope
    }

    /// Returns whether the tracker may have an address that the internet does not route.
    pub fn may_be_local(&self) -> bool {
        match self.scope {
            AddressScope::Local => true,
            AddressScope::LocalAnnounce => self.is_udp() || self.is_announce_path(),
            AddressScope::Internet => false,
        }
    }

    fn is_udp(&self) -> bool {
        self.scheme == Scheme::Udp
    }

    /// Returns whether the path, without the query, ends in `/announce`.
    fn is_announce_path(&self) -> bool {
        let path = self
            .path_and_query
            .expose()
            .split('?')
            .next()
            .unwrap_or_default();
        path.ends_with("/announce")
    }

    /// Returns the protocol.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Returns the port, or the default port if the URL has none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns path and query, percent-encoded. They may contain a passkey: never log or expose
    /// them.
    pub fn secret_path_and_query(&self) -> &str {
        self.path_and_query.expose()
    }

    /// Returns the whole URL, unless a part of it may be a passkey. Only paths of
    /// [`PUBLIC_WORDS`] and URLs without a query are certain to be the same for all users.
    ///
    /// ```
    /// use seedwatch_torrent::TrackerUrl;
    ///
    /// let open = TrackerUrl::parse("http://t.example/announce")?;
    /// assert_eq!(open.public_url().as_deref(), Some("http://t.example:80/announce"));
    /// let personal = TrackerUrl::parse("http://t.example/0123abc/announce")?;
    /// assert_eq!(personal.public_url(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn public_url(&self) -> Option<String> {
        let path = self.path_and_query.expose();
        let mut words = path.split('/').filter(|word| !word.is_empty());
        let is_public = words.all(|word| PUBLIC_WORDS.contains(&word));
        is_public.then(|| format!("{self}{path}"))
    }

    /// Returns the value of the `tracker` label: `scheme://host:port`, without anything secret.
    pub fn label(&self) -> String {
        self.to_string()
    }

    /// Returns whether two URLs name the same tracker: scheme, host and port are equal.
    pub fn same_tracker(&self, other: &Self) -> bool {
        (self.port, self.scheme) == (other.port, other.scheme) && self.host == other.host
    }

    /// Returns whether the tracker is in an overlay network that the internet does not reach.
    pub fn is_overlay(&self) -> bool {
        self.host.is_overlay()
    }

    /// Returns whether the tracker runs on this machine. It needs no rate limit then.
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

fn explain(error: ParseError) -> TrackerUrlError {
    match error {
        ParseError::EmptyHost => TrackerUrlError::Host,
        ParseError::InvalidPort => TrackerUrlError::Port,
        ParseError::IdnaError
        | ParseError::InvalidIpv4Address
        | ParseError::InvalidIpv6Address
        | ParseError::InvalidDomainCharacter => TrackerUrlError::HostName,
        _ => TrackerUrlError::NotUrl,
    }
}

fn names_port_80(rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && port.trim_start_matches('0') == "80" && !port.contains(']')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(text: &str) -> String {
        TrackerUrl::parse(text).expect(text).label()
    }

    #[test]
    fn labels_are_normalised() {
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
    fn only_urls_without_a_possible_passkey_are_public() {
        for (text, is_public) in [
            ("udp://t.example:1", true),
            ("udp://t.example:1/", true),
            ("udp://t.example:1/announce", true),
            ("http://t.example/announce.php", true),
            ("http://t.example/bt/ann.php", true),
            ("http://t.example/announce?passkey=x", false),
            ("http://t.example/announce?", false),
            ("http://t.example/Announce", false),
            ("http://t.example/hunter/announce", false),
            ("http://t.example/announce/0123456789abcdef", false),
            ("http://t.example/%61nnounce", false),
        ] {
            let url = TrackerUrl::parse(text).expect(text);
            assert_eq!(url.public_url().is_some(), is_public, "{text}");
        }
        let url = TrackerUrl::parse("http://[2001:db8::1]:6969/announce").unwrap();
        let public = url.public_url().unwrap();
        assert_eq!(public, "http://[2001:db8::1]:6969/announce");
        assert_eq!(TrackerUrl::parse(&public), Ok(url));
    }

    #[test]
    fn rejections_name_the_reason() {
        for (text, expected) in [
            ("tracker.example", TrackerUrlError::NotUrl),
            ("ftp://tracker.example/", TrackerUrlError::Scheme),
            ("http:///announce", TrackerUrlError::Host),
            ("udp://tracker.example/announce", TrackerUrlError::Port),
            ("http://tracker.example:0/", TrackerUrlError::Port),
            ("http://t.example/?info_hash=x", TrackerUrlError::Query),
            ("http://tracker.example:99999/", TrackerUrlError::Port),
            ("http://t.example:x/", TrackerUrlError::Port),
            (
                "http://http://t1.example/announce",
                TrackerUrlError::SecondUrl,
            ),
            ("http://t.example/a (backup)", TrackerUrlError::Space),
            ("http://t.ex\u{200b}ample/", TrackerUrlError::Space),
            ("http://t.example/a%0Ab", TrackerUrlError::Space),
            ("http://t.example/a%250ab", TrackerUrlError::Space),
            ("http://u:p@t.example/", TrackerUrlError::Credentials),
            ("https://u@t.example:443/", TrackerUrlError::Credentials),
            ("udp://u:p@t.example:80/", TrackerUrlError::Credentials),
        ] {
            assert_eq!(TrackerUrl::parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn overlay_and_loopback_hosts_are_recognised() {
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
