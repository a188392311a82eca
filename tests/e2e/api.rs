//! The API against its own document, and its files in the hands of other programs.

use std::process::Command;

use serde_json::Value;

use crate::rig::daemon::{Daemon, LAB, config, entry};
use crate::rig::scripted::{self, Truth, UdpTracker};
use crate::rig::swarm::fresh_hash;
use crate::rig::tools::cached;
use crate::rig::wire::hex;

/// Names that a careless reader would take for formulas, markup, or several cells.
const NAMES: [&str; 5] = [
    "=HYPERLINK(\"http://evil.example\",\"a\")",
    "+1, -1 & <b>'two'</b>",
    "@SUM(A1)",
    "plain",
    "日本語 ]]> \"quoted\"",
];

/// The address of the document.
const DOCUMENT: &str = "/api/v1/openapi.json";

/// Prints the names that Python reads in a table and in a feed, and which links of the feed.
const READ: &str = r#"
import csv, io, json, sys, urllib.request, xml.dom.minidom
root = sys.argv[1]
get = lambda path: urllib.request.urlopen(root + path).read().decode()
table = list(csv.DictReader(io.StringIO(get("/torrents.csv?sort=name"), newline="")))
feed = xml.dom.minidom.parseString(get("/torrents.atom?sort=name"))
text = lambda entry, tag: entry.getElementsByTagName(tag)[0].firstChild.data
entries = feed.getElementsByTagName("entry")
links = [link.getAttribute("href") for link in feed.getElementsByTagName("link")]
print(json.dumps({
    "table": [row["name"] for row in table],
    "trackers": [row["trackers"] for row in table],
    "titles": [text(entry, "title") for entry in entries],
    "ids": [text(entry, "id") for entry in entries],
    "magnets": [link for link in links if link.startswith("magnet:?")],
}))
"#;

/// Starts a daemon with these torrents at a tracker that lists a peer of each.
fn start(tracker: &UdpTracker) -> Daemon {
    let entries = NAMES.map(|name| {
        let quoted = serde_json::to_string(name).unwrap();
        entry(&quoted, &hex(&fresh_hash()), &[tracker.endpoint().url()])
            .replace("}\n", ", collection: work, labels: {team: archive}}\n")
    });
    let daemon = Daemon::start(&config(LAB, &entries));
    let alive = r#"seedwatch_torrents_by_state{state="alive"}"#;
    daemon.wait_for_values(&[(alive, Some(NAMES.len() as f64))]);
    daemon
}

fn tracker() -> UdpTracker {
    let truth = Truth::of(["80.130.1.1:6881".parse().unwrap()]);
    UdpTracker::start(move |packet| vec![scripted::honest(packet, &truth)])
}

#[test]
fn schemathesis_finds_no_answer_that_the_document_does_not_describe() {
    seedwatch_dev_programs::skip_without!(["schemathesis"]);
    let tracker = tracker();
    let daemon = start(&tracker);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("openapi.json");
    std::fs::write(&file, document(&daemon, &tracker).to_string()).unwrap();
    let root = format!("http://{}", daemon.address());
    let output = Command::new("/usr/bin/python3")
        .arg(cached("python/schemathesis/bin/schemathesis"))
        .args([
            "--no-color",
            "run",
            "--checks=all",
            "--seed=1",
            "--workers=1",
        ])
        .args(["--phases=examples,coverage,fuzzing", "--max-examples=40"])
        .args(["--generation-database=none", "--continue-on-failure"])
        .args(["--url", &root])
        .arg(&file)
        .current_dir(folder.path())
        .env("PYTHONPATH", cached("python/schemathesis"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{report}\n{errors}");
    assert!(report.contains("20 selected / 20 total"), "{report}");
    assert_eq!(daemon.get("/-/healthy").status, 200);
}

/// Returns the document of a daemon, with the names that it knows: others would only test 404.
fn document(daemon: &Daemon, tracker: &UdpTracker) -> Value {
    let mut document: Value = serde_json::from_str(&daemon.get(DOCUMENT).text()).unwrap();
    let label = tracker.endpoint().label();
    for (list, names) in [
        ("torrents", &NAMES[..]),
        ("collections", &["work"]),
        ("trackers", &[label.as_str()]),
    ] {
        let path = format!("/api/v1/{list}/{{name}}");
        document["paths"][path]["get"]["parameters"] = serde_json::json!([
            {"name": "name", "in": "path", "required": true, "schema": {"enum": names}}
        ]);
    }
    document
}

#[test]
fn tables_and_feeds_are_read_by_other_programs_as_they_were_meant() {
    let tracker = tracker();
    let daemon = start(&tracker);
    let output = Command::new("/usr/bin/python3")
        .args(["-c", READ, &format!("http://{}", daemon.address())])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let read: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut names = NAMES;
    names.sort_unstable();
    let inert = names.map(|name| match name.starts_with(['=', '+', '@']) {
        true => format!("'{name}"),
        false => name.to_owned(),
    });
    assert_eq!(read["table"], serde_json::json!(inert));
    assert_eq!(read["trackers"], serde_json::to_value(["1"; 5]).unwrap());
    assert_eq!(
        read["titles"],
        serde_json::json!(names.map(|name| format!("{name}: alive")))
    );
    let ids = read["ids"].as_array().unwrap();
    assert!(
        ids.iter()
            .all(|id| id.as_str().unwrap().starts_with("urn:btih:"))
    );
    assert_eq!(read["magnets"].as_array().unwrap().len(), NAMES.len());
}
