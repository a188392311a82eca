//! What the fuzz targets reach of the probers. It is built by `cargo fuzz` only.

pub use super::announce_session::fuzz as announce_session;
pub use super::http::fuzz as http_answer;
pub use super::udp::fuzz as udp_answer;
