//! Datagrams of the DHT (BEP 5), with IPv6 nodes (BEP 32), scrapes (BEP 33), the external address
//! (BEP 42) and read-only nodes (BEP 43).

mod entries;
mod query;

pub use entries::{Values, contacts4, contacts6};
pub use query::{find_node, get_peers, ping};

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::NodeId;
use super::bloom;
use seedwatch_torrent::bencode::{Dict, Entries, Value};

/// Longest datagram that is parsed, in bytes. Most nodes answer in one Ethernet frame, some in
/// several fragments.
pub const MAX_DATAGRAM: usize = 8192;
/// Most values read from one datagram.
pub const MAX_VALUES: usize = 1000;
/// Bytes of an entry of `nodes`: id, IPv4 address, port (BEP 5).
pub const NODE_4: usize = 26;
/// Bytes of an entry of `nodes6`: id, IPv6 address, port (BEP 32).
pub const NODE_6: usize = 38;

/// Why a datagram cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseError {
    /// It is longer than [`MAX_DATAGRAM`].
    TooLong,
    /// It does not begin with a dictionary.
    NotDictionary,
    /// It has no transaction id (`t`).
    NoTransaction,
    /// It is neither a response nor an error nor a query (`y`).
    NoKind,
    /// It is a response without an id of 20 bytes.
    NoId,
}

/// A datagram of the DHT.
#[derive(Debug, Clone)]
pub enum Message<'a> {
    /// A response to a query.
    Response(Response<'a>),
    /// An error in response to a query.
    Error(KrpcError<'a>),
    /// A query. The node does not know that we are read-only.
    Query(Query<'a>),
}

/// A response.
#[derive(Debug, Clone)]
pub struct Response<'a> {
    /// Transaction id as the node returned it, of any length.
    pub transaction: &'a [u8],
    /// Id that the node claims.
    pub id: NodeId,
    /// Whole IPv4 nodes of 26 bytes; see [`contacts4`].
    pub nodes: &'a [u8],
    /// Whole IPv6 nodes of 38 bytes; see [`contacts6`].
    pub nodes6: &'a [u8],
    /// Peers.
    pub values: Values<'a>,
    /// Filter of seeders (`BFsd`).
    pub seeders: Option<&'a [u8; bloom::BYTES]>,
    /// Filter of all other peers (`BFpe`).
    pub leechers: Option<&'a [u8; bloom::BYTES]>,
    /// Whether it is a readable answer to `get_peers`: with peers, with filters or, if the node
    /// knows no peers, with nodes. Any other response says nothing about a swarm, not even that it
    /// is empty.
    pub is_statement: bool,
    /// Source address of our query as the node saw it (BEP 42). Port 0 if the node omitted the
    /// port.
    pub external: Option<SocketAddr>,
}

/// An error response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KrpcError<'a> {
    /// Transaction id as the node returned it, of any length.
    pub transaction: &'a [u8],
    /// Error code.
    pub code: ErrorCode,
    /// Error text; empty if there is none. It must not be trusted.
    pub text: &'a [u8],
}

/// Error codes (BEP 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// 201: generic error.
    Generic201,
    /// 202: server error.
    Server202,
    /// 203: protocol error, such as a malformed query.
    Protocol203,
    /// 204: unknown method.
    MethodUnknown204,
    /// Any other code; 0 if there is none.
    Other(i64),
}

/// A query to us. It is not answered, so no more of it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query<'a> {
    /// Transaction id, of any length.
    pub transaction: &'a [u8],
    /// Method name; empty if there is none.
    pub method: &'a [u8],
}

/// Reads a datagram.
///
/// # Errors
/// See [`ParseError`].
pub fn parse(datagram: &[u8]) -> Result<Message<'_>, ParseError> {
    if datagram.len() > MAX_DATAGRAM {
        return Err(ParseError::TooLong);
    }
    let top = Dict::open(datagram).ok_or(ParseError::NotDictionary)?;
    let mut transaction = None;
    let mut kind = None;
    let mut response = None;
    let mut error = None;
    let mut method = None;
    let mut external = None;
    let mut entries = top.iter();
    while let Some(key) = entries.next_key() {
        // Almost all datagrams are responses. Their body is read once, in place.
        if key == b"r"
            && let Some(mut body) = entries.open_dict()
        {
            let read = read_response(&mut body);
            if entries.resume_after(&body) {
                response = Some(read);
                continue;
            }
        }
        let Some(value) = entries.next_value() else {
            break;
        };
        match key {
            b"t" => transaction = value.as_bytes(),
            b"y" => kind = value.as_bytes(),
            b"r" => response = value.as_dict().map(|body| read_response(&mut body.iter())),
            b"e" => error = Some(value),
            b"q" => method = value.as_bytes(),
            b"ip" => external = value.as_bytes().and_then(endpoint),
            _ => {}
        }
    }
    let transaction = transaction.ok_or(ParseError::NoTransaction)?;
    match kind {
        Some(b"r") => Ok(Message::Response(Response {
            transaction,
            external,
            ..response.flatten().ok_or(ParseError::NoId)?
        })),
        Some(b"e") => Ok(Message::Error(read_error(transaction, error))),
        Some(b"q") => Ok(Message::Query(Query {
            transaction,
            method: method.unwrap_or_default(),
        })),
        _ => Err(ParseError::NoKind),
    }
}

/// Reads the body of a response to its end. Returns `None` without an id.
fn read_response<'a>(body: &mut Entries<'a>) -> Option<Response<'a>> {
    let mut id = None;
    let mut response = Response {
        transaction: &[],
        id: NodeId([0; 20]),
        nodes: &[],
        nodes6: &[],
        values: Values::default(),
        seeders: None,
        leechers: None,
        is_statement: false,
        external: None,
    };
    let mut shapes = Shapes::default();
    for (key, value) in body {
        match (key, value) {
            (b"id", Value::Bytes(bytes)) => id = bytes.try_into().ok(),
            (b"nodes", Value::Bytes(bytes)) => {
                response.nodes = whole(bytes, NODE_4);
                shapes.nodes |= bytes.is_empty() || !response.nodes.is_empty();
            }
            (b"nodes6", Value::Bytes(bytes)) => {
                response.nodes6 = whole(bytes, NODE_6);
                shapes.nodes |= bytes.is_empty() || !response.nodes6.is_empty();
            }
            (b"values", value) => {
                response.values = Values::of(value);
                shapes.values = Some(response.values.are_readable(value));
            }
            (b"BFsd", value) => {
                response.seeders = filter(value);
                shapes.filters = true;
            }
            (b"BFpe", value) => {
                response.leechers = filter(value);
                shapes.filters = true;
            }
            _ => {}
        }
    }
    response.id = NodeId(id?);
    let has_filters = response.seeders.is_some() && response.leechers.is_some();
    response.is_statement = match shapes.values {
        Some(are_readable) => are_readable || has_filters,
        None if shapes.filters => has_filters,
        None => shapes.nodes,
    };
    Some(response)
}

/// Which kinds of entries a response contains.
#[derive(Debug, Clone, Copy, Default)]
struct Shapes {
    /// Whether nodes can be read, or are explicitly empty.
    nodes: bool,
    /// Whether values can be read; `None` if there are none.
    values: Option<bool>,
    /// Whether there is a filter, readable or not.
    filters: bool,
}

/// Returns a filter of the right length that is not full. Common clients store at most a few
/// thousand peers per torrent, and filters fill up beyond 8,000. A full filter is therefore
/// invented, or says only "many".
fn filter(value: Value<'_>) -> Option<&[u8; bloom::BYTES]> {
    let filter: &[u8; bloom::BYTES] = value.as_bytes()?.try_into().ok()?;
    filter.iter().any(|byte| *byte != u8::MAX).then_some(filter)
}

/// Returns the whole entries of `size` bytes.
fn whole(bytes: &[u8], size: usize) -> &[u8] {
    &bytes[..bytes.len() - bytes.len() % size]
}

/// Reads `[code, text]`, in any order and with parts missing.
fn read_error<'a>(transaction: &'a [u8], error: Option<Value<'a>>) -> KrpcError<'a> {
    let mut code = None;
    let mut text = error.and_then(|value| value.as_bytes());
    let items = error.and_then(|value| value.as_list());
    for item in items.iter().flat_map(|list| list.iter()) {
        code = code.or(item.as_int());
        text = text.or(item.as_bytes());
    }
    KrpcError {
        transaction,
        code: match code.unwrap_or_default() {
            201 => ErrorCode::Generic201,
            202 => ErrorCode::Server202,
            203 => ErrorCode::Protocol203,
            204 => ErrorCode::MethodUnknown204,
            other => ErrorCode::Other(other),
        },
        text: text.unwrap_or_default(),
    }
}

/// Reads a compact address with or without a port.
fn endpoint(bytes: &[u8]) -> Option<SocketAddr> {
    let (ip, port) = match bytes.len() {
        4 | 16 => (bytes, 0),
        6 | 18 => {
            let (ip, port) = bytes.split_last_chunk::<2>()?;
            (ip, u16::from_be_bytes(*port))
        }
        _ => return None,
    };
    let v4 = <[u8; 4]>::try_from(ip).map(|octets| IpAddr::V4(Ipv4Addr::from(octets)));
    let v6 = <[u8; 16]>::try_from(ip).map(|octets| IpAddr::V6(Ipv6Addr::from(octets)));
    let ip = v4.or(v6).ok()?;
    Some(SocketAddr::new(ip.to_canonical(), port))
}

#[cfg(test)]
mod tests;
