//! Failures and unusual answers over UDP (BEP 15).

use std::net::UdpSocket;

use super::Expected::{Failure, Peers};
use super::{Case, assert_all_cases, over_udp, three_peers};
use crate::rig::address;
use crate::rig::scripted::{self, Truth, UdpRequest, UdpTracker};
use crate::rig::wire::Endpoint;

#[test]
fn udp_failures_have_reasons() {
    let closed = address::host();
    let closed_port = UdpSocket::bind((closed, 0)).unwrap().local_addr().unwrap();
    let refused = Case::of(
        "closed",
        Endpoint::Udp(closed_port).url(),
        Failure("refused", 0.0),
        (),
    );
    let text = "Torrent not registered with this tracker; 68 bytes that look like peers";
    assert_all_cases(&[
        refused,
        over_udp("silent", Failure("timeout", 0.0), |_| vec![]),
        over_udp("refuses-to-connect", Failure("rejected", 1.0), |packet| {
            vec![scripted::refusal(packet, "go away")]
        }),
        over_udp(
            "refuses-to-announce",
            Failure("rejected", 1.0),
            move |packet| {
                vec![match packet.request {
                    UdpRequest::Connect => scripted::honest(packet, &three_peers()),
                    _ => scripted::refusal(packet, text),
                }]
            },
        ),
        over_udp("wrong-transaction", Failure("timeout", 0.0), |packet| {
            let mut answer = scripted::honest(packet, &three_peers());
            answer[7] ^= 1;
            vec![answer]
        }),
        over_udp(
            "wrong-transaction-announce",
            Failure("timeout", 0.0),
            |packet| {
                let mut answer = scripted::honest(packet, &three_peers());
                if packet.request != UdpRequest::Connect {
                    answer[4] ^= 1;
                }
                vec![answer]
            },
        ),
        over_udp("unreadable-list", Failure("malformed", 0.0), |packet| {
            let mut answer = scripted::honest(packet, &Truth::default());
            if packet.request != UdpRequest::Connect {
                answer.extend(b"\x7f\x3c\x01");
            }
            vec![answer]
        }),
        over_udp("truncated", Failure("malformed", 0.0), |packet| {
            let mut answer = scripted::honest(packet, &three_peers());
            if packet.request != UdpRequest::Connect {
                answer.truncate(13);
            }
            vec![answer]
        }),
    ]);
}

#[test]
fn unusual_udp_answers_are_understood() {
    // Hosts with several addresses answer from another one, but from the same port.
    let elsewhere = address::host();
    let from_elsewhere = UdpTracker::start_with(move |packet, client, socket| {
        let port = socket.local_addr().unwrap().port();
        let other = UdpSocket::bind((elsewhere, port)).unwrap();
        let answer = scripted::honest(packet, &three_peers());
        other.send_to(&answer, client).unwrap();
    });
    let mut deaf = 0;
    let mut received = false;
    assert_all_cases(&[
        Case::of(
            "other-address",
            from_elsewhere.endpoint().url(),
            Peers(3.0),
            from_elsewhere,
        ),
        over_udp("twice", Peers(3.0), |packet| {
            vec![scripted::honest(packet, &three_peers()); 2]
        }),
        over_udp("lost-connect", Peers(3.0), move |packet| {
            deaf += usize::from(packet.request == UdpRequest::Connect);
            let lost = packet.request == UdpRequest::Connect && deaf % 2 == 1;
            if lost {
                vec![]
            } else {
                vec![scripted::honest(packet, &three_peers())]
            }
        }),
        over_udp("lost-announce", Peers(3.0), move |packet| {
            let lost = matches!(packet.request, UdpRequest::Announce { .. }) && !received;
            received |= lost;
            if lost {
                vec![]
            } else {
                vec![scripted::honest(packet, &three_peers())]
            }
        }),
        over_udp("stray-before", Peers(3.0), |packet| {
            let mut stray = scripted::honest(packet, &Truth::default());
            stray[5] ^= 0xff;
            vec![
                b"noise".to_vec(),
                stray,
                scripted::honest(packet, &three_peers()),
            ]
        }),
        over_udp("ragged-list", Peers(3.0), |packet| {
            let mut answer = scripted::honest(packet, &three_peers());
            if matches!(packet.request, UdpRequest::Announce { .. }) {
                answer.extend(b"\x7f\x3c\x01");
            }
            vec![answer]
        }),
        over_udp("interval-zero", Peers(3.0), |packet| {
            let truth = Truth {
                interval: 0,
                ..three_peers()
            };
            vec![scripted::honest(packet, &truth)]
        }),
        over_udp("interval-of-a-lifetime", Peers(3.0), |packet| {
            let truth = Truth {
                interval: 1 << 31,
                ..three_peers()
            };
            vec![scripted::honest(packet, &truth)]
        }),
    ]);
}
