//! Prints the text of `docs/metrics.md`: `cargo run --example metrics > docs/metrics.md`.

fn main() {
    print!("{}", seedwatch::metrics::document::markdown());
}
