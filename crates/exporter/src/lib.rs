//! The web server of an exporter: listeners, TLS, basic authentication, and the web configuration
//! file of the Prometheus exporter toolkit.
//!
//! A [`Service`] answers requests; [`serve`] decides which requests reach it. Connections, large
//! pages and password checks are shared fairly among clients.
//!
//! | Module | Contents |
//! |---|---|
//! | `listen` | listening addresses in the form of Prometheus tools |
//! | `server`, `connections` | accepts, limits and ends connections |
//! | `plain_http` | the answer to plain HTTP on a port that speaks HTTPS |
//! | `access`, `config_file` | the web configuration, read again when its files change |
//! | `tls`, `auth`, `rate_limit`, `origin` | the checks that a request passes |
//! | `admission` | the order of these checks |
//! | `pages`, `body`, `page_slots`, `fair_queue` | large pages, streamed |
//! | [`negotiation`] | the formats and codings that a client accepts |
//! | [`response`] | small responses |
//!
//! ```
//! use std::sync::Arc;
//!
//! use hyper::{Request, StatusCode};
//! use seedwatch_exporter::{ClientKey, HttpResponse, Service, bind, response, serve};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tokio::net::TcpStream;
//! use tokio::sync::oneshot;
//!
//! struct Hello;
//!
//! impl Service for Hello {
//!     fn is_confidential(&self, _path: &str) -> bool {
//!         false
//!     }
//!
//!     async fn respond(&self, _client: ClientKey, _request: &Request<()>) -> HttpResponse {
//!         response::text(StatusCode::OK, "hello\n")
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let listeners = bind(&["127.0.0.1:0".parse()?])?;
//! let address = listeners[0].local_addr()?;
//! let (stop, stopped) = oneshot::channel::<()>();
//! let server = tokio::spawn(serve(listeners, None, Arc::new(Hello), async {
//!     let _ = stopped.await;
//! }));
//!
//! let mut client = TcpStream::connect(address).await?;
//! client.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
//! let mut answer = String::new();
//! client.read_to_string(&mut answer).await?;
//! assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"));
//! assert!(answer.ends_with("\r\n\r\nhello\n"));
//!
//! drop(stop);
//! server.await?;
//! # Ok(())
//! # })
//! # }
//! ```

mod access;
mod admission;
mod auth;
mod body;
mod client;
mod config_file;
mod connections;
mod external_url;
mod fair_queue;
mod listen;
pub mod negotiation;
mod origin;
mod page_slots;
mod pages;
mod plain_http;
mod rate_limit;
pub mod response;
mod server;
mod tls;

pub use access::WebConfig;
pub use body::{PageAborted, PageWriter, ResponseBody};
pub use client::ClientKey;
pub use external_url::ExternalUrl;
pub use listen::{BindError, ListenAddress, bind};
pub use pages::{PageRequest, Pages, PreparedPage};
pub use response::HttpResponse;
pub use server::serve;
pub use tls::suites::names as cipher_suite_names;

use std::future::Future;
use std::time::Duration;

use hyper::Request;

/// Longest time without a byte on a connection. It is longer than the usual scrape intervals, so
/// that Prometheus can keep its connection.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(125);

/// Longest time from the connection to the end of the first request's head, TLS included.
pub const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time that sending one page may take. The connection of a slower reader is cut.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest time that requests in flight have at shutdown. The whole process has five seconds.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// Most connections at a time, over all listeners. A further one evicts the least active connection
/// of the client with the most.
pub const MAX_CONNECTIONS: usize = 512;

/// Most connections of one client (an IPv4 address or an IPv6 /64) at a time. A further one
/// evicts the least active of them.
pub const MAX_CONNECTIONS_OF_CLIENT: usize = 256;

/// Largest head of a request, in bytes.
pub const MAX_HEAD: usize = 16 * 1024;

/// Most header fields of a request.
pub const MAX_HEADERS: usize = 64;

/// Most requests at a time on one HTTP/2 connection.
pub const MAX_STREAMS: u32 = 32;

/// Answers the requests that the server has admitted.
pub trait Service: Send + Sync + 'static {
    /// Returns whether pages of other sites must not read this path through a browser.
    fn is_confidential(&self, path: &str) -> bool;

    /// Answers a request. No request has a body.
    fn respond(
        &self,
        client: ClientKey,
        request: &Request<()>,
    ) -> impl Future<Output = HttpResponse> + Send;
}
