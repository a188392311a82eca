//! `GET /runbook`: what to do when an alert fires. Alerts link to its sections.

use std::sync::LazyLock;

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};
use seedwatch_exporter::ExternalUrl;

/// The document, which is a part of the daemon so that it fits its alerts.
const RUNBOOK: &str = include_str!("../../docs/runbook.md");

/// Returns the page, which names its address if that is known.
pub(super) fn page(external_url: Option<&ExternalUrl>) -> String {
    match external_url {
        Some(url) => {
            let link = format!("<link rel=\"canonical\" href=\"{url}/runbook\">\n<style>");
            PAGE.replacen("<style>", &link, 1)
        }
        None => PAGE.clone(),
    }
}

/// The page without its address.
static PAGE: LazyLock<String> = LazyLock::new(|| {
    let mut page = String::from(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>seedwatch: runbook</title>\n<style>",
    );
    page.push_str(super::pages::STYLE);
    page.push_str("</style>\n</head>\n<body>\n<header><p class=\"brand\">seedwatch</p>\n<nav aria-label=\"Pages\"><ul>\n");
    for (path, name) in super::pages::navigation() {
        page.push_str(&format!("<li><a href=\"./{path}\">{name}</a></li>\n"));
    }
    page.push_str("</ul></nav>\n</header>\n<main>\n");
    html::push_html(&mut page, events().into_iter());
    page.push_str(
        "</main>\n<footer><p><a href=\"./\">What needs doing</a></p></footer>\n</body>\n</html>\n",
    );
    page
});

/// Returns the document with an id for each heading, and without links to other files, which the
/// daemon does not serve.
fn events() -> Vec<Event<'static>> {
    let parser = Parser::new_ext(RUNBOOK, Options::ENABLE_TABLES);
    let mut events: Vec<Event<'static>> = Vec::new();
    let (mut heading, mut is_foreign) = (None, false);
    for event in parser {
        match &event {
            Event::Start(Tag::Heading { .. }) => heading = Some(events.len()),
            Event::Text(text) => {
                if let Some(Event::Start(Tag::Heading { id, .. })) =
                    heading.and_then(|at: usize| events.get_mut(at))
                {
                    *id = Some(anchor(text));
                }
            }
            Event::End(TagEnd::Heading(_)) => heading = None,
            Event::Start(Tag::Link { dest_url, .. }) if !dest_url.starts_with('#') => {
                is_foreign = true;
                continue;
            }
            Event::End(TagEnd::Link) if std::mem::take(&mut is_foreign) => continue,
            _ => {}
        }
        events.push(event);
    }
    events
}

/// Returns the anchor of a heading: lower case, spaces as hyphens. Headings have no punctuation.
fn anchor(heading: &str) -> CowStr<'static> {
    let words = heading.split_whitespace().map(str::to_lowercase);
    words.collect::<Vec<_>>().join("-").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alert_has_a_section_on_the_page() {
        let rules = include_str!("../../deploy/prometheus/alerts.rules.yaml");
        let alerts = rules
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- alert: "));
        let alerts: Vec<_> = alerts.collect();
        assert!(alerts.len() > 10, "{alerts:?}");
        for alert in alerts {
            let heading = format!("<h2 id=\"{}\">{alert}</h2>", alert.to_lowercase());
            assert!(PAGE.contains(&heading), "{heading}");
        }
    }

    #[test]
    fn the_number_of_alerts_in_the_documentation_is_right() {
        let rules = include_str!("../../deploy/prometheus/alerts.rules.yaml");
        let count = |what| rules.lines().filter(|line| line.trim() == what).count();
        let alerts = rules
            .lines()
            .filter(|line| line.trim().starts_with("- alert: "));
        let operations = include_str!("../../docs/operations.md");
        let operations = operations.split_whitespace().collect::<Vec<_>>().join(" ");
        let sentence = format!("recording rules and {} alerts;", alerts.count());
        assert!(operations.contains(&sentence), "{sentence}");
        assert_eq!(count("severity: page"), 3);
        assert!(operations.contains("Three alerts page: "));
    }

    #[test]
    fn every_link_leads_to_a_section_or_to_another_page() {
        let links = PAGE.split("href=\"").skip(1);
        for link in links.filter_map(|rest| rest.split('"').next()) {
            let is_section = link
                .strip_prefix('#')
                .is_some_and(|id| PAGE.contains(&format!("id=\"{id}\"")));
            let mut pages = super::super::pages::navigation();
            let is_page = pages.any(|(path, _)| link == format!("./{path}"));
            assert!(is_section || is_page, "{link}");
        }
        assert!(PAGE.contains("<li><a href=\"./torrents\">Torrents</a></li>"));
    }
}
