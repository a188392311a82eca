//! What trackers say in words: fit to be shown, without passkeys and addresses.

use std::net::{IpAddr, SocketAddr};

use crate::observation::{Failed, Failure, Retry};
use crate::torrent::TrackerUrl;

/// Shortest piece of path or query that is taken for a passkey when a tracker repeats it.
const MIN_SECRET: usize = 6;
/// Longest text looked at, in bytes.
const MAX_TEXT: usize = 512;
/// Shortest address: `1.1.1.1`, `fe80::`.
const MIN_ADDRESS: usize = 6;
/// Longest address: `[`, six groups of four, an IPv4 address, `]` and a port.
const MAX_ADDRESS: usize = 1 + 6 * 5 + 15 + 1 + 6;

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
    let text = without_addresses(&text);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text with every address in it blacked out, whatever it is glued to: of all that could be
/// one the leftmost, and of those the longest.
fn without_addresses(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut shown = String::with_capacity(text.len());
    // Up to where the text is shown, and where an address may begin.
    let (mut done, mut at) = (0, 0);
    while at < bytes.len() {
        let run = bytes[at..]
            .iter()
            .take(MAX_ADDRESS)
            .take_while(|byte| byte.is_ascii_hexdigit() || b".:[]".contains(byte))
            .count();
        // What is neither is in the middle of another character, or cannot begin an address.
        let found = (MIN_ADDRESS..=run)
            .rev()
            .find(|length| text.get(at..at + length).is_some_and(is_address));
        if let Some(length) = found {
            shown.push_str(&text[done..at]);
            shown.push_str("<address>");
            at += length;
            done = at;
        } else {
            at += 1;
        }
    }
    shown.push_str(&text[done..]);
    shown
}

/// An address, with or without a port, that can be somebody's: `::` and its like stand in the names
/// that programs give to things.
fn is_address(text: &str) -> bool {
    let ip = text.parse::<IpAddr>().ok();
    let ip = ip.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    ip.is_some_and(|ip| match ip {
        IpAddr::V4(_) => true,
        // Global, unique local and link-local ones, and those that wrap IPv4 (RFC 4291, 6052).
        IpAddr::V6(ip) => match ip.segments() {
            [first, ..] if first >= 0x2000 => true,
            [0x64, 0xff9b, ..] => true,
            _ => ip.to_ipv4_mapped().is_some(),
        },
    })
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
                "<address> is banned, (<address>), <address>. <address>!",
            ),
            ("banned:203.0.113.5", "banned:<address>"),
            ("addr=203.0.113.5:6881", "addr=<address>"),
            ("ip(203.0.113.5)denied", "ip(<address>)denied"),
            ("203.0.113.5,2001:db8::1", "<address>,<address>"),
            ("banned:2001:db8::1", "banned:<address>"),
            ("ip=[2001:db8::1]:6881", "ip=<address>"),
            ("[2001:db8::1] (é203.0.113.5é)", "[<address>] (é<address>é)"),
            ("from ::ffff:203.0.113.5;", "from <address>;"),
            ("from ::ffff:cb00:7105;", "from <address>;"),
            ("from 64:ff9b::cb00:7105", "from <address>"),
            ("2001:db8:1111:2222:3333:4444:203.100.113.255", "<address>"),
            ("at 12:34:56, error 1.2.3", "at 12:34:56, error 1.2.3"),
            ("Tracker::announce failed", "Tracker::announce failed"),
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
