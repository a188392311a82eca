# The index of every script: `just` lists the recipes.

_list:
    @just --list --unsorted

# Everything a change must pass; needs root and Debian 12
ci:
    .ci/run

# Format, clippy and documentation
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --workspace --no-deps --locked --document-private-items

# Unit tests: no servers needed
test *ARGS:
    cargo test --locked --workspace --lib {{ARGS}}

# Every test; installs trackers, clients and Prometheus where they are missing
test-all *ARGS:
    tests/all {{ARGS}}

# End-to-end tests whose names contain FILTER
e2e FILTER="":
    tests/all --test e2e -- {{FILTER}}

# Rules and alerts against promtool and amtool
rules:
    deploy/prometheus/test
    deploy/alertmanager/test
    tests/alerts/month.py

# One benchmark: metrics, core, udp, http, dht, geo or window
bench NAME *ARGS:
    cargo bench --locked --bench {{NAME}} -- {{ARGS}}

# A tracker, clients, a DHT, Prometheus and Alertmanager on the loopback network
demo:
    deploy/demo/run

# Writes the dashboards from their generator
dashboards:
    grafana/build

# Asks every query of the dashboards of a real Prometheus
panels:
    tests/panels/run

# Writes docs/metrics.md from the catalogue
metrics-doc:
    cargo run --quiet --locked --example metrics > docs/metrics.md

# Refreshes the embedded country table
geoip:
    crates/geo/dbip/refresh

# Writes the Kubernetes manifests
kubernetes:
    deploy/kubernetes/generate

# Builds the container image without Docker and runs it
image:
    deploy/docker/test

# Fuzzes one target: bencode or krpc
fuzz TARGET *ARGS:
    cargo fuzz run --sanitizer none {{TARGET}} {{ARGS}}

# Makes the pictures of the README; needs chromium and fonts-inter
pictures *NAMES:
    docs/images/make {{NAMES}}
