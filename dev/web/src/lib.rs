//! A client that shows what goes over the wire, and certificates, for tests of the web server.
//!
//! | Module | Contents |
//! |---|---|
//! | `client` | a server under test, and a client without a library |
//! | `credentials` | users of basic authentication |
//! | `files` | a directory with certificates and a web configuration |
//! | `tls` | HTTPS clients that trust and show given certificates |

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails where its helpers do"
)]

mod client;
mod credentials;
mod files;
mod tls;

pub use client::{Connection, Response, Server, ask, send};
pub use credentials::{basic_auth, basic_auth_users};
pub use files::{Certified, Directory};
pub use tls::{client_config, fetch, get, roots};

use std::time::Duration;

/// Longest wait for an event that must happen. Only a failing test waits so long.
pub const PATIENCE: Duration = Duration::from_secs(30);
