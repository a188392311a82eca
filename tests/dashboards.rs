//! Checks dashboards and rules against the metric catalogue, and dashboards against the schema of
//! Grafana.

#![expect(clippy::unwrap_used, reason = "a test fails where its helpers do")]

mod dashboards {
    mod boards;
    mod layout;
    mod looks;
    mod names;
    mod promql;
    mod run;
}
