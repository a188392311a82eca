//! Hostile and slow clients, and what other clients notice of them.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use tokio::time::timeout;

use super::{Server, load, sample, state};
use seedwatch_dev_web::{Certified, Connection, Directory, PATIENCE, ask, fetch};
use seedwatch_exporter::{MAX_CONNECTIONS, MAX_CONNECTIONS_OF_CLIENT, SHUTDOWN_TIMEOUT};

const HOSTILE: [u8; 4] = [127, 0, 0, 2];
const LARGE: u32 = 8_000;

async fn status(server: &Server, request: &str, headers: &str) -> u16 {
    timeout(PATIENCE, ask(server, request, headers))
        .await
        .unwrap()
        .status
}

fn serve(directory: &Directory) -> Server {
    let config = Arc::new(directory.load().unwrap());
    Server::start_with(Some(config), state(sample::snapshot(), 40).0)
}

#[tokio::test]
async fn silent_connections_keep_no_other_client_out() {
    let server = Server::start(state(sample::snapshot(), 40).0);
    let mut kept = server.connect().await;
    kept.request("GET /-/healthy", "").await;
    assert_eq!(kept.response().await.status, 200);
    let mut silent = Vec::new();
    for n in 0..=MAX_CONNECTIONS {
        // Two clients take every connection, and one more.
        let last = 2 + u8::from(n >= MAX_CONNECTIONS_OF_CLIENT);
        silent.push(server.connect_from([127, 0, 0, last]).await);
    }
    assert_eq!(status(&server, "GET /-/healthy", "").await, 200);
    assert_eq!(status(&server, "GET /metrics", "").await, 200);
    kept.request("GET /-/healthy", "").await;
    assert_eq!(kept.response().await.status, 200);
    // Nor do they keep out their own client, which may be a proxy.
    let mut same = server.connect_from(HOSTILE).await;
    same.request("GET /-/healthy", "").await;
    assert_eq!(same.response().await.status, 200);
}

async fn slow_reader(server: &Server, address: [u8; 4]) -> Connection {
    let mut connection = server.connect_from(address).await;
    let close = "Connection: close\r\n";
    connection.request("GET /metrics", close).await;
    assert_eq!(connection.begin().await, "HTTP/1.0 200 OK");
    connection
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_holds_all_pages_gives_way() {
    let server = Server::start(state(load::snapshot(LARGE), 2).0);
    let mut slow = [
        slow_reader(&server, HOSTILE).await,
        slow_reader(&server, HOSTILE).await,
    ];
    let page = timeout(PATIENCE, ask(&server, "GET /metrics", ""))
        .await
        .unwrap();
    assert_eq!(page.status, 200);
    assert!(page.text().ends_with(load::END));
    let mut whole = 0;
    for connection in &mut slow {
        whole += usize::from(connection.rest().await.ends_with(load::END.as_bytes()));
    }
    assert_eq!(whole, 1);
}

/// Many clients read pages slowly, each of them again as soon as its page ends. They always take
/// something, so that none of their readers stalls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_slow_readers_keep_no_scraper_out() {
    let server = Server::start(state(load::snapshot(2_000), 8).0);
    let mut slow = tokio::task::JoinSet::new();
    let (answered, mut answers) = tokio::sync::mpsc::unbounded_channel();
    for n in 0..20 {
        let (address, answered) = (server.address, answered.clone());
        slow.spawn(async move {
            loop {
                let mut reader = Connection::from([127, 0, 1, n], address).await;
                let close = "Connection: close\r\n";
                reader.request("GET /metrics", close).await;
                while reader.some(2048).await {
                    let _ = answered.send(n);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        });
    }
    let gzip = "Accept-Encoding: gzip\r\n";
    // While all pages are being made at once, none of them is slower than the others, and a scrape
    // may be refused.
    let scraping = async {
        let mut readers = HashSet::new();
        while readers.len() < 20 {
            readers.extend(answers.recv().await);
        }
        let mut whole = 0;
        while whole < 5 {
            let page = ask(&server, "GET /metrics", gzip).await;
            whole += usize::from(page.status == 200 && page.unpacked().ends_with(load::END));
        }
    };
    timeout(4 * PATIENCE, scraping).await.unwrap();
    slow.shutdown().await;
    server.stop().await;
}

#[tokio::test]
async fn a_rate_limit_counts_each_client_for_itself() {
    let directory = Directory::new("rate_limit: {interval: 1h, burst: 3}\n");
    let server = serve(&directory);
    let mut hostile = server.connect_from(HOSTILE).await;
    let mut answers = Vec::new();
    for _ in 0..5 {
        hostile.request("GET /-/healthy", "").await;
        answers.push(hostile.response().await);
    }
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    let wait: u32 = answers[3].headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((3500..=3600).contains(&wait));
    assert_eq!(status(&server, "GET /metrics", "").await, 200);
}

#[tokio::test]
async fn guesses_of_one_client_keep_no_other_from_logging_in() {
    let hash = bcrypt::hash("secret", 5).unwrap();
    let directory = Directory::new(&format!("basic_auth_users: {{alice: {hash}}}\n"));
    let server = serve(&directory);
    let mut guesses = Vec::new();
    for n in 0..40 {
        let mut connection = server.connect_from(HOSTILE).await;
        let pair = data_encoding::BASE64.encode(format!("user{n}:guess").as_bytes());
        let credentials = format!("Authorization: Basic {pair}\r\n");
        connection.request("GET /metrics", &credentials).await;
        guesses.push(connection);
    }
    // alice:secret
    let right = "Authorization: Basic YWxpY2U6c2VjcmV0\r\n";
    assert_eq!(status(&server, "GET /-/healthy", right).await, 200);
    let mut statuses = Vec::new();
    for mut guess in guesses {
        statuses.push(guess.response().await.status);
    }
    assert!(statuses.iter().all(|status| matches!(status, 401 | 503)));
    assert!(statuses.contains(&503), "{statuses:?}");
}

#[tokio::test]
async fn pages_of_other_sites_reload_nothing_and_read_no_configuration() {
    let (state, mut reloads) = state(sample::snapshot(), 40);
    let server = Server::start(state);
    for headers in [
        "Host: 127.0.0.1:16881\r\nSec-Fetch-Site: cross-site\r\n",
        "Host: 127.0.0.1:16881\r\nSec-Fetch-Site: same-site\r\n",
        "Host: 127.0.0.1:16881\r\nOrigin: http://evil.example\r\n",
        "Host: 127.0.0.1:16881\r\nOrigin: null\r\n",
        "Host: evil.example\r\nUser-Agent: Mozilla/5.0\r\nAccept-Language: en\r\n",
        "Host: evil.example\r\nOrigin: http://evil.example\r\n",
    ] {
        for request in ["POST /-/reload", "GET /config", "HEAD /config"] {
            assert_eq!(
                status(&server, request, headers).await,
                403,
                "{request} {headers}"
            );
        }
        // What is public stays so.
        assert_eq!(status(&server, "GET /-/healthy", headers).await, 200);
    }
    assert!(reloads.try_recv().is_err());
    let address = server.address;
    let curl = tokio::task::spawn_blocking(move || {
        std::process::Command::new("curl")
            .args([
                "-sS",
                "--noproxy",
                "*",
                "-o",
                "/dev/null",
                "-w",
                "%{http_code}",
            ])
            .arg(format!("http://{address}/config"))
            .output()
            .expect("curl is missing: apt-get install curl")
    });
    assert_eq!(curl.await.unwrap().stdout, b"200");
    let reload = ask(&server, "POST /-/reload", "Host: monitor.example\r\n");
    let answer = async { reloads.recv().await.unwrap().send(Ok(())).unwrap() };
    let (answer, ()) = tokio::join!(reload, answer);
    assert_eq!(answer.status, 200);
}

/// Collects log lines.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn refused_handshakes_are_logged_once_per_minute_with_the_reason() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
    let _default = tracing::subscriber::set_default(subscriber.with_ansi(false).finish());
    let tls = "tls_server_config:\n  cert_file: web.crt\n  key_file: web.key\n";
    let directory = Directory::new(tls);
    let server = serve(&directory);
    // A connection that is opened and closed, as a port check does, is no refusal.
    drop(server.connect().await);
    let stranger = Certified::new().certificate;
    for _ in 0..3 {
        assert!(fetch(&server, &stranger).await.is_err());
    }
    assert_eq!(status(&server, "GET /metrics", "").await, 400);
    // All of them have been handled when the server has stopped.
    server.stop().await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let refusals: Vec<_> = log.lines().filter(|l| l.contains("refused")).collect();
    assert_eq!(refusals.len(), 1, "{log}");
    assert!(refusals[0].contains("WARN"), "{log}");
    assert!(refusals[0].contains("received fatal alert"), "{log}");
}

#[tokio::test]
async fn files_that_cannot_be_read_stop_no_request_and_no_shutdown() {
    let tls = "tls_server_config:\n  cert_file: web.crt\n  key_file: web.key\n";
    for name in ["web.yaml", "web.crt", "web.key"] {
        let directory = Directory::new(tls);
        let own = std::fs::read_to_string(directory.path("web.crt")).unwrap();
        let server = serve(&directory);
        assert_eq!(fetch(&server, &own).await.unwrap(), 200);
        let content = std::fs::read_to_string(directory.path(name)).unwrap();
        let new = directory.path("fifo");
        nix::unistd::mkfifo(&new, Mode::S_IRWXU).unwrap();
        std::fs::rename(new, directory.path(name)).unwrap();
        for _ in 0..3 {
            let answer = timeout(PATIENCE, fetch(&server, &own)).await;
            assert_eq!(answer.unwrap().unwrap(), 200, "{name}");
        }
        // A file in its place is read again.
        directory.write(name, &format!("{content}\n"));
        assert_eq!(fetch(&server, &own).await.unwrap(), 200);
        timeout(PATIENCE, server.stop()).await.unwrap();
    }
}

#[tokio::test]
async fn clients_that_never_finish_do_not_hold_up_the_shutdown() {
    let server = Server::start(state(load::snapshot(LARGE), 40).0);
    let mut half = server.connect().await;
    half.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n").await;
    let mut body = server.connect().await;
    body.send(b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n1")
        .await;
    let reader = slow_reader(&server, HOSTILE).await;
    let start = Instant::now();
    timeout(PATIENCE, server.stop()).await.unwrap();
    let limit = SHUTDOWN_TIMEOUT + Duration::from_secs(1);
    assert!(start.elapsed() <= limit, "{:?}", start.elapsed());
    drop((half, body, reader));
}
