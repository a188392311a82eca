//! What trackers say in words: fit to be shown, without passkeys and addresses.

use std::net::{IpAddr, SocketAddr};

use crate::observation::{Failed, Failure, Retry};
use crate::torrent::TrackerUrl;

/// Shortest piece of path or query that is taken for a passkey when a tracker repeats it.
const MIN_SECRET: usize = 6;
/// Longest text looked at, in bytes.
const MAX_TEXT: usize = 512;

/// The failure a tracker states (`failure reason`, error packet).
pub(super) fn refusal(text: &[u8], url: &TrackerUrl, retry: Option<Retry>) -> Failed {
    let text = String::from_utf8_lossy(&text[..text.len().min(MAX_TEXT)]);
    let lower = text.to_lowercase();
    let limited = ["rate limit", "too many requests", "too fast", "slow down"]
        .iter()
        .any(|words| lower.contains(words));
    let reason = if limited && retry.is_none() {
        Failure::RateLimited
    } else {
        Failure::Rejected
    };
    Failed::new(reason, shown(&text, url)).with_retry(retry)
}

/// The text with pieces of our URL and addresses (ours, most often) blacked out.
fn shown(text: &str, url: &TrackerUrl) -> String {
    let mut text = text.trim_matches('\0').to_owned();
    for piece in url
        .secret_path_and_query()
        .split(['/', '?', '&', '='])
        .filter(|piece| piece.len() >= MIN_SECRET && *piece != "announce" && *piece != "passkey")
    {
        text = text.replace(piece, "<secret>");
    }
    let words: Vec<&str> = text
        .split_whitespace()
        .map(|word| if is_address(word) { "<address>" } else { word })
        .collect();
    words.join(" ")
}

fn is_address(word: &str) -> bool {
    let bare = word.trim_matches(|c: char| !c.is_ascii_hexdigit() && c != ':');
    let bare = bare.trim_end_matches(':');
    bare.parse::<IpAddr>().is_ok()
        || bare.parse::<SocketAddr>().is_ok()
        || word
            .trim_matches(|c: char| !c.is_ascii_hexdigit() && !"[]:".contains(c))
            .parse::<SocketAddr>()
            .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Failed {
        let url = "http://t.example/0123456789abcdef/announce?passkey=secret1";
        refusal(text.as_bytes(), &TrackerUrl::parse(url).unwrap(), None)
    }

    #[test]
    fn passkeys_and_addresses_are_blacked_out() {
        for (text, expected) in [
            (
                "passkey secret1 (0123456789abcdef) unknown at announce\0",
                "passkey <secret> (<secret>) unknown at announce",
            ),
            (
                "192.0.2.1 is banned, (2001:db8::1), 192.0.2.1:80. [2001:db8::1]:6881!",
                "<address> is banned, <address> <address> <address>",
            ),
            ("unregistered torrent: 1", "unregistered torrent: 1"),
        ] {
            let failed = said(text);
            assert_eq!(failed.reason, Failure::Rejected);
            assert_eq!(&*failed.text, expected);
        }
    }

    #[test]
    fn being_told_to_slow_down_is_a_rate_limit() {
        assert_eq!(said("Rate limit exceeded").reason, Failure::RateLimited);
    }
}
