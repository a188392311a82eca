//! Names of torrents. They become label values, so a name is one printable line.

/// Longest name, in bytes.
pub const MAX_NAME: usize = 255;

/// Longest name from a magnet link or metainfo file, in bytes. An info-hash can be appended without
/// exceeding [`MAX_NAME`].
const MAX_FOREIGN_NAME: usize = 200;

/// Why a name is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is empty or white space.
    #[error("the name is empty")]
    Empty,
    /// The name exceeds [`MAX_NAME`].
    #[error("the name is longer than {MAX_NAME} bytes")]
    TooLong,
    /// The name begins or ends with white space.
    #[error("the name begins or ends with white space")]
    Untrimmed,
    /// The name has a control character, or an invisible one that changes how a line is read.
    #[error("the name has a control character")]
    Control,
}

/// Checks a name that the operator chose.
///
/// # Errors
///
/// The first rule that the name breaks.
pub fn check_name(name: &str) -> Result<(), NameError> {
    if name.trim().is_empty() {
        Err(NameError::Empty)
    } else if name.len() > MAX_NAME {
        Err(NameError::TooLong)
    } else if name.chars().any(is_control) {
        Err(NameError::Control)
    } else if name.trim().len() != name.len() {
        Err(NameError::Untrimmed)
    } else {
        Ok(())
    }
}

/// Cleans a name from a magnet link, metainfo file or list: invalid UTF-8 becomes U+FFFD, control
/// characters are removed, and long names are cut. Returns `None` if nothing remains.
pub fn clean_name(bytes: &[u8]) -> Option<String> {
    // Control characters are removed before the cut. Four times the limit bounds the work.
    let bytes = &bytes[..bytes.len().min(4 * MAX_FOREIGN_NAME)];
    let mut name: String = String::from_utf8_lossy(bytes)
        .chars()
        .filter(|c| !is_control(*c))
        .collect();
    while name.len() > MAX_FOREIGN_NAME {
        name.pop();
    }
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// Returns whether a character is a control character, a line or paragraph separator, or an
/// invisible character that reorders text. Joiners are allowed: scripts and emoji need them.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_names_become_one_printable_line() {
        for (bytes, expected) in [
            (&b"debian-13.iso"[..], Some("debian-13.iso")),
            (b" a\nb\x00\x1b[31m\x7f ", Some("ab[31m")),
            (b"caf\xe9", Some("caf\u{fffd}")),
            ("x\u{202e}y\u{2029}z".as_bytes(), Some("xyz")),
            (b"\r\n\t ", None),
            (b"", None),
        ] {
            assert_eq!(clean_name(bytes).as_deref(), expected);
        }
        let long = clean_name("ä".repeat(10_000).as_bytes()).unwrap();
        assert!(
            long.len() <= MAX_FOREIGN_NAME && long.chars().all(|c| c == 'ä' || c == '\u{fffd}')
        );
        assert_eq!(check_name(&long), Ok(()));
    }

    #[test]
    fn invalid_names_are_rejected_with_a_reason() {
        for (name, expected) in [
            ("census 1921 👩‍🚒", Ok(())),
            ("", Err(NameError::Empty)),
            ("  ", Err(NameError::Empty)),
            ("x ", Err(NameError::Untrimmed)),
            ("x\ny", Err(NameError::Control)),
            ("x\u{202e}y", Err(NameError::Control)),
            (&"x".repeat(256), Err(NameError::TooLong)),
        ] {
            assert_eq!(check_name(name), expected, "{name:?}");
        }
    }
}
