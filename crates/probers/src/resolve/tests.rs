//! The resolver against a real name server (dnsmasq) and against scripted faulty ones.

mod dnsmasq;
mod scripted;

use super::*;
use dnsmasq::Dnsmasq;
use seedwatch_torrent::AddressScope;
use seedwatch_tracker::NameAnswer;

/// A routable public address. Resolving sends nothing to it.
const PUBLIC4: Ipv4Addr = Ipv4Addr::new(9, 9, 9, 9);
const PUBLIC6: Ipv6Addr = Ipv6Addr::new(0x2620, 0xfe, 0, 0, 0, 0, 0, 0xfe);

fn asking(server: SocketAddr) -> Resolver {
    Resolver::fixed(Fixed {
        name_servers: vec![server],
        hosts: "10.1.2.3 mine.example\n0.0.0.0 blocked.example\n".into(),
        routable: vec![PUBLIC4.into(), PUBLIC6.into()],
    })
}

async fn resolve(resolver: &Resolver, url: &str) -> Result<Resolved, ProbeError> {
    resolver.resolve(&TrackerUrl::parse(url).unwrap()).await
}

async fn refusal(resolver: &Resolver, url: &str) -> (FailureReason, String) {
    let failed = resolve(resolver, url).await.expect_err(url);
    (failed.reason, failed.text.into())
}

#[tokio::test]
async fn both_families_come_from_one_lookup_and_then_from_the_cache() {
    seedwatch_dev_programs::skip_without!(["dnsmasq"]);
    let dns = Dnsmasq::start(&[&format!("--host-record=t.example,{PUBLIC4},{PUBLIC6}")]);
    let resolver = asking(dns.address);
    let first = resolve(&resolver, "udp://t.example:1337/announce")
        .await
        .unwrap();
    assert_eq!((&*first.v4, &*first.v6), (&[PUBLIC4][..], &[PUBLIC6][..]));
    assert!(first.took.is_some());
    let second = resolve(&resolver, "http://t.example/announce")
        .await
        .unwrap();
    assert_eq!((&second.v4, second.took), (&first.v4, None));
    assert_eq!(dns.stop().matches("query[A] t.example").count(), 1);
}

#[tokio::test]
async fn concurrent_callers_share_one_lookup() {
    seedwatch_dev_programs::skip_without!(["dnsmasq"]);
    let dns = Dnsmasq::start(&[&format!("--host-record=t.example,{PUBLIC4}")]);
    let resolver = asking(dns.address);
    let mut asks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let resolver = resolver.clone();
        asks.spawn(async move { resolve(&resolver, "udp://t.example:1/").await });
    }
    while let Some(answer) = asks.join_next().await {
        assert_eq!(answer.unwrap().unwrap().v4, [PUBLIC4]);
    }
    let log = dns.stop();
    for question in ["query[A]", "query[AAAA]", "query[TXT]"] {
        assert_eq!(log.matches(question).count(), 1, "{question}\n{log}");
    }
}

#[tokio::test]
async fn a_dropped_caller_does_not_cancel_the_lookup() {
    seedwatch_dev_programs::skip_without!(["dnsmasq"]);
    let dns = Dnsmasq::start(&[&format!("--host-record=t.example,{PUBLIC4}")]);
    let resolver = asking(dns.address);
    let url = TrackerUrl::parse("udp://t.example:1/").unwrap();
    {
        let first = resolver.resolve(&url);
        tokio::pin!(first);
        // The first poll begins the lookup; then the future is dropped.
        assert!(poll_once(first.as_mut()).await.is_none());
        let second = resolver.resolve(&url);
        tokio::pin!(second);
        assert!(poll_once(second.as_mut()).await.is_none());
    }
    assert_eq!(resolver.resolve(&url).await.unwrap().v4, [PUBLIC4]);
}

/// Polls a future once and returns its output if it is ready.
async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match future.as_mut().poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn public_names_never_resolve_to_private_addresses() {
    seedwatch_dev_programs::skip_without!(["dnsmasq"]);
    let dns = Dnsmasq::start(&[
        "--host-record=lan.example,192.168.1.1,fd00::1",
        "--host-record=lo.example,127.0.0.1",
        "--host-record=mapped.example,::ffff:10.0.0.1",
        "--host-record=null.example,0.0.0.0",
        &format!("--host-record=mixed.example,{PUBLIC4}"),
        "--host-record=mixed.example,10.0.0.1",
        "--host-record=nas.lan,127.0.0.7",
        "--host-record=nas,127.0.0.8",
    ]);
    let resolver = asking(dns.address);
    for name in ["lan", "lo", "mapped", "null"] {
        let (reason, text) = refusal(&resolver, &format!("http://{name}.example/announce")).await;
        assert_eq!(reason, FailureReason::Dns);
        assert!(text.contains("private"), "{name}: {text}");
    }
    let mixed = resolve(&resolver, "http://mixed.example/").await.unwrap();
    assert_eq!(mixed.v4, [PUBLIC4]);
    let own = resolve(&resolver, "http://nas.lan/").await.unwrap();
    assert_eq!(own.v4, [Ipv4Addr::new(127, 0, 0, 7)]);
    let own = resolve(&resolver, "http://nas:8080/").await.unwrap();
    assert_eq!(own.v4, [Ipv4Addr::new(127, 0, 0, 8)]);
}

#[tokio::test]
async fn untrusted_trackers_do_not_reach_local_addresses() {
    let resolver = Resolver::fixed(Fixed {
        hosts: format!("10.1.2.3 mine.example both.example\n{PUBLIC4} both.example\n"),
        routable: vec![PUBLIC4.into(), Ipv4Addr::new(10, 1, 2, 3).into()],
        ..Fixed::default()
    });
    for url in [
        "http://mine.example/announce",
        "http://127.0.0.1/announce",
        "http://[::1]/announce",
        "http://localhost/announce",
        "udp://nas:80/announce",
        "udp://nas.lan:80/announce",
        "udp://10.1.2.3:80/announce",
    ] {
        let foreign = TrackerUrl::parse(url).unwrap();
        let foreign = foreign.with_scope(AddressScope::Internet);
        let failed = resolver.resolve(&foreign).await.expect_err(url);
        assert_eq!(
            (failed.reason, &*failed.text),
            (FailureReason::Dns, LOCAL_ONLY),
            "{url}"
        );
    }
    let admitted = |url: &str, scope| TrackerUrl::parse(url).unwrap().with_scope(scope);
    for (url, is_asked) in [
        ("http://mine.example/announce", true),
        ("http://mine.example/admin", false),
        ("udp://mine.example:80/admin", true),
    ] {
        let url = admitted(url, AddressScope::LocalAnnounce);
        assert_eq!(resolver.resolve(&url).await.is_ok(), is_asked, "{url}");
    }
    let both = admitted("http://both.example/announce", AddressScope::Internet);
    assert_eq!(resolver.resolve(&both).await.unwrap().v4, [PUBLIC4]);
    let own = resolve(&resolver, "http://mine.example/x").await.unwrap();
    assert_eq!(own.v4, [Ipv4Addr::new(10, 1, 2, 3)]);
}

#[tokio::test]
async fn no_name_resolves_to_a_metadata_service() {
    let link_local = Ipv4Addr::new(169, 254, 169, 254);
    let resolver = Resolver::fixed(Fixed {
        hosts: format!(
            "{link_local} one.example mixed.example\nfd00:ec2::254 two.lan\n\
             64:ff9b::a9fe:a9fe three.lan\n{PUBLIC4} mixed.example\n"
        ),
        routable: vec![link_local.into(), PUBLIC4.into()],
        ..Fixed::default()
    });
    for host in ["one.example", "two.lan", "three.lan"] {
        let (reason, text) = refusal(&resolver, &format!("http://{host}/announce")).await;
        assert_eq!(
            (reason, &*text),
            (FailureReason::Dns, NEVER_CONTACTED),
            "{host}"
        );
        let host = Host::Name(host.into());
        assert!(resolver.resolve_host(&host).await.is_err());
    }
    let mixed = resolve(&resolver, "http://mixed.example/").await.unwrap();
    assert_eq!(mixed.v4, [PUBLIC4]);
}

#[tokio::test]
async fn failures_describe_their_cause() {
    seedwatch_dev_programs::skip_without!(["dnsmasq"]);
    let dns = Dnsmasq::start(&["--txt-record=empty.example,hello"]);
    let resolver = asking(dns.address);
    for (url, expected) in [
        ("udp://gone.example:1", "does not exist"),
        ("udp://empty.example:1", "has no address"),
        // This dnsmasq answers only for .example and .lan.
        ("udp://gone.invalid-zone:1", "says: "),
        ("udp://blocked.example:1", "blocked"),
    ] {
        let (reason, text) = refusal(&resolver, url).await;
        assert_eq!(reason, FailureReason::Dns, "{url}");
        assert!(text.contains(expected), "{url}: {text}");
    }
    // The cache keeps failures too.
    refusal(&resolver, "udp://gone.example:1").await;
    assert_eq!(dns.stop().matches("query[A] gone.example").count(), 1);
}

#[tokio::test]
async fn the_operators_preference_is_obeyed() {
    seedwatch_dev_programs::skip_without!(["dnsmasq"]);
    let dns = Dnsmasq::start(&[
        &format!("--host-record=no.example,{PUBLIC4}"),
        "--txt-record=no.example,BITTORRENT",
        &format!("--host-record=some.example,{PUBLIC4}"),
        "--txt-record=some.example,v=spf1 -all",
        "--txt-record=some.example,BITTORRENT UDP:1337 TCP:443",
        "--host-record=own.lan,127.0.0.7",
        "--txt-record=own.lan,BITTORRENT",
    ]);
    let resolver = asking(dns.address);
    for denied in [
        "udp://no.example:1337/announce",
        "https://no.example/announce",
        "udp://some.example:6969/announce",
        "http://some.example/announce",
    ] {
        assert_eq!(refusal(&resolver, denied).await.0, FailureReason::Denied);
    }
    for wanted in [
        "udp://some.example:1337/announce",
        "https://some.example/",
        "udp://own.lan:1/",
    ] {
        assert!(resolve(&resolver, wanted).await.is_ok(), "{wanted}");
    }
    // The preference concerns trackers only; this is a lookup of a plain host.
    let host = Host::Name("no.example".into());
    assert_eq!(resolver.resolve_host(&host).await.unwrap().v4, [PUBLIC4]);
}

#[tokio::test]
async fn a_name_server_that_drops_txt_costs_only_the_grace_period() {
    let dns = scripted::Server::start(scripted::Habit::DropsTxt(PUBLIC4)).await;
    let resolver = asking(dns.address);
    let found = resolve(&resolver, "udp://t.example:1/").await.unwrap();
    assert_eq!(found.v4, [PUBLIC4]);
}

#[tokio::test]
async fn a_failed_family_does_not_fail_the_other() {
    let dns = scripted::Server::start(scripted::Habit::FailsAaaa(PUBLIC4)).await;
    let resolver = asking(dns.address);
    let found = resolve(&resolver, "udp://t.example:1/").await.unwrap();
    assert_eq!((found.v4, found.v6.len()), (vec![PUBLIC4], 0));
}

/// Returns a resolver with running lookups of names that its name server does not answer for.
async fn resolver_with_unanswered_lookups(
    count: usize,
) -> (
    Resolver,
    scripted::Server,
    tokio::task::JoinSet<FailureReason>,
) {
    let dns = scripted::Server::start(scripted::Habit::IgnoresBlackHoles(PUBLIC4)).await;
    let resolver = asking(dns.address);
    let mut asks = tokio::task::JoinSet::new();
    for number in 0..count {
        let resolver = resolver.clone();
        asks.spawn(async move {
            let url = format!("udp://n{number}.hole.example:1/");
            refusal(&resolver, &url).await.0
        });
    }
    // After this, every lookup is in the queue.
    tokio::task::yield_now().await;
    (resolver, dns, asks)
}

#[tokio::test]
async fn unresolvable_names_do_not_delay_others_for_long() {
    let (resolver, _dns, mut holes) = resolver_with_unanswered_lookups(300).await;
    let limit = Duration::from_millis(900);
    let url = TrackerUrl::parse("udp://healthy.example:1/").unwrap();
    // The queue takes longer than the time that the caller allows the name servers.
    let (found, spent) = resolver.resolve_within(&url, limit).await;
    assert_eq!(found.unwrap().v4, [PUBLIC4]);
    assert!(spent < limit, "{spent:?}");
    assert!(
        holes.try_join_next().is_none(),
        "a lookup of an unanswered name ended first"
    );
}

#[tokio::test]
async fn canaries_do_not_wait_for_trackers() {
    let (resolver, _dns, mut holes) = resolver_with_unanswered_lookups(300).await;
    let host = Host::Name("canary.example".into());
    assert_eq!(resolver.resolve_host(&host).await.unwrap().v4, [PUBLIC4]);
    assert!(holes.try_join_next().is_none());
}

#[test]
fn failed_names_are_retried_with_back_off() {
    let cache = Cache::new(3);
    let host = Host::Name("gone.example".into());
    let mut now = Instant::now();
    for (number, keep) in [60, 120, 240, 300, 300].into_iter().enumerate() {
        match cache.get(&host, now, |_| true) {
            cache::Hit::Miss { has_failed, .. } => assert_eq!(has_failed, number > 0),
            _ => panic!("the failure is cached for too long"),
        }
        cache.put(&host, Arc::new(Answer::failed("")), now);
        let last = now + Duration::from_secs(keep - 1);
        assert!(matches!(
            cache.get(&host, last, |_| true),
            cache::Hit::Found(_)
        ));
        now += Duration::from_secs(keep);
    }
    cache.put(&host, Arc::new(Answer::literal(PUBLIC4.into())), now);
    now += KEEP.1;
    assert!(matches!(
        cache.get(&host, now, |_| true),
        cache::Hit::Miss {
            has_failed: false,
            ..
        }
    ));
}

// The paused clock jumps from timer to timer, so this test takes no real time.
#[tokio::test(start_paused = true)]
async fn a_silent_name_server_times_out() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let resolver = asking(silent.local_addr().unwrap());
    let (reason, text) = refusal(&resolver, "udp://t.example:1/").await;
    assert_eq!(reason, FailureReason::Dns);
    assert!(text.contains("answer") || text.contains("asked"), "{text}");
}

#[tokio::test]
async fn literals_and_hosts_entries_need_no_name_server() {
    let resolver = Resolver::fixed(Fixed {
        hosts: "10.1.2.3 mine.example\n".into(),
        ..Fixed::default()
    });
    let loopback = Ipv4Addr::LOCALHOST;
    for (url, expected) in [
        ("http://127.0.0.1:1/", vec![loopback]),
        ("http://localhost/", vec![loopback]),
        ("http://a.localhost/", vec![loopback]),
        ("http://[::ffff:127.0.0.1]/", vec![loopback]),
    ] {
        let found = resolve(&resolver, url).await.unwrap();
        assert_eq!((found.v4, found.took), (expected, None), "{url}");
    }
    let hosts = resolver
        .resolve_host(&Host::Name("mine.example".into()))
        .await;
    assert!(hosts.is_ok(), "{hosts:?}");
    let overlay = refusal(&resolver, "http://tracker.i2p/announce").await;
    assert_eq!(overlay.0, FailureReason::Unsupported);
}

#[test]
fn the_cache_stays_within_its_bound() {
    let cache = Cache::new(3);
    let now = Instant::now();
    let host = |n: u8| Host::Ip(Ipv4Addr::new(127, 0, 0, n).into());
    for n in 0..10 {
        assert!(matches!(
            cache.get(&host(n), now, |_| true),
            cache::Hit::Miss { .. }
        ));
        let mut answer = Answer::literal(Ipv4Addr::LOCALHOST.into());
        answer.keep = Duration::from_secs(u64::from(n) + 60);
        cache.put(&host(n), Arc::new(answer), now);
    }
    let kept = |n: u8, at| matches!(cache.get(&host(n), at, |_| true), cache::Hit::Found(_));
    assert!((7..10).all(|n| kept(n, now)));
    assert!(
        !kept(9, now + Duration::from_secs(70)),
        "the answer has expired"
    );
}

#[test]
fn routes_of_a_cached_answer_are_checked_again() {
    let cache = Cache::new(3);
    let now = Instant::now();
    let host = Host::Name("t.example".into());
    let answer = Answer::literal(PUBLIC4.into());
    cache.put(&host, Arc::new(answer), now);
    let routed = |at, has| match cache.get(&host, at, |_| has) {
        cache::Hit::Found(found) => found.routed.len(),
        _ => panic!("the answer is not cached"),
    };
    assert_eq!(routed(now, false), 0);
    assert_eq!(routed(now, true), 0, "routes are checked again too soon");
    assert_eq!(routed(now + 2 * ROUTES_MAX_AGE, true), 1);
}

#[tokio::test]
async fn fresh_lookups_show_whether_the_name_servers_work() {
    seedwatch_dev_programs::skip_without!(["dnsmasq"]);
    let dns = Dnsmasq::start(&[
        &format!("--host-record=t.example,{PUBLIC4}"),
        "--host-record=lan.example,192.168.1.1",
        "--local=/gone.example/",
    ]);
    let resolver = asking(dns.address);
    let ask = async |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|it| Host::Name((*it).into())).collect();
        let mut answers = resolver.ask_all_afresh(&names).await.unwrap();
        answers.sort_by_key(|(host, _)| host.to_string());
        answers.into_iter().map(|(_, it)| it).collect::<Vec<_>>()
    };
    let names = ["gone.example", "lan.example", "mine.example", "t.example"];
    let expected = [
        NameAnswer::Missing,
        NameAnswer::Missing,
        NameAnswer::Resolved,
    ];
    assert_eq!(ask(&names).await, expected, "the hosts file has one");
    resolve(&resolver, "udp://t.example:1/").await.unwrap();
    dns.stop();
    assert!(resolve(&resolver, "udp://t.example:1/").await.is_ok());
    assert_eq!(ask(&["t.example"]).await, [NameAnswer::Failed], "no cache");
}

#[test]
fn a_host_without_an_address_of_a_family_is_not_unreachable_over_it() {
    let (v4, v6): (IpAddr, IpAddr) = (PUBLIC4.into(), PUBLIC6.into());
    let offline = |known: &[IpAddr], routed: &[IpAddr], has_default| {
        let resolved = Resolved {
            offline: offline_families(known, routed, || has_default),
            ..Resolved::default()
        };
        Family::ALL.map(|family| resolved.reachable(family).is_err())
    };
    assert_eq!(offline(&[v4], &[], false), [true, false]);
    assert_eq!(offline(&[v6], &[], false), [false, true]);
    assert_eq!(offline(&[v4, v6], &[], false), [true, true]);
    assert_eq!(offline(&[v4, v6], &[v6], false), [false, false]);
    assert_eq!(offline(&[v4, v6], &[], true), [false, false]);
    assert_eq!(offline(&[], &[], false), [false, false]);
}
