//! `--web.external-url`: the address under which people reach the daemon.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;

/// The URL under which a browser reaches the daemon, for example through a reverse proxy.
///
/// ```
/// use seedwatch_exporter::ExternalUrl;
///
/// let url: ExternalUrl = "https://monitor.example/seedwatch/".parse().unwrap();
/// assert_eq!(url.to_string(), "https://monitor.example/seedwatch");
/// assert_eq!(url.prefix(), "/seedwatch");
/// assert!("monitor.example".parse::<ExternalUrl>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalUrl {
    /// Scheme, host and port.
    origin: String,
    /// The path without its last slash: empty, or a slash and what follows it.
    prefix: String,
}

impl ExternalUrl {
    /// Returns the path of the URL without its last slash; it is empty if there is none.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns the path of a request without the prefix: a proxy may pass it on or remove it.
    ///
    /// Returns `None` for the prefix without a slash, from which relative links would lead astray.
    pub fn local_path<'a>(&self, path: &'a str) -> Option<&'a str> {
        match path.strip_prefix(self.prefix.as_str()) {
            Some("") => None,
            Some(rest) if rest.starts_with('/') => Some(rest),
            _ => Some(path),
        }
    }
}

impl fmt::Display for ExternalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.prefix)
    }
}

impl FromStr for ExternalUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const SHAPE: &str = "must be a URL such as https://host/path";
        if text.contains(['?', '#', '@']) {
            return Err("must have no user, query or fragment".to_owned());
        }
        let uri: Uri = text.parse().map_err(|_| SHAPE.to_owned())?;
        let (scheme, authority) = uri.scheme_str().zip(uri.authority()).ok_or(SHAPE)?;
        if !matches!(scheme, "http" | "https") || authority.host().is_empty() {
            return Err(SHAPE.to_owned());
        }
        // hyper accepts any digits as a port.
        let has_port = authority.as_str() != authority.host();
        if has_port && authority.port_u16().is_none_or(|port| port == 0) {
            return Err("its port must be between 1 and 65535".to_owned());
        }
        let prefix = uri.path().trim_end_matches('/');
        if !prefix.split('/').skip(1).all(is_plain) {
            return Err(
                "its path may have letters, digits and the characters -._~ only".to_owned(),
            );
        }
        Ok(Self {
            origin: format!("{scheme}://{authority}"),
            prefix: prefix.to_owned(),
        })
    }
}

/// Returns whether a segment of a path is the same in every notation.
fn is_plain(segment: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    !matches!(segment, "" | "." | "..") && segment.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_validated() {
        for (text, expected) in [
            ("http://localhost:16881", "http://localhost:16881"),
            ("http://[::1]:16881/", "http://[::1]:16881"),
            ("https://m.example/a/b//", "https://m.example/a/b"),
        ] {
            assert_eq!(
                text.parse::<ExternalUrl>().unwrap().to_string(),
                expected,
                "{text}"
            );
        }
        for text in [
            "",
            "/seedwatch",
            "m.example",
            "m.example:16881",
            "ftp://m.example/",
            "http://",
            "http:///path",
            "http://user@m.example/",
            "http://m.example:99999/",
            "http://m.example:0/",
            "http://m.example:/",
            "http://[::1]:65536/",
            "http://m.example/?a",
            "http://m.example/#a",
            "http://m.example/a//b",
            "http://m.example/a/../b",
            "http://m.example/a%20b",
            "http://m.example/a\"b",
            "http://m.example/a b",
        ] {
            assert!(text.parse::<ExternalUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_prefix_may_be_there_or_not() {
        let url: ExternalUrl = "http://m.example/sw".parse().unwrap();
        for (path, local) in [
            ("/sw/config", Some("/config")),
            ("/sw/", Some("/")),
            ("/sw", None),
            ("/config", Some("/config")),
            ("/swx/config", Some("/swx/config")),
            ("/", Some("/")),
        ] {
            assert_eq!(url.local_path(path), local, "{path}");
        }
        let bare: ExternalUrl = "http://m.example".parse().unwrap();
        assert_eq!(bare.local_path("/config"), Some("/config"));
    }
}
