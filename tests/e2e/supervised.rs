//! Notifications to a service manager.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::rig::daemon::{BINARY, ONCE, config, entry};
use crate::rig::process::Process;
use crate::rig::swarm::fresh_hash;
use crate::rig::wait;

/// The service manager's socket, and a daemon that it supervises.
struct Supervised {
    socket: UnixDatagram,
    process: Process,
    folder: TempDir,
}

impl Supervised {
    fn start(variables: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(wait::PATIENCE)).unwrap();
        write_config(folder.path(), 1);
        let file = folder.path().join("config.yaml");
        let notify = format!("NOTIFY_SOCKET={}", path.display());
        let program = [
            BINARY,
            "--config.file",
            file.to_str().unwrap(),
            "--web.listen-address",
            "127.0.0.1:0",
        ];
        let command = [&["env", &notify], variables, &program].concat();
        let process = Process::start("seedwatch", &command);
        Self {
            socket,
            process,
            folder,
        }
    }

    /// Returns the next notification.
    fn next(&self) -> String {
        let mut message = [0; 1024];
        let length = self.socket.recv(&mut message).unwrap_or_else(|error| {
            panic!("no message: {error}\n{}", self.process.log());
        });
        String::from_utf8(message[..length].to_vec()).unwrap()
    }

    /// Returns the next notification that is not a watchdog ping.
    fn next_state(&self) -> String {
        let mut messages = (0..100).map(|_| self.next());
        messages.find(|message| message != "WATCHDOG=1\n").unwrap()
    }
}

fn write_config(folder: &Path, torrents: usize) {
    let entries: Vec<String> = (0..torrents)
        .map(|number| {
            let hash = crate::rig::wire::hex(&fresh_hash());
            entry(&format!("torrent-{number}"), &hash, &[])
        })
        .collect();
    let settings = format!("{ONCE}state: {{path: \"\"}}\n");
    std::fs::write(folder.join("config.yaml"), config(&settings, &entries)).unwrap();
}

#[test]
fn start_reloads_and_shutdown_are_notified() {
    let mut daemon = Supervised::start(&[]);
    assert_eq!(daemon.next(), "READY=1\nSTATUS=Watching 1 torrent\n");

    write_config(daemon.folder.path(), 2);
    daemon.process.signal(Signal::SIGHUP);
    let reload = daemon.next();
    assert!(
        reload.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{reload}"
    );
    assert_eq!(daemon.next(), "READY=1\nSTATUS=Watching 2 torrents\n");

    std::fs::write(daemon.folder.path().join("config.yaml"), "torrents: [").unwrap();
    daemon.process.signal(Signal::SIGHUP);
    assert!(daemon.next().starts_with("RELOADING=1\n"));
    assert_eq!(
        daemon.next(),
        "READY=1\nSTATUS=Watching 2 torrents; the new configuration is not valid\n"
    );

    daemon.process.signal(Signal::SIGTERM);
    assert_eq!(
        daemon.next(),
        "STOPPING=1\n",
        "no watchdog ping unless requested"
    );
    assert_eq!(daemon.process.wait_for_end().code(), Some(0));
}

#[test]
fn watchdog_pings_arrive_in_time_while_the_main_loop_runs() {
    let daemon = Supervised::start(&["WATCHDOG_USEC=2000000"]);
    assert!(daemon.next_state().starts_with("READY=1\n"));
    assert_eq!(daemon.next(), "WATCHDOG=1\n");
    let mut last = Instant::now();
    for _ in 0..3 {
        assert_eq!(daemon.next(), "WATCHDOG=1\n");
        let gap = last.elapsed();
        last += gap;
        assert!(
            gap < Duration::from_secs(2),
            "{gap:?}: systemd would kill the daemon"
        );
        assert!(
            gap > Duration::from_millis(500),
            "{gap:?}: more often than twice per timeout"
        );
    }
}

#[test]
fn watchdog_settings_for_another_process_are_ignored() {
    let mut daemon = Supervised::start(&["WATCHDOG_USEC=200000", "WATCHDOG_PID=1"]);
    assert!(daemon.next().starts_with("READY=1\n"));
    daemon
        .socket
        .set_read_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    assert!(daemon.socket.recv(&mut [0; 64]).is_err());
    daemon.process.signal(Signal::SIGTERM);
    daemon.process.wait_for_end();
}

#[test]
fn an_unreachable_service_manager_does_not_stop_the_daemon() {
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), 1);
    let file = folder.path().join("config.yaml");
    let missing = format!("NOTIFY_SOCKET={}/missing", folder.path().display());
    let mut process = Process::start(
        "seedwatch",
        &[
            "env",
            &missing,
            "WATCHDOG_USEC=200000",
            BINARY,
            "--config.file",
            file.to_str().unwrap(),
            "--web.listen-address",
            "127.0.0.1:0",
        ],
    );
    process.wait_for_line("listening");
    std::thread::sleep(Duration::from_millis(500));
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait_for_end().code(), Some(0));
}
