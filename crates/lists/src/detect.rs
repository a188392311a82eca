//! What a text is: a list of some format, a web page, or a page that keeps programs out.

use crate::table;
use crate::{Format, ListFailure, draft};
use seedwatch_torrent::Magnet;

/// How much of a page is searched for the marks of one that keeps programs out, in bytes.
const SAMPLE: usize = 64 << 10;

/// Marks of pages that ask whether a human reads them, in lower case.
const WALLS: [&str; 12] = [
    "cf-chl",
    "challenge-platform",
    "cf-browser-verification",
    "just a moment",
    "attention required! | cloudflare",
    "ddos-guard",
    "checking your browser",
    "captcha",
    "anubis_challenge",
    "making sure you&#39;re not a bot",
    "enable javascript and cookies",
    "are you a robot",
];

/// Returns why a text is a web page instead of a list, if it is one.
pub(crate) fn web_page(text: &str) -> Option<ListFailure> {
    let text = text.trim_start();
    if !text.starts_with('<') || !is_html(text) {
        return None;
    }
    Some(match is_bot_wall(text) {
        true => ListFailure::BotWall,
        false => ListFailure::Html,
    })
}

/// Returns whether a web page asks whether a human reads it, or keeps programs out.
pub fn is_bot_wall(page: &str) -> bool {
    let mut end = page.len().min(SAMPLE);
    while !page.is_char_boundary(end) {
        end -= 1;
    }
    let page = page[..end].to_ascii_lowercase();
    WALLS.iter().any(|mark| page.contains(mark))
}

/// Returns whether the first element or the document type is that of a page. Comments and
/// declarations may precede it.
fn is_html(text: &str) -> bool {
    let mut rest = text;
    while let Some(tag) = rest.trim_start().strip_prefix('<') {
        rest = if let Some(comment) = tag.strip_prefix("!--") {
            comment.split_once("-->").map_or("", |(_, rest)| rest)
        } else if tag.starts_with('?') {
            tag.split_once("?>").map_or("", |(_, rest)| rest)
        } else {
            return is_html_tag(tag);
        };
    }
    false
}

fn is_html_tag(tag: &str) -> bool {
    let starts = |prefix: &str| {
        let head = tag.get(..prefix.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(prefix))
    };
    let names = [
        "html", "head", "body", "title", "script", "meta", "div", "p>", "center", "h1",
    ];
    starts("!doctype html") || names.iter().any(|name| starts(name))
}

/// Returns whether a text begins as XML does.
pub(crate) fn is_markup(text: &str) -> bool {
    text.trim_start().starts_with('<')
}

/// Returns the format of a text.
pub(crate) fn format(text: &str, fields: &crate::Fields) -> Format {
    let text = text.trim_start();
    match text.bytes().next() {
        Some(b'<') => return Format::Rss,
        Some(b'{' | b'[') => return Format::Json,
        _ => {}
    }
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    let first = first.unwrap_or_default();
    let word = first.split_whitespace().next().unwrap_or_default();
    let is_line = Magnet::is_magnet(first) || draft::parse_hash(word).is_ok();
    match !is_line && table::is_header(text, fields) {
        true => Format::Csv,
        false => Format::Lines,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fields;

    #[test]
    fn pages_are_told_from_feeds() {
        for (text, expected) in [
            ("<!DOCTYPE html><p>404", Some(ListFailure::Html)),
            ("\n<!-- x --><HTML lang=en>", Some(ListFailure::Html)),
            (
                "<?xml version='1.0'?><!DOCTYPE HTML PUBLIC ''>",
                Some(ListFailure::Html),
            ),
            (
                "<html><title>Just a moment...</title>",
                Some(ListFailure::BotWall),
            ),
            ("<html><div class=g-recaptcha>", Some(ListFailure::BotWall)),
            ("<?xml version='1.0'?><rss>captcha</rss>", None),
            ("<feed>", None),
            ("<!-- never closed", None),
            ("[\"<html>\"]", None),
        ] {
            assert_eq!(web_page(text), expected, "{text}");
        }
    }

    #[test]
    fn formats_are_told_by_their_beginning() {
        let hash = "1bd088ee9166a062cf4af09cf99720fa6e1a3133";
        let fields = Fields::default();
        for (text, expected) in [
            (" <rss>".to_owned(), Format::Rss),
            ("[]".to_owned(), Format::Json),
            (format!("# Ours\n{hash}\n"), Format::Lines),
            (format!("{hash},name\n"), Format::Lines),
            (
                format!("magnet:?xt=urn:btih:{hash}&dn=a,b\n"),
                Format::Lines,
            ),
            (
                format!("name,magnet\nx,magnet:?xt=urn:btih:{hash}\n"),
                Format::Csv,
            ),
            (format!("Title\tINFOHASH\nx\t{hash}\n"), Format::Csv),
            ("https://site.example/1.torrent\n".to_owned(), Format::Lines),
        ] {
            assert_eq!(format(&text, &fields), expected, "{text}");
        }
    }
}
