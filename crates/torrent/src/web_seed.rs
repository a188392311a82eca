//! Web seeds: HTTP servers that have the files of a torrent (BEP 19, BEP 17).

use std::fmt;

use seedwatch_input::secret::Secret;

use super::Host;
use super::url_list::is_blank;

/// How a web seed is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WebSeedKind {
    /// Byte ranges of the files: `url-list`, magnet `ws` (BEP 19).
    Files,
    /// Pieces by info-hash and number: `httpseeds` (BEP 17). A magnet link cannot name it.
    Pieces,
}

/// Why a web seed is rejected. The text never quotes the URL, which may contain a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebSeedError {
    /// The text is no URL. Lists of web seeds with only a path or a bare host occur.
    #[error("not a URL")]
    NotUrl,
    /// The scheme is another one, such as ftp.
    #[error("scheme must be http or https")]
    Scheme,
    /// The URL has white space, a control character or an invisible character.
    #[error("it has white space or a control character inside")]
    Space,
    /// The URL has no valid host.
    #[error("the host is missing or not valid")]
    Host,
    /// The host is a link-local address or a cloud metadata service.
    #[error("link-local addresses and metadata services are never contacted")]
    NeverContacted,
    /// The URL exceeds [`WebSeed::MAX_LENGTH`].
    #[error("longer than 2048 bytes")]
    TooLong,
    /// The URL has `user:password@`.
    #[error("a user and a password are not supported")]
    Credentials,
}

/// The URL of a web seed. `Display` and `Debug` show scheme, host and port only: path and query may
/// contain a token.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WebSeed {
    kind: WebSeedKind,
    /// Scheme, host, and port unless it is the default one.
    origin: Box<str>,
    url: Secret<Box<str>>,
    /// Whether a part of the URL may be a secret.
    is_personal: bool,
}

/// Fewest characters of a word that looks like a passkey. The identifiers of common archives and
/// the digits of a date are shorter.
const KEY_LENGTH: usize = 16;

/// Returns whether a segment of a path may hold a passkey. Names of files differ from passkeys in
/// that they are words: a passkey is a long run of letters and digits, with both among them. A
/// parameter (RFC 3986, section 3.3) is like a query. An encoded letter or digit hides something.
fn may_be_passkey(segment: &str) -> bool {
    let has_parameter = segment.contains([';', '=']);
    let hides = segment.match_indices('%').any(|(at, _)| {
        let code = segment.get(at + 1..at + 3);
        let code = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        code.is_none_or(|code| code.is_ascii_alphanumeric() || matches!(code, b';' | b'=' | b'?'))
    });
    let mut runs = segment.split(|c: char| !c.is_ascii_alphanumeric());
    has_parameter || hides || runs.any(is_key)
}

/// Returns whether a run of letters and digits is long and mixed, or long and hexadecimal.
fn is_key(run: &str) -> bool {
    let has_digit = run.bytes().any(|byte| byte.is_ascii_digit());
    let has_letter = run.bytes().any(|byte| byte.is_ascii_alphabetic());
    let is_hexadecimal = run.bytes().all(|byte| byte.is_ascii_hexdigit());
    // Base32 and base64 without a digit are rare, but long ones are no word.
    run.len() >= KEY_LENGTH && (has_digit && has_letter || is_hexadecimal)
        || run.len() >= 2 * KEY_LENGTH
}

impl WebSeed {
    /// Longest URL that is accepted, in bytes.
    pub const MAX_LENGTH: usize = 2048;

    /// Most web seeds that are kept of one torrent. The Internet Archive names three.
    pub const MAX: usize = 16;

    /// Reads the URL of a web seed. Drops the fragment, and white space around the URL.
    ///
    /// # Errors
    ///
    /// The first reason to reject the URL.
    pub fn parse(text: &str, kind: WebSeedKind) -> Result<Self, WebSeedError> {
        if text.len() > Self::MAX_LENGTH {
            return Err(WebSeedError::TooLong);
        }
        let text = text.trim_matches(is_blank);
        if text.contains(|c| c != ' ' && is_blank(c)) {
            return Err(WebSeedError::Space);
        }
        let (scheme, rest) = text.split_once("://").ok_or(WebSeedError::NotUrl)?;
        let is_http = ["http", "https"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known));
        if !is_http {
            return Err(WebSeedError::Scheme);
        }
        // `url` reads `http:///files` as the host "files", and `\\` as `/`.
        if rest.is_empty() || rest.starts_with(['/', '\\', '?', '#', ':']) {
            return Err(WebSeedError::Host);
        }
        let mut url = url::Url::parse(text).map_err(|_| WebSeedError::NotUrl)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(WebSeedError::Credentials);
        }
        let host = url.host().and_then(Host::of).ok_or(WebSeedError::Host)?;
        if host.is_never_contacted() {
            return Err(WebSeedError::NeverContacted);
        }
        url.set_fragment(None);
        if url.as_str().len() > Self::MAX_LENGTH {
            return Err(WebSeedError::TooLong);
        }
        let origin = &url[..url::Position::BeforePath];
        Ok(Self {
            kind,
            origin: origin.into(),
            is_personal: url.query().is_some() || url.path().split('/').any(may_be_passkey),
            url: Secret::new(url.as_str().into()),
        })
    }

    /// Returns how the web seed is asked.
    pub fn kind(&self) -> WebSeedKind {
        self.kind
    }

    /// Returns the whole URL. It may contain a token: never log or expose it.
    pub fn secret_url(&self) -> &str {
        self.url.expose()
    }

    /// Returns the whole URL, unless a part of it may be a secret: queries sign requests, and a
    /// segment of the path may be a passkey.
    pub fn public_url(&self) -> Option<&str> {
        (!self.is_personal).then_some(&**self.url.expose())
    }
}

impl fmt::Display for WebSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

impl fmt::Debug for WebSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<WebSeed, WebSeedError> {
        WebSeed::parse(text, WebSeedKind::Files)
    }

    #[test]
    fn urls_are_kept_and_only_their_origin_is_shown() {
        for (text, url, shown) in [
            (
                "https://archive.example/download/#x",
                "https://archive.example/download/",
                "https://archive.example",
            ),
            (
                " HTTP://[2001:DB8::1]:8080/a b ",
                "http://[2001:db8::1]:8080/a%20b",
                "http://[2001:db8::1]:8080",
            ),
        ] {
            let seed = parse(text).unwrap();
            assert_eq!(seed.public_url(), Some(url));
            assert_eq!(
                (seed.to_string(), format!("{seed:?}")),
                (shown.into(), shown.into())
            );
        }
    }

    #[test]
    fn a_query_may_be_a_signature() {
        let seed = parse("https://bucket.example/file?sig=SECRET").unwrap();
        assert_eq!(seed.public_url(), None);
        assert!(seed.secret_url().contains("SECRET"));
        assert!(!format!("{seed} {seed:?}").contains("SECRET"));
    }

    #[test]
    fn a_segment_of_the_path_may_be_a_passkey() {
        for (path, is_public) in [
            ("download/", true),
            (
                "download/census-1921_archive.torrent/census%20(1921).tar.gz",
                true,
            ),
            (
                "pub/debian-cd/12.5.0/amd64/iso-dvd/debian-12.5.0-amd64-DVD-1.iso",
                true,
            ),
            ("files/2024-01-31T10:20:30Z/%E2%82%AC.pdf", true),
            ("Internationalization/documentation", true),
            ("0123456789abcdef/files", false),
            ("0123456789ABCDEF0123456789ABCDEF01234567", false),
            ("0123456789012345/files", false),
            ("deadbeefdeadbeef/files", false),
            ("get.php/k3yK3yk3yK3yk3yK/file.iso", false),
            ("key-mfrggzdfmztwq2lkmfrggzdf.bin", false),
            ("MFRGGZDFMZTWQ2LKMFRGGZDF/file", false),
            ("abcdefghijklmnopqrstuvwxyzabcdef/file", false),
            ("files;key=hunter/file", false),
            ("key=hunter/file", false),
            ("files%3Bkey%3Dhunter/file", false),
            ("%30123456789abcdef/file", false),
        ] {
            let seed = parse(&format!("https://w.example/{path}")).unwrap();
            assert_eq!(seed.public_url().is_some(), is_public, "{path}");
        }
    }

    #[test]
    fn rejections_name_the_reason() {
        let long = format!("https://w.example/{}", "a".repeat(WebSeed::MAX_LENGTH));
        for (text, expected) in [
            ("", WebSeedError::NotUrl),
            ("/download/", WebSeedError::NotUrl),
            ("archive.example", WebSeedError::NotUrl),
            ("ftp://w.example/a", WebSeedError::Scheme),
            ("http:///a", WebSeedError::Host),
            ("http://a..b/", WebSeedError::Host),
            ("http://w.example/a\nb", WebSeedError::Space),
            (
                "http://169.254.169.254/latest",
                WebSeedError::NeverContacted,
            ),
            ("http://u:p@w.example/", WebSeedError::Credentials),
            (&long, WebSeedError::TooLong),
        ] {
            assert_eq!(parse(text), Err(expected), "{text}");
        }
    }
}
