//! The tables of codes in `docs/semantics.md` are complete.

use crate::web::api;
use seedwatch_core::snapshot::Privacy;
use seedwatch_core::verdict::{Advice, Reason};

/// Returns the rows of the table with this header, as codes and texts.
fn table(header: &str) -> Vec<(&'static str, &'static str)> {
    const DOCUMENT: &str = include_str!("../../../docs/semantics.md");
    let (_, codes) = DOCUMENT.split_once("\n## Codes\n").unwrap();
    let (_, rows) = codes.split_once(header).unwrap();
    let row = |line: &'static str| {
        let (code, text) = line.strip_prefix("| `")?.split_once("` | ")?;
        Some((code, text.strip_suffix(" |")?))
    };
    let rows = rows.lines().skip(2).map(row);
    rows.map_while(|row| row).collect()
}

#[test]
fn every_reason_is_listed() {
    let codes: Vec<_> = table("| Code | Reason |").iter().map(|row| row.0).collect();
    assert_eq!(codes, Reason::ALL.map(Reason::as_label));
}

#[test]
fn every_advice_is_listed_with_its_sentence() {
    let rows = Advice::ALL.map(|advice| {
        let text = match advice {
            Advice::Nothing => "Nothing needs to be done.",
            advice => advice.sentence(),
        };
        (advice.as_label(), text)
    });
    assert_eq!(table("| Code | Advice |"), rows);
}

#[test]
fn every_privacy_is_listed() {
    let all = [Privacy::Public, Privacy::Consented, Privacy::LeftAlone];
    let codes: Vec<_> = table("| Code | Meaning |")
        .iter()
        .map(|row| row.0)
        .collect();
    assert_eq!(codes, all.map(api::privacy));
}
