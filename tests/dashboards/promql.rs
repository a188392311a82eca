//! A parser for the parts of PromQL that name metrics and labels.

use std::collections::BTreeSet;

/// The metrics and labels of an expression.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Expression {
    /// The selectors: the name of each metric and its matchers.
    pub(super) selectors: Vec<Selector>,
    /// The string arguments of functions. Those of `label_replace` include the labels that it
    /// creates.
    pub(super) created: BTreeSet<String>,
    /// Labels in the lists of `by`, `on`, `group_left` and so on.
    pub(super) labels: BTreeSet<String>,
    /// Labels that `without` removes.
    pub(super) without: BTreeSet<String>,
    /// The labels of `by`, if the whole expression is one aggregation.
    pub(super) grouping: Option<BTreeSet<String>>,
}

/// A selector `name{label="value"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selector {
    pub(super) name: String,
    /// The label and the quoted text of each matcher.
    pub(super) matchers: Vec<(String, String)>,
    /// The functions around the selector, innermost first.
    pub(super) functions: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Name(String),
    Text(String),
    Mark(char),
}

/// Words that are not names of metrics.
const KEYWORDS: [&str; 12] = [
    "and", "or", "unless", "bool", "offset", "start", "end", "inf", "nan", "Inf", "NaN", "atan2",
];
const LISTS: [&str; 5] = ["by", "on", "ignoring", "group_left", "group_right"];

/// Reads an expression that may contain variables of Grafana.
pub(super) fn read(expression: &str) -> Expression {
    let tokens = tokens(expression);
    let mut found = Expression::default();
    let mut functions: Vec<Option<String>> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let next = tokens.get(at + 1);
        match &tokens[at] {
            Token::Name(word) if word == "without" || LISTS.contains(&word.as_str()) => {
                if next == Some(&Token::Mark('(')) {
                    let (list, after) = list(&tokens, at + 2);
                    if word == "without" {
                        found.without.extend(list);
                    } else {
                        if word == "by" && at == 1 {
                            found.grouping = Some(list.clone());
                        }
                        found.labels.extend(list);
                    }
                    at = after;
                    continue;
                }
            }
            Token::Name(word) if KEYWORDS.contains(&word.as_str()) => {}
            Token::Name(word) => match next {
                Some(Token::Mark('(')) => {
                    functions.push(Some(word.clone()));
                    at += 1;
                }
                Some(Token::Name(list)) if list == "by" || list == "without" => {
                    // The bracket that follows the list is that of the aggregation.
                    functions.push(Some(word.clone()));
                    functions.pop();
                }
                _ => {
                    let (matchers, after) = match next {
                        Some(Token::Mark('{')) => matchers(&tokens, at + 2),
                        _ => (Vec::new(), at + 1),
                    };
                    found.selectors.push(Selector {
                        name: word.clone(),
                        matchers,
                        functions: functions.iter().rev().flatten().cloned().collect(),
                    });
                    at = after;
                    continue;
                }
            },
            Token::Mark('(') => functions.push(None),
            Token::Mark(')') => {
                functions.pop();
            }
            Token::Mark('[') => {
                while tokens[at] != Token::Mark(']') {
                    at += 1;
                }
            }
            Token::Text(text) => {
                found.created.insert(text.clone());
            }
            Token::Mark(_) => {}
        }
        at += 1;
    }
    if !is_one_aggregation(&tokens) {
        found.grouping = None;
    }
    found
}

/// Returns whether the bracket after a leading `sum by (…)` ends with the expression.
fn is_one_aggregation(tokens: &[Token]) -> bool {
    let mut depth = 0;
    let mut closed = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Mark('(') => depth += 1,
            Token::Mark(')') => {
                depth -= 1;
                closed += usize::from(depth == 0);
                if closed == 2 {
                    return at + 1 == tokens.len();
                }
            }
            _ => {}
        }
    }
    false
}

/// Returns the names up to the closing bracket, and the index after it.
fn list(tokens: &[Token], mut at: usize) -> (BTreeSet<String>, usize) {
    let mut names = BTreeSet::new();
    while tokens[at] != Token::Mark(')') {
        if let Token::Name(name) = &tokens[at] {
            names.insert(name.clone());
        }
        at += 1;
    }
    (names, at + 1)
}

/// Returns the matchers up to the closing brace, and the index after it.
fn matchers(tokens: &[Token], mut at: usize) -> (Vec<(String, String)>, usize) {
    let mut found = Vec::new();
    let mut label = String::new();
    while tokens[at] != Token::Mark('}') {
        match &tokens[at] {
            Token::Name(name) => label.clone_from(name),
            Token::Text(text) => found.push((label.clone(), text.clone())),
            Token::Mark(_) => {}
        }
        at += 1;
    }
    (found, at + 1)
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let mut word = |mut word: String, more: fn(char) -> bool| {
            while let Some(c) = rest.next_if(|c| more(*c)) {
                word.push(c);
            }
            word
        };
        match c {
            '#' => drop(word(String::new(), |c| c != '\n')),
            'a'..='z' | 'A'..='Z' | '_' | ':' => {
                let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
                tokens.push(Token::Name(word(c.to_string(), part)));
            }
            // Numbers, durations and variables of Grafana, such as 30d and $__range.
            '0'..='9' | '.' | '$' => {
                word(String::new(), |c| {
                    c.is_ascii_alphanumeric() || c == '_' || c == '.'
                });
            }
            '"' | '\'' | '`' => {
                let mut quoted = String::new();
                while let Some(inner) = rest.next_if(|inner| *inner != c) {
                    quoted.push(inner);
                    if inner == '\\' && c != '`' {
                        quoted.extend(rest.next());
                    }
                }
                rest.next();
                tokens.push(Token::Text(quoted));
            }
            c if c.is_whitespace() => {}
            c => tokens.push(Token::Mark(c)),
        }
    }
    tokens
}

#[test]
fn names_labels_and_lists_are_found() {
    let found = read(
        r#"sum by (a, b) (rate(x_total{c="1",d=~"$d"}[$__rate_interval] offset 1d)
           / on (e) group_left () y:z:sum) # not_this{f="2"}"#,
    );
    let names: Vec<&str> = found.selectors.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["x_total", "y:z:sum"]);
    let expected = [("c", "1"), ("d", "$d")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(found.selectors[0].matchers, expected);
    assert_eq!(found.selectors[0].functions, ["rate"]);
    assert_eq!(found.selectors[1].functions, Vec::<String>::new());
    assert_eq!(found.labels, ["a", "b", "e"].map(str::to_owned).into());
    assert_eq!(found.grouping, Some(["a", "b"].map(str::to_owned).into()));
    assert_eq!(read("sum by (a) (x) / y").grouping, None);
    assert_eq!(
        read("max without (a) (x{b!='\\'}'})").without,
        ["a".to_owned()].into()
    );
}
