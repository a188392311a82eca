//! Every endpoint is behind the passwords of the web configuration.

use std::sync::Arc;

use hyper::header::WWW_AUTHENTICATE;
use seedwatch_dev_web::{Directory, ask, basic_auth, basic_auth_users};

use super::{Server, sample, state};

fn serve(directory: &Directory) -> Server {
    let config = Arc::new(directory.load().unwrap());
    Server::start_with(Some(config), state(sample::snapshot(), 40).0)
}

#[tokio::test]
async fn every_endpoint_wants_the_password() {
    let directory = Directory::new(&basic_auth_users(&[("alice", "secret"), ("bob", "")]));
    let server = serve(&directory);
    for request in [
        "GET /metrics",
        "GET /-/healthy",
        "GET /-/ready",
        "POST /-/reload",
        "GET /config",
        "GET /api/v1/torrents",
        "GET /api/v1/collections",
        "GET /",
        "GET /nowhere",
    ] {
        let answer = ask(&server, request, "").await;
        assert_eq!(answer.status, 401, "{request}");
        assert_eq!(
            answer.headers[WWW_AUTHENTICATE],
            "Basic realm=\"seedwatch\""
        );
        assert_eq!(answer.text(), "Unauthorized\n");
    }
    for (credentials, status) in [
        (basic_auth("alice", "secret"), 200),
        (basic_auth("alice", "secret"), 200),
        (basic_auth("alice", "secret").replace("Basic", "bAsIC"), 200),
        (basic_auth("bob", ""), 200),
        (basic_auth("alice", "Secret"), 401),
        (basic_auth("alice", ""), 401),
        (basic_auth("mallory", "secret"), 401),
        (basic_auth("", ""), 401),
        (basic_auth("bob", "secret"), 401),
        ("Authorization: Bearer secret\r\n".to_owned(), 401),
        ("Authorization: Basic\r\n".to_owned(), 401),
        ("Authorization: Basic ???\r\n".to_owned(), 401),
        ("Authorization: Basic YWxpY2U=\r\n".to_owned(), 401),
    ] {
        let answer = ask(&server, "GET /-/healthy", &credentials).await;
        assert_eq!(answer.status, status, "{credentials}");
    }
}
