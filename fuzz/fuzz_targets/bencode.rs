//! Any input can be read as bencode. Answers of trackers and nodes, and metainfo files, all pass
//! through this reader. Run it as `krpc` is run.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seedwatch_torrent::bencode::{Dict, Value};

fuzz_target!(|input: &[u8]| {
    if let Ok((value, rest)) = Value::parse(input) {
        assert!(rest.len() < input.len());
        walk(vec![value]);
    }
    // Complete or not.
    if let Some(dict) = Dict::open(input) {
        walk(vec![Value::Dict(dict)]);
    }
});

fn walk(mut todo: Vec<Value<'_>>) {
    while let Some(value) = todo.pop() {
        match value {
            Value::List(list) => todo.extend(list.iter()),
            Value::Dict(dict) => todo.extend(dict.iter().map(|(_, value)| value)),
            Value::Int(_) | Value::Bytes(_) => {}
        }
    }
}
