//! Runs every query of every dashboard on a real Prometheus.

use std::process::Command;

use super::boards::root;

/// `tests/panels/run` generates 40 days of samples and runs the queries.
#[test]
fn every_query_has_an_answer_over_a_day_a_week_and_a_month() {
    seedwatch_dev_programs::skip_without!(["python3", "prometheus", "promtool"]);
    let output = Command::new("python3")
        .arg(root("tests/panels/run"))
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).contains("all with results"),
        "{}",
        text(&output.stdout)
    );
}
