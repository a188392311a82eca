# The index of every script. `just` lists the recipes.

_list:
    @just --list --unsorted

# Starts the daemon with the example configuration
run *ARGS:
    cargo run --release --locked -- --config.file config.example.yaml {{ARGS}}

# Everything that a change must pass; needs root and Debian 12
ci:
    .ci/run

# Format, clippy and documentation
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" \
      cargo doc --workspace --no-deps --locked --document-private-items

# The tests whose programs are installed; prints the others as skipped
test *ARGS:
    cargo test --locked --workspace {{ARGS}}

# Every test; installs trackers, clients and Prometheus where they are missing
test-all *ARGS:
    tests/all {{ARGS}}

# End-to-end tests whose names contain FILTER
e2e FILTER="":
    tests/all --test e2e -- {{FILTER}}

# Rules and alerts with promtool and amtool, and a simulated month
rules:
    deploy/prometheus/test
    deploy/alertmanager/test
    tests/alerts/month.py

# One benchmark: metrics, web, core, udp, http, dht, geo or window
bench NAME *ARGS:
    cargo bench --locked --bench {{NAME}} -- {{ARGS}}

# Measures other DHT libraries on the emulated DHT
opponents *ARGS:
    cargo build --release --locked --package seedwatch-dev-dht-world
    cd dev/opponents && cargo run --release --locked -- {{ARGS}}

# Fuzzes one target of fuzz/fuzz_targets
fuzz TARGET *ARGS:
    cargo fuzz run --sanitizer none {{TARGET}} {{ARGS}}

# A tracker, clients, a DHT, Prometheus and Alertmanager on the loopback network
demo *ARGS:
    deploy/demo/run {{ARGS}}

# Runs the demo and checks what it shows and what it leaves behind
demo-test *ARGS:
    deploy/demo/test {{ARGS}}

# Writes all generated files: dashboards, documents, man page and completions, manifests
generate: dashboards metrics-doc shell kubernetes

# Writes the dashboards from grafana/generator
dashboards:
    grafana/build

# Runs every query of the dashboards on a real Prometheus
panels *ARGS:
    tests/panels/run {{ARGS}}

# Checks that page, API, metrics and dashboards give the same state; calls tests/one_state/queries
one-state:
    cargo test --locked --test one_state

# What a large installation costs the Prometheus that scrapes it
cost *ARGS:
    tests/panels/cost {{ARGS}}

# Writes docs/metrics.md from the catalogue
metrics-doc:
    cargo run --quiet --locked --example metrics > target/metrics.md
    mv target/metrics.md docs/metrics.md

# Writes the man page and the shell completions from the flags
shell:
    cargo run --quiet --locked --example shell

# Writes the Kubernetes manifest of the rules
kubernetes:
    deploy/kubernetes/generate

# Lints and renders the Helm chart; checks it and the manifests against the schemas of Kubernetes
manifests *ARGS:
    deploy/kubernetes/test {{ARGS}}

# Makes the pictures of the README; needs chromium and fonts-inter
pictures *NAMES:
    docs/images/make {{NAMES}}

# Draws all dashboards as Grafana would into FOLDER, dark, light and without data, to look at them
boards FOLDER *NAMES:
    docs/images/make boards {{FOLDER}} {{NAMES}}

# Refreshes the embedded country table
geoip *VERSION:
    crates/geo/dbip/refresh {{VERSION}}

# Compares the embedded country table with another one
geoip-compare *PACKAGE:
    crates/geo/dbip/compare {{PACKAGE}}

# Makes the world map of the pages from public data; needs npm
world:
    src/web/world/refresh

# Takes a picture of every page into FOLDER, wide and narrow, light and dark, to look at them
pages-pictures FOLDER:
    mkdir -p {{FOLDER}}
    SEEDWATCH_PICTURES={{FOLDER}} cargo test --locked --test browser

# Builds the Debian package
deb:
    cargo deb --locked

# Builds the container image without Docker and tests it
image:
    deploy/docker/test

# Makes a release: version, changelog, country table, package, image, checksums
release VERSION:
    deploy/release {{VERSION}}
