//! What trackers say in words: fit to be shown, without passkeys and addresses.

use std::net::{IpAddr, SocketAddr};

use percent_encoding::percent_decode_str;

use crate::observation::{Failed, Failure, Retry};
use crate::torrent::TrackerUrl;

/// Shortest piece of path or query that is taken for a passkey when a tracker repeats it.
const MIN_SECRET: usize = 6;
/// Longest text read, in bytes, once its passkeys are blacked out.
const MAX_TEXT: usize = 512;
/// Shortest address: `1.1.1.1`, `fe80::`.
const MIN_ADDRESS: usize = 6;
/// Longest address: `[`, six groups of four, an IPv4 address, `]` and a port.
const MAX_ADDRESS: usize = 1 + 6 * 5 + 15 + 1 + 6;

/// The failure a tracker states (`failure reason`, error packet).
pub(super) fn refusal(text: &[u8], url: &TrackerUrl, retry: Option<Retry>) -> Failed {
    let text = shown(text, url);
    let lower = text.to_lowercase();
    let limited = ["rate limit", "too many requests", "too fast", "slow down"]
        .iter()
        .any(|words| lower.contains(words));
    let reason = if limited && retry.is_none() {
        Failure::RateLimited
    } else {
        Failure::Rejected
    };
    Failed::new(reason, text).with_retry(retry)
}

/// The warning that a tracker adds to an answer (`warning message`).
pub(super) fn warning(text: &[u8], url: &TrackerUrl) -> Box<str> {
    Failed::new(Failure::Rejected, shown(text, url)).text
}

/// The text with pieces of our URL and addresses (ours, most often) blacked out.
fn shown(text: &[u8], url: &TrackerUrl) -> String {
    let text = without_secrets(text, &secrets(url));
    let text = without_addresses(String::from_utf8_lossy(&text).trim_matches('\0'));
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What may be a passkey in our URL, as it is written and as a tracker may have read it: without
/// percent-encoding, and with `+` for a space. The longest come first.
fn secrets(url: &TrackerUrl) -> Vec<Vec<u8>> {
    let mut secrets: Vec<Vec<u8>> = url
        .secret_path_and_query()
        .split(['/', '?', '&', '='])
        .flat_map(|piece| {
            let with_spaces = piece.replace('+', " ");
            [
                piece.as_bytes().to_vec(),
                percent_decode_str(piece).collect(),
                percent_decode_str(&with_spaces).collect(),
            ]
        })
        .filter(|secret| {
            let is_word = |word: &[u8]| secret.eq_ignore_ascii_case(word);
            secret.len() >= MIN_SECRET && !is_word(b"announce") && !is_word(b"passkey")
        })
        .collect();
    secrets.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    secrets.dedup();
    secrets
}

/// The first [`MAX_TEXT`] bytes of the text with the secrets in it blacked out, in whatever letter
/// case: cut only then, so that the cut leaves no part of one.
fn without_secrets(mut text: &[u8], secrets: &[Vec<u8>]) -> Vec<u8> {
    let mut shown = Vec::with_capacity(text.len().min(MAX_TEXT));
    while let [first, rest @ ..] = text
        && shown.len() < MAX_TEXT
    {
        let found = secrets.iter().find_map(|secret| {
            let (start, after) = text.split_at_checked(secret.len())?;
            start.eq_ignore_ascii_case(secret).then_some(after)
        });
        text = if let Some(after) = found {
            shown.extend_from_slice(b"<secret>");
            after
        } else {
            shown.push(*first);
            rest
        };
    }
    shown
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
    fn passkeys_are_known_in_every_spelling() {
        let url =
            "http://t.example/AbCdEf0123/my%20secret%20key/a%2Fb+c%3Dd/announce?pk=%c3%a9t%c3%a9+9";
        let url = TrackerUrl::parse(url).unwrap();
        for (text, expected) in [
            (
                "AbCdEf0123 abcdef0123 ABCDEF0123",
                "<secret> <secret> <secret>",
            ),
            ("my secret key, my%20SECRET%20key", "<secret>, <secret>"),
            ("a%2fb+c%3dd a/b+c=d A/B C=D", "<secret> <secret> <secret>"),
            ("été 9 or été+9", "<secret> or <secret>"),
            ("GET /Announce", "GET /Announce"),
        ] {
            let failed = refusal(text.as_bytes(), &url, None);
            assert_eq!(&*failed.text, expected);
        }
    }

    #[test]
    fn no_cut_leaves_a_part_of_a_passkey() {
        let secret = format!("k{}", "0".repeat(1500));
        let url = TrackerUrl::parse(&format!("http://t.example/{secret}/announce")).unwrap();
        // White space goes, so that the end of what is read would be seen.
        for before in [0, MAX_TEXT - 100, MAX_TEXT - 5, MAX_TEXT - 1] {
            let text = format!("{}{secret} {secret}", " ".repeat(before));
            let shown = refusal(text.as_bytes(), &url, None).text;
            assert!(
                shown.starts_with("<secret>") && !shown.contains('0'),
                "{shown}"
            );
        }
        assert_eq!(
            &*refusal(&[b'x'; 1 << 20], &url, None).text,
            "x".repeat(Failed::MAX_TEXT)
        );
    }

    #[test]
    fn being_told_to_slow_down_is_a_rate_limit() {
        assert_eq!(said("Rate limit exceeded").reason, Failure::RateLimited);
    }
}
