//! What is wrong with a configuration, and where.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// One fault or warning: `FILE:LINE: KEY: what is wrong`, one printable line without passkeys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The YAML file, as it was named.
    pub file: Arc<str>,
    /// Line in it, from 1; `None` where the whole file is meant.
    pub line: Option<u32>,
    /// The key, as in `torrents[2].magnet`; empty where no key is meant.
    pub key: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::from(&*self.file);
        if let Some(line) = self.line {
            text.push_str(&format!(":{line}"));
        }
        if !self.key.is_empty() {
            text.push_str(&format!(": {}", self.key));
        }
        text.push_str(": ");
        text.push_str(&self.message);
        // File names may hold anything but NUL.
        text.chars()
            .try_for_each(|c| write!(f, "{}", if c.is_control() { '?' } else { c }))
    }
}

/// Why a configuration is refused: at least one fault, at most [`ConfigError::MAX_FAULTS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    faults: Vec<Fault>,
    /// Whether there are more faults than these.
    is_cut: bool,
}

impl ConfigError {
    /// Most faults that are reported.
    pub const MAX_FAULTS: usize = 20;

    /// Sorts faults by their line, the files in the order in which they were read.
    fn new(mut faults: Vec<Fault>) -> Self {
        let mut files: Vec<Arc<str>> = Vec::new();
        for fault in &faults {
            if !files.contains(&fault.file) {
                files.push(Arc::clone(&fault.file));
            }
        }
        faults.sort_by_key(|fault| {
            let file = files.iter().position(|file| *file == fault.file);
            (file, fault.line)
        });
        let is_cut = faults.len() > Self::MAX_FAULTS;
        faults.truncate(Self::MAX_FAULTS);
        Self { faults, is_cut }
    }

    /// The faults, by file and line.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl From<Fault> for ConfigError {
    fn from(fault: Fault) -> Self {
        Self::new(vec![fault])
    }
}

/// One line per fault, and one more if there are further faults.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, fault) in self.faults.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        if self.is_cut {
            write!(f, "\nonly the first {} errors are shown", Self::MAX_FAULTS)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// A YAML file, by its name in messages.
#[derive(Debug, Clone)]
pub struct SourceFile {
    name: Arc<str>,
}

impl SourceFile {
    /// Names a file by its path.
    pub fn new(path: &Path) -> Self {
        Self {
            name: path.to_string_lossy().into(),
        }
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Something wrong at a place in this file. Line 0 is no line.
    pub fn fault(&self, line: u32, key: impl Into<String>, message: impl fmt::Display) -> Fault {
        Fault {
            file: Arc::clone(&self.name),
            line: (line > 0).then_some(line),
            key: key.into(),
            message: message.to_string(),
        }
    }
}

/// Whether a key is `section` or below it.
fn is_within(key: &str, section: &str) -> bool {
    let rest = key.strip_prefix(section);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Collects faults and warnings, both bounded.
#[derive(Debug, Default)]
pub struct Report {
    faults: Vec<Fault>,
    /// Keys that were blanked out, by file: what is missing there is no further error.
    blanked: Vec<(Arc<str>, String)>,
    warnings: Vec<Fault>,
    warnings_left_out: usize,
}

impl Report {
    /// Most warnings kept: a list of 100,000 torrents may have one each.
    const MAX_WARNINGS: usize = 1000;

    /// Notes a fault, unless it only follows from another one.
    pub fn fault(&mut self, fault: Fault) {
        if !self.is_full() && !self.follows_from_blank(&fault) {
            self.faults.push(fault);
        }
    }

    /// Notes faults whose keys were blanked out before the rest was read.
    pub fn blanked(&mut self, faults: Vec<Fault>) {
        for fault in faults {
            let key = (Arc::clone(&fault.file), fault.key.clone());
            self.fault(fault);
            self.blanked.push(key);
        }
    }

    /// Whether a key below `section` of any file was blanked out.
    pub fn lacks(&self, section: &str) -> bool {
        self.blanked.iter().any(|(_, key)| is_within(key, section))
    }

    fn follows_from_blank(&self, fault: &Fault) -> bool {
        let mut blanked = self.blanked.iter();
        blanked.any(|(file, key)| *file == fault.file && is_within(key, &fault.key))
    }

    /// How many faults there are.
    pub fn faults(&self) -> usize {
        self.faults.len()
    }

    /// Returns whether there are enough faults, so that reading on is of no use: one more than are
    /// reported shows that there are more.
    pub fn is_full(&self) -> bool {
        self.faults.len() > ConfigError::MAX_FAULTS
    }

    /// Notes a warning.
    pub fn warn(&mut self, warning: Fault) {
        if self.warnings.len() < Self::MAX_WARNINGS {
            self.warnings.push(warning);
        } else {
            self.warnings_left_out += 1;
        }
    }

    /// The value, or its fault noted.
    pub fn take<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.fault(fault)).ok()
    }

    /// Returns the texts of the warnings, without their locations.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.warnings.iter().map(|warning| &*warning.message)
    }

    /// The faults.
    pub fn into_error(self) -> ConfigError {
        ConfigError::new(self.faults)
    }

    /// The warnings as lines, if there is no fault.
    pub fn finish(self) -> Result<Vec<String>, ConfigError> {
        if !self.faults.is_empty() {
            return Err(self.into_error());
        }
        let mut lines: Vec<String> = self.warnings.iter().map(Fault::to_string).collect();
        if self.warnings_left_out > 0 {
            lines.push(format!("{} more warnings", self.warnings_left_out));
        }
        Ok(lines)
    }
}
