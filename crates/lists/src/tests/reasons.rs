//! Lists that cannot be used, and what the user is told about them.

use super::*;
use crate::explain;

fn reason(text: &str, format: &ListFormat) -> (ListFailure, String) {
    let failure = parse(text.as_bytes(), format, None).unwrap_err();
    let detail = explain(text.as_bytes(), format, None, failure);
    (failure, detail.unwrap_or_default())
}

fn reason_as(format: Format, text: &str) -> (ListFailure, String) {
    let format = ListFormat {
        format,
        ..ListFormat::default()
    };
    reason(text, &format)
}

#[test]
fn a_table_without_info_hashes_names_its_columns_and_the_known_ones() {
    let start = "no column has info-hashes: found Torrent ID, Title, ?; known are magnet, ";
    for format in [Format::Auto, Format::Csv] {
        for end in ["\n", ""] {
            let text = format!("Torrent ID,Title,https://t.example/key\n7,a,b\n8,c,d{end}");
            let (failure, detail) = reason_as(format, &text);
            assert_eq!(failure, ListFailure::NoHashes, "{text}");
            assert!(detail.starts_with(start), "{detail}");
            assert!(detail.contains(", infohash, info_hash, "), "{detail}");
            assert!(detail.ends_with("; set `fields`"), "{detail}");
        }
    }
    let many = "column,".repeat(10_000);
    let (_, detail) = reason_as(Format::Csv, &format!("{many}\n{many}\n"));
    assert!(detail.contains("column, ...; known"), "{detail}");
    assert!(detail.len() < 1000);
    let key = "0123456789abcdef0123456789abcde";
    let (_, detail) = reason_as(Format::Csv, &format!("name,{key}\na,b\n"));
    assert!(!detail.contains(key), "{detail}");
}

#[test]
fn a_document_without_a_list_says_where_none_is() {
    let text = "{\"response\":{\"docs\":[]}}";
    let (failure, detail) = reason_as(Format::Auto, text);
    assert_eq!(failure, ListFailure::NotAList);
    assert_eq!(detail, "no list at the top level; set `items`");
    let below = ListFormat {
        items: ItemPath::parse("response.items"),
        ..ListFormat::default()
    };
    assert_eq!(reason(text, &below).1, "no list at `items`: response.items");
    let (_, detail) = reason_as(Format::Json, "[1,\n2,,]");
    assert_eq!(detail, "no valid JSON at line 2, column 3");
}

#[test]
fn another_format_is_named() {
    let feed = format!("<rss><item><guid>{}</guid></item></rss>", hash(1));
    let document = format!("[\"{}\",\n3]", "x".repeat(40));
    for format in [Format::Csv, Format::Lines, Format::Json] {
        let found = reason_as(format, &feed);
        let detail = "XML: set `format` to rss or auto".to_owned();
        assert_eq!(found, (ListFailure::NotAList, detail));
    }
    for format in [Format::Csv, Format::Lines, Format::Rss] {
        let (_, detail) = reason_as(format, &document);
        assert_eq!(detail, "JSON: set `format` to json or auto");
    }
}
