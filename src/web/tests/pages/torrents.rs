//! The table of torrents.

use super::todo::one_of_each;
use super::*;
use seedwatch_core::snapshot::TrackerId;

#[tokio::test]
async fn the_worst_come_first_and_all_are_there() {
    let page = page(one_of_each(), "/torrents").await;
    assert!(page.contains("<h1>Torrents (7)</h1>"));
    assert_eq!(
        names(&page),
        [
            "g dead",
            "d few",
            "e unobserved",
            "c stranded",
            "b new",
            "a well",
            "f private"
        ]
    );
    let new = "<bdi>b new</bdi></a>\n<small>Not every source has been asked yet. Wait for further \
               rounds.</small></th><td class=\"other\">pending</td>";
    assert!(page.contains(new), "{page}");
    let stranded = "Replace the trackers.</small></th><td class=\"poor\">alive</td>";
    assert!(page.contains(stranded), "{page}");
}

#[tokio::test]
async fn the_address_says_what_is_shown() {
    for (query, expected) in [
        ("state=dead", vec!["g dead"]),
        ("condition=no_tracker", vec!["c stranded"]),
        ("q=few", vec!["d few"]),
        (
            "q=0101010101",
            vec![
                "g dead",
                "d few",
                "e unobserved",
                "c stranded",
                "a well",
                "f private",
            ],
        ),
        ("sort=name&limit=2", vec!["a well", "b new"]),
        ("sort=name&limit=2&page=4", vec!["g dead"]),
        ("sort=-name&limit=1", vec!["g dead"]),
        ("state=&condition=&q=&sort=&limit=1", vec!["g dead"]),
    ] {
        let page = page(one_of_each(), &format!("/torrents?{query}")).await;
        assert_eq!(names(&page), expected, "{query}");
    }
}

#[tokio::test]
async fn links_keep_the_rest_of_the_query() {
    let page = page(one_of_each(), "/torrents?q=e&sort=peers&limit=1&page=2").await;
    for link in [
        "href=\"?q=e&amp;sort=peers&amp;limit=1&amp;page=1\" rel=\"prev\"",
        "href=\"?q=e&amp;sort=peers&amp;limit=1&amp;page=3\" rel=\"next\"",
        "aria-sort=\"ascending\"><a href=\"?q=e&amp;sort=-peers&amp;limit=1\">Now</a>",
        "<th scope=\"col\"><a href=\"?q=e&amp;sort=name&amp;limit=1\">Torrent</a>",
        "href=\"./torrents.csv?q=e&amp;sort=peers\"",
        "href=\"./torrents.magnets.txt?q=e&amp;sort=peers\"",
        "<option value=\"peers\" selected>fewest peers first</option>",
    ] {
        assert!(page.contains(link), "{link}\n{page}");
    }
    assert!(page.contains("<li>Page 2 of "));
}

#[tokio::test]
async fn the_form_shows_what_was_chosen() {
    let query = "state=at_risk&condition=few_peers&collection=census&tracker=udp://t.example:1\
                 &label=a=b&q=x&sort=-name";
    let page = page(one_of_each(), &format!("/torrents?{query}")).await;
    for part in [
        "<option value=\"at_risk\" selected>",
        "<option value=\"few_peers\" selected>",
        "<option selected>census</option>",
        "value=\"udp://t.example:1\"",
        "value=\"a=b\"",
        "name=\"q\" value=\"x\"",
        "<option value=\"-name\" selected>as now</option>",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
}

#[tokio::test]
async fn a_query_that_cannot_be_read_is_explained() {
    let server = serve(one_of_each());
    for (path, text) in [
        ("/torrents?state=alife", "In it, state must be "),
        (
            "/torrents?colour=red",
            "In it, unknown parameter &quot;colour&quot;; known are ",
        ),
        (
            "/torrents?page=0",
            "In it, page must be a number from 1 to 1000000.",
        ),
        (
            "/?page=2",
            "In it, unknown parameter &quot;page&quot;: this address takes none.",
        ),
        ("/about?x", "In it, unknown parameter &quot;x&quot;"),
        ("/collections?page=x", "In it, page must be a number"),
        ("/events?torrent=%ff", "In it, torrent must be UTF-8."),
    ] {
        let answer = ask(&server, &format!("GET {path}"), "").await;
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.text().contains(text), "{path}: {}", answer.text());
    }
    for (path, text) in [
        ("/torrents/NOPE", "There is no torrent of this name."),
        ("/collections/NOPE", "There is no collection of this name."),
        ("/trackers/NOPE", "There is no tracker of this name."),
        (
            "/events?torrent=NOPE",
            "There is no torrent of this name or info-hash.",
        ),
    ] {
        let answer = ask(&server, &format!("GET {path}"), "").await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.text().contains(text), "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_tracker_gone_from_the_configuration_is_no_hole() {
    let mut it = named("t", 1);
    it.announces = vec![sample::announce(TrackerId(99))];
    let snapshot = sample::snapshot().with_torrents([it.parts()]);
    assert_eq!(rows(&page(snapshot.clone(), "/torrents").await), 1);
    let own = page(snapshot, "/torrents/t").await;
    assert!(own.contains("<p>None is asked about it.</p>"), "{own}");
}
