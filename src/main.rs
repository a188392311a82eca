//! seedwatch: see the library for the map.

fn main() {}
