//! The web server of an exporter: listeners, TLS, basic authentication, and the web configuration
//! file of the Prometheus exporter toolkit.
//!
//! A [`Service`] answers requests; [`serve`] decides which of them it gets. Every resource is shared
//! fairly among clients: connections, pages at a time, password checks.
//!
//! | Module | Contents |
//! |---|---|
//! | `listen` | listening addresses in the form of Prometheus tools |
//! | `server`, `connections` | connections: accepted, limited, watched, ended in order |
//! | `access`, `config_file` | what the web configuration asks for, always as the file stands now |
//! | `tls`, `auth`, `rate_limit`, `origin` | who is admitted |
//! | `admission` | the order of these checks |
//! | `pages`, `body`, `slots`, `turns` | large pages, streamed |
//! | [`negotiation`] | what a client accepts |
//! | [`response`] | small answers |

mod access;
mod admission;
mod auth;
mod body;
mod client;
mod config_file;
mod connections;
mod listen;
pub mod negotiation;
mod origin;
mod pages;
mod plain;
mod rate_limit;
pub mod response;
mod server;
mod slots;
mod tls;
mod turns;

pub use access::WebConfig;
pub use body::{ResponseBody, Sink, Torn};
pub use client::ClientKey;
pub use listen::{BindError, ListenAddress, bind};
pub use pages::{PageRequest, Pages};
pub use response::Answer;
pub use server::serve;
pub use tls::suites::names as cipher_suite_names;

use std::future::Future;
use std::time::Duration;

use hyper::Request;

/// Longest time between two signs of life on a connection. Longer than the usual scrape
/// intervals, so that Prometheus can keep its connection.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(125);

/// Longest time from the connection to the end of the first request's head, TLS included.
pub const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time that sending one page may take: a reader that is slower is cut off.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest time given to requests under way at shutdown. The whole process has five seconds.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// Most connections at a time, over all listeners. A further one displaces the least active
/// connection of the client with the most.
pub const MAX_CONNECTIONS: usize = 512;

/// Most connections of one client (an IPv4 address or an IPv6 /64) at a time. A further one
/// displaces the least active of them.
pub const MAX_CONNECTIONS_OF_CLIENT: usize = 256;

/// Longest head of a request, in bytes.
pub const MAX_HEAD: usize = 16 * 1024;

/// Most header fields of a request.
pub const MAX_HEADERS: usize = 64;

/// Most requests at a time on one HTTP/2 connection.
pub const MAX_STREAMS: u32 = 32;

/// Answers the requests that the server has admitted.
pub trait Service: Send + Sync + 'static {
    /// Returns whether a page of another site must not read this path through a browser.
    fn is_confidential(&self, path: &str) -> bool;

    /// Answers a request. No request has a body.
    fn answer(
        &self,
        client: ClientKey,
        request: &Request<()>,
    ) -> impl Future<Output = Answer> + Send;
}
