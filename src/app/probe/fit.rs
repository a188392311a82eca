//! Text that fits a terminal: widths, shortened names, wrapped lines.

use seedwatch_input::text::is_invisible;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Returns how many columns a text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// Returns a text from a torrent or a tracker with control characters and invisible ones as code
/// points: they could move the cursor of the terminal.
pub(super) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() || is_invisible(c) {
            true => shown.extend(c.escape_unicode()),
            false => shown.push(c),
        }
    }
    shown
}

/// Returns a name that takes at most `columns`. A longer one loses its middle: scheme, end of the
/// host and port tell trackers apart.
pub(super) fn shorten(name: &str, columns: usize) -> String {
    if width(name) <= columns {
        return name.to_owned();
    }
    let room = columns.saturating_sub(1);
    let head = take(name.chars(), room.div_ceil(2));
    let tail = take(name.chars().rev(), room - width(&head));
    let tail: String = tail.chars().rev().collect();
    format!("{head}…{tail}")
}

/// Returns as many characters as fit the columns.
fn take(chars: impl Iterator<Item = char>, columns: usize) -> String {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= columns
        })
        .collect()
}

/// Breaks a text into lines of at most `columns`: between words if possible.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let mut word = word;
        if !line.is_empty() && width(&line) + 1 + width(word) > columns {
            lines.push(std::mem::take(&mut line));
        }
        // A word that fits no line is cut.
        while width(word) > columns {
            let head = take(word.chars(), columns);
            let Some((head, tail)) = word
                .split_at_checked(head.len())
                .filter(|it| !it.0.is_empty())
            else {
                break;
            };
            lines.push(head.to_owned());
            word = tail;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_loses_its_middle() {
        assert_eq!(shorten("udp://short:1", 20), "udp://short:1");
        let shown = shorten("udp://a-very-long-name.example:1337", 20);
        assert_eq!(shown, "udp://a-ve…mple:1337");
        // Each of these characters takes two columns.
        let wide = shorten("漢字漢字漢字漢字", 8);
        assert_eq!((wide.as_str(), width(&wide)), ("漢字…字", 7));
    }

    #[test]
    fn lines_break_between_words_and_long_words_anywhere() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("ab abcdefghij k", 4), ["ab", "abcd", "efgh", "ij k"]);
        assert_eq!(wrap("漢字漢字", 5), ["漢字", "漢字"]);
        assert_eq!(wrap("  ", 5), [""; 0]);
        for columns in 2..40 {
            let lines = wrap(
                "dns: no address of 漢字漢字 tracker.example is known",
                columns,
            );
            assert!(lines.iter().all(|line| width(line) <= columns), "{lines:?}");
        }
    }

    #[test]
    fn nothing_moves_the_cursor() {
        assert_eq!(visible("a\x1b[31m\u{202e}é"), "a\\u{1b}[31m\\u{202e}é");
    }
}
