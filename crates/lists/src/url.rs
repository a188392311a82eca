//! The URL of a list. Its display omits the path, which may contain a passkey.

use std::fmt;

use ::url::{Position, Url};

use seedwatch_input::secret::{MASK, Secret};
use seedwatch_torrent::{Host, Scheme, TrackerUrl, TrackerUrlError};

/// Why a text is not the URL of a list. The message quotes nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ListUrlError {
    /// The text is no URL.
    #[error("not a URL")]
    NotUrl,
    /// The scheme is neither http nor https.
    #[error("scheme must be http or https")]
    Scheme,
    /// The URL exceeds [`ListUrl::MAX_LENGTH`].
    #[error("longer than 8192 bytes")]
    TooLong,
    /// The host or the port is not usable, or the URL has a password.
    #[error("{0}")]
    Origin(TrackerUrlError),
}

/// The URL of a list. `Display` and `Debug` show scheme, host and port only.
#[derive(Clone, PartialEq, Eq)]
pub struct ListUrl {
    /// The same scheme, host and port without a path.
    origin: TrackerUrl,
    url: Secret<Url>,
}

impl ListUrl {
    /// Longest URL that is accepted, in bytes.
    pub const MAX_LENGTH: usize = 8192;

    /// Reads a URL, and drops its fragment.
    ///
    /// # Errors
    /// The first reason to reject the URL.
    pub fn parse(text: &str) -> Result<Self, ListUrlError> {
        if text.len() > Self::MAX_LENGTH {
            return Err(ListUrlError::TooLong);
        }
        let mut url = Url::parse(text.trim()).map_err(|_| ListUrlError::NotUrl)?;
        url.set_fragment(None);
        Self::new(url)
    }

    /// Checks a URL that was read already, such as the target of a redirect.
    ///
    /// # Errors
    /// As [`ListUrl::parse`].
    pub fn new(url: Url) -> Result<Self, ListUrlError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(ListUrlError::Scheme);
        }
        let origin = TrackerUrl::parse(&url[..Position::BeforePath]);
        Ok(Self {
            origin: origin.map_err(ListUrlError::Origin)?,
            url: Secret::new(url),
        })
    }

    /// Returns the host.
    pub fn host(&self) -> &Host {
        self.origin.host()
    }

    /// Returns whether the URL is of TLS.
    pub fn is_tls(&self) -> bool {
        self.origin.scheme() == Scheme::Https
    }

    /// Returns whether both URLs have the same scheme, host and port.
    pub fn same_origin(&self, other: &Self) -> bool {
        self.origin == other.origin
    }

    /// Returns the URL with path and query. They may contain a passkey: never log or expose them.
    pub fn secret_url(&self) -> &Url {
        self.url.expose()
    }

    /// Returns the URL for people: a path or query that may contain a passkey is masked.
    pub fn masked(&self) -> String {
        let url = self.url.expose();
        match url.path() == "/" && url.query().is_none() {
            true => format!("{}/", self.origin),
            false => format!("{}/{MASK}", self.origin),
        }
    }
}

impl fmt::Display for ListUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.origin, f)
    }
}

impl fmt::Debug for ListUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_are_never_shown() {
        let text = "https://Indexer.example/api?t=search&apikey=SECRET#x";
        let url = ListUrl::parse(text).unwrap();
        assert_eq!(url.to_string(), "https://indexer.example:443");
        assert_eq!(url.masked(), "https://indexer.example:443/<secret>");
        assert!(!format!("{url:?}").contains("SECRET"));
        assert!(url.secret_url().as_str().ends_with("apikey=SECRET"));
        // Of a tracker, these would be two URLs in one.
        assert!(ListUrl::parse("http://h.example/?u=https%3A%2F%2Fx.example").is_ok());
    }

    #[test]
    fn rejections_name_the_reason() {
        let origin = ListUrlError::Origin;
        for (text, expected) in [
            ("lists/a.csv", ListUrlError::NotUrl),
            ("ftp://h.example/a", ListUrlError::Scheme),
            ("file:///etc/passwd", ListUrlError::Scheme),
            (
                "http://169.254.169.254/",
                origin(TrackerUrlError::NeverContacted),
            ),
            ("http://[fe80::1]/", origin(TrackerUrlError::NeverContacted)),
            (
                "https://u:p@h.example/",
                origin(TrackerUrlError::Credentials),
            ),
        ] {
            assert_eq!(ListUrl::parse(text).unwrap_err(), expected, "{text}");
        }
    }
}
