//! Reads what people and strangers write, within limits.
//!
//! | Module | Contents |
//! |---|---|
//! | [`file`](mod@file) | whole files, within limits of size and time |
//! | [`yaml`] | YAML: bounded work, every error with file, line and key |
//! | [`text`] | characters that a reader does not see |

pub mod file;
pub mod text;
pub mod yaml;
