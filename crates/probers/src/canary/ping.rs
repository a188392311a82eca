//! A DHT ping (BEP 5) of a read-only node (BEP 43), which leaves no trace in routing tables.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Returns a ping with a random node id and transaction id.
pub(super) fn packet() -> Vec<u8> {
    let mut packet = b"d1:ad2:id20:".to_vec();
    packet.extend_from_slice(&rand::random::<[u8; 20]>());
    packet.extend_from_slice(b"e1:q4:ping2:roi1e1:t4:");
    packet.extend_from_slice(&rand::random::<[u8; 4]>());
    packet.extend_from_slice(b"1:y1:qe");
    packet
}

/// Returns the unspecified address of the family of a peer.
pub(super) fn any(peer: IpAddr) -> SocketAddr {
    match peer {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

#[cfg(test)]
mod tests {
    use seedwatch_torrent::bencode::Value;

    #[test]
    fn every_packet_is_a_different_read_only_ping() {
        let packet = super::packet();
        let (value, rest) = Value::parse(&packet).unwrap();
        assert!(rest.is_empty());
        let dict = value.as_dict().unwrap();
        let get = |key: &[u8]| dict.get(key).and_then(|value| value.as_bytes());
        assert_eq!(
            (get(b"y"), get(b"q")),
            (Some(&b"q"[..]), Some(&b"ping"[..]))
        );
        assert_eq!(get(b"t").unwrap().len(), 4);
        assert_eq!(dict.get(b"ro").and_then(|ro| ro.as_int()), Some(1));
        let arguments = dict.get(b"a").and_then(|a| a.as_dict()).unwrap();
        let id = arguments.get(b"id").and_then(|id| id.as_bytes()).unwrap();
        assert_eq!(id.len(), 20);
        assert_ne!(packet, super::packet());
    }
}
