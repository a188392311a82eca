//! Torrent lists from a real nginx and from files: good ones of every shape, bad ones, and what
//! stays over a kill.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::rig::daemon::{Daemon, ONCE};
use crate::rig::exposition::Exposition;
use crate::rig::nginx::Nginx;
use crate::rig::{netns, wait};

/// Number of entries of the largest list: as many as `torrents.json` of Anna's Archive has.
const LARGE: u32 = 18_000;

/// Number of entries of the other lists.
const SMALL: u32 = 300;

/// The info-hash number `n` of the list of this letter.
fn hash(letter: char, n: u32) -> String {
    format!("{:02x}{n:06x}{:032x}", letter as u32, 0x5eed)
}

fn magnet(letter: char, n: u32) -> String {
    let hash = hash(letter, n);
    format!("magnet:?xt=urn:btih:{hash}&dn={letter}-{n}&xl={}", n + 1)
}

/// A document in the shape of `torrents.json`: about 950 bytes per entry.
fn archive_json(entries: u32) -> String {
    let filler = "x".repeat(280);
    let mut text = String::from("[");
    for n in 0..entries {
        let comma = if n == 0 { "" } else { "," };
        write!(
            text,
            "{comma}{{\"url\":\"https://archive.example/dyn/small_file/torrents/{filler}/{n}\",\
             \"top_level_group_name\":\"managed_by_archive\",\"group_name\":\"group\",\
             \"display_name\":\"j-{n}.torrent\",\"added_to_torrents_list_at\":\"2024-01-01\",\
             \"is_metadata\":false,\"btih\":\"{hash}\",\
             \"magnet_link\":\"magnet:?xt=urn:btih:{hash}&dn=j-{n}{filler}\",\
             \"torrent_size\":123456,\"num_files\":1000,\"data_size\":{size},\
             \"aa_currently_seeding\":true,\"obsolete\":false,\"embargo\":false,\"seeders\":3,\
             \"leechers\":1,\"completed\":12,\"stats_scraped_at\":\"2024-01-02T03:04:05\",\
             \"partially_broken\":false,\"random\":\"abcdef\"}}",
            hash = hash('j', n),
            size = 1_000_000 + u64::from(n),
        )
        .unwrap();
    }
    text.push(']');
    text
}

fn rss(entries: u32) -> String {
    let item = |n| {
        let magnet = magnet('r', n).replace('&', "&amp;");
        format!(
            "<item><title>r-{n}</title><link>https://tracker.example/{n}</link>\
             <enclosure url=\"{magnet}\" length=\"1\" type=\"application/x-bittorrent\"/></item>"
        )
    };
    let items: String = (0..entries).map(item).collect();
    format!("<?xml version=\"1.0\"?><rss version=\"2.0\"><channel>{items}</channel></rss>")
}

fn torznab(entries: u32) -> String {
    let item = |n| {
        format!(
            "<item><title>t-{n}</title><guid>https://indexer.example/{n}</guid><size>{n}1</size>\
             <torznab:attr name=\"seeders\" value=\"1\"/>\
             <torznab:attr name=\"infohash\" value=\"{}\"/></item>",
            hash('t', n)
        )
    };
    let items: String = (0..entries).map(item).collect();
    format!(
        "<?xml version=\"1.0\"?><rss version=\"2.0\" \
         xmlns:torznab=\"http://torznab.com/schemas/2015/feed\"><channel>{items}</channel></rss>"
    )
}

fn csv(entries: u32) -> String {
    let row = |n| format!("\"c-{n}, \"\"quoted\"\"\",{}\r\n", magnet('c', n));
    let rows: String = (0..entries).map(row).collect();
    format!("\u{feff}name,magnet\r\n{rows}")
}

fn lines(entries: u32) -> String {
    let lines = (0..entries).map(|n| format!("{} l-{n}\n", hash('l', n)));
    lines.collect()
}

/// The five shapes, with their names.
fn write_all(nginx: &Nginx, large: u32, small: u32) {
    nginx.put("archive.json", archive_json(large));
    nginx.put("feed.rss", rss(small));
    nginx.put("torznab.rss", torznab(small));
    nginx.put("table.csv", csv(small));
    nginx.put("lines.txt", lines(small));
}

const SHAPES: [&str; 5] = [
    "archive.json",
    "feed.rss",
    "torznab.rss",
    "table.csv",
    "lines.txt",
];

/// A configuration with these lists, each a URL under its name, fetched every second.
fn config(state: Option<&Path>, lists: &[(&str, String)]) -> String {
    let state = state.unwrap_or(Path::new("")).display();
    let mut text = format!("{ONCE}state: {{path: \"{state}\"}}\nlists:\n");
    for (name, url) in lists {
        writeln!(text, "- {{name: {name}, url: \"{url}\", interval: 1s}}").unwrap();
    }
    text
}

fn shapes(nginx: &Nginx) -> Vec<(&'static str, String)> {
    SHAPES.map(|name| (name, nginx.url(name))).into()
}

/// Scrapes the families of lists, the number of torrents, and the rows of single torrents. The rig
/// compares each series with all others of its family, and there are 19,200 torrents.
fn scrape(daemon: &Daemon) -> Exposition {
    let page = daemon.get("/metrics").text();
    let is_wanted = |line: &&str| {
        line.starts_with("seedwatch_list_")
            || line.starts_with("seedwatch_torrents ")
            || [SIZED, QUOTED].iter().any(|name| line.contains(name))
    };
    let lines: Vec<&str> = page.lines().filter(is_wanted).collect();
    Exposition::parse(&(lines.join("\n") + "\n"))
}

/// Waits until the scraped families are as wanted.
fn wait_for(daemon: &Daemon, what: &str, wanted: impl Fn(&Exposition) -> bool) -> Exposition {
    let mut last = Exposition::default();
    let outcome = wait::until_or_none(LIMIT, || {
        last = scrape(daemon);
        wanted(&last).then_some(())
    });
    assert!(outcome.is_some(), "{what}\n{last}\n{}", daemon.log());
    last
}

/// The time limit of an event that must come: a slow list is given up after 60 s.
const LIMIT: Duration = Duration::from_secs(180);

/// A torrent of the JSON list, and one of the table, as in a label.
const SIZED: &str = "\"j-7.torrent\"";
const QUOTED: &str = "\"c-7, \\\"quoted\\\"\"";

fn value(page: &Exposition, metric: &str, list: &str) -> Option<f64> {
    page.get(&format!("seedwatch_list_{metric}{{list=\"{list}\"}}"))
}

fn failures(page: &Exposition, list: &str, reason: &str) -> Option<f64> {
    let labels = format!("{{list=\"{list}\",reason=\"{reason}\"}}");
    page.get(&format!("seedwatch_list_failures_total{labels}"))
}

/// Waits until the latest fetch of a list failed for this reason.
fn wait_for_failure(daemon: &Daemon, list: &str, reason: &str) {
    let is_down = |page: &Exposition| {
        value(page, "up", list) == Some(0.0) && failures(page, list, reason).is_some()
    };
    wait_for(daemon, &format!("{list}: {reason}"), is_down);
}

fn torrents(page: &Exposition) -> Option<f64> {
    page.get("seedwatch_torrents")
}

#[test]
fn five_shapes_are_watched_and_stay_over_failures_and_a_kill() {
    needs_servers!();
    let nginx = Nginx::start();
    write_all(&nginx, LARGE, SMALL);
    assert!(
        fs::metadata(nginx.root().join("archive.json"))
            .unwrap()
            .len()
            > 17_000_000
    );
    let folder = tempfile::tempdir().unwrap();
    let config = config(Some(folder.path()), &shapes(&nginx));
    let mut daemon = Daemon::start(&config);
    let all = f64::from(LARGE + 4 * SMALL);
    let is_whole = |page: &Exposition| {
        let up = SHAPES.map(|name| value(page, "up", name));
        torrents(page) == Some(all) && up == [Some(1.0); 5]
    };
    let page = wait_for(&daemon, "all lists", is_whole);
    assert_eq!(
        value(&page, "entries", "archive.json"),
        Some(f64::from(LARGE))
    );
    let size = format!("seedwatch_torrent_size_bytes{{torrent={SIZED}}}");
    assert_eq!(page.get(&size), Some(1_000_007.0));
    let quoted = format!("seedwatch_torrent_info{{torrent={QUOTED}}}");
    assert_eq!(page.get(&quoted), Some(1.0));

    // Nothing changed: the server says so without sending the list again.
    for name in SHAPES {
        wait::until("304", LIMIT, || {
            (nginx.requests(name, 304) > 1).then_some(())
        });
        assert_eq!(nginx.requests(name, 200), 1, "{name}");
    }

    // Each list breaks in its own way.
    nginx.put("archive.json", &archive_json(LARGE)[..9_000_000]);
    nginx.put(
        "feed.rss",
        "<!DOCTYPE html><html><title>Maintenance</title></html>",
    );
    nginx.put(
        "torznab.rss",
        "<html><title>Just a moment...</title></html>",
    );
    nginx.put("table.csv", csv(SMALL / 2 - 1));
    nginx.put("lines.txt", "");
    wait_for_failure(&daemon, "archive.json", "truncated");
    wait_for_failure(&daemon, "feed.rss", "html");
    wait_for_failure(&daemon, "torznab.rss", "bot_wall");
    wait_for_failure(&daemon, "lines.txt", "empty");
    let is_shrunken = |page: &Exposition| failures(page, "table.csv", "shrunken").is_some();
    let page = wait_for(&daemon, "shrunken", is_shrunken);
    // Its second fetch confirms it.
    let confirmed = f64::from(LARGE + 3 * SMALL + SMALL / 2 - 1);
    assert!(
        [Some(all), Some(confirmed)].contains(&torrents(&page)),
        "{page}"
    );
    wait_for(&daemon, "confirmed", |page| {
        torrents(page) == Some(confirmed)
    });

    // Everything fails, and the daemon is killed.
    nginx.put("fail", "");
    for name in SHAPES {
        wait_for_failure(&daemon, name, "http_status");
    }
    let page = scrape(&daemon);
    assert_eq!(torrents(&page), Some(confirmed), "{page}");
    daemon.signal(Signal::SIGKILL);
    daemon.wait_for_end();
    drop(nginx);
    let daemon = Daemon::start(&config);
    let page = scrape(&daemon);
    assert_eq!(torrents(&page), Some(confirmed), "{page}");
    assert_eq!(page.get(&size), Some(1_000_007.0));
    let entries = value(&page, "entries", "archive.json");
    assert_eq!(entries, Some(f64::from(LARGE)), "{page}");
    assert!(value(&page, "last_success_timestamp_seconds", "feed.rss").is_some());
    wait_for_failure(&daemon, "feed.rss", "refused");
    assert_eq!(torrents(&scrape(&daemon)), Some(confirmed));
}

/// A new API key in a URL, or a new path, whose server rejects it.
#[test]
fn a_list_keeps_its_torrents_until_its_new_url_was_read() {
    needs_servers!();
    let nginx = Nginx::start();
    nginx.put("lines.txt", lines(SMALL));
    nginx.put("new.txt", lines(2));
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| config(Some(folder.path()), &[("list", nginx.url(path))]);
    let mut daemon = Daemon::start(&at("lines.txt"));
    let all = Some(f64::from(SMALL));
    wait_for(&daemon, "the list", |page| torrents(page) == all);
    daemon.write_config(&at("gone.txt?k=NEW"));
    assert_eq!(daemon.reload().status, 200);
    assert_eq!(torrents(&scrape(&daemon)), all);
    wait_for_failure(&daemon, "list", "http_status");
    assert_eq!(torrents(&scrape(&daemon)), all);
    daemon.signal(Signal::SIGKILL);
    daemon.wait_for_end();
    let daemon = Daemon::start(&at("gone.txt?k=NEWER"));
    wait_for_failure(&daemon, "list", "http_status");
    assert_eq!(torrents(&scrape(&daemon)), all);
    // The guard does not compare lists of different sources.
    daemon.write_config(&at("new.txt"));
    assert_eq!(daemon.reload().status, 200);
    let page = wait_for(&daemon, "the new list", |page| torrents(page) == Some(2.0));
    assert_eq!(failures(&page, "list", "shrunken"), None, "{page}");
}

#[test]
fn bad_servers_are_named_and_delay_no_other_list() {
    needs_servers!();
    let nginx = Nginx::start();
    nginx.put("lines.txt", lines(SMALL));
    nginx.put("deep.json", "[".repeat(1_000_000));
    let entities: String = (1..20)
        .map(|n| format!("<!ENTITY e{n} \"&e{};&e{};\">", n - 1, n - 1))
        .collect();
    nginx.put(
        "bomb.rss",
        format!(
            "<?xml version=\"1.0\"?><!DOCTYPE rss [<!ENTITY e0 \"lol\">{entities}]><rss><channel>\
             <item><title>&e19;</title></item></channel></rss>"
        ),
    );
    let huge = File::create(nginx.root().join("huge.txt")).unwrap();
    huge.set_len(1 << 30).unwrap();
    nginx.put("odd.txt", (0..=u8::MAX).collect::<Vec<_>>());
    let bad = [
        ("deep", nginx.url("deep.json"), "too_deep"),
        ("bomb", nginx.url("bomb.rss"), "entities"),
        ("huge", nginx.url("huge.txt"), "too_large"),
        ("odd", nginx.url("odd.txt"), "encoding"),
        ("certificate", nginx.https_url("lines.txt"), "tls"),
        ("metadata", nginx.url("metadata"), "forbidden_address"),
        ("loop", nginx.url("loop"), "redirect"),
        ("gone", nginx.url("gone.txt"), "http_status"),
        (
            "slow",
            nginx.url("slow/huge.txt?apikey=SECRETKEY"),
            "too_large",
        ),
        (
            "slower",
            nginx.url("slow/deep.json?apikey=SECRETKEY"),
            "too_slow",
        ),
    ];
    let mut lists = vec![("good", nginx.url("lines.txt"))];
    lists.extend(bad.iter().map(|(name, url, _)| (*name, url.clone())));
    let daemon = Daemon::start(&config(None, &lists));
    wait_for(&daemon, "the good list", |page| {
        torrents(page) == Some(f64::from(SMALL)) && value(page, "up", "slower").is_none()
    });
    for (name, _, reason) in &bad {
        wait_for_failure(&daemon, name, reason);
    }
    let page = scrape(&daemon);
    assert_eq!(torrents(&page), Some(f64::from(SMALL)), "{page}");
    // The good list was fetched all the time.
    assert!(nginx.requests("lines.txt", 304) > 10);
    for text in [
        page.text().to_owned(),
        daemon.log(),
        daemon.get("/config").text(),
    ] {
        assert!(!text.contains("SECRETKEY"), "{text}");
    }
    assert!(daemon.get("/config").text().contains("/<secret>"));
}

#[test]
fn a_redirect_from_a_public_server_never_leads_into_private_space() {
    needs_servers!();
    if netns::outside("lists::a_redirect_from_a_public_server_never_leads_into_private_space") {
        return;
    }
    netns::run("ip addr add 9.9.9.9/32 dev lo");
    let public: IpAddr = "9.9.9.9".parse().unwrap();
    let nginx = Nginx::start_at(public);
    nginx.put("lines.txt", lines(SMALL));
    let lists = [
        ("good", nginx.url("lines.txt")),
        ("private", nginx.url("private")),
    ];
    let daemon = Daemon::start(&config(None, &lists));
    wait_for(&daemon, "the good list", |page| {
        torrents(page) == Some(f64::from(SMALL))
    });
    wait_for_failure(&daemon, "private", "forbidden_address");
}

#[test]
fn a_file_is_read_again_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list.txt");
    let put = |entries| {
        let new = folder.path().join("new");
        fs::write(&new, lines(entries)).unwrap();
        fs::rename(&new, &path).unwrap();
    };
    put(10);
    let list = format!(
        "lists:\n- {{file: \"{}\", interval: 1s, collection: ours}}\n",
        path.display()
    );
    let kept = format!("torrents:\n- {{infohash: {}, name: kept}}\n", hash('l', 3));
    let daemon = Daemon::start(&format!("{ONCE}state: {{path: \"\"}}\n{list}{kept}"));
    let name = path.display().to_string();
    wait_for(&daemon, "the list", |page| torrents(page) == Some(10.0));
    let page = daemon.metrics();
    let kept = "seedwatch_torrent_info{torrent=\"kept\",collection=\"ours\"}";
    assert_eq!(page.get(kept), Some(1.0), "{page}");
    put(12);
    wait_for(&daemon, "two more", |page| torrents(page) == Some(12.0));
    fs::remove_file(&path).unwrap();
    wait_for_failure(&daemon, &name, "unreadable");
    assert_eq!(torrents(&scrape(&daemon)), Some(12.0));
    put(7);
    let page = wait_for(&daemon, "fewer", |page| torrents(page) == Some(7.0));
    assert_eq!(value(&page, "entries", &name), Some(7.0));
    assert_eq!(daemon.reload().status, 200);
    let page = scrape(&daemon);
    assert_eq!(
        torrents(&page),
        Some(7.0),
        "a reload keeps the torrents of lists: {page}"
    );
    // Without the list, only the torrent of the configuration stays.
    daemon.write_config(&format!(
        "{ONCE}torrents:\n- {{infohash: {}}}\n",
        hash('l', 3)
    ));
    assert_eq!(daemon.reload().status, 200);
    let page = scrape(&daemon);
    assert_eq!(torrents(&page), Some(1.0));
    assert_eq!(value(&page, "up", &name), None);
}

/// Measures how long 100,000 entries take, and how much more memory than the same torrents in the
/// configuration: run it alone, with `--ignored`.
#[test]
#[ignore = "a measurement"]
fn a_hundred_thousand_entries() {
    const ENTRIES: u32 = 100_000;
    let all = f64::from(ENTRIES);
    let settings = format!("{ONCE}state: {{path: \"\"}}\n");
    let entries: String = (0..ENTRIES)
        .map(|n| format!("- {{magnet: \"{}\"}}\n", magnet('m', n)))
        .collect();
    let configured = Daemon::start(&format!("{settings}torrents:\n{entries}"));
    wait_for(&configured, "configured", |page| {
        torrents(page) == Some(all)
    });
    let without_list = configured.peak_memory();
    drop(configured);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list.txt");
    fs::write(&path, lines(2)).unwrap();
    let list = format!(
        "- {{name: l, file: \"{}\", interval: 1s}}\n",
        path.display()
    );
    let daemon = Daemon::start(&format!("{settings}lists:\n{list}"));
    wait_for(&daemon, "the first list", |page| {
        torrents(page) == Some(2.0)
    });
    let text: String = (0..ENTRIES).map(|n| magnet('m', n) + "\n").collect();
    fs::write(folder.path().join("new"), &text).unwrap();
    let start = std::time::Instant::now();
    fs::rename(folder.path().join("new"), &path).unwrap();
    wait_for(&daemon, "all", |page| torrents(page) == Some(all));
    eprintln!(
        "100,000 entries in {} bytes: watched {:?} after the file changed, which is looked at \
         every second; peak memory {} MiB, and {} MiB with the same torrents in the configuration",
        text.len(),
        start.elapsed(),
        daemon.peak_memory() >> 20,
        without_list >> 20,
    );
}
