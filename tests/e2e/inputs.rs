//! Untrusted magnet links, configuration errors, and files that hang.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use nix::libc::O_NONBLOCK;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;

use crate::rig::daemon::{BINARY, Daemon, ONCE, config, entry};
use crate::rig::process::Process;
use crate::rig::scripted::{self, Truth, UdpTracker};
use crate::rig::swarm::fresh_hash;
use crate::rig::wait;
use crate::rig::wire::hex;

fn tracker() -> UdpTracker {
    let truth = Truth::of(["127.60.3.1:6881".parse().unwrap()]);
    UdpTracker::start(move |packet| vec![scripted::honest(packet, &truth)])
}

fn run(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).output().unwrap()
}

fn fifo(folder: &Path) -> String {
    let path = folder.join("fifo");
    nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Opens a FIFO for writing once the daemon reads it, so that the reader waits.
fn hold_open(fifo: &str) -> File {
    wait::until("the FIFO is read", wait::PATIENCE, || {
        let mut options = OpenOptions::new();
        options.write(true).custom_flags(O_NONBLOCK).open(fifo).ok()
    })
}

#[test]
fn a_magnet_link_reaches_local_trackers_only_if_local_addresses_are_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let file = file.to_str().unwrap();
    for (accept, is_contacted) in [("global", false), ("any", true)] {
        let tracker = tracker();
        let settings = format!(
            "addresses: {{accept: {accept}}}\nnetwork: {{canaries: []}}\ndht: {{enabled: false}}\n\
             torrents: []\n"
        );
        fs::write(file, settings).unwrap();
        let magnet = format!(
            "magnet:?xt=urn:btih:{}&tr={}",
            hex(&fresh_hash()),
            tracker.endpoint().url()
        );
        let output = run(&["--config.file", file, "probe", &magnet]);
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.success(), is_contacted, "{log}");
        assert_eq!(!tracker.received().is_empty(), is_contacted, "{log}");
        assert_eq!(
            log.contains("it is in a local network"),
            !is_contacted,
            "{log}"
        );
    }
}

#[test]
fn every_configuration_error_has_its_own_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let text = "probes: {a: 1}\ntorrents:\n- infohash: x\n- magnet: y\n";
    fs::write(&file, text).unwrap();
    let output = run(&["--config.file", file.to_str().unwrap(), "--config.check"]);
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8(output.stderr).unwrap();
    let keys = ["probes", "torrents[0].infohash", "torrents[1].magnet"];
    assert_eq!(log.lines().count(), keys.len(), "{log}");
    for (line, key) in log.lines().zip(keys) {
        assert!(line.contains(&format!("{key}: ")), "{line}");
    }
}

#[test]
fn an_unknown_name_lists_the_known_ones() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let text = config(ONCE, &[entry("census-1921", &hex(&fresh_hash()), &[])]);
    fs::write(&file, text).unwrap();
    let output = run(&[
        "--config.file",
        file.to_str().unwrap(),
        "probe",
        "census-1922",
    ]);
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        log.contains("neither the name of a configured torrent"),
        "{log}"
    );
    assert!(log.contains("census-1921"), "{log}");
    assert!(!log.contains("cannot be read"), "{log}");
}

#[test]
fn a_configuration_can_be_read_from_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let path = fifo(folder.path());
    let text = config(ONCE, &[entry("piped", &hex(&fresh_hash()), &[])]);
    let writer = thread::spawn({
        let path = path.clone();
        move || {
            let mut fifo = OpenOptions::new().write(true).open(path).unwrap();
            fifo.write_all(text.as_bytes()).unwrap();
        }
    });
    let output = run(&["--config.file", &path, "--config.check"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    writer.join().unwrap();
}

#[test]
fn a_hanging_reload_blocks_neither_probes_nor_endpoints_nor_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    let path = fifo(folder.path());
    let tracker = tracker();
    let watched = entry("watched", &hex(&fresh_hash()), &[tracker.endpoint().url()]);
    let valid = config(ONCE, &[watched]);
    let mut daemon = Daemon::start(&valid);
    daemon.write_config(&format!("include: [{path:?}]\n{valid}"));
    daemon.signal(Signal::SIGHUP);
    let _held = hold_open(&path);
    let peers = "seedwatch_torrent_peers{torrent=\"watched\",family=\"ipv4\"}";
    daemon.wait_for_values(&[(peers, Some(1.0))]);
    assert_eq!(daemon.get("/-/healthy").status, 200);
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait_for_end(), Some(0));
}

#[test]
fn a_probe_with_a_hanging_configuration_can_be_terminated() {
    let folder = tempfile::tempdir().unwrap();
    let path = fifo(folder.path());
    let command = [BINARY, "--config.file", &path, "probe", "name"];
    let mut probe = Process::start("seedwatch probe", &command);
    let _held = hold_open(&path);
    probe.signal(Signal::SIGTERM);
    assert_eq!(probe.wait_for_end().code(), Some(4));
}
