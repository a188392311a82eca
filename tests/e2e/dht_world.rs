//! The emulated DHT answers from real sockets, each node from its own address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use crate::rig::dht::DhtWorld;
use crate::rig::netns;
use seedwatch_dev_dht_world::{Delay, Net, WorldSettings};

#[test]
fn each_node_of_the_emulated_dht_answers_from_its_address() {
    needs_servers!();
    if netns::outside("dht_world::each_node_of_the_emulated_dht_answers_from_its_address") {
        return;
    }
    let any: [(Net, u16, IpAddr); 2] = [
        (Net::V4, 6881, Ipv4Addr::UNSPECIFIED.into()),
        (Net::V6, 6883, Ipv6Addr::UNSPECIFIED.into()),
    ];
    for (family, port, any) in any {
        let settings = WorldSettings {
            family,
            delay: Delay::Uniform {
                min_ms: 5.0,
                max_ms: 20.0,
            },
            ..WorldSettings::default()
        };
        let world = DhtWorld::start(&settings, 7, port);
        let socket = UdpSocket::bind((any, 0)).unwrap();
        let patience = Some(Duration::from_secs(10));
        socket.set_read_timeout(patience).unwrap();
        // Sends all queries at once: answers arrive in the order of their delays.
        let query = b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaa6:target20:bbbbbbbbbbbbbbbbbbbbe\
                      1:q9:find_node2:roi1e1:t2:xy1:y1:qe";
        for node in world.bootstrap() {
            socket.send_to(query, node).unwrap();
        }
        let mut answered: Vec<SocketAddr> = Vec::new();
        for _ in world.bootstrap() {
            let mut answer = [0; 1500];
            let (length, from) = socket.recv_from(&mut answer).unwrap();
            assert!(answer[..length].ends_with(b"1:t2:xy1:v4:LT\x02\x011:y1:re"));
            answered.push(from);
        }
        let mut asked = world.bootstrap().to_vec();
        asked.sort_unstable();
        answered.sort_unstable();
        assert_eq!(answered, asked);
        assert_eq!(world.count("queries"), 8);
        assert_eq!(world.count("nodes"), 8);
        assert_eq!(world.count("overflows"), 0);
        assert_eq!(world.peers_of([9; 20]).len(), 7);
    }
}
