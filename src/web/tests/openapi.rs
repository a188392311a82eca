//! The document of the API says what the endpoints answer, and the endpoints answer what it says.

use std::collections::BTreeSet;

use hyper::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use super::{Server, ask, events, state};
use crate::web::{api, exports, feeds};
use seedwatch_core::snapshot::FailureReason;
use seedwatch_core::verdict::{Advice, Condition, Reason, State};

/// Requests, and the path of the document that stands for each.
const REQUESTS: [(&str, &str); 49] = [
    ("/api/v1/torrents", "/api/v1/torrents"),
    ("/api/v1/torrents?limit=1&page=2", "/api/v1/torrents"),
    (
        "/api/v1/torrents?state=alive&sort=-size",
        "/api/v1/torrents",
    ),
    ("/api/v1/torrents?q=nothing", "/api/v1/torrents"),
    ("/api/v1/torrents?state=", "/api/v1/torrents"),
    ("/api/v1/torrents?state=gone", "/api/v1/torrents"),
    ("/api/v1/torrents?limit=1&limit=1", "/api/v1/torrents"),
    ("/api/v1/torrents/empty", "/api/v1/torrents/{name}"),
    ("/api/v1/torrents/gone", "/api/v1/torrents/{name}"),
    ("/api/v1/torrents/empty?a", "/api/v1/torrents/{name}"),
    ("/api/v1/collections", "/api/v1/collections"),
    ("/api/v1/collections?a=b", "/api/v1/collections"),
    ("/api/v1/collections/census", "/api/v1/collections/{name}"),
    ("/api/v1/collections/gone", "/api/v1/collections/{name}"),
    ("/api/v1/trackers", "/api/v1/trackers"),
    ("/api/v1/trackers?up=1", "/api/v1/trackers"),
    (
        "/api/v1/trackers/https:%2F%2Fsecure.example:443",
        "/api/v1/trackers/{name}",
    ),
    ("/api/v1/trackers/gone", "/api/v1/trackers/{name}"),
    ("/api/v1/lists", "/api/v1/lists"),
    ("/api/v1/lists?a", "/api/v1/lists"),
    ("/api/v1/countries", "/api/v1/countries"),
    ("/api/v1/countries?a", "/api/v1/countries"),
    ("/api/v1/causes", "/api/v1/causes"),
    ("/api/v1/causes?a", "/api/v1/causes"),
    ("/api/v1/events", "/api/v1/events"),
    ("/api/v1/events?limit=1", "/api/v1/events"),
    ("/api/v1/events?limit=0", "/api/v1/events"),
    ("/api/v1/events?torrent=gone", "/api/v1/events"),
    ("/api/v1/needs-seeding", "/api/v1/needs-seeding"),
    ("/api/v1/needs-seeding?format=url", "/api/v1/needs-seeding"),
    ("/api/v1/needs-seeding?format=rss", "/api/v1/needs-seeding"),
    ("/api/v1/needs-seeding?format=a", "/api/v1/needs-seeding"),
    (
        "/api/v1/needs-seeding?collection=a",
        "/api/v1/needs-seeding",
    ),
    ("/dyn/generate_torrents", "/dyn/generate_torrents"),
    (
        "/dyn/generate_torrents?format=magnet",
        "/dyn/generate_torrents",
    ),
    ("/dyn/generate_torrents?max_tb=0", "/dyn/generate_torrents"),
    (
        "/torrent-files/gone.torrent",
        "/torrent-files/{name}.torrent",
    ),
    (
        "/torrent-files/gone.torrent?a",
        "/torrent-files/{name}.torrent",
    ),
    ("/api/v1/openapi.json", "/api/v1/openapi.json"),
    ("/api/v1/openapi.json?a", "/api/v1/openapi.json"),
    ("/torrents.json?limit=2", "/torrents.json"),
    ("/torrents.csv", "/torrents.csv"),
    ("/torrents.csv?a", "/torrents.csv"),
    ("/torrents.atom", "/torrents.atom"),
    ("/torrents.magnets.txt", "/torrents.magnets.txt"),
    ("/events.atom", "/events.atom"),
    ("/events.atom?torrent=gone", "/events.atom"),
    ("/trackers.txt", "/trackers.txt"),
    ("/trackers.txt?a", "/trackers.txt"),
];

fn document() -> Value {
    serde_json::from_str(include_str!("../openapi.json")).unwrap()
}

fn serve() -> Server {
    Server::start(state(events::snapshot(3), 40).0)
}

/// Returns what a reference stands for.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(&reference[1..]).expect(reference),
        None => value,
    }
}

/// Collects what is wrong with a value by its schema. Knows the words that the document uses.
struct Checker<'a> {
    document: &'a Value,
    faults: Vec<String>,
}

impl Checker<'_> {
    fn check(&mut self, schema: &Value, value: &Value, at: &str) {
        let schema = resolve(self.document, schema);
        let Some(words) = schema.as_object() else {
            return self.faults.push(format!("{at}: no schema"));
        };
        for (word, rule) in words {
            let holds = match word.as_str() {
                "type" => is_of_type(rule, value),
                "enum" => rule.as_array().unwrap().contains(value),
                "minimum" => value.as_f64().is_none_or(|v| v >= rule.as_f64().unwrap()),
                "maximum" => value.as_f64().is_none_or(|v| v <= rule.as_f64().unwrap()),
                "oneOf" => self.matches_one(rule, value, at),
                "required" => self.has_all(rule, value),
                "items" => {
                    let items = value.as_array().into_iter().flatten();
                    items.for_each(|item| self.check(rule, item, &format!("{at}[]")));
                    true
                }
                "properties" | "additionalProperties" => true,
                "description" | "pattern" | "format" | "propertyNames" => true,
                _ => false,
            };
            if !holds {
                self.faults.push(format!("{at}: {word} {rule}: {value}"));
            }
        }
        self.check_fields(words, value, at);
    }

    fn check_fields(&mut self, words: &Map<String, Value>, value: &Value, at: &str) {
        for (field, value) in value.as_object().into_iter().flatten() {
            let at = format!("{at}.{field}");
            let known = words.get("properties").and_then(|known| known.get(field));
            match (known, words.get("additionalProperties")) {
                (Some(schema), _) => self.check(schema, value, &at),
                (None, Some(Value::Bool(false))) => self.faults.push(format!("{at}: unknown")),
                (None, Some(schema)) => self.check(schema, value, &at),
                (None, None) => {}
            }
        }
    }

    fn matches_one(&self, schemas: &Value, value: &Value, at: &str) -> bool {
        let matching = schemas.as_array().unwrap().iter().filter(|schema| {
            let mut checker = Checker {
                document: self.document,
                faults: Vec::new(),
            };
            checker.check(schema, value, at);
            checker.faults.is_empty()
        });
        matching.count() == 1
    }

    fn has_all(&self, required: &Value, value: &Value) -> bool {
        let Some(object) = value.as_object() else {
            return true;
        };
        let mut required = required.as_array().unwrap().iter();
        required.all(|field| object.contains_key(field.as_str().unwrap()))
    }
}

fn is_of_type(rule: &Value, value: &Value) -> bool {
    let types = match rule {
        Value::Array(types) => types.clone(),
        one => vec![one.clone()],
    };
    let found: &[&str] = match value {
        Value::Null => &["null"],
        Value::Bool(_) => &["boolean"],
        Value::Number(number) if number.is_u64() => &["integer", "number"],
        Value::Number(_) => &["number"],
        Value::String(_) => &["string"],
        Value::Array(_) => &["array"],
        Value::Object(_) => &["object"],
    };
    types
        .iter()
        .any(|one| found.contains(&one.as_str().unwrap()))
}

#[tokio::test]
async fn every_answer_is_documented_with_each_of_its_fields() {
    let document = document();
    let server = serve();
    for (request, path) in REQUESTS {
        let operation = &document["paths"][path]["get"];
        for (method, is_read) in [("GET", true), ("HEAD", true), ("POST", false)] {
            let answer = ask(&server, &format!("{method} {request}"), "").await;
            let responses = &operation["responses"];
            let response = resolve(&document, &responses[answer.status.to_string()]);
            assert!(
                response.is_object(),
                "{method} {request}: {}",
                answer.status
            );
            assert_eq!(answer.status == 405, !is_read, "{method} {request}");
            if method == "HEAD" || response["content"].is_null() {
                continue;
            }
            let content_type = answer.headers[CONTENT_TYPE].to_str().unwrap();
            let kind = content_type.split(';').next().unwrap();
            let schema = &response["content"][kind]["schema"];
            assert!(schema.is_object(), "{method} {request}: {kind}");
            let value = match kind {
                "application/json" => serde_json::from_str(answer.text()).unwrap(),
                _ => json!(answer.text()),
            };
            let mut checker = Checker {
                document: &document,
                faults: Vec::new(),
            };
            checker.check(schema, &value, "");
            assert_eq!(checker.faults, Vec::<String>::new(), "{method} {request}");
        }
    }
}

#[test]
fn the_checker_notices_what_is_not_documented() {
    let document = document();
    let faults = |value: Value| {
        let mut checker = Checker {
            document: &document,
            faults: Vec::new(),
        };
        let schema = json!({"$ref": "#/components/schemas/Event"});
        checker.check(&schema, &value, "");
        checker.faults.len()
    };
    let event = json!({"torrent": null, "infohash": "", "from": "dead", "to": "alive",
        "reason": "empty", "at": 1});
    assert_eq!(faults(event.clone()), 0);
    for (field, value) in [
        ("other", json!(1)),
        ("from", json!("gone")),
        ("at", json!(-1)),
        ("at", json!("yesterday")),
        ("infohash", Value::Null),
    ] {
        let mut wrong = event.clone();
        wrong[field] = value;
        assert!(faults(wrong) > 0, "{field}");
    }
    let mut short = event;
    short.as_object_mut().unwrap().remove("reason");
    assert_eq!(faults(short), 1);
}

#[test]
fn every_endpoint_is_documented() {
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let documented: BTreeSet<&str> = paths.keys().map(String::as_str).collect();
    let requested: BTreeSet<&str> = REQUESTS.iter().map(|(_, path)| *path).collect();
    assert_eq!(documented, requested);
    for (request, path) in REQUESTS {
        let request = request.split('?').next().unwrap();
        let api = api::Endpoint::of(request).as_ref().map(template_of_api);
        let export = exports::Endpoint::of(request).map(template_of_export);
        let feed = feeds::Endpoint::of(request).as_ref().map(template_of_feed);
        assert_eq!(api.or(export).or(feed), Some(path), "{request}");
    }
}

/// A new endpoint needs an arm here, and then a request in [`REQUESTS`].
fn template_of_api(endpoint: &api::Endpoint) -> &'static str {
    match endpoint {
        api::Endpoint::Torrents => "/api/v1/torrents",
        api::Endpoint::Torrent(_) => "/api/v1/torrents/{name}",
        api::Endpoint::Collections => "/api/v1/collections",
        api::Endpoint::Collection(_) => "/api/v1/collections/{name}",
        api::Endpoint::Trackers => "/api/v1/trackers",
        api::Endpoint::Lists => "/api/v1/lists",
        api::Endpoint::Tracker(_) => "/api/v1/trackers/{name}",
        api::Endpoint::Countries => "/api/v1/countries",
        api::Endpoint::Events => "/api/v1/events",
        api::Endpoint::Causes => "/api/v1/causes",
        api::Endpoint::OpenApi => "/api/v1/openapi.json",
    }
}

fn template_of_export(endpoint: exports::Endpoint) -> &'static str {
    match endpoint {
        exports::Endpoint::TorrentsJson => "/torrents.json",
        exports::Endpoint::TorrentsCsv => "/torrents.csv",
        exports::Endpoint::TorrentsAtom => "/torrents.atom",
        exports::Endpoint::Magnets => "/torrents.magnets.txt",
        exports::Endpoint::EventsAtom => "/events.atom",
        exports::Endpoint::Trackers => "/trackers.txt",
    }
}

fn template_of_feed(endpoint: &feeds::Endpoint) -> &'static str {
    match endpoint {
        feeds::Endpoint::NeedsSeeding => "/api/v1/needs-seeding",
        feeds::Endpoint::GenerateTorrents => "/dyn/generate_torrents",
        feeds::Endpoint::File(_) => "/torrent-files/{name}.torrent",
    }
}

#[test]
fn every_code_is_documented() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    assert_eq!(
        schemas["State"]["enum"],
        json!(State::ALL.map(State::as_label))
    );
    let conditions = Condition::ALL.map(Condition::as_label);
    assert_eq!(schemas["Condition"]["enum"], json!(conditions));
    assert_eq!(
        schemas["Reason"]["enum"],
        json!(Reason::ALL.map(Reason::as_label))
    );
    let advice = &schemas["Torrent"]["properties"]["advice"]["enum"];
    assert_eq!(*advice, json!(Advice::ALL.map(Advice::as_label)));
    let failures = FailureReason::ALL.map(FailureReason::as_label);
    assert_eq!(schemas["FailureReason"]["enum"], json!(failures));
}

#[test]
fn every_parameter_of_a_query_is_documented() {
    let document = document();
    for path in ["/api/v1/torrents", "/torrents.json", "/torrents.csv"] {
        let parameters = document["paths"][path]["get"]["parameters"].as_array();
        let names: Vec<_> = parameters
            .unwrap()
            .iter()
            .map(|parameter| resolve(&document, parameter)["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, crate::web::TorrentQuery::KEYS, "{path}");
    }
}
