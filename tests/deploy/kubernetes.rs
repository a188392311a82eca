//! Checks that the manifests fit each other and the rules of Prometheus.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::{root, strings, yaml};

#[test]
fn the_rules_equal_those_of_prometheus() {
    let mut groups = Vec::new();
    let mut files: Vec<PathBuf> = fs::read_dir(root("deploy/prometheus"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".rules.yaml"))
        .collect();
    files.sort();
    for file in files {
        let rules: Value = serde_saphyr::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        groups.extend(rules["groups"].as_array().unwrap().clone());
    }
    assert!(groups.len() >= 2);
    let generated = yaml("deploy/kubernetes/prometheusrule.yaml");
    assert_eq!(generated["kind"], "PrometheusRule");
    let generated_groups = generated["spec"]["groups"].as_array().unwrap();
    assert_eq!(*generated_groups, groups, "run deploy/kubernetes/generate");
}

#[test]
fn the_manifests_fit_each_other() {
    let kustomization = yaml("deploy/kubernetes/kustomization.yaml");
    let parts: Vec<Value> = strings(&kustomization["resources"])
        .iter()
        .map(|file| yaml(&format!("deploy/kubernetes/{file}")))
        .collect();
    let part = |kind: &str| {
        let part = parts.iter().find(|part| part["kind"] == kind);
        part.unwrap_or_else(|| panic!("no {kind}"))
    };
    let pod = &part("StatefulSet")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(part("StatefulSet")["spec"]["replicas"], 1);

    // All selectors use one label, and all references to the port use its name.
    let label = "app.kubernetes.io/name";
    assert_eq!(kustomization["labels"][0]["pairs"][label], "seedwatch");
    for selector in [
        &part("StatefulSet")["spec"]["selector"]["matchLabels"],
        &part("Service")["spec"]["selector"],
        &part("ServiceMonitor")["spec"]["selector"]["matchLabels"],
        &part("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ] {
        assert_eq!(selector[label], "seedwatch");
    }
    let port = &container["ports"][0];
    assert_eq!(port["containerPort"], 16881);
    for name in [
        &part("Service")["spec"]["ports"][0]["name"],
        &part("Service")["spec"]["ports"][0]["targetPort"],
        &part("ServiceMonitor")["spec"]["endpoints"][0]["port"],
        &part("NetworkPolicy")["spec"]["ingress"][0]["ports"][0]["port"],
        &container["livenessProbe"]["httpGet"]["port"],
        &container["readinessProbe"]["httpGet"]["port"],
    ] {
        assert_eq!(*name, port["name"]);
    }
    assert_eq!(
        part("Service")["metadata"]["name"],
        "seedwatch",
        "the name becomes the `job` label"
    );

    // The generated ConfigMap is mounted, and the state is where the configuration says.
    let generated = &kustomization["configMapGenerator"][0];
    assert_eq!(generated["name"], pod["volumes"][0]["configMap"]["name"]);
    assert_eq!(strings(&generated["files"]), ["config.yaml"]);
    let state = yaml("deploy/kubernetes/config.yaml")["state"]["path"].clone();
    assert_eq!(container["volumeMounts"][1]["mountPath"], state);
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    // Links in alerts lead to the instance, so it is the address of the Service.
    let relabelings = &part("ServiceMonitor")["spec"]["endpoints"][0]["relabelings"];
    assert_eq!(relabelings[0]["targetLabel"], "instance");
    let service = &part("Service")["spec"]["ports"][0]["port"];
    let address = format!("seedwatch.$1.svc:{service}");
    assert_eq!(relabelings[0]["replacement"], address);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(kustomization["images"][0]["newTag"], version);
    let chart = yaml("deploy/helm/seedwatch/Chart.yaml");
    assert_eq!(chart["version"], version);
    assert_eq!(chart["appVersion"], version);
}
