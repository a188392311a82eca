use super::*;
use proptest::prelude::*;

fn keys(input: &[u8]) -> (Vec<Vec<u8>>, Option<Error>) {
    let mut entries = Dict::open(input).expect("a dictionary").iter();
    let keys = entries.by_ref().map(|(key, _)| key.to_vec()).collect();
    (keys, entries.damage())
}

#[test]
fn every_kind_of_value_is_read() {
    let (value, rest) = Value::parse(b"d1:ai-7e1:bl2:xyi0eee tail").unwrap();
    let dict = value.as_dict().unwrap();
    assert_eq!(rest, b" tail");
    assert_eq!(dict.raw(), b"d1:ai-7e1:bl2:xyi0eee");
    assert_eq!(dict.get(b"a"), Some(Value::Int(-7)));
    let list: Vec<_> = dict.get(b"b").unwrap().as_list().unwrap().iter().collect();
    assert_eq!(list, [Value::Bytes(b"xy"), Value::Int(0)]);
}

#[test]
fn a_nested_dictionary_can_be_read_in_place() {
    let mut outer = Dict::open(b"d1:rd1:ai1ee1:ti2ee").unwrap().iter();
    assert_eq!(outer.next_key(), Some(&b"r"[..]));
    let mut inner = outer.open_dict().unwrap();
    assert_eq!(inner.next(), Some((&b"a"[..], Value::Int(1))));
    assert_eq!(inner.next(), None);
    assert!(outer.resume_after(&inner));
    assert_eq!(outer.next_key(), Some(&b"t"[..]));
    assert!(outer.open_dict().is_none());
    assert_eq!(outer.next_value(), Some(Value::Int(2)));
    assert_eq!((outer.next(), outer.damage()), (None, None));
}

#[test]
fn a_damaged_nested_dictionary_can_be_skipped() {
    let mut outer = Dict::open(b"d1:rdi1ei2ee1:ti3ee").unwrap().iter();
    outer.next_key().unwrap();
    let mut inner = outer.open_dict().unwrap();
    assert_eq!(inner.next(), None);
    assert!(!outer.resume_after(&inner));
    assert!(outer.next_value().is_some());
    assert_eq!(outer.next(), Some((&b"t"[..], Value::Int(3))));
}

#[test]
fn a_truncated_string_yields_its_readable_part() {
    let input = b"d8:intervali1800e5:peers12:abcdefghi";
    let mut entries = Dict::open(input).unwrap().iter();
    assert_eq!(entries.next(), Some((&b"interval"[..], Value::Int(1800))));
    assert_eq!(
        entries.next(),
        Some((&b"peers"[..], Value::Bytes(b"abcdefghi")))
    );
    assert_eq!(entries.next(), None);
    assert_eq!(entries.damage(), Some(Error::Truncated));
}

#[test]
fn a_missing_last_e_is_the_only_damage() {
    assert_eq!(
        keys(b"d5:peers0:"),
        (vec![b"peers".to_vec()], Some(Error::Truncated))
    );
    assert_eq!(keys(b"d5:peers0:e").1, None);
}

#[test]
fn bytes_after_the_dictionary_are_tolerated() {
    assert_eq!(keys(b"d5:peers0:e6:peers60:").0, [b"peers".to_vec()]);
}

#[test]
fn hostile_nesting_and_lengths_are_errors() {
    let deep = vec![b'l'; 500_000];
    assert_eq!(Value::parse(&deep), Err(Error::TooDeep));
    assert_eq!(
        Value::parse(b"99999999999999999999999:x"),
        Err(Error::Syntax)
    );
    assert_eq!(
        Value::parse(b"18446744073709551615:x"),
        Err(Error::Truncated)
    );
    assert_eq!(Value::parse(b"ie"), Err(Error::Syntax));
    assert_eq!(Value::parse(b":"), Err(Error::Syntax));
    assert_eq!(Value::parse(b""), Err(Error::Truncated));
}

#[test]
fn integers_beyond_64_bits_saturate() {
    for (text, expected) in [
        ("18446744073709551615", i64::MAX),
        ("-18446744073709551615", i64::MIN),
        ("9223372036854775808", i64::MAX),
        ("9223372036854775807", i64::MAX),
        ("-9223372036854775808", i64::MIN),
        (&"9".repeat(MAX_DIGITS), i64::MAX),
        (&format!("-{}", "9".repeat(MAX_DIGITS)), i64::MIN),
        ("-0", 0),
        (&format!("{:0>64}", 7), 7),
    ] {
        let input = format!("i{text}etail");
        let expected = Ok((Value::Int(expected), &b"tail"[..]));
        assert_eq!(Value::parse(input.as_bytes()), expected, "{text}");
        let input = format!("d1:ai{text}e1:b0:e");
        assert_eq!(
            keys(input.as_bytes()),
            (vec![b"a".to_vec(), b"b".to_vec()], None)
        );
    }
    for text in [
        "",
        "-",
        "+1",
        "1 ",
        "--1",
        "1-",
        "0x1",
        &"9".repeat(MAX_DIGITS + 1),
    ] {
        let input = format!("i{text}e{}", " ".repeat(MAX_DIGITS));
        assert_eq!(Value::parse(input.as_bytes()), Err(Error::Syntax), "{text}");
    }
    assert_eq!(
        Value::parse(b"i18446744073709551615"),
        Err(Error::Truncated)
    );
}

#[test]
fn a_key_that_is_not_a_string_ends_the_dictionary() {
    assert_eq!(
        keys(b"d1:ai1ei2ei3ee"),
        (vec![b"a".to_vec()], Some(Error::Syntax))
    );
}

proptest! {
    #[test]
    fn arbitrary_input_never_panics(input in proptest::collection::vec(
        prop_oneof![
            Just(b'd'),
            Just(b'l'),
            Just(b'e'),
            Just(b'i'),
            Just(b':'),
            b'0'..=b'9',
            any::<u8>()
        ],
        0..200,
    )) {
        if let Ok((value, rest)) = Value::parse(&input) {
            prop_assert!(rest.len() < input.len());
            if let Some(list) = value.as_list() { list.iter().count(); }
        }
        if let Some(dict) = Dict::open(&input) { dict.iter().count(); }
    }
}
