//! Users of basic authentication.

/// The cost of the hashes: the smallest that bcrypt permits.
const COST: u32 = 4;

/// Returns the section `basic_auth_users` with these names and passwords.
pub fn basic_auth_users(users: &[(&str, &str)]) -> String {
    let mut section = "basic_auth_users:\n".to_owned();
    for (name, password) in users {
        let hash = bcrypt::hash(password, COST).unwrap();
        section += &format!("  {name}: {hash}\n");
    }
    section
}

/// Returns the header line of a client that sends this name and password.
pub fn basic_auth(name: &str, password: &str) -> String {
    let pair = format!("{name}:{password}");
    let encoded = data_encoding::BASE64.encode(pair.as_bytes());
    format!("Authorization: Basic {encoded}\r\n")
}
