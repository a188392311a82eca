//! The kinds of settings: durations, rates, words, lists of hosts, ….

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use seedwatch_input::yaml::{At, Text};
use seedwatch_torrent::{Family, Host, Scheme, TrackerUrl, TrackerUrlError};
use serde::Serialize;
use serde_saphyr::DoubleQuoted;

use super::section::{Kind, SettingReader};
use super::units::{DurationText, parse_duration, parse_rate, write_rate};

/// A kind of setting that is written as one string.
pub(super) trait TextKind {
    /// The setting within the program.
    type Value;

    /// Reads a setting, or says what it must be.
    fn parse(&self, text: &str) -> Result<Self::Value, String>;

    /// Returns the setting as [`Kind::write`] does.
    fn write<'a>(&self, value: &'a Self::Value) -> Option<impl Serialize + 'a>;
}

impl<K: TextKind> Kind for K {
    type Value = <K as TextKind>::Value;
    type Written<'a> = Text<'a>;

    fn line(written: &Text<'_>) -> u32 {
        written.line
    }

    fn read(&self, written: Text<'_>, reader: &mut SettingReader<'_>) -> Option<Self::Value> {
        let value = self.parse(written.as_str());
        value
            .map_err(|message| reader.fault(written.line, message))
            .ok()
    }

    fn write<'a>(&self, value: &'a Self::Value) -> Option<impl Serialize + 'a> {
        TextKind::write(self, value)
    }
}

/// A duration within bounds.
pub(super) struct DurationIn(pub(super) RangeInclusive<Duration>);

impl TextKind for DurationIn {
    type Value = Duration;

    fn parse(&self, text: &str) -> Result<Duration, String> {
        let duration = parse_duration(text).ok_or("must be a duration such as 30s, 1h30m or 7d")?;
        if !self.0.contains(&duration) {
            let (least, most) = (DurationText(*self.0.start()), DurationText(*self.0.end()));
            return Err(format!("must be from {least} to {most}"));
        }
        Ok(duration)
    }

    fn write<'a>(&self, value: &'a Duration) -> Option<impl Serialize + 'a> {
        Some(DurationText(*value).to_string())
    }
}

/// A rate per second within bounds.
pub(super) struct Rate(pub(super) RangeInclusive<f64>);

impl TextKind for Rate {
    type Value = f64;

    fn parse(&self, text: &str) -> Result<f64, String> {
        let rate = parse_rate(text).filter(|rate| self.0.contains(rate));
        rate.ok_or_else(|| {
            format!(
                "must be a rate from {} to {} in whole numbers, such as 20/s or 600/m",
                write_rate(*self.0.start()),
                write_rate(*self.0.end())
            )
        })
    }

    fn write<'a>(&self, value: &'a f64) -> Option<impl Serialize + 'a> {
        Some(write_rate(*value))
    }
}

/// A whole number within bounds.
pub(super) struct Count(pub(super) RangeInclusive<u16>);

impl TextKind for Count {
    type Value = u16;

    fn parse(&self, text: &str) -> Result<u16, String> {
        let number = text.parse().ok().filter(|number| self.0.contains(number));
        number.ok_or_else(|| {
            let (least, most) = (self.0.start(), self.0.end());
            format!("must be a number from {least} to {most}")
        })
    }

    fn write<'a>(&self, value: &'a u16) -> Option<impl Serialize + 'a> {
        Some(*value)
    }
}

/// The word for no limit.
const ALL: &str = "all";

/// A whole number within bounds, or `all`.
pub(super) struct CountOrAll(pub(super) RangeInclusive<u16>);

impl TextKind for CountOrAll {
    type Value = Option<u16>;

    fn parse(&self, text: &str) -> Result<Option<u16>, String> {
        if text == ALL {
            return Ok(None);
        }
        let number = text.parse().ok().filter(|number| self.0.contains(number));
        number.map(Some).ok_or_else(|| {
            let (least, most) = (self.0.start(), self.0.end());
            format!("must be {ALL} or a number from {least} to {most}")
        })
    }

    fn write<'a>(&self, value: &'a Option<u16>) -> Option<impl Serialize + 'a> {
        Some(value.map_or_else(|| ALL.to_owned(), |number| number.to_string()))
    }
}

/// A share within bounds that may be left out.
pub(super) struct OptionalShare(pub(super) RangeInclusive<f64>);

impl TextKind for OptionalShare {
    type Value = Option<f64>;

    fn parse(&self, text: &str) -> Result<Option<f64>, String> {
        let share = text.parse().ok().filter(|share| self.0.contains(share));
        share.map(Some).ok_or_else(|| {
            let (least, most) = (self.0.start(), self.0.end());
            format!("must be a number from {least} to {most}")
        })
    }

    fn write<'a>(&self, value: &'a Option<f64>) -> Option<impl Serialize + 'a> {
        *value
    }
}

/// One word of a list, each with the value that it stands for.
pub(super) struct Word<T: 'static>(pub(super) &'static [(T, &'static str)]);

impl<T: Copy + PartialEq> TextKind for Word<T> {
    type Value = T;

    fn parse(&self, text: &str) -> Result<T, String> {
        let known = self.0.iter().find(|(_, word)| *word == text);
        known.map(|(value, _)| *value).ok_or_else(|| {
            let words: Vec<&str> = self.0.iter().map(|(_, word)| *word).collect();
            let (last, others) = words.split_last().unwrap_or((&"", &[]));
            format!("must be {} or {last}", others.join(", "))
        })
    }

    fn write<'a>(&self, value: &'a T) -> Option<impl Serialize + 'a> {
        let word = self.0.iter().find(|(known, _)| known == value);
        word.map(|(_, word)| *word)
    }
}

/// Printable ASCII characters, as many as the range says.
pub(super) struct Printable(pub(super) RangeInclusive<usize>);

impl TextKind for Printable {
    type Value = Box<str>;

    fn parse(&self, text: &str) -> Result<Box<str>, String> {
        if self.0.contains(&text.len()) && text.bytes().all(|b| matches!(b, b' '..=b'~')) {
            return Ok(text.into());
        }
        let (least, most) = (self.0.start(), self.0.end());
        Err(format!(
            "must be {least} to {most} printable ASCII characters"
        ))
    }

    fn write<'a>(&self, value: &'a Box<str>) -> Option<impl Serialize + 'a> {
        Some(DoubleQuoted(&**value))
    }
}

/// The name of a file that may be left out. The name is relative to the configuration, and stays
/// so.
pub(super) struct OptionalFile();

impl TextKind for OptionalFile {
    type Value = Option<PathBuf>;

    fn parse(&self, text: &str) -> Result<Option<PathBuf>, String> {
        if text.is_empty() || text.contains("://") || text.contains(char::is_control) {
            return Err("must be the name of a file".to_owned());
        }
        Ok(Some(text.into()))
    }

    fn write<'a>(&self, value: &'a Option<PathBuf>) -> Option<impl Serialize + 'a> {
        let path = value.as_deref()?;
        Some(DoubleQuoted(path.to_string_lossy()))
    }
}

/// The name of a directory, relative to the configuration. The empty name is none.
pub(super) struct OptionalDirectory();

impl Kind for OptionalDirectory {
    type Value = Option<PathBuf>;
    type Written<'a> = Text<'a>;

    fn line(written: &Text<'_>) -> u32 {
        written.line
    }

    fn read(&self, written: Text<'_>, reader: &mut SettingReader<'_>) -> Option<Option<PathBuf>> {
        let text = written.as_str();
        if text.contains(char::is_control) {
            reader.fault(written.line, "must be the name of a directory");
            return None;
        }
        let path = (!text.is_empty()).then(|| absolute(reader.base().join(text)));
        Some(path)
    }

    fn write<'a>(&self, value: &'a Option<PathBuf>) -> Option<impl Serialize + 'a> {
        let path = value.as_deref().map(|path| path.to_string_lossy());
        Some(DoubleQuoted(path.unwrap_or_default()))
    }
}

/// Makes a path absolute, so that the effective configuration says where to look.
pub(super) fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// `true` or `false`.
pub(super) struct Switch();

impl Kind for Switch {
    type Value = bool;
    type Written<'a> = bool;

    fn line(_: &bool) -> u32 {
        0
    }

    fn read(&self, written: bool, _: &mut SettingReader<'_>) -> Option<bool> {
        Some(written)
    }

    fn write<'a>(&self, value: &'a bool) -> Option<impl Serialize + 'a> {
        Some(*value)
    }
}

/// A list of `HOST:PORT`, of at most so many.
pub(super) struct Hosts(pub(super) usize);

impl Kind for Hosts {
    type Value = Vec<(Host, u16)>;
    type Written<'a> = Vec<Text<'a>>;

    fn line(written: &Vec<Text<'_>>) -> u32 {
        written.first().map_or(0, |text| text.line)
    }

    fn read(
        &self,
        written: Vec<Text<'_>>,
        reader: &mut SettingReader<'_>,
    ) -> Option<Vec<(Host, u16)>> {
        if let Some(text) = written.get(self.0) {
            reader.fault(text.line, format_args!("more than {} hosts", self.0));
            return None;
        }
        let mut hosts = Vec::with_capacity(written.len());
        for (index, text) in written.iter().enumerate() {
            match host_and_port(text.as_str()) {
                Ok(host) => hosts.push(host),
                Err(error @ TrackerUrlError::NeverContacted) => {
                    reader.item_fault(index, text.line, error);
                }
                Err(_) => {
                    let message = "must be HOST:PORT, such as dht.example:6881";
                    reader.item_fault(index, text.line, message);
                }
            }
        }
        Some(hosts)
    }

    fn write<'a>(&self, value: &'a Vec<(Host, u16)>) -> Option<impl Serialize + 'a> {
        let hosts = value.iter();
        let hosts = hosts.map(|(host, port)| DoubleQuoted(format!("{host}:{port}")));
        Some(hosts.collect::<Vec<_>>())
    }
}

/// Reads a host and a port by the rules for a tracker URL without a path.
fn host_and_port(text: &str) -> Result<(Host, u16), TrackerUrlError> {
    if text.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '@')) {
        return Err(TrackerUrlError::NotUrl);
    }
    let url = TrackerUrl::parse(&format!("{}://{text}", Scheme::Udp.as_str()))?;
    Ok((url.host().clone(), url.port()))
}

/// A list of socket addresses, at most one per family.
pub(super) struct OnePerFamily();

impl Kind for OnePerFamily {
    type Value = Vec<SocketAddr>;
    type Written<'a> = At<Vec<Text<'a>>>;

    fn line(written: &At<Vec<Text<'_>>>) -> u32 {
        written.line
    }

    fn read(
        &self,
        written: At<Vec<Text<'_>>>,
        reader: &mut SettingReader<'_>,
    ) -> Option<Vec<SocketAddr>> {
        let mut list: Vec<SocketAddr> = Vec::new();
        let mut is_valid = true;
        for (index, text) in written.value.iter().enumerate() {
            let mut fault = |message: &str| {
                is_valid = false;
                reader.item_fault(index, text.line, message);
            };
            let Ok(address) = text.as_str().parse::<SocketAddr>() else {
                fault("must be ADDRESS:PORT, such as 0.0.0.0:6881 or \"[::]:0\"");
                continue;
            };
            let family = Family::of(&address.ip());
            if list.iter().any(|known| Family::of(&known.ip()) == family) {
                fault("a second address of one family: there is one socket for each");
                break;
            }
            list.push(address);
        }
        is_valid.then_some(list)
    }

    fn write<'a>(&self, value: &'a Vec<SocketAddr>) -> Option<impl Serialize + 'a> {
        let addresses = value.iter();
        let addresses = addresses.map(|address| DoubleQuoted(address.to_string()));
        Some(addresses.collect::<Vec<_>>())
    }
}
