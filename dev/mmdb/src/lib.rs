//! Writes small files in MaxMind's format (version 2.0) for tests. A file consists of search tree,
//! 16 zero bytes, records, marker and metadata.

#![expect(clippy::unwrap_used, reason = "a failing helper fails its test")]

use std::net::IpAddr;

/// A value of a record.
#[derive(Debug, Clone)]
pub enum Value {
    /// A UTF-8 string.
    Text(&'static str),
    /// Type `uint16`.
    U16(u16),
    /// Type `uint32`.
    U32(u32),
    /// Type `uint64`.
    U64(u64),
    /// An empty array.
    EmptyArray,
    /// A map of named values.
    Map(Vec<(&'static str, Value)>),
}

/// Builds a file.
#[derive(Debug)]
pub struct Writer {
    tree: Tree,
    /// The IP version, 4 or 6. A file of version 6 has IPv4 at `::/96`.
    version: u16,
    /// Bits of a record of the tree: 24, 28 or 32.
    record_size: u16,
    records: Vec<Value>,
    /// `database_type` of the metadata.
    pub database_type: &'static str,
    /// IPv6 networks that lead to the IPv4 tree.
    aliases: Vec<(u128, u8)>,
}

/// The time of building of all files, in Unix seconds.
pub const BUILT: u64 = 1_700_000_000;

#[derive(Debug, Clone)]
enum Tree {
    Empty,
    /// The index of a record.
    Leaf(usize),
    /// The IPv4 tree at another position.
    Alias,
    Node(Box<[Tree; 2]>),
}

impl Writer {
    /// Returns a builder without networks, of IP version 4 or 6 and with records of 24, 28 or 32
    /// bits.
    pub fn new(version: u16, record_size: u16) -> Self {
        Self {
            tree: Tree::Empty,
            version,
            record_size,
            records: Vec::new(),
            database_type: "Test",
            aliases: Vec::new(),
        }
    }

    /// Adds a network such as `192.0.2.0/24`. Longer prefixes must follow shorter ones.
    pub fn add(&mut self, network: &str, record: Value) {
        let (address, length) = network.split_once('/').unwrap();
        let length: u8 = length.parse().unwrap();
        let (bits, length) = match (address.parse().unwrap(), self.version) {
            (IpAddr::V4(ip), 4) => (u128::from(ip.to_bits()) << 96, length),
            (IpAddr::V4(ip), _) => (u128::from(ip.to_bits()), length + 96),
            (IpAddr::V6(ip), _) => (ip.to_bits(), length),
        };
        self.add_bits(bits, length, record);
    }

    /// Adds a network by the first `length` bits of its address, the first bit highest.
    pub fn add_bits(&mut self, bits: u128, length: u8, record: Value) {
        self.records.push(record);
        let leaf = Tree::Leaf(self.records.len() - 1);
        insert(&mut self.tree, bits, length, leaf);
    }

    /// Makes an IPv6 network an alias of the IPv4 tree, as MaxMind does with 2002::/16.
    pub fn alias(&mut self, bits: u128, length: u8) {
        self.aliases.push((bits, length));
    }

    /// Returns the bytes of the file.
    pub fn write(mut self) -> Vec<u8> {
        for (bits, length) in std::mem::take(&mut self.aliases) {
            insert(&mut self.tree, bits, length, Tree::Alias);
        }
        let mut nodes = Vec::new();
        if !matches!(self.tree, Tree::Node(_)) {
            let both = [self.tree.clone(), self.tree];
            self.tree = Tree::Node(Box::new(both));
        }
        list_nodes(&self.tree, &mut nodes);
        let ipv4 = (0..96).try_fold(0, |at: usize, _| match nodes.get(at)?[0] {
            Child::Node(next) => Some(next),
            _ => None,
        });
        let count = nodes.len();
        let mut data = Vec::new();
        let mut offsets = Vec::new();
        for record in &self.records {
            offsets.push(data.len());
            write_value(&mut data, record);
        }
        let mut file = Vec::new();
        for node in nodes {
            let [left, right] = node.map(|child| match child {
                Child::Empty => count,
                Child::Record(record) => count + 16 + offsets[record],
                Child::Node(at) => at,
                Child::Alias => ipv4.unwrap(),
            });
            write_node(&mut file, self.record_size, left as u32, right as u32);
        }
        file.extend([0; 16]);
        file.extend(data);
        file.extend(b"\xab\xcd\xefMaxMind.com");
        let metadata = Value::Map(vec![
            ("binary_format_major_version", Value::U16(2)),
            ("binary_format_minor_version", Value::U16(0)),
            ("build_epoch", Value::U64(BUILT)),
            ("database_type", Value::Text(self.database_type)),
            ("description", Value::Map(Vec::new())),
            ("ip_version", Value::U16(self.version)),
            ("languages", Value::EmptyArray),
            ("node_count", Value::U32(count as u32)),
            ("record_size", Value::U16(self.record_size)),
        ]);
        write_value(&mut file, &metadata);
        file
    }
}

#[derive(Debug, Clone, Copy)]
enum Child {
    Empty,
    Record(usize),
    Node(usize),
    Alias,
}

fn insert(tree: &mut Tree, bits: u128, length: u8, what: Tree) {
    if length == 0 {
        *tree = what;
        return;
    }
    if !matches!(tree, Tree::Node(_)) {
        *tree = Tree::Node(Box::new([tree.clone(), tree.clone()]));
    }
    if let Tree::Node(children) = tree {
        insert(
            &mut children[(bits >> 127) as usize],
            bits << 1,
            length - 1,
            what,
        );
    }
}

/// Lists the nodes of a tree, each node before its children.
fn list_nodes(tree: &Tree, nodes: &mut Vec<[Child; 2]>) -> Child {
    match tree {
        Tree::Empty => Child::Empty,
        Tree::Leaf(record) => Child::Record(*record),
        Tree::Alias => Child::Alias,
        Tree::Node(children) => {
            let at = nodes.len();
            nodes.push([Child::Empty; 2]);
            for (side, child) in children.iter().enumerate() {
                nodes[at][side] = list_nodes(child, nodes);
            }
            Child::Node(at)
        }
    }
}

fn write_node(to: &mut Vec<u8>, record_size: u16, left: u32, right: u32) {
    let [left, right] = [left, right].map(u32::to_be_bytes);
    match record_size {
        24 => {
            to.extend(&left[1..]);
            to.extend(&right[1..]);
        }
        28 => {
            to.extend(&left[1..]);
            to.push(left[0] << 4 | right[0]);
            to.extend(&right[1..]);
        }
        _ => {
            to.extend(left);
            to.extend(right);
        }
    }
}

/// Writes a value. Strings have up to 255 bytes, maps up to 28 entries.
fn write_value(to: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Text(text) => {
            match u8::try_from(text.len()).unwrap() {
                length @ ..29 => to.push(2 << 5 | length),
                length => to.extend([2 << 5 | 29, length - 29]),
            }
            to.extend(text.as_bytes());
        }
        Value::U16(number) => {
            to.push(5 << 5 | 2);
            to.extend(number.to_be_bytes());
        }
        Value::U32(number) => {
            to.push(6 << 5 | 4);
            to.extend(number.to_be_bytes());
        }
        // Types from 8 on are written as 7 less in a byte of their own.
        Value::U64(number) => {
            to.extend([8, 9 - 7]);
            to.extend(number.to_be_bytes());
        }
        Value::EmptyArray => to.extend([0, 11 - 7]),
        Value::Map(entries) => {
            to.push(7 << 5 | entries.len() as u8);
            for (key, value) in entries {
                write_value(to, &Value::Text(key));
                write_value(to, value);
            }
        }
    }
}

/// Returns a small country database, in which 9.0.0.0/8 is in Germany.
pub fn one_country() -> Vec<u8> {
    let mut writer = Writer::new(6, 24);
    let record = Value::Map(vec![("country_code", Value::Text("DE"))]);
    writer.add("9.0.0.0/8", record);
    writer.write()
}
