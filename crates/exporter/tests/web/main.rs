//! The web server with a tiny service, seen from real clients.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails where its helpers do"
)]

mod client_certificates;
mod config_files;
mod guarded;
mod toolkit;

use std::sync::Arc;

use hyper::{Request, StatusCode};
use seedwatch_dev_web::Directory;
use seedwatch_exporter::response::text;
use seedwatch_exporter::{ClientKey, HttpResponse, Service};

/// A service with two pages.
struct Pages;

impl Service for Pages {
    fn is_confidential(&self, _path: &str) -> bool {
        false
    }

    async fn respond(&self, _client: ClientKey, request: &Request<()>) -> HttpResponse {
        match request.uri().path() {
            "/-/healthy" => text(StatusCode::OK, "Healthy\n"),
            "/metrics" => text(StatusCode::OK, "up 1\n"),
            _ => text(StatusCode::NOT_FOUND, "Not found\n"),
        }
    }
}

type Server = seedwatch_dev_web::Server<Pages>;

/// Serves with the web configuration of a directory.
fn serve(directory: &Directory) -> Server {
    let config = Arc::new(directory.load().unwrap());
    Server::start_with(Some(config), Arc::new(Pages))
}
