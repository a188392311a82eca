//! Checks that the compose file mounts existing files and exposes nothing.

use serde_json::Value;

use crate::{root, strings, yaml};

fn services() -> Vec<(String, Value)> {
    let services = yaml("deploy/compose.yaml")["services"].clone();
    services.as_object().unwrap().clone().into_iter().collect()
}

#[test]
fn every_mounted_path_exists() {
    let declared = yaml("deploy/compose.yaml")["volumes"].clone();
    let mut paths = 0;
    for (name, service) in services() {
        for mount in strings(&service["volumes"]) {
            let (from, to) = mount.split_once(':').unwrap();
            assert!(to.starts_with('/'), "{name}: {mount}");
            if !from.starts_with('.') {
                assert!(declared.get(from).is_some(), "{name}: {mount}");
                continue;
            }
            // The mount of a file keeps the old one when an editor replaces it.
            assert!(root("deploy").join(from).is_dir(), "{name}: {mount}");
            assert!(to.ends_with(":ro"), "{name}: {mount}");
            paths += 1;
        }
        if let Some(file) = service["build"]["dockerfile"].as_str() {
            assert!(root(file).is_file(), "{name}: {file}");
        }
    }
    assert!(paths >= 4, "too few mounts found: {paths}");
}

#[test]
fn every_service_is_pinned_confined_and_local() {
    let services = services();
    let names: Vec<&str> = services.iter().map(|(name, _)| name.as_str()).collect();
    for name in ["seedwatch", "prometheus", "alertmanager", "grafana"] {
        assert!(names.contains(&name), "{name} is missing: {names:?}");
    }
    for (name, service) in &services {
        let image = service["image"].as_str().unwrap();
        let tag = image.rsplit(':').next().unwrap().trim_start_matches('v');
        assert_eq!(
            tag.split('.').count(),
            3,
            "{name}: {image} is not a release"
        );
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(strings(&service["cap_drop"]), ["ALL"], "{name}");
        for port in strings(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port}");
        }
    }
    let of = |name: &str| &services.iter().find(|(other, _)| other == name).unwrap().1;
    let image = format!("seedwatch:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(of("seedwatch")["image"], image);
    let flags = strings(&of("prometheus")["command"]);
    assert!(
        flags.contains(&"--storage.tsdb.retention.time=400d"),
        "{flags:?}"
    );
    for name in ["seedwatch", "prometheus", "alertmanager", "grafana"] {
        let port = strings(&of(name)["ports"])[0].rsplit(':').next().unwrap();
        let variable = format!("{}_URL", name.to_uppercase());
        let url = format!("${{{variable}:-http://localhost:{port}}}");
        let flag = format!("--web.external-url={url}");
        let is_set = match name {
            "grafana" => of(name)["environment"]["GF_SERVER_ROOT_URL"] == url,
            _ => strings(&of(name)["command"]).contains(&flag.as_str()),
        };
        assert!(is_set, "{name}: {url}");
    }
    let args = &of("seedwatch")["build"]["args"];
    assert_eq!(args["REVISION"], "${REVISION:-unknown}");
    let network = &yaml("deploy/compose.yaml")["networks"]["default"];
    assert_eq!(network["enable_ipv6"], true);
}

#[test]
fn both_configurations_of_prometheus_agree() {
    let (shipped, composed) = (
        yaml("deploy/prometheus/prometheus.yaml"),
        yaml("deploy/compose/prometheus/prometheus.yaml"),
    );
    let pattern = "/etc/seedwatch-rules/*.rules.yaml";
    assert_eq!(strings(&composed["rule_files"]), [pattern]);
    let rules = strings(&shipped["rule_files"]);
    assert!(
        !rules.is_empty() && rules.iter().all(|file| file.ends_with(".rules.yaml")),
        "{rules:?}"
    );
    let label = |config: &Value| config["global"]["external_labels"]["seedwatch_url"].clone();
    assert_eq!(label(&composed), "${SEEDWATCH_URL}");
    assert!(label(&shipped).as_str().unwrap().starts_with("http://"));
    for key in ["scrape_interval", "evaluation_interval"] {
        assert_eq!(composed["global"][key], shipped["global"][key], "{key}");
    }
    let relabeling = |config: &Value| config["alerting"]["alert_relabel_configs"].clone();
    assert_eq!(relabeling(&composed), relabeling(&shipped));
    let job = |config: &Value| {
        let mut job = config["scrape_configs"][0].as_object().unwrap().clone();
        let target = job.remove("static_configs").unwrap()[0]["targets"][0].clone();
        let port = target
            .as_str()
            .unwrap()
            .rsplit(':')
            .next()
            .unwrap()
            .to_owned();
        (job, port)
    };
    assert_eq!(job(&composed), job(&shipped));
    // A browser on this machine reaches the instance, to which dashboards link.
    let target = &composed["scrape_configs"][0]["static_configs"][0];
    assert_eq!(target["labels"]["instance"], "localhost:16881");
}

#[test]
fn grafana_finds_its_data_source_and_dashboards() {
    let services = services();
    let of = |name: &str| &services.iter().find(|(other, _)| other == name).unwrap().1;
    let source = yaml("grafana/provisioning/datasources/seedwatch.yaml")["datasources"][0].clone();
    let url = source["url"].as_str().unwrap();
    let (name, port) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once(':')
        .unwrap();
    let published = strings(&of(name)["ports"]);
    assert!(
        published[0].ends_with(&format!(":{port}")),
        "{url}: {published:?}"
    );

    let provider = yaml("grafana/provisioning/dashboards/seedwatch.yaml")["providers"][0].clone();
    let folder = provider["options"]["path"].as_str().unwrap();
    let mount = format!("../grafana/dashboards:{folder}:ro");
    assert!(
        strings(&of("grafana")["volumes"]).contains(&mount.as_str()),
        "{mount}"
    );
}
