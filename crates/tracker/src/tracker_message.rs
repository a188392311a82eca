//! Messages of trackers, made printable and free of passkeys and addresses.

mod secrets;

use std::net::{IpAddr, SocketAddr};

use crate::{FailureReason, ProbeError, Retry, printable};
use secrets::Secrets;
use seedwatch_torrent::TrackerUrl;

/// The shortest address: `1.1.1.1`, `fe80::`.
const MIN_ADDRESS: usize = 6;
/// The longest address: `[`, six groups of four digits, an IPv4 address, `]` and a port.
const MAX_ADDRESS: usize = 1 + 6 * 5 + 15 + 1 + 6;

/// Returns the failure that a tracker states in a `failure reason` or an error packet.
pub fn refusal(text: &[u8], url: &TrackerUrl, retry: Option<Retry>) -> ProbeError {
    let text = shown(text, url);
    let lower = text.to_lowercase();
    let limited = ["rate limit", "too many requests", "too fast", "slow down"]
        .iter()
        .any(|words| lower.contains(words));
    let reason = if limited && retry.is_none() {
        FailureReason::RateLimited
    } else {
        FailureReason::Rejected
    };
    ProbeError::new(reason, text).with_retry(retry)
}

/// Returns the `warning message` of a response as printable text.
pub fn warning(text: &[u8], url: &TrackerUrl) -> Box<str> {
    printable(&shown(text, url))
}

/// Masks parts of our URL and addresses, most often our own, in a text.
fn shown(text: &[u8], url: &TrackerUrl) -> String {
    let text = Secrets::of(url).blacked_out(text);
    let text = without_addresses(String::from_utf8_lossy(&text).trim_matches('\0'));
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Masks every address in a text, also inside a word. Of overlapping candidates, the leftmost is
/// masked, and of those the longest.
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

/// Returns whether a text is an address of a host, with or without a port. `::` and similar forms
/// also occur in identifiers.
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
    use super::secrets::MAX_TEXT;
    use super::*;
    use seedwatch_input::text::is_invisible;

    fn rejection(text: &str) -> ProbeError {
        let url = "http://t.example/0123456789abcdef/announce?passkey=secret1";
        refusal(text.as_bytes(), &TrackerUrl::parse(url).unwrap(), None)
    }

    #[test]
    fn passkeys_and_addresses_are_redacted() {
        for (text, expected) in [
            (
                "passkey secret1 (0123456789abcdef) unknown at announce\0",
                "passkey <secret> (<secret>) unknown at announce",
            ),
            (
                "192.0.2.1 is banned, (2001:db8::1), 192.0.2.1:80. [2001:db8::1]:6881!",
                "<address> is banned, (<address>), <address>. <address>!",
            ),
            // Full-width letters, some of them in upper case.
            (
                "ｋｅｙ ｓｅＣｒｅＴ１ ０123４56７89abcｄeｆ 是无效的！",
                "ｋｅｙ <secret> <secret> 是无效的！",
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
            let failed = rejection(text);
            assert_eq!(failed.reason, FailureReason::Rejected);
            assert_eq!(&*failed.text, expected);
        }
    }

    #[test]
    fn passkeys_are_recognised_in_every_spelling() {
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
    fn truncation_leaves_no_part_of_a_passkey() {
        let secret = format!("k{}", "0".repeat(1500));
        let url = TrackerUrl::parse(&format!("http://t.example/{secret}/announce")).unwrap();
        // White space is trimmed, so that a passkey at the read limit would show.
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
            "x".repeat(ProbeError::MAX_TEXT)
        );
    }

    #[test]
    fn parts_and_encodings_of_passkeys_are_recognised() {
        let key = "3fA9c07be1d84e56a2b7";
        let url = format!("http://t.example/torrents/{key}/announce");
        let url = TrackerUrl::parse(&url).unwrap();
        let inverted: String = key
            .chars()
            .map(|c| match c {
                c if c.is_ascii_lowercase() => c.to_ascii_uppercase(),
                c => c.to_ascii_lowercase(),
            })
            .collect();
        let percent: String = key.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let entities: String = key.bytes().map(|byte| format!("&#{byte};")).collect();
        let entities16: String = key.bytes().map(|byte| format!("&#x{byte:x};")).collect();
        let json: String = key.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
        let hex = data_encoding::HEXUPPER.encode(key.as_bytes());
        let base64 = data_encoding::BASE64_NOPAD.encode(key.as_bytes());
        let base32 = data_encoding::BASE32_NOPAD.encode(key.as_bytes());
        let lower = key.to_ascii_lowercase();
        let bytes = data_encoding::HEXLOWER.decode(lower.as_bytes()).unwrap();
        let base64_of_bytes = data_encoding::BASE64_NOPAD.encode(&bytes);
        let base32_of_bytes = data_encoding::BASE32_NOPAD.encode(&bytes);
        let backwards: String = key.chars().rev().collect();
        for spelling in [
            key,
            &inverted,
            &percent,
            &entities,
            &entities16,
            &json,
            &hex,
            &base64,
            &base32,
            &base64_of_bytes,
            &base32_of_bytes,
            &backwards,
            &format!("<{key}>"),
            &key[..6],
            &key[7..13],
            &key[14..],
            &key[..12],
            "3fA9 c07b e1d8 4e56 a2b7",
            "3fA9-c07b-e1d8-4e56-a2b7",
            "3fA9c<b>07be1d</b>84e5<br/>6a2b7",
            "3fA9\u{200b}c07b\u{202e}e1d84e56a2b7",
        ] {
            let text = format!("no such key: {spelling}.");
            let shown = refusal(text.as_bytes(), &url, None).text;
            assert!(
                ["no such key: <secret>.", "no such key: <<secret>>."].contains(&&*shown),
                "{spelling}: {shown}"
            );
        }
        // Base64 encodes groups of three bytes; the passkey may begin at any place in a group.
        for before in ["", "x", "xy", "/announce?passkey="] {
            let encoded = format!("{before}{key}&left=0");
            let encoded = data_encoding::BASE64.encode(encoded.as_bytes());
            let shown = refusal(encoded.as_bytes(), &url, None).text;
            assert!(shown.contains("<secret>"), "{encoded}: {shown}");
            assert!(shown.len() < encoded.len(), "{encoded}: {shown}");
        }
        for text in [
            "unregistered torrent",
            "too many requests at 07:14:56",
            "3fA9c is not a part long enough",
            "10% of <b>all</b> & more \\x",
        ] {
            assert_eq!(&*refusal(text.as_bytes(), &url, None).text, text);
        }
    }

    #[test]
    fn invisible_characters_are_escaped() {
        let url = TrackerUrl::parse("http://t.example/announce").unwrap();
        let text = "banned\u{202e}txt.exe\u{2066} a\u{200b}b\u{feff}c\u{61c}\u{ad}\x1b[31m\n\
                    \u{85}\u{2028}";
        let expected = "banned\\u{202e}txt.exe\\u{2066} a\\u{200b}b\\u{feff}c\\u{61c}\\u{ad} [31m";
        for shown in [
            refusal(text.as_bytes(), &url, None).text,
            warning(text.as_bytes(), &url),
        ] {
            assert!(shown.starts_with(expected), "{shown}");
            assert!(!shown.chars().any(|c| c.is_control() || is_invisible(c)));
        }
        let many = "\u{202e}".repeat(500);
        assert!(warning(many.as_bytes(), &url).len() <= ProbeError::MAX_TEXT);
    }

    #[test]
    fn a_rate_limit_message_is_recognised() {
        assert_eq!(
            rejection("Rate limit exceeded").reason,
            FailureReason::RateLimited
        );
    }
}
