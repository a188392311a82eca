use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use super::*;
use crate::TrackerUrl;

const FIRST: &str = "http://t1.example:8001/KEY1/announce";
const SECOND: &str = "http://t2.example:8002/KEY2/announce";

fn parts(text: &str) -> Vec<&str> {
    split_urls(text).collect()
}

#[test]
fn a_separator_before_a_scheme_is_a_boundary() {
    for between in [
        "\n", "\r\n", "\n\n", ",", ", ", " , ", ";", "; ", "|", " | ", " ", "\t", "\u{a0}",
        "\u{200b}", "\u{2028}", ",\n",
    ] {
        let text = format!("{FIRST}{between}{SECOND}");
        assert_eq!(parts(&text), [FIRST, SECOND], "{between:?}");
        assert!(TrackerUrl::parse(&text).is_err(), "{between:?}");
    }
    assert_eq!(
        parts(" udp://a.example:1\nUDP://b.example:2,wss://c.example | https://d.example/ "),
        [
            "udp://a.example:1",
            "UDP://b.example:2",
            "wss://c.example",
            "https://d.example/"
        ]
    );
}

#[test]
fn separators_within_a_url_are_not_boundaries() {
    for text in [
        "http://t.example/announce?a=1,2",
        "http://t.example/a;b=c/announce",
        "http://t.example/a|b,c;d",
        "http://t.example/announce,",
    ] {
        assert_eq!(parts(text), [text]);
        assert!(TrackerUrl::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn remarks_become_parts_that_are_not_urls() {
    let text = format!("{FIRST} (backup)");
    assert_eq!(parts(&text), [&*text]);
    assert_eq!(TrackerUrl::parse(&text), Err(TrackerUrlError::Space));
    let text = format!("backup: {FIRST}");
    assert_eq!(parts(&text), ["backup:", FIRST]);
    assert_eq!(parts(" \n"), Vec::<&str>::new());
}

#[test]
fn a_second_url_is_found_in_every_notation() {
    for second in [
        "http://t2.example/KEY2",
        "HTTPS://t2.example/KEY2",
        "x://t2.example",
        "http:/t2.example/KEY2",
        "http:\\\\t2.example\\KEY2",
        "http%3A%2F%2Ft2.example%2FKEY2",
        "http%3a//t2.example/KEY2",
        "http%253A%252F%252Ft2.example%252FKEY2",
        "http%25253A%25252F%25252Ft2.example",
    ] {
        for between in ["", "/", ",", "?u=", "#", "\\n", "%0A", "%2C"] {
            let text = format!("{FIRST}{between}{second}");
            let error = TrackerUrl::parse(&text).expect_err(&text);
            // A line break between the URLs is found first.
            let is_named = match error {
                TrackerUrlError::SecondUrl => true,
                TrackerUrlError::Space => between == "%0A",
                _ => false,
            };
            assert!(is_named, "{text}: {error}");
        }
    }
    assert!(TrackerUrl::parse("http://t.example/a:/b:c").is_ok());
    assert!(TrackerUrl::parse("http://[2606:4700::1]:80/announce").is_ok());
}

proptest! {
    #[test]
    fn accepted_urls_have_no_white_space_and_no_second_scheme(text in any::<String>()) {
        for part in split_urls(&text) {
            if let Ok(url) = TrackerUrl::parse(part) {
                let rest = url.secret_path_and_query();
                prop_assert!(!rest.contains(is_blank) && !names_url(rest));
            }
        }
    }

    #[test]
    fn a_passkey_reaches_only_its_own_tracker(
        between in "[ \t\r\n,;|\u{a0}\u{200b}%/?#&=a-z(){}<>\"'\\\\]{0,6}",
        schemes in ("udp|http|https|ws|wss", "udp|http|https|ws|wss|HTTP|Udp"),
        encode in 0..4usize,
    ) {
        let mut second = format!("{between}{}://t2.example:8002/KEY2/announce", schemes.1);
        for _ in 0..encode {
            second = utf8_percent_encode(&second, NON_ALPHANUMERIC).to_string();
        }
        let text = format!("{}://t1.example:8001/KEY1/announce{second}", schemes.0);
        for part in split_urls(&text) {
            if let Ok(url) = TrackerUrl::parse(part) {
                let key = url.secret_path_and_query().contains("KEY2");
                prop_assert_eq!(key, url.host().to_string() == "t2.example", "{}", text);
            }
        }
    }
}
