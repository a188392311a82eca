//! Prints METRICS.md: `cargo run --example metrics > METRICS.md`.

fn main() {
    print!("{}", seedwatch::metrics::document::markdown());
}
