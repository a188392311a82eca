//! Why a list as a whole cannot be used.

/// Why a list cannot be used. [`ListFailure::as_label`] is the `reason` of metrics and log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum ListFailure {
    /// A web page came instead of the list.
    #[error("a web page instead of a list")]
    Html,
    /// A page came that asks whether a human reads it.
    #[error("a page that keeps programs out instead of a list")]
    BotWall,
    /// The list has no entry.
    #[error("the list is empty")]
    Empty,
    /// The list ends in the middle.
    #[error("the list ends in the middle")]
    Truncated,
    /// The list has less than half of the entries of the last good copy. It is believed if the
    /// next fetch confirms it.
    #[error("less than half of the last good copy: believed if the next fetch confirms it")]
    Shrunken,
    /// The list exceeds [`MAX_BYTES`](crate::MAX_BYTES) or [`MAX_ENTRIES`](crate::MAX_ENTRIES).
    #[error("larger than 64 MiB or 250,000 entries")]
    TooLarge,
    /// Elements or values are nested deeper than [`MAX_DEPTH`](crate::MAX_DEPTH).
    #[error("nested deeper than 64 levels")]
    TooDeep,
    /// The XML has a document type definition, or an entity that XML does not predefine.
    #[error("has a document type or an entity that XML does not predefine")]
    Entities,
    /// The text is in no known encoding.
    #[error("not a text in a known encoding")]
    Encoding,
    /// The content is not of the expected format.
    #[error("not a list of this format")]
    NotAList,
    /// The list has entries, and none of them names an info-hash.
    #[error("no entry has an info-hash")]
    NoHashes,
    /// The server answered with an error document of Torznab, most often for a wrong key.
    #[error("the server rejected the request")]
    Rejected,
    /// The status of the answer is not 200 or 304.
    #[error("the server answered with an error status")]
    HttpStatus,
    /// The server did not answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The answer began, and did not end within the time limit.
    #[error("the answer did not end within 60 s")]
    TooSlow,
    /// The name of the server does not resolve.
    #[error("the name of the server does not resolve")]
    Dns,
    /// There is no connection to the server, or it broke off.
    #[error("no connection to the server, or it broke off")]
    Unreachable,
    /// The port of the server is closed.
    #[error("the port of the server is closed")]
    Refused,
    /// The TLS handshake failed, most often for an invalid certificate.
    #[error("the TLS handshake failed, or the certificate is not valid")]
    Tls,
    /// The URL or a redirect leads to an address that is not contacted.
    #[error("leads to an address that is not contacted")]
    ForbiddenAddress,
    /// A redirect is not followed: too many, out of TLS, or to nowhere.
    #[error("a redirect that is not followed")]
    Redirect,
    /// The file cannot be read.
    #[error("the file cannot be read")]
    Unreadable,
}

impl ListFailure {
    /// All failures, in the order of their labels in documents.
    pub const ALL: [Self; 22] = [
        Self::Html,
        Self::BotWall,
        Self::Empty,
        Self::Truncated,
        Self::Shrunken,
        Self::TooLarge,
        Self::TooDeep,
        Self::Entities,
        Self::Encoding,
        Self::NotAList,
        Self::NoHashes,
        Self::Rejected,
        Self::HttpStatus,
        Self::Timeout,
        Self::TooSlow,
        Self::Dns,
        Self::Unreachable,
        Self::Refused,
        Self::Tls,
        Self::ForbiddenAddress,
        Self::Redirect,
        Self::Unreadable,
    ];

    /// Returns the label, as in metrics.
    pub const fn as_label(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::BotWall => "bot_wall",
            Self::Empty => "empty",
            Self::Truncated => "truncated",
            Self::Shrunken => "shrunken",
            Self::TooLarge => "too_large",
            Self::TooDeep => "too_deep",
            Self::Entities => "entities",
            Self::Encoding => "encoding",
            Self::NotAList => "not_a_list",
            Self::NoHashes => "no_hashes",
            Self::Rejected => "rejected",
            Self::HttpStatus => "http_status",
            Self::Timeout => "timeout",
            Self::TooSlow => "too_slow",
            Self::Dns => "dns",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Tls => "tls",
            Self::ForbiddenAddress => "forbidden_address",
            Self::Redirect => "redirect",
            Self::Unreadable => "unreadable",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_failure_has_its_own_label() {
        let labels: BTreeSet<_> = ListFailure::ALL.iter().map(|f| f.as_label()).collect();
        assert_eq!(labels.len(), ListFailure::ALL.len());
        assert!(labels.iter().all(|label| {
            let is_label = |b: u8| b.is_ascii_lowercase() || b == b'_';
            !label.is_empty() && label.bytes().all(is_label)
        }));
    }
}
