//! The command line.

use std::process::{Command, Output};

use nix::sys::signal::Signal;

use crate::rig::address::free_port;
use crate::rig::daemon::{BINARY, Daemon, LAB, config, entry};
use crate::rig::http;
use crate::rig::scripted::UdpTracker;
use crate::rig::swarm::{Swarm, fresh_hash};
use crate::rig::trackers::{Npm, Opentracker};
use crate::rig::wire::hex;

fn run(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Creates a folder with a configuration.
fn folder(config: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, config).unwrap();
    let file = file.to_str().unwrap().to_owned();
    (folder, file)
}

#[test]
fn the_check_names_missing_files_of_lists() {
    let (folder, file) = folder("lists:\n- file: list.txt\n");
    let missing = run(&["--config.file", &file, "--config.check"]);
    assert_eq!(missing.status.code(), Some(1));
    let error = text(&missing.stderr);
    assert!(error.contains("config.yaml:2: lists[0].file: "), "{error}");
    std::fs::write(folder.path().join("list.txt"), "").unwrap();
    let valid = run(&["--config.file", &file, "--config.check"]);
    assert_eq!(valid.status.code(), Some(0));
    let log = text(&valid.stderr);
    assert!(log.contains("torrents=0 lists=1"), "{log}");
}

#[test]
fn version_and_help_go_to_standard_output() {
    let version = run(&["--version"]);
    assert_eq!(version.status.code(), Some(0));
    assert!(text(&version.stdout).contains(env!("CARGO_PKG_VERSION")));
    let help = run(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    let help = text(&help.stdout);
    for flag in [
        "--config.file",
        "--config.check",
        "--web.listen-address",
        "--web.config.file",
        "--web.telemetry-path",
        "--web.max-requests",
        "--log.level",
        "--log.format",
        "probe",
    ] {
        assert!(help.contains(flag), "{flag}:\n{help}");
    }
}

#[test]
fn exit_codes_tell_usage_errors_from_failures() {
    let (_folder, good) = folder(&config("", &[entry("a", &hex(&fresh_hash()), &[])]));
    let (_folder, bad) = folder("torrents:\n- infohash: xyz\n");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (arguments, code) in [
        (&["--no-such-flag"][..], 2),
        (&["--log.level", "loud"], 2),
        (&["--config.file", &good, "--config.check"], 0),
        (&["--config.file", &bad, "--config.check"], 1),
        (&["--config.file", &bad], 1),
        (&["--config.file", "/nonexistent/config.yaml"], 1),
        (&["--config.file", &good, "--web.listen-address", &taken], 1),
    ] {
        let output = run(arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {output:?}"
        );
        if code != 0 {
            assert!(
                !output.stderr.is_empty(),
                "{arguments:?} fails without a message"
            );
        }
    }
    let error = text(&run(&["--config.file", &bad, "--config.check"]).stderr);
    assert!(
        error.contains(&bad) && error.contains('2'),
        "file and line: {error}"
    );
}

#[test]
fn a_termination_signal_ends_the_daemon_with_success() {
    let silent = UdpTracker::start(|_| vec![]);
    let watched = [entry("a", &hex(&fresh_hash()), &[silent.endpoint().url()])];
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut daemon = Daemon::start(&config(LAB, &watched));
        daemon.signal(signal);
        assert_eq!(daemon.wait_for_end(), Some(0));
    }
}

#[test]
fn logs_can_be_json() {
    let watched = [entry("a", &hex(&fresh_hash()), &[])];
    let daemon = Daemon::start_with(&config(LAB, &watched), &["--log.format", "json"]);
    for line in daemon.log().lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(value.is_object(), "{line}");
    }
}

#[test]
fn a_check_names_every_error_and_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("config.yaml"), "torrents: [{}]\n").unwrap();
    let web = "tls_server_config: {cert_file: web.crt}\nbasic_auth_users: {a: b}\n";
    std::fs::write(path("web.yaml"), web).unwrap();
    let check = Command::new(env!("CARGO_BIN_EXE_seedwatch"))
        .current_dir(folder.path())
        .args(["--config.check", "--web.config.file", "web.yaml"])
        .output()
        .unwrap();
    assert!(!check.status.success());
    let log = String::from_utf8(check.stderr).unwrap();
    let line_count = |start: &str| log.lines().filter(|line| line.contains(start)).count();
    assert_eq!(
        line_count("msg=\"web.yaml:1: tls_server_config.key_file"),
        1,
        "{log}"
    );
    assert_eq!(line_count("msg=\"web.yaml:2: basic_auth_users"), 1, "{log}");
    assert_eq!(line_count("msg=\"config.yaml:1: torrents[0]"), 1, "{log}");
}

#[test]
fn web_flags_configure_the_endpoints() {
    needs_servers!();
    let watched = [entry("a", &hex(&fresh_hash()), &[])];
    let web = tempfile::NamedTempFile::new().unwrap();
    let hash = bcrypt::hash("open sesame", 4).unwrap();
    std::fs::write(web.path(), format!("basic_auth_users: {{alice: {hash}}}\n")).unwrap();
    let check = Command::new("promtool")
        .args(["check", "web-config"])
        .arg(web.path())
        .output()
        .unwrap();
    assert!(check.status.success(), "{check:?}");
    let other = std::net::SocketAddr::from(([127, 0, 0, 1], free_port([127, 0, 0, 1])));
    let flags = [
        "--web.listen-address",
        &other.to_string(),
        "--web.telemetry-path",
        "/page",
        "--web.config.file",
        web.path().to_str().unwrap(),
    ];
    let daemon = Daemon::launch(&config(LAB, &watched), &flags);
    // alice:open sesame
    let credentials = [("Authorization", "Basic YWxpY2U6b3BlbiBzZXNhbWU=")];
    for address in [daemon.address(), other] {
        let status = |path: &str, headers: &[(&str, &str)]| {
            http::request(address, "GET", path, headers).unwrap().status
        };
        assert_eq!(status("/page", &credentials), 200);
        assert_eq!(status("/metrics", &credentials), 404);
        assert_eq!(status("/page", &[]), 401);
        assert_eq!(status("/-/healthy", &[]), 401);
        let wrong = [("Authorization", "Basic YWxpY2U6b3Blbg==")];
        assert_eq!(status("/page", &wrong), 401);
    }
}

#[test]
fn a_probe_prints_a_trace() {
    needs_servers!();
    let npm = Npm::start();
    let hash = fresh_hash();
    let opentracker = Opentracker::start(&[hash]);
    let swarm = Swarm::of(hash, 5000, 2, 3);
    swarm.join(npm.http());
    swarm.join(opentracker.udp());
    let urls = [
        npm.http().url(),
        opentracker.udp().url(),
        "udp://127.99.0.1:9/announce".to_owned(),
    ];
    let (_folder, file) = folder(&config(LAB, &[entry("named", &swarm.hex(), &urls)]));
    let magnet = format!(
        "magnet:?xt=urn:btih:{}&tr={}&tr={}&tr={}",
        swarm.hex(),
        urls[0],
        urls[1],
        urls[2]
    );
    for target in ["named", &magnet] {
        let output = run(&["--config.file", &file, "probe", target]);
        let trace = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        for tracker in [
            npm.http().label(),
            opentracker.udp().label(),
            "udp://127.99.0.1:9".to_owned(),
        ] {
            assert!(trace.contains(&tracker), "{tracker}:\n{trace}");
        }
        let lines: Vec<&str> = trace.lines().collect();
        assert!(lines[0].starts_with("alive: 5 peers"), "{trace}");
        assert!(
            lines.iter().all(|line| line.chars().count() <= 80),
            "{trace}"
        );
        assert!(!trace.contains('\x1b'), "no colour in a pipe: {trace}");
        assert!(
            output.stderr.is_empty(),
            "no progress in a pipe: {output:?}"
        );
        let rows = [npm.http().label(), opentracker.udp().label()];
        for label in rows {
            let row = lines.iter().find(|line| line.starts_with(&label));
            let cells: Vec<&str> = row.unwrap().split_whitespace().collect();
            assert_eq!(cells[1..4], ["ok", "5", "2"], "{trace}");
        }
        let worst = lines.iter().rfind(|line| line.contains("://127."));
        let worst = worst.unwrap();
        assert!(worst.starts_with("udp://127.99.0.1:9 "), "{trace}");
        assert!(worst.contains("fail"), "{trace}");
        assert!(trace.contains("refused"), "{trace}");
        assert!(!trace.contains("127.60."), "no peer address: {trace}");

        let output = run(&["--config.file", &file, "probe", target, "--output", "json"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let trace: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(trace.to_string().contains(&npm.http().label()), "{trace}");
        assert_eq!(trace["state"], "alive", "{trace}");
        assert_eq!(trace["reason"]["code"], "peers_named", "{trace}");
        assert_eq!(trace["advice"], "nothing", "{trace}");
        assert_eq!(
            trace["sources"][2]["source"], "udp://127.99.0.1:9",
            "{trace}"
        );
        assert_eq!(trace["sources"][2]["ipv4"], "failure", "{trace}");
        assert_eq!(trace["sources"][2]["ipv6"], "no_address", "{trace}");
        assert!(
            !trace.to_string().contains("127.60."),
            "no peer address: {trace}"
        );
    }
    assert_eq!(
        run(&["probe", "magnet:?xt=nonsense"]).status.code(),
        Some(1)
    );
}

#[test]
fn the_exit_code_of_a_probe_tells_dead_from_unknown() {
    needs_servers!();
    let hash = fresh_hash();
    let opentracker = Opentracker::start(&[hash]);
    let working = opentracker.udp().url();
    let closed = "udp://127.99.0.1:9/announce".to_owned();
    let entry_of = |name: &str, urls: &[String]| entry(name, &hex(&hash), urls);
    // Only this overlay network reaches it, so it is not asked.
    let overlay = "http://tracker.i2p/announce".to_owned();
    for (name, urls, code, state, reason, advice) in [
        (
            "dead",
            &[working.clone()][..],
            3,
            "dead",
            "empty_once",
            "reseed",
        ),
        (
            "overlay",
            &[working.clone(), overlay],
            3,
            "dead",
            "empty_once",
            "reseed",
        ),
        (
            "unsure",
            &[working, closed.clone()],
            4,
            "pending",
            "empty_in_part",
            "probe_again",
        ),
        (
            "silent",
            &[closed],
            4,
            "pending",
            "silent_once",
            "probe_again",
        ),
        ("nothing", &[], 4, "unobserved", "no_source", "add_source"),
    ] {
        let (_folder, file) = folder(&config(LAB, &[entry_of(name, urls)]));
        let output = run(&["--config.file", &file, "probe", name]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let shown = text(&output.stdout);
        assert!(shown.starts_with(&format!("{state}: ")), "{shown}");
        let output = run(&["--config.file", &file, "probe", name, "--output", "json"]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["state"], state, "{json}");
        assert_eq!(json["reason"]["code"], reason, "{json}");
        assert_eq!(json["advice"], advice, "{json}");
    }
    let private = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/private.torrent"
    );
    let watched = format!("- file: {private}\n  name: secret\n");
    let (_folder, file) = folder(&config(LAB, &[watched]));
    let output = run(&["--config.file", &file, "probe", "secret"]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(text(&output.stdout).starts_with("private: "), "{output:?}");
}

#[test]
fn a_file_that_is_no_torrent_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    std::fs::write(&file, "hello").unwrap();
    let output = run(&["probe", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let error = text(&output.stderr);
    assert!(error.contains("notes.txt: not a torrent"), "{error}");
}
