//! Pieces of HTML. Every text from outside the program goes through [`Escaped`].

use std::fmt::{self, Display, Formatter, Write};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use seedwatch_core::snapshot::{Country, Unix};
use seedwatch_input::text::is_invisible;

/// The characters to percent-encode in a path segment: all but the unreserved ones (RFC 3986,
/// section 2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Most rows per table.
pub(in crate::web) const MAX_ROWS: usize = 500;

/// Text that is safe between tags and in quoted attributes. Invisible characters are shown as their
/// code points.
pub(super) struct Escaped<T>(pub(super) T);

impl<T: AsRef<str>> Display for Escaped<T> {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_ref();
        let special = |c| matches!(c, '&' | '<' | '>' | '"' | '\'') || is_invisible(c);
        while let Some((at, found)) = rest.char_indices().find(|(_, c)| special(*c)) {
            to.write_str(&rest[..at])?;
            match found {
                '&' => to.write_str("&amp;")?,
                '<' => to.write_str("&lt;")?,
                '>' => to.write_str("&gt;")?,
                '"' => to.write_str("&quot;")?,
                '\'' => to.write_str("&#39;")?,
                invisible => write!(to, "[U+{:04X}]", u32::from(invisible))?,
            }
            rest = &rest[at + found.len_utf8()..];
        }
        to.write_str(rest)
    }
}

/// A link from a name to its JSON below `/api/v1`. The name is isolated, because it may be written
/// from right to left.
pub(super) struct Link<'a>(pub(super) &'static str, pub(super) &'a str);

impl Display for Link<'_> {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        let Self(list, name) = self;
        write!(
            to,
            "<a href=\"./api/v1/{list}/{}\"><bdi>{}</bdi></a>",
            utf8_percent_encode(name, SEGMENT),
            Escaped(name),
        )
    }
}

/// A number, or `?` if it is unknown.
pub(super) struct OrUnknown<T>(pub(super) Option<T>);

impl<T: Display> Display for OrUnknown<T> {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(to),
            None => to.write_str("?"),
        }
    }
}

/// The time from an event (second) to now (first), in the largest unit that fits.
pub(super) struct Ago(pub(super) Unix, pub(super) Option<Unix>);

impl Display for Ago {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        let Some(at) = self.1.filter(|at| at.0 != 0) else {
            return to.write_str("never");
        };
        let seconds = self.0.0.saturating_sub(at.0);
        let (count, unit) = match seconds {
            0..60 => return to.write_str("just now"),
            60..3600 => (seconds / 60, "minute"),
            3600..86_400 => (seconds / 3600, "hour"),
            _ => (seconds / 86_400, "day"),
        };
        let plural = if count == 1 { "" } else { "s" };
        write!(to, "{count} {unit}{plural} ago")
    }
}

/// The countries with the most peers.
pub(super) struct TopCountries(Vec<(Country, u32)>);

impl TopCountries {
    /// Countries shown.
    const MOST: usize = 3;

    /// Returns the countries with the most peers.
    pub(super) fn of(countries: impl Iterator<Item = (Country, u32)>) -> Self {
        let mut inhabited: Vec<_> = countries.filter(|(_, peers)| *peers > 0).collect();
        inhabited.sort_by_key(|(_, peers)| std::cmp::Reverse(*peers));
        inhabited.truncate(Self::MOST);
        Self(inhabited)
    }
}

impl Display for TopCountries {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        for (rank, (country, peers)) in self.0.iter().enumerate() {
            let comma = if rank == 0 { "" } else { ", " };
            write!(to, "{comma}{country} {peers}")?;
        }
        Ok(())
    }
}

/// A table in a section of its own. It scrolls sideways on narrow screens.
pub(super) struct Table;

impl Table {
    /// Begins the section and the table.
    pub(super) fn begin(
        to: &mut impl Write,
        id: &str,
        title: &str,
        columns: &[&str],
    ) -> Result<Self, fmt::Error> {
        write!(
            to,
            "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>\n\
             <div class=\"wide\" role=\"group\" aria-labelledby=\"{id}\" tabindex=\"0\">\n\
             <table>\n<thead><tr>"
        )?;
        for column in columns {
            write!(to, "<th scope=\"col\">{column}</th>")?;
        }
        to.write_str("</tr></thead>\n<tbody>\n")?;
        Ok(Self)
    }

    /// Ends the table. States how many rows are missing, with a link to all.
    pub(super) fn end(
        self,
        to: &mut impl Write,
        rows: usize,
        more: usize,
        all: &str,
    ) -> fmt::Result {
        to.write_str("</tbody>\n</table>\n</div>\n")?;
        match (rows, more) {
            (0, 0) => to.write_str("<p>None.</p>\n")?,
            (_, 0) => {}
            (_, more) => writeln!(to, "<p>And {more} more: <a href=\"{all}\">all</a>.</p>")?,
        }
        to.write_str("</section>\n")
    }
}
