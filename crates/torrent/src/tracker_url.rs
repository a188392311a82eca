//! Tracker URLs, with a display that keeps passkeys to itself.

use std::fmt;

use seedwatch_input::secret::Secret;
use url::ParseError;

use super::Host;
use super::several::{check_rest, is_blank};

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

/// Why a tracker URL is refused. The text never repeats the URL: it may hold a passkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrackerUrlError {
    /// Not a URL at all.
    #[error("not a URL")]
    NotUrl,
    /// A scheme nobody announces over.
    #[error("scheme must be udp, http, https, ws or wss")]
    Scheme,
    /// White space, a control character or an invisible character, even percent-encoded: mostly
    /// the seam of two URLs, or a remark behind one.
    #[error("it has white space or a control character inside")]
    Space,
    /// Another URL begins inside, even percent-encoded: its path could be the passkey of another
    /// tracker.
    #[error("a second URL begins inside it")]
    SecondUrl,
    /// No host.
    #[error("the host is missing")]
    Host,
    /// No name and no address that could exist.
    #[error("the host is neither a possible name nor an address")]
    HostName,
    /// A link-local address, or one of a cloud's metadata service.
    #[error("link-local and cloud metadata addresses are never contacted")]
    NeverContacted,
    /// UDP without a port (BEP 15), port 0, or a number that is no port.
    #[error("the port is missing or not from 1 to 65535")]
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
    path_and_query: Secret<Box<str>>,
    scope: AddressScope,
}

/// Which addresses a tracker may have. Link-local and cloud metadata addresses are in none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum AddressScope {
    /// Those that the internet routes: a metainfo file or a magnet link names the tracker, and
    /// must not make us knock on a router at home (server-side request forgery).
    Internet,
    /// Local ones too, but over HTTP only under a path that ends in `/announce`: a metainfo file or
    /// a magnet link names the tracker, and the user admits local addresses.
    LocalAnnounce,
    /// Local ones too: the configuration itself names the tracker.
    #[default]
    Local,
}

impl TrackerUrl {
    /// Longest URL accepted, in bytes.
    pub const MAX_LENGTH: usize = 2048;

    /// Reads an announce URL. White space and invisible characters around it are dropped (they
    /// come with copying from web pages), the fragment too. Its scope is [`AddressScope::Local`].
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
        // `url` takes `http:///announce` for the host "announce", and `\\` for `/`.
        if rest.is_empty() || rest.starts_with(['/', '\\', '?', '#', ':']) {
            return Err(TrackerUrlError::Host);
        }
        check_rest(rest)?;
        // Read as http whatever the scheme: only then does `url` normalise host and path.
        let url = url::Url::parse(&format!("http://{rest}")).map_err(explain)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TrackerUrlError::Credentials);
        }
        let host =
            Host::of(url.host().ok_or(TrackerUrlError::Host)?).ok_or(TrackerUrlError::HostName)?;
        if host.is_never_contacted() {
            return Err(TrackerUrlError::NeverContacted);
        }
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
        let path_and_query = &url[url::Position::BeforePath..url::Position::AfterQuery];
        Ok(Self {
            scheme,
            host,
            port,
            path_and_query: Secret::new(path_and_query.into()),
            scope: AddressScope::Local,
        })
    }

    /// The same URL with another [`AddressScope`].
    pub fn with_scope(self, scope: AddressScope) -> Self {
        Self { scope, ..self }
    }

    /// Which addresses it may lead to.
    pub fn scope(&self) -> AddressScope {
        self.scope
    }

    /// Whether it may lead to an address that the internet does not route.
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

    /// Whether the path, without the query, ends in `/announce`.
    fn is_announce_path(&self) -> bool {
        let path = self
            .path_and_query
            .expose()
            .split('?')
            .next()
            .unwrap_or_default();
        path.ends_with("/announce")
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
        self.path_and_query.expose()
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
        self.host.is_overlay()
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
