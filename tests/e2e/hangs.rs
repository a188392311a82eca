//! Disks, files, clients, trackers and readers of the log that hang. In each case, probing
//! continues, endpoints answer, and shutdown is fast.

use std::fs;
use std::io::{PipeReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use tempfile::TempDir;

use crate::rig::address::free_port;
use crate::rig::daemon::{BINARY, LAB, config, entry};
use crate::rig::exposition::Exposition;
use crate::rig::scripted::{self, HttpTracker, Reply, Truth, UdpRequest, UdpTracker, ok};
use crate::rig::swarm::fresh_hash;
use crate::rig::wire::hex;
use crate::rig::{http, netns, wait};

/// Time limit from SIGTERM to the exit.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

/// Capacity of the pipe, in bytes: the minimum.
const PIPE_SIZE: i32 = 4096;

/// A daemon with a disk that hangs on demand. Its log goes to a file or to a pipe.
struct HangHarness {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
    tracker: UdpTracker,
}

/// Builds a library that makes the disk hang.
fn build_shim(folder: &Path) -> PathBuf {
    let library = folder.join("shim.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/hangs/shim.c");
    let output = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(source)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    library
}

impl HangHarness {
    fn start(stderr: Option<Stdio>, more: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::start_in(folder, stderr, more)
    }

    fn start_in(folder: TempDir, stderr: Option<Stdio>, more: &[String]) -> Self {
        let at = |name: &str| folder.path().join(name);
        let peers = (1..6).map(|n| format!("127.60.0.{n}:6881").parse().unwrap());
        let truth = Truth::of(peers);
        let tracker = UdpTracker::start(move |packet| vec![scripted::honest(packet, &truth)]);
        let url = tracker.endpoint().url();
        let mut entries = vec![entry("watched", &hex(&fresh_hash()), &[url])];
        entries.extend_from_slice(more);
        let state = at("state").display().to_string();
        let settings = format!(
            "{LAB}state: {{path: \"{state}\", interval: 1s}}\ninclude: [lists/*.yaml]\n\
             tracker: {{announce: brief}}\n"
        );
        fs::create_dir_all(at("lists")).unwrap();
        fs::write(at("lists/none.yaml"), "torrents: []\n").unwrap();
        fs::write(at("config.yaml"), config(&settings, &entries)).unwrap();
        fs::write(at("roots.pem"), root_certificate()).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], free_port([127, 0, 0, 1])));
        let log = || fs::File::create(at("log")).unwrap().into();
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", BINARY, "--config.file"])
            .arg(at("config.yaml"))
            .args(["--web.listen-address", &address.to_string()])
            .env("LD_PRELOAD", build_shim(folder.path()))
            .env("HANG_FOLDER", folder.path())
            .env("SSL_CERT_FILE", at("roots.pem"))
            .stdin(Stdio::null())
            .stderr(stderr.unwrap_or_else(log))
            .spawn()
            .unwrap();
        Self {
            child,
            address,
            folder,
            tracker,
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.at("log")).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    fn status(&self, path: &str) -> Option<u16> {
        let answer = http::request(self.address, "GET", path, &[]);
        answer.ok().map(|answer| answer.status)
    }

    fn wait_until_ready(&self) {
        wait::until("ready", wait::PATIENCE, || {
            (self.status("/-/ready") == Some(200)).then_some(())
        });
    }

    fn probes(&self) -> f64 {
        let answer = http::request(self.address, "GET", "/metrics", &[]).unwrap();
        let page = Exposition::parse(&answer.text());
        let label = self.tracker.endpoint().label();
        page.get(&format!(
            "seedwatch_tracker_probes_total{{tracker=\"{label}\"}}"
        ))
        .unwrap_or_default()
    }

    /// Checks that probing continues and that endpoints answer.
    fn assert_works(&self) {
        let before = self.probes();
        wait::until("two more probes", wait::PATIENCE, || {
            (self.probes() >= before + 2.0).then_some(())
        });
        assert_eq!(self.status("/-/healthy"), Some(200));
        assert_eq!(self.status("/-/ready"), Some(200));
        assert_eq!(self.status("/"), Some(200));
    }

    /// Makes calls of this kind (`fsync`, `open`) hang from now on.
    fn hang(&self, call: &str) {
        fs::write(self.at(&format!("hang-{call}")), "").unwrap();
    }

    fn wait_until_it_hangs(&self) {
        wait::until("a call hangs", wait::PATIENCE, || {
            self.at("hangs").exists().then_some(())
        });
    }

    /// Terminates the daemon and checks that it exits in time. Returns how long that took, and its
    /// log.
    fn terminate(mut self) -> (Duration, String) {
        let began = Instant::now();
        self.signal(Signal::SIGTERM);
        let status = wait::until("the end", wait::PATIENCE, || self.child.try_wait().unwrap());
        let took = began.elapsed();
        assert_eq!(status.code(), Some(0), "{}", self.log());
        assert!(took < SHUTDOWN_LIMIT, "{took:?}\n{}", self.log());
        println!("from SIGTERM to the end: {took:?}");
        (took, self.log())
    }
}

impl Drop for HangHarness {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a root certificate.
fn root_certificate() -> String {
    let key = rcgen::generate_simple_self_signed(["root.test".to_owned()]).unwrap();
    key.cert.pem()
}

/// Returns a pipe that is full from the start, and its reader.
fn full_pipe() -> (PipeReader, Stdio) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    fcntl(&writer, FcntlArg::F_SETPIPE_SZ(PIPE_SIZE)).unwrap();
    writer.write_all(&[b'.'; PIPE_SIZE as usize]).unwrap();
    (reader, writer.into())
}

#[test]
fn a_log_that_is_not_read_blocks_nothing() {
    let (mut reader, stderr) = full_pipe();
    let daemon = HangHarness::start(Some(stderr), &[]);
    daemon.wait_until_ready();
    daemon.assert_works();
    daemon.terminate();
    // Lines after the last read may be lost, others not.
    let mut log = Vec::new();
    reader.read_to_end(&mut log).unwrap();
    assert!(
        log.iter().all(|byte| *byte == b'.'),
        "the pipe is full until the end"
    );
}

#[test]
fn a_log_that_is_read_late_is_complete() {
    let (mut reader, stderr) = full_pipe();
    let daemon = HangHarness::start(Some(stderr), &[]);
    daemon.wait_until_ready();
    let thread = std::thread::spawn(move || {
        let mut log = String::new();
        reader.read_to_string(&mut log).unwrap();
        log
    });
    daemon.terminate();
    let log = thread.join().unwrap();
    let positions: Vec<_> = ["starting seedwatch", "listening", "shutting down"]
        .map(|line| log.find(line))
        .to_vec();
    assert!(
        positions.iter().all(Option::is_some) && positions.is_sorted(),
        "{log}"
    );
}

#[test]
fn a_hanging_write_blocks_nothing() {
    let daemon = HangHarness::start(None, &[]);
    daemon.wait_until_ready();
    daemon.hang("fsync");
    daemon.wait_until_it_hangs();
    daemon.assert_works();
    let (_, log) = daemon.terminate();
    assert!(log.contains("the state is saved in part only"), "{log}");
}

#[test]
fn a_lack_of_file_descriptors_is_reported_once_and_stops_nothing() {
    let daemon = HangHarness::start(None, &[]);
    daemon.wait_until_ready();
    daemon.assert_works();
    let limit = |count: u32| {
        netns::run(&format!(
            "prlimit --pid {} --nofile={count}:",
            daemon.child.id()
        ))
    };
    let count_lines = |line: &str| daemon.log().matches(line).count();
    limit(3);
    wait::until("no file can be opened", wait::PATIENCE, || {
        (count_lines("the state is not saved") > 0).then_some(())
    });
    let before = daemon.tracker.received().len();
    wait::until("probes continue", wait::PATIENCE, || {
        (daemon.tracker.received().len() > before + 8).then_some(())
    });
    limit(1024);
    wait::until("files can be opened again", wait::PATIENCE, || {
        (count_lines("the state is saved again") > 0).then_some(())
    });
    daemon.assert_works();
    assert_eq!(count_lines("the state is not saved"), 1, "{}", daemon.log());
    daemon.terminate();
}

#[test]
fn a_hanging_state_directory_blocks_neither_start_nor_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("hang-fsync"), "").unwrap();
    let daemon = HangHarness::start_in(folder, None, &[]);
    // The first access to the directory hangs.
    daemon.wait_until_it_hangs();
    let (_, log) = daemon.terminate();
    assert!(
        !log.contains("shutting down"),
        "shutdown had not begun: {log}"
    );

    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("hang-fsync"), "").unwrap();
    let daemon = HangHarness::start_in(folder, None, &[]);
    daemon.wait_until_ready();
    daemon.assert_works();
    let (_, log) = daemon.terminate();
    assert!(log.contains("the disk does not answer"), "{log}");
}

#[test]
fn a_hanging_reload_blocks_nothing() {
    let daemon = HangHarness::start(None, &[]);
    daemon.wait_until_ready();
    daemon.hang("open");
    daemon.signal(Signal::SIGHUP);
    daemon.wait_until_it_hangs();
    daemon.assert_works();
    daemon.terminate();
}

#[test]
fn a_fifo_in_place_of_certificates_blocks_nothing() {
    let daemon = HangHarness::start(None, &[]);
    daemon.wait_until_ready();
    let roots = daemon.at("roots.pem");
    fs::remove_file(&roots).unwrap();
    mkfifo(&roots, Mode::S_IRWXU).unwrap();
    let file = daemon.at("config.yaml");
    let other = fs::read_to_string(&file).unwrap().replace("brief", "ghost");
    fs::write(&file, other).unwrap();
    daemon.signal(Signal::SIGHUP);
    wait::until("the reload fails", wait::PATIENCE, || {
        daemon
            .log()
            .contains("roots.pem cannot be read")
            .then_some(())
    });
    daemon.assert_works();
    daemon.terminate();
}

#[test]
fn hanging_clients_do_not_delay_shutdown() {
    let daemon = HangHarness::start(None, &[]);
    daemon.wait_until_ready();
    let connect = |head: &str| {
        let mut client = TcpStream::connect(daemon.address).unwrap();
        client.write_all(head.as_bytes()).unwrap();
        client
    };
    let _clients = [
        connect(""),
        connect("GET /metrics HTTP/1.1\r\nHost: a\r\n"),
        connect("POST /-/reload HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"),
        connect(&"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".repeat(50)),
    ];
    daemon.assert_works();
    daemon.terminate();
}

/// Trackers that answer `started` but not `stopped`, and one that never answers.
struct SilentTrackers {
    http: HttpTracker,
    udp: UdpTracker,
    listener: TcpListener,
}

impl SilentTrackers {
    fn start() -> Self {
        let udp = UdpTracker::start(|packet| match packet.request {
            UdpRequest::Announce { event: 3, .. } => vec![],
            _ => vec![scripted::honest(packet, &Truth::of([]))],
        });
        let http = HttpTracker::start(|request| match request.parameter("event") {
            Some("stopped") => Reply {
                after: Duration::from_secs(10),
                ..ok("")
            },
            _ => ok(scripted::body(&Truth::of([]))),
        });
        let listener = TcpListener::bind((crate::rig::address::host(), 0)).unwrap();
        Self {
            http,
            udp,
            listener,
        }
    }

    fn entries(&self) -> Vec<String> {
        let silent = format!("http://{}/announce", self.listener.local_addr().unwrap());
        let urls = [
            self.http.endpoint().url(),
            self.udp.endpoint().url(),
            silent,
        ];
        let torrents = (0..20).map(|n| entry(&format!("t{n}"), &hex(&fresh_hash()), &urls));
        torrents.collect()
    }
}

#[test]
fn hanging_trackers_do_not_delay_shutdown() {
    let silent = SilentTrackers::start();
    let daemon = HangHarness::start(None, &silent.entries());
    daemon.wait_until_ready();
    daemon.assert_works();
    daemon.terminate();
}

#[test]
fn unanswered_dns_queries_do_not_delay_shutdown() {
    needs_servers!();
    if netns::outside("hangs::unanswered_dns_queries_do_not_delay_shutdown") {
        return;
    }
    let resolv = tempfile::NamedTempFile::new().unwrap();
    fs::write(resolv.path(), "nameserver 127.0.0.1\n").unwrap();
    let bind = format!("mount --bind {} /etc/resolv.conf", resolv.path().display());
    netns::run(&bind);
    // A name server that receives queries and answers none.
    let server = UdpSocket::bind("127.0.0.1:53").unwrap();
    let entries = (0..50).map(|n| {
        let urls = ["udp", "http"].map(|scheme| format!("{scheme}://host-{n}.test:80/announce"));
        entry(&format!("t{n}"), &hex(&fresh_hash()), &urls)
    });
    let daemon = HangHarness::start(None, &entries.collect::<Vec<_>>());
    daemon.wait_until_ready();
    // Both probers wait for their lookups.
    for _ in 0..20 {
        server.recv(&mut [0; 512]).unwrap();
    }
    daemon.terminate();
}

#[test]
fn everything_hanging_at_once_does_not_delay_shutdown() {
    let silent = SilentTrackers::start();
    let (_reader, stderr) = full_pipe();
    let daemon = HangHarness::start(Some(stderr), &silent.entries());
    daemon.wait_until_ready();
    let mut client = TcpStream::connect(daemon.address).unwrap();
    client.write_all(b"GET /metrics HTTP/1.1\r\n").unwrap();
    daemon.hang("fsync");
    daemon.hang("open");
    daemon.signal(Signal::SIGHUP);
    daemon.wait_until_it_hangs();
    daemon.assert_works();
    daemon.terminate();
}
