//! Reads what people and strangers write, within limits.
//!
//! | Module | Contents |
//! |---|---|
//! | [`file`](mod@file) | whole files, within limits of size and time |
//! | [`yaml`] | YAML: bounded work, every error with file, line and key |
//! | [`host`] | host names that the public DNS does not serve |
//! | [`secret`] | values that no message, log line or page may repeat |
//! | [`text`] | characters that a reader does not see |

pub mod file;
pub mod host;
pub mod secret;
pub mod text;
pub mod yaml;
