//! The formats and codings that a client accepts (RFC 9110, section 12).

/// Returns whether an `Accept-Encoding` header accepts gzip (RFC 9110, section 12.5.3).
pub(crate) fn accepts_gzip(accept_encoding: &str) -> bool {
    let weight = |coding: &str| {
        preferences(accept_encoding)
            .find(|range| range.value.eq_ignore_ascii_case(coding))
            .map(|range| range.weight)
    };
    weight("gzip")
        .or_else(|| weight("x-gzip"))
        .or_else(|| weight("*"))
        .is_some_and(|weight| weight > 0)
}

/// One item of a header with weights (RFC 9110, section 12.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preference<'a> {
    /// The media type or coding.
    pub value: &'a str,
    /// Its `version` parameter.
    pub version: Option<&'a str>,
    /// The weight in thousandths, the precision of RFC 9110.
    pub weight: u16,
}

/// Reads a header with weights. Items that cannot be read are left out.
pub fn preferences(header: &str) -> impl Iterator<Item = Preference<'_>> {
    split_unquoted(header, ',').filter_map(|item| {
        let mut parts = split_unquoted(item, ';');
        let mut range = Preference {
            value: parts.next().filter(|value| !value.is_empty())?,
            version: None,
            weight: 1000,
        };
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim().trim_matches('"');
            if name.trim().eq_ignore_ascii_case("q") {
                range.weight = weight(value)?;
            } else if name.trim().eq_ignore_ascii_case("version") {
                range.version = Some(value);
            }
        }
        Some(range)
    })
}

/// Reads a weight such as `0`, `1`, `0.123` or `1.000`. Any other text makes the item unreadable.
fn weight(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

/// Splits at a separator outside quoted strings, and trims the parts.
fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
    .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_used_if_the_client_accepts_it() {
        for (header, expected) in [
            ("", false),
            ("identity", false),
            ("gzip", true),
            ("GZIP;q=0.1, identity", true),
            ("deflate, x-gzip", true),
            ("gzip;q=0", false),
            ("gzip;q=0.000, *", false),
            ("*", true),
            ("*;q=0", false),
            ("br;q=1.0, gzip;q=0.8, *;q=0.1", true),
            ("gzipped", false),
        ] {
            assert_eq!(accepts_gzip(header), expected, "{header}");
        }
    }
}
