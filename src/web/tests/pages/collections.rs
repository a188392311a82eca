//! The pages of collections, countries and badges.

use super::*;

#[tokio::test]
async fn collections_count_what_is_lost() {
    let list = page(sample::snapshot(), "/collections").await;
    assert!(list.contains("<h1>Collections (2)</h1>"));
    let census = "<bdi>census</bdi></a></th><td class=\"n\">1</td><td class=\"n\">0</td>\
                  <td class=\"n\">0</td><td class=\"n\">0</td><td class=\"n\">0 B</td>\
                  <td class=\"n\">42</td><td class=\"n\">61</td>";
    assert!(list.contains(census), "{list}");
    let mut snapshot = sample::snapshot();
    let mut dead = named("t", 1);
    dead.row.verdict.state = seedwatch_core::verdict::State::Dead;
    dead.torrent.size = std::num::NonZeroU64::new(1 << 40);
    dead.torrent.details = seedwatch_torrent::Details {
        collection: Some("census".into()),
        ..seedwatch_torrent::Details::default()
    }
    .boxed();
    snapshot = snapshot.with_torrents([dead.parts()]);
    let list = page(snapshot.clone(), "/collections").await;
    let census = "<td class=\"n bad\">1</td><td class=\"n\">0</td><td class=\"n\">0</td>\
                  <td class=\"n\">1.0 TiB</td>";
    assert!(list.contains(census), "{list}");
    let own = page(snapshot.clone(), "/collections/census").await;
    let tile =
        "<li class=\"bad\"><a href=\"../torrents?state=dead&amp;collection=census\"><b>1</b>";
    assert!(own.contains(tile), "{own}");
    assert_eq!(names(section(&own, "torrents")), ["t"]);
    let badge = ask(&serve(snapshot), "GET /badge/collection/census.svg", "").await;
    assert!(
        badge.text().contains("aria-label=\"census: 1 dead\""),
        "{}",
        badge.text()
    );
    assert!(badge.text().contains("#b3261e"));
}

#[tokio::test]
async fn badges_tell_the_state_and_may_be_shown_by_other_sites() {
    let server = serve(sample::snapshot());
    for (path, status, label) in [
        ("torrent/empty", 200, "empty: dead"),
        ("torrent/new", 200, "new: pending"),
        ("torrent/NOPE", 404, "NOPE: not watched"),
        ("collection/census", 200, "census: 1 alive"),
        ("collection/NOPE", 404, "NOPE: not watched"),
    ] {
        let answer = ask(&server, &format!("GET /badge/{path}.svg"), "").await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.headers["content-type"], "image/svg+xml");
        assert_eq!(
            answer.headers["cross-origin-resource-policy"],
            "cross-origin"
        );
        assert!(answer.headers.contains_key("cache-control"));
        let badge = answer.text();
        assert!(badge.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
        assert!(
            badge.contains(&format!("aria-label=\"{label}\"")),
            "{badge}"
        );
        assert!(!badge.contains("style") && !badge.contains("href"));
    }
}

#[tokio::test]
async fn the_map_shows_where_peers_are_and_the_table_how_many() {
    let page = page(sample::snapshot(), "/countries").await;
    for part in [
        "<title>Germany: 20</title>",
        "<title>United States: 21</title>",
        "<tr><th scope=\"row\">Germany</th><td>DE</td><td class=\"n\">20</td><td class=\"n\">1</td>",
        "<tr><th scope=\"row\">unknown country</th><td>unknown</td><td class=\"n\">1</td>",
        "<li><strong>United States</strong>: 38 % of the peers",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    // France had peers yesterday, and has none now.
    assert!(!page.contains("France"));
    // Countries without peers are drawn, and small ones are not.
    let drawn = page.matches("<path d=\"M").count();
    assert!((150..200).contains(&drawn), "{drawn}");
}
