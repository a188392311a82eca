//! Name servers with faults of real ones.

use std::net::{Ipv4Addr, SocketAddr};

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::A;
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

#[derive(Clone, Copy)]
pub(super) enum Habit {
    /// Never answers TXT (newTrackon#316).
    DropsTxt(Ipv4Addr),
    /// Answers AAAA with SERVFAIL.
    FailsAaaa(Ipv4Addr),
    /// Answers nothing about names in `hole.example`.
    IgnoresBlackHoles(Ipv4Addr),
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    pub(super) async fn start(habit: Habit) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let query = Message::from_vec(&buffer[..length]).unwrap();
                if let Some(answer) = answer(habit, &query) {
                    let _ = socket.send_to(&answer.to_vec().unwrap(), from).await;
                }
            }
        });
        Self { address, task }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn answer(habit: Habit, query: &Message) -> Option<Message> {
    let question = query.queries.first()?.clone();
    let (Habit::DropsTxt(ip) | Habit::FailsAaaa(ip) | Habit::IgnoresBlackHoles(ip)) = habit;
    let is_hole = question.name().to_ascii().contains("hole.example");
    if is_hole && matches!(habit, Habit::IgnoresBlackHoles(_)) {
        return None;
    }
    let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
    match question.query_type() {
        RecordType::A => {
            let data = RData::A(A(ip));
            answer.add_answer(Record::from_rdata(question.name().clone(), 300, data));
        }
        RecordType::TXT if matches!(habit, Habit::DropsTxt(_)) => return None,
        RecordType::AAAA if matches!(habit, Habit::FailsAaaa(_)) => {
            answer.metadata.response_code = ResponseCode::ServFail;
        }
        _ => {}
    }
    answer.add_query(question);
    Some(answer)
}
