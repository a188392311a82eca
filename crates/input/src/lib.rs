//! Bounded reading of files that people write.
//!
//! | Module | Contents |
//! |---|---|
//! | [`file`](mod@file) | whole files, within limits of size and time |
//! | [`yaml`] | YAML: bounded work, every error with file, line and key |
//! | [`host`] | host names that the public DNS does not serve |
//! | [`secret`] | values that no message, log line or page may repeat |
//! | [`text`] | characters that a reader does not see |
//!
//! ```
//! use std::io::ErrorKind;
//! use std::path::Path;
//!
//! // A file without an end fails at the limit instead of filling the memory.
//! let error = seedwatch_input::file::read(Path::new("/dev/zero"), 1 << 20).unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::FileTooLarge);
//! ```

pub mod file;
pub mod host;
pub mod secret;
pub mod text;
pub mod yaml;
