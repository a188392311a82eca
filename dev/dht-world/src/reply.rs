//! Writes answers (BEP 5, 32, 33, 42).

use std::net::{IpAddr, SocketAddr};

use super::ids::Id;

/// Errors that a node answers with (BEP 5).
pub(super) const PROTOCOL: (u16, &str) = (203, "Protocol Error");
/// See [`PROTOCOL`].
pub(super) const METHOD_UNKNOWN: (u16, &str) = (204, "Method Unknown");

/// A BEP 33 filter.
pub(super) type Filter = [u8; 256];

/// The body of an answer. Parts that are `None` or empty are left out.
#[derive(Default)]
pub(super) struct Body<'a> {
    pub(super) id: Id,
    pub(super) nodes: &'a [(Id, SocketAddr)],
    /// Seeders, then the other peers.
    pub(super) filters: Option<(&'a Filter, &'a Filter)>,
    pub(super) values: &'a [SocketAddr],
    pub(super) token: Option<[u8; 4]>,
    /// Source port of the query, which libtorrent reports.
    pub(super) port: Option<u16>,
}

/// Writes an answer. `external` is the source address of the query (BEP 42).
pub(super) fn response(
    out: &mut Vec<u8>,
    transaction: &[u8],
    external: Option<SocketAddr>,
    body: &Body<'_>,
) {
    out.extend(b"d");
    if let Some(external) = external {
        out.extend(b"2:ip");
        compact(out, external, true);
    }
    out.extend(b"1:rd");
    if let Some((seeders, peers)) = body.filters {
        out.extend(b"4:BFpe256:");
        out.extend(peers);
        out.extend(b"4:BFsd256:");
        out.extend(seeders);
    }
    out.extend(b"2:id20:");
    out.extend(body.id);
    nodes(out, body.nodes);
    if let Some(port) = body.port {
        out.extend(format!("1:pi{port}e").as_bytes());
    }
    if let Some(token) = body.token {
        out.extend(b"5:token4:");
        out.extend(token);
    }
    if !body.values.is_empty() {
        out.extend(b"6:valuesl");
        for peer in body.values {
            compact(out, *peer, true);
        }
        out.extend(b"e");
    }
    out.extend(b"e");
    tail(out, transaction, b'r');
}

/// Writes an error.
pub(super) fn error(out: &mut Vec<u8>, transaction: &[u8], (code, text): (u16, &str)) {
    out.extend(format!("d1:eli{code}e{}:{text}e", text.len()).as_bytes());
    tail(out, transaction, b'e');
}

fn tail(out: &mut Vec<u8>, transaction: &[u8], kind: u8) {
    out.extend(b"1:t");
    string(out, transaction);
    out.extend(b"1:v4:LT\x02\x011:y1:");
    out.extend([kind, b'e']);
}

fn nodes(out: &mut Vec<u8>, nodes: &[(Id, SocketAddr)]) {
    let Some((_, first)) = nodes.first() else {
        return;
    };
    match first {
        SocketAddr::V4(_) => out.extend(format!("5:nodes{}:", 26 * nodes.len()).as_bytes()),
        SocketAddr::V6(_) => out.extend(format!("6:nodes6{}:", 38 * nodes.len()).as_bytes()),
    }
    for (id, address) in nodes {
        out.extend(id);
        compact(out, *address, false);
    }
}

pub(super) fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(bytes.len().to_string().as_bytes());
    out.push(b':');
    out.extend(bytes);
}

/// Writes address and port, 6 or 18 bytes, as a string or without a length.
fn compact(out: &mut Vec<u8>, address: SocketAddr, as_string: bool) {
    match address.ip() {
        IpAddr::V4(ip) => {
            out.extend(if as_string { &b"6:"[..] } else { b"" });
            out.extend(ip.octets());
        }
        IpAddr::V6(ip) => {
            out.extend(if as_string { &b"18:"[..] } else { b"" });
            out.extend(ip.octets());
        }
    }
    out.extend(address.port().to_be_bytes());
}
