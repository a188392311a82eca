//! The servers of an incident, with our files: Prometheus and Alertmanager.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::history::{History, Moment, series};
use super::shortened_waits;
use crate::rig::process::Process;
use crate::rig::wire::percent;
use crate::rig::{address, http, wait};

/// Time limit on a busy machine.
pub(super) const TIMEOUT: Duration = Duration::from_secs(60);

/// A server that answers over HTTP. It uses 127.0.0.1, which no simulated outage cuts off.
struct Server {
    _process: Process,
    folder: TempDir,
    address: SocketAddr,
}

impl Server {
    fn start(program: &str, folder: TempDir, flags: &[&str]) -> Self {
        let host = Ipv4Addr::LOCALHOST;
        let address = SocketAddr::new(host.into(), address::free_port(host));
        let listen = format!("--web.listen-address={address}");
        let mut process = Process::start(program, &[&[program, &listen], flags].concat());
        process.wait_until_http_ready(address);
        Self {
            _process: process,
            folder,
            address,
        }
    }

    fn json(&self, path: &str) -> Value {
        let answer = http::request(self.address, "GET", path, &[]).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    }
}

/// Alertmanager.
pub(super) struct Alertmanager(Server);

impl Alertmanager {
    pub(super) fn start(receiver: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        shortened_waits::alertmanager(folder.path(), receiver);
        let path = folder.path().display().to_string();
        Self(Server::start(
            "prometheus-alertmanager",
            folder,
            &[
                &format!("--config.file={path}/alertmanager.yaml"),
                &format!("--storage.path={path}/data"),
                "--cluster.listen-address=",
            ],
        ))
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Returns the alerts that it notifies.
    pub(super) fn active(&self) -> Vec<Value> {
        self.alerts(true)
    }

    /// Returns the inhibited alerts.
    pub(super) fn inhibited(&self) -> Vec<Value> {
        self.alerts(false)
    }

    fn alerts(&self, active: bool) -> Vec<Value> {
        let alerts = self.0.json(&format!(
            "/api/v2/alerts?active={active}&inhibited={}&silenced=false&unprocessed=false",
            !active
        ));
        let alerts = alerts.as_array().unwrap().iter();
        alerts.map(|alert| alert["labels"].clone()).collect()
    }
}

/// A Prometheus with our rules.
pub(super) struct Prometheus(Server);

impl Prometheus {
    /// Starts the server on a history. It sends alerts to an Alertmanager at this address.
    pub(super) fn start(daemon: SocketAddr, alertmanager: SocketAddr, history: &History) -> Self {
        let folder = tempfile::tempdir().unwrap();
        shortened_waits::prometheus(folder.path(), daemon, alertmanager);
        history.write(&folder.path().join("data"));
        let path = folder.path().display().to_string();
        Self(Server::start(
            "prometheus",
            folder,
            &[
                &format!("--config.file={path}/prometheus.yaml"),
                &format!("--storage.tsdb.path={path}/data"),
                // As in prometheus.yaml.
                "--storage.tsdb.retention.time=400d",
                // The default is a minute. Alertmanager keeps an alert four times as long.
                "--rules.alert.resend-delay=2s",
                "--web.enable-admin-api",
            ],
        ))
    }

    /// Returns the results of an instant query: labels and values.
    pub(super) fn query(&self, query: &str) -> Vec<(Value, f64)> {
        let path = format!("/api/v1/query?query={}", percent(query.as_bytes()));
        let answer = self.0.json(&path);
        let rows = answer["data"]["result"].as_array().unwrap().iter();
        rows.map(|row| {
            let value = row["value"][1].as_str().unwrap().parse().unwrap();
            (row["metric"].clone(), value)
        })
        .collect()
    }

    /// Waits for a scrape, and then for `count` evaluations of all rules. A change advances by one
    /// rule group per evaluation.
    pub(super) fn rounds(&self, count: usize) {
        let first = self.last_scrape();
        wait::until("a scrape", TIMEOUT, || {
            let scraped = !first.is_empty() || !self.last_scrape().is_empty();
            (scraped && self.last_scrape() != first).then_some(())
        });
        for _ in 0..count {
            let before = self.evaluations();
            wait::until("an evaluation of every group", TIMEOUT, || {
                let now = self.evaluations();
                let done = before.iter().zip(&now).all(|(before, now)| before < now);
                done.then_some(())
            });
        }
    }

    /// Deletes all samples of the daemon.
    pub(super) fn forget(&self) {
        let all = percent(br#"{job="seedwatch"}"#);
        let path = format!("/api/v1/admin/tsdb/delete_series?match[]={all}");
        let answer = http::request(self.0.address, "POST", &path, &[]).unwrap();
        assert_eq!(answer.status, 204, "{}", answer.text());
    }

    /// Returns all series of the daemon that a rule reads over time: those that appear in a rule
    /// with a range or an offset.
    pub(super) fn moment(&self) -> Moment {
        let files = ["recording.rules.yaml", "alerts.rules.yaml"];
        let rules = files.map(|name| std::fs::read_to_string(self.0.folder.path().join(name)));
        let rules = rules.map(Result::unwrap).join("\n");
        let lines = rules.lines();
        let looks_back = |line: &&str| line.contains('[') || line.contains(" offset ");
        let other = |c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':';
        let names: BTreeSet<&str> = lines
            .filter(looks_back)
            .flat_map(|line| line.split(other))
            .collect();
        let all = self.query(r#"{job="seedwatch",__name__!~"ALERTS.*"}"#);
        let all = all.into_iter().filter(|(labels, value)| {
            names.contains(labels["__name__"].as_str().unwrap()) && value.is_finite()
        });
        all.map(|(labels, value)| (series(&labels), value))
            .collect()
    }

    fn last_scrape(&self) -> String {
        let answer = self.0.json("/api/v1/targets?state=active");
        let target = &answer["data"]["activeTargets"][0];
        if target["health"] == "up" {
            target["lastScrape"].to_string()
        } else {
            String::new()
        }
    }

    /// Returns when each rule group was last evaluated.
    fn evaluations(&self) -> Vec<String> {
        let answer = self.0.json("/api/v1/rules");
        let groups = answer["data"]["groups"].as_array().unwrap().iter();
        groups
            .map(|group| group["lastEvaluation"].to_string())
            .collect()
    }
}
