//! The mechanism of settings: one definition per section that YAML is read into and written from.
//!
//! The macro `section!` turns a definition into four things: the structure with its defaults, the
//! same section as written (for serde), the conversion between the two, and `Serialize` for the
//! effective configuration. A [`Kind`] says how one setting is written and which values it may
//! have; `sections.rs` has all definitions.

use std::fmt;
use std::path::Path;

use seedwatch_input::yaml::{Report, SourceFile};
use serde::{Deserialize, Serialize};

/// How a setting is written, and which values it may have.
pub(super) trait Kind {
    /// The setting within the program.
    type Value;
    /// The setting as written in YAML.
    type Written<'a>: fmt::Debug + Deserialize<'a>;

    /// Returns the line that a written setting begins on, or 0 if that is not known.
    fn line(written: &Self::Written<'_>) -> u32;

    /// Reads a setting. Reports what is wrong, and returns `None` if there is no value then.
    fn read(
        &self,
        written: Self::Written<'_>,
        reader: &mut SettingReader<'_>,
    ) -> Option<Self::Value>;

    /// Returns the setting in a form that is read back to the same value, or `None` if it is left
    /// out of the file.
    fn write<'a>(&self, value: &'a Self::Value) -> Option<impl Serialize + 'a>;
}

/// A section of the configuration, implemented by `section!`.
pub(super) trait Section: Default {
    /// The section as written in YAML.
    type Written<'a>: Default + Deserialize<'a>;

    /// The key of the section in the configuration.
    const KEY: &'static str;

    /// The keys of its settings.
    #[cfg(test)]
    const SETTINGS: &'static [&'static str];

    /// Overwrites the defaults with what is written.
    fn read(&mut self, written: Self::Written<'_>, reader: &mut SectionReader<'_>);
}

/// A configuration file whose sections are read.
pub(super) struct ConfigFile<'a> {
    /// Its name in messages.
    pub(super) source: &'a SourceFile,
    /// Its directory, which file names are relative to.
    pub(super) base: &'a Path,
}

impl ConfigFile<'_> {
    /// Reads a section. Wrong settings are reported, and keep their defaults.
    pub(super) fn section<S: Section>(
        &self,
        written: Option<S::Written<'_>>,
        report: &mut Report,
    ) -> S {
        let mut section = S::default();
        let mut reader = SectionReader::new::<S>(self, report);
        section.read(written.unwrap_or_default(), &mut reader);
        section
    }
}

/// A setting that the file has.
struct Present {
    name: &'static str,
    line: u32,
    is_valid: bool,
}

/// One section while it is read.
pub(super) struct SectionReader<'a> {
    section: &'static str,
    file: &'a ConfigFile<'a>,
    report: &'a mut Report,
    present: Vec<Present>,
}

impl<'a> SectionReader<'a> {
    /// Begins a section.
    pub(super) fn new<S: Section>(file: &'a ConfigFile<'a>, report: &'a mut Report) -> Self {
        Self {
            section: S::KEY,
            file,
            report,
            present: Vec::new(),
        }
    }

    /// Returns the directory that file names are relative to.
    pub(super) fn base(&self) -> &Path {
        self.file.base
    }

    /// Reads a setting. Without a valid one, the value stays as it is.
    pub(super) fn setting<K: Kind>(
        &mut self,
        name: &'static str,
        kind: &K,
        written: Option<K::Written<'_>>,
        value: &mut K::Value,
    ) {
        let Some(written) = written else { return };
        let line = K::line(&written);
        let mut reader = SettingReader {
            key: format!("{}.{name}", self.section),
            file: self.file,
            report: self.report,
        };
        let read = kind.read(written, &mut reader);
        self.present.push(Present {
            name,
            line,
            is_valid: read.is_some(),
        });
        if let Some(read) = read {
            *value = read;
        }
    }

    /// Whether the file has a setting.
    pub(super) fn has(&self, name: &str) -> bool {
        self.present.iter().any(|setting| setting.name == name)
    }

    /// Whether any setting that the file has could not be read. Its default says nothing about the
    /// file then.
    pub(super) fn is_faulty(&self) -> bool {
        self.report.lacks(self.section) || self.present.iter().any(|setting| !setting.is_valid)
    }

    /// Returns the line of a setting, or 0 if the file does not have it.
    pub(super) fn line(&self, name: &str) -> u32 {
        let mut present = self.present.iter();
        present
            .find(|setting| setting.name == name)
            .map_or(0, |setting| setting.line)
    }

    /// Reports what is wrong with a setting.
    pub(super) fn fault(&mut self, line: u32, name: &str, message: impl fmt::Display) {
        let key = format!("{}.{name}", self.section);
        self.report
            .fault(self.file.source.fault(line, key, message));
    }
}

/// One setting while it is read.
pub(super) struct SettingReader<'a> {
    key: String,
    file: &'a ConfigFile<'a>,
    report: &'a mut Report,
}

impl SettingReader<'_> {
    /// Returns the directory that file names are relative to.
    pub(super) fn base(&self) -> &Path {
        self.file.base
    }

    /// Reports what is wrong with the setting.
    pub(super) fn fault(&mut self, line: u32, message: impl fmt::Display) {
        let fault = self.file.source.fault(line, &*self.key, message);
        self.report.fault(fault);
    }

    /// Reports what is wrong with the item of this index in the setting, a list.
    pub(super) fn item_fault(&mut self, index: usize, line: u32, message: impl fmt::Display) {
        let key = format!("{}[{index}]", self.key);
        self.report
            .fault(self.file.source.fault(line, key, message));
    }
}

/// Defines a section: a public structure whose fields have a default and a [`Kind`] with limits.
///
/// `written as` names the structure of the section in YAML. `checked by` names a function that
/// fills in defaults which depend on other settings, and compares settings with each other.
macro_rules! section {
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $Section:ident
        ($key:literal, written as $Written:ident $(, checked by $check:path)?) {
            $(
                $(#[$field_attribute:meta])*
                $field_visibility:vis $field:ident: $type:ty = $default:expr,
                    $kind:ident $(<$of:ty>)? ($($limits:expr)?);
            )*
        }
    ) => {
        $(#[$attribute])*
        $visibility struct $Section {
            $( $(#[$field_attribute])* $field_visibility $field: $type, )*
        }

        impl Default for $Section {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        #[doc = concat!("`", $key, ":` as written in YAML.")]
        #[derive(Debug, Default, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $Written<'a> {
            $(
                #[serde(default, borrow)]
                $field: Option<<$kind $(<$of>)? as $crate::config::section::Kind>::Written<'a>>,
            )*
        }

        impl $crate::config::section::Section for $Section {
            type Written<'a> = $Written<'a>;

            const KEY: &'static str = $key;

            #[cfg(test)]
            const SETTINGS: &'static [&'static str] = &[$( stringify!($field), )*];

            fn read(
                &mut self,
                written: $Written<'_>,
                reader: &mut $crate::config::section::SectionReader<'_>,
            ) {
                $(
                    reader.setting(
                        stringify!($field),
                        &$kind($($limits)?),
                        written.$field,
                        &mut self.$field,
                    );
                )*
                $( $check(self, reader); )?
            }
        }

        impl serde::Serialize for $Section {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap;
                use $crate::config::section::Kind;

                let mut settings = serializer.serialize_map(None)?;
                $(
                    if let Some(value) = $kind($($limits)?).write(&self.$field) {
                        settings.serialize_entry(stringify!($field), &value)?;
                    }
                )*
                settings.end()
            }
        }
    };
}

pub(super) use section;
