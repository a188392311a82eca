//! A real Prometheus server, and `promtool`.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::process::Process;
use super::{address, http, wait};

/// A server that scrapes one target every second.
pub(crate) struct Prometheus {
    _process: Process,
    _folder: TempDir,
    address: SocketAddr,
}

impl Prometheus {
    /// Starts scraping `/metrics` of the target.
    pub(crate) fn scraping(target: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
             scrape_configs:\n- job_name: seedwatch\n  \
             static_configs: [{{targets: ['{target}']}}]\n"
        );
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let host = address::host();
        let address = SocketAddr::new(host.into(), address::free_port(host));
        let mut process = Process::start(
            "prometheus",
            &[
                "prometheus".to_owned(),
                format!("--config.file={}", file.display()),
                format!("--storage.tsdb.path={}/data", folder.path().display()),
                format!("--web.listen-address={address}"),
            ],
        );
        process.wait_until_http_ready(address);
        Self {
            _process: process,
            _folder: folder,
            address,
        }
    }

    /// Returns the labels and values of an instant query.
    pub(crate) fn query(&self, query: &str) -> Vec<(serde_json::Value, f64)> {
        let path = format!(
            "/api/v1/query?query={}",
            super::wire::percent(query.as_bytes())
        );
        let text = http::request(self.address, "GET", &path, &[])
            .unwrap()
            .text();
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["status"], "success", "{text}");
        let rows = answer["data"]["result"].as_array().unwrap();
        rows.iter()
            .map(|row| {
                let value = row["value"][1].as_str().unwrap().parse().unwrap();
                (row["metric"].clone(), value)
            })
            .collect()
    }

    /// Waits until a query returns exactly one series with this value.
    pub(crate) fn wait_for(&self, query: &str, expected: f64) {
        let what = format!("{query} == {expected}");
        wait::until(&what, wait::PATIENCE, || {
            let rows = self.query(query);
            (rows.len() == 1 && (rows[0].1 - expected).abs() < 1e-9).then_some(())
        });
    }
}

/// Runs `promtool check metrics` on a page in the text format. Returns its output as an error
/// unless it is empty.
pub(crate) fn promtool_check(page: &str) -> Result<(), String> {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(page.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    if output.status.success() && output.stderr.is_empty() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}
