//! The pages for people.

mod about;
mod collections;
mod public;
mod safety;
mod sizes;
mod todo;
mod torrent;
mod torrents;
mod trackers;

use super::{sample, serve};
use seedwatch_core::snapshot::{Snapshot, TrackerRow};
use seedwatch_dev_web::ask;
use seedwatch_torrent::{Hashes, InfoHash};

/// Every page of [`sample::snapshot`], and one that does not exist.
const PAGES: [(&str, u16); 17] = [
    ("/", 200),
    ("/torrents", 200),
    ("/torrents?state=dead&q=e&sort=-peers", 200),
    (
        "/torrents/a%20%22quoted%22%20%5C%20name%0Aof%20two%20lines",
        200,
    ),
    ("/torrents/empty", 200),
    ("/torrents/new", 200),
    ("/torrents/private", 200),
    ("/collections", 200),
    ("/collections/census", 200),
    ("/collections/%22idle%22", 200),
    ("/trackers", 200),
    ("/trackers/udp%3A%2F%2Ftracker.example%3A1337", 200),
    ("/countries", 200),
    ("/events", 200),
    ("/about", 200),
    ("/torrents/NOPE", 404),
    ("/torrents?state=NOPE", 400),
];

/// Returns a page, with the cells of a row on one line.
async fn page(snapshot: Snapshot, path: &str) -> String {
    let server = serve(snapshot);
    let answer = ask(&server, &format!("GET {path}"), "").await;
    assert_eq!(answer.status, 200, "{path}");
    well_formed(answer.text());
    answer.text().replace("\n<td", "<td")
}

/// Every tag is closed by its own, and rows are as wide as the head of their table.
fn well_formed(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    let (mut columns, mut cells) = (0, 0);
    for piece in page.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').unwrap();
        let name = tag.split(' ').next().unwrap();
        match name {
            "!DOCTYPE" | "meta" | "link" | "input" => continue,
            _ if tag.ends_with('/') => continue,
            "table" => columns = 0,
            "tr" => cells = 0,
            "th" | "td" => cells += 1,
            "/tr" if columns == 0 => columns = cells,
            "/tr" => assert_eq!(cells, columns, "{piece}"),
            _ => {}
        }
        match name.strip_prefix('/') {
            None => open.push(name),
            Some(name) => assert_eq!(open.pop(), Some(name), "{piece}\n{page}"),
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

/// Returns what stands between a heading and the end of its section.
fn section<'a>(page: &'a str, id: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("<h2 id=\"{id}\">")).unwrap();
    rest.split_once("</section>").unwrap().0
}

/// Returns the number of rows with a name.
fn rows(part: &str) -> usize {
    part.matches("<tr><th scope=\"row\">").count()
}

/// Returns the names of a table in order.
fn names(table: &str) -> Vec<&str> {
    let rows = table.split("<tr><th scope=\"row\">").skip(1);
    rows.map(|row| {
        row.split("<bdi>")
            .nth(1)
            .unwrap()
            .split('<')
            .next()
            .unwrap()
    })
    .collect()
}

fn named(name: &str, id: u8) -> sample::Sample {
    sample::sample(name, Hashes::V1(InfoHash([id; 20])), &[])
}

fn tracker(label: &str, failures: u64) -> TrackerRow {
    let mut row = (**sample::snapshot().trackers[0].as_ref().unwrap()).clone();
    row.label = label.into();
    row.up = [Some(true), None];
    row.failures = [0; 13];
    row.failures[4] = failures;
    row
}
