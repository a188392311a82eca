//! Redirects: at most two are followed, and none from a public host to a private address.

use super::server::{Server, ServerReply, Then};
use super::*;
use seedwatch_torrent::AddressScope;

fn to(location: String) -> ServerReply {
    ServerReply::with("302 Found", &format!("Location: {location}\r\n"), "<html>")
}

#[tokio::test]
async fn two_redirects_are_followed_with_our_query() {
    let server = Server::start(|request, number| {
        assert!(
            request.parameter("info_hash").is_some(),
            "{}",
            request.target
        );
        match number {
            0 => to("/second".into()),
            1 => to("third?x=1".into()),
            _ => ServerReply::ok(LIST),
        }
    })
    .await;
    let (response, stats) =
        announce_stopped_only(&http_client(), &server.url("/announce?passkey=s")).await;
    assert_eq!(response.unwrap().peers.len(), 1);
    assert_eq!(stats.requests, 3);
    let requests = server.requests();
    assert!(
        requests[1]
            .target
            .starts_with("/second?passkey=s&info_hash=")
    );
    assert!(requests[2].target.starts_with("/third?x=1&info_hash="));
}

#[tokio::test]
async fn another_host_does_not_learn_the_passkey() {
    let second = Server::start_on("127.0.0.2", None, |_, _| ServerReply::ok(LIST)).await;
    let there = second.url("/announce");
    let first = Server::start(move |_, _| to(there.clone())).await;
    let (response, _) =
        announce_stopped_only(&http_client(), &first.url("/announce?passkey=s")).await;
    assert!(response.is_ok());
    let requests = second.requests();
    assert_eq!(requests[0].parameter("passkey"), None);
    assert!(requests[0].parameter("info_hash").is_some());
}

/// Starts a tracker at `address` that answers `started` with a list.
async fn registering(address: &str) -> Server {
    Server::start_on(address, None, |request, _| match request.event() {
        "started" => ServerReply::ok(LIST),
        _ => ServerReply::ok(EMPTY),
    })
    .await
}

#[tokio::test]
async fn the_last_stopped_goes_where_started_was_registered() {
    let second = registering("127.0.0.2").await;
    let there = second.url("/announce?k=v");
    let first = Server::start(move |request, _| match request.event() {
        "started" => to(there.clone()),
        _ => ServerReply::ok(EMPTY),
    })
    .await;
    let http_client = http_client();
    let job = job(
        &first.url("/announce?passkey=s"),
        AnnounceStrategy::StoppedFirst,
    );
    let (response, stats) = announce_result(http_client.probe(job).await);
    assert_eq!(response.unwrap().peers.len(), 1);
    assert_eq!(stats.requests, 4);
    assert_eq!(first.events(), ["stopped", "started"]);
    assert_eq!(second.events(), ["started", "stopped"]);
    for request in second.requests() {
        assert_eq!(request.parameter("passkey"), None);
        assert_eq!(request.parameter("k"), Some("v"));
        assert_eq!(request.target.matches("info_hash=").count(), 1);
    }
    assert_eq!(second.requests()[1].parameter("numwant"), Some("0"));
    assert!(http_client.background_stops().await);
    assert_eq!(second.events().len(), 2, "no further `stopped` is sent");
}

#[tokio::test]
async fn a_background_stopped_follows_the_redirect() {
    let second = Server::start_on("127.0.0.2", None, |request, _| match request.event() {
        "started" => ServerReply::raw("", Then::Hang),
        _ => ServerReply::ok(EMPTY),
    })
    .await;
    let there = second.url("/announce");
    let first = Server::start(move |_, _| to(there.clone())).await;
    let http_client = http_client();
    let probing = tokio::spawn({
        let (http_client, job) = (
            http_client.clone(),
            job(&first.url("/announce"), AnnounceStrategy::StartThenStop),
        );
        async move { http_client.probe(job).await }
    });
    while second.events().is_empty() {
        tokio::task::yield_now().await;
    }
    probing.abort();
    assert!(probing.await.unwrap_err().is_cancelled());
    assert!(http_client.background_stops().await);
    assert_eq!(first.events(), ["started"]);
    assert_eq!(second.events(), ["started", "stopped"]);
}

#[tokio::test]
async fn redirect_loops_end() {
    let server = Server::start(|_, _| to("/again".into())).await;
    let failed = failure_of(&server.url("/announce")).await;
    assert_eq!(failed.reason, FailureReason::HttpStatus);
    // Three requests for each of `stopped`, `started` and `stopped`.
    assert_eq!(server.requests().len(), 3 * 3);
}

#[tokio::test]
async fn unsupported_redirect_targets_are_not_followed() {
    for location in [
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "http://",
        "http://[/",
        "http://user:password@127.0.0.1/announce",
    ] {
        let server = Server::start(move |_, _| to(location.into())).await;
        let failed = failure_of(&server.url("/announce")).await;
        assert_eq!(failed.reason, FailureReason::HttpStatus, "{location}");
        assert_eq!(server.events(), ["stopped", "started", "stopped"]);
    }
}

/// Follows a redirect from an origin with this address, without sending anything.
async fn follow(from: &str, to: &str) -> Result<Arc<[IpAddr]>, ProbeError> {
    follow_within(AddressScope::Local, from, to).await
}

/// Follows a redirect from a tracker of this scope, as [`follow`] does.
async fn follow_within(
    scope: AddressScope,
    from: &str,
    to: &str,
) -> Result<Arc<[IpAddr]>, ProbeError> {
    let resolver = Resolver::fixed(Fixed {
        hosts: "10.1.2.3 mine.example\n9.9.9.9 public.example\n\
                169.254.169.254 linklocal.example\n"
            .into(),
        routable: ["9.9.9.9", "10.1.2.3", "192.168.1.1"]
            .map(|ip| ip.parse().unwrap())
            .into(),
        ..Fixed::default()
    });
    let http_client = client_with_trusted_host(settings(), resolver);
    let addresses: Arc<[IpAddr]> = [from.parse().unwrap()].into();
    let origin = Origin {
        slots: http_client.shared.hosts.get(TrackerId(0), Family::Ipv4),
        family: Family::Ipv4,
        is_public: addresses.iter().all(|ip| is_global(*ip)),
        scope,
        addresses,
        redirect: Arc::default(),
    };
    http_client.follow(&to.parse().unwrap(), &origin).await
}

#[tokio::test]
async fn no_redirect_leads_to_metadata_services() {
    for to in [
        "http://169.254.169.254/latest/meta-data/",
        "http://2852039166/",
        "http://[::ffff:169.254.169.254]/",
        "http://[fd00:ec2::254]/announce",
        "http://metadata.google.internal/announce",
        "http://linklocal.example/announce",
    ] {
        for from in ["9.9.9.9", "10.1.2.3"] {
            let failed = follow(from, to).await.expect_err(to);
            assert_eq!(failed.reason, FailureReason::HttpStatus, "{to}");
        }
    }
}

#[tokio::test]
async fn redirects_from_untrusted_trackers_stay_within_their_scope() {
    let local = "http://192.168.1.1/announce?info_hash=x";
    let other_path = "http://192.168.1.1/admin?x=/announce";
    for (scope, to, is_followed) in [
        (AddressScope::Local, other_path, true),
        (AddressScope::LocalAnnounce, local, true),
        (AddressScope::LocalAnnounce, other_path, false),
        (AddressScope::Internet, local, false),
        (
            AddressScope::Internet,
            "http://mine.example/announce",
            false,
        ),
        (AddressScope::Internet, "http://public.example/x", true),
    ] {
        let followed = follow_within(scope, "10.1.2.3", to).await;
        assert_eq!(followed.is_ok(), is_followed, "{scope:?} {to}");
    }
}

#[tokio::test]
async fn public_hosts_do_not_redirect_to_private_addresses() {
    for private in [
        "http://127.0.0.1/announce?info_hash=x",
        "http://192.168.1.1/",
        "http://localhost:8080/",
        "http://mine.example/",
        "https://[::ffff:127.0.0.1]/",
        "http://0x7f.1/",
    ] {
        let failed = follow("9.9.9.9", private).await.expect_err(private);
        assert_eq!(failed.reason, FailureReason::HttpStatus);
        assert_eq!(&*failed.text, "a redirect into private space");
        // A tracker on the local network may redirect within it.
        assert!(follow("10.1.2.3", private).await.is_ok(), "{private}");
    }
    assert!(follow("9.9.9.9", "https://public.example/").await.is_ok());
    let overlay = follow("9.9.9.9", "http://tracker.onion/")
        .await
        .unwrap_err();
    // The redirect may concern this torrent only, so the tracker is not unsupported.
    assert_eq!(overlay.reason, FailureReason::HttpStatus);
    assert!(overlay.text.contains("overlay"), "{overlay}");
}
