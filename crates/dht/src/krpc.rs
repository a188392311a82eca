//! The datagrams of the DHT (BEP 5), with IPv6 nodes (BEP 32), scrapes (BEP 33), our address as
//! others see it (BEP 42) and the mark of a read-only node (BEP 43).
//!
//! Reading borrows from the datagram, does not recurse and never panics. What is unknown is
//! passed over; what has the wrong type or length is as if it were absent, as long as the rest
//! is of use. Whether addresses and ports make sense is for others to judge.

mod entries;
mod query;

pub use entries::{Values, contacts4, contacts6};
pub use query::{find_node, get_peers, ping};

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::NodeId;
use super::bloom;
use seedwatch_torrent::bencode::{Dict, Value};

/// Longest datagram looked at, in bytes. Nodes answer in one frame of Ethernet, a few of them in
/// some fragments.
pub const MAX_DATAGRAM: usize = 8192;
/// Most values read from one datagram.
pub const MAX_VALUES: usize = 1000;
/// Bytes of a node of `nodes`: id, IPv4 address, port (BEP 5).
pub const NODE_4: usize = 26;
/// Bytes of a node of `nodes6`: id, IPv6 address, port (BEP 32).
pub const NODE_6: usize = 38;

/// Why a datagram is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseError {
    /// Longer than [`MAX_DATAGRAM`].
    TooLong,
    /// Does not begin as a dictionary.
    NotDictionary,
    /// Nothing tells what it belongs to (`t`).
    NoTransaction,
    /// Neither response nor error nor query (`y`).
    NoKind,
    /// A response without an id of 20 bytes.
    NoId,
}

/// A datagram of the DHT.
#[derive(Debug, Clone)]
pub enum Message<'a> {
    /// A node answers.
    Response(Response<'a>),
    /// A node declines.
    Error(KrpcError<'a>),
    /// A node asks us; it has not heard that we are read-only.
    Query(Query<'a>),
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response<'a> {
    /// Of the query, as the node gave it back; any length.
    pub transaction: &'a [u8],
    /// Who answers, as it says.
    pub id: NodeId,
    /// IPv4 nodes of 26 bytes, whole ones; see [`contacts4`].
    pub nodes: &'a [u8],
    /// IPv6 nodes of 38 bytes, whole ones; see [`contacts6`].
    pub nodes6: &'a [u8],
    /// Peers.
    pub values: Values<'a>,
    /// Filter of seeds (`BFsd`).
    pub seeders: Option<&'a [u8; bloom::BYTES]>,
    /// Filter of the other peers (`BFpe`).
    pub leechers: Option<&'a [u8; bloom::BYTES]>,
    /// It answers `get_peers`: with peers, filters or, as it knows no peers, nodes, and what it
    /// gives can be read. Any other answer says nothing about a swarm, not even that it is empty.
    pub is_statement: bool,
    /// Where the node saw our query come from (BEP 42). Port 0 where it left the port out.
    pub external: Option<SocketAddr>,
}

/// A refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KrpcError<'a> {
    /// Of the query, as the node gave it back; any length.
    pub transaction: &'a [u8],
    /// What kind.
    pub code: ErrorCode,
    /// The node's words, not to be trusted in any way; empty if it has none.
    pub text: &'a [u8],
}

/// Kinds of errors (BEP 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// 201.
    Generic201,
    /// 202.
    Server202,
    /// 203: it did not understand us.
    Protocol203,
    /// 204: it does not know such a query.
    MethodUnknown204,
    /// Any other; 0 where none is given.
    Other(i64),
}

/// A question to us. Nobody answers it, so no more is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query<'a> {
    /// Any length.
    pub transaction: &'a [u8],
    /// Its name; empty if it has none.
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
    for (key, value) in top.iter() {
        match key {
            b"t" => transaction = value.as_bytes(),
            b"y" => kind = value.as_bytes(),
            b"r" => response = value.as_dict(),
            b"e" => error = Some(value),
            b"q" => method = value.as_bytes(),
            b"ip" => external = value.as_bytes().and_then(endpoint),
            _ => {}
        }
    }
    let transaction = transaction.ok_or(ParseError::NoTransaction)?;
    match kind {
        Some(b"r") => {
            let body = response.ok_or(ParseError::NoId)?;
            read_response(transaction, body, external).map(Message::Response)
        }
        Some(b"e") => Ok(Message::Error(read_error(transaction, error))),
        Some(b"q") => Ok(Message::Query(Query {
            transaction,
            method: method.unwrap_or_default(),
        })),
        _ => Err(ParseError::NoKind),
    }
}

fn read_response<'a>(
    transaction: &'a [u8],
    body: Dict<'a>,
    external: Option<SocketAddr>,
) -> Result<Response<'a>, ParseError> {
    let mut id = None;
    let mut response = Response {
        transaction,
        id: NodeId([0; 20]),
        nodes: &[],
        nodes6: &[],
        values: Values::default(),
        seeders: None,
        leechers: None,
        is_statement: false,
        external,
    };
    let mut shapes = Shapes::default();
    for (key, value) in body.iter() {
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
    response.id = NodeId(id.ok_or(ParseError::NoId)?);
    let has_filters = response.seeders.is_some() && response.leechers.is_some();
    response.is_statement = match shapes.values {
        Some(are_readable) => are_readable || has_filters,
        None if shapes.filters => has_filters,
        None => shapes.nodes,
    };
    Ok(response)
}

/// What an answer holds, readable or not.
#[derive(Debug, Clone, Copy, Default)]
struct Shapes {
    /// Nodes that can be read, or explicitly none.
    nodes: bool,
    /// `None` where there are no values; else whether they can be read.
    values: Option<bool>,
    /// A filter of any shape.
    filters: bool,
}

/// A filter of the right length that is not full. Common clients keep at most some thousand peers
/// of a torrent, and a filter fills up beyond 8,000: a full one is invented, or says only "many".
fn filter(value: Value<'_>) -> Option<&[u8; bloom::BYTES]> {
    let filter: &[u8; bloom::BYTES] = value.as_bytes()?.try_into().ok()?;
    filter.iter().any(|byte| *byte != u8::MAX).then_some(filter)
}

/// Entries up to a rest that is none.
fn whole(bytes: &[u8], size: usize) -> &[u8] {
    &bytes[..bytes.len() - bytes.len() % size]
}

/// `[code, text]`, in whatever order and of whatever is there.
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

/// A compact address, with its port or without.
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
