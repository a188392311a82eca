//! Reads what people and strangers write, within limits.
//!
//! | Module | Contents |
//! |---|---|
//! | [`file`](mod@file) | whole files, within limits of size and time |
//! | [`text`] | characters that a reader does not see |

pub mod file;
pub mod text;
