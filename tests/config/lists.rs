//! Torrent lists of the configuration.

use std::fs;

use seedwatch::config::Config;

/// A daemon starts and reloads without the file of a list; `--config.check` says what is missing.
#[test]
fn files_of_lists_are_checked_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    let text =
        "lists:\n- file: good.csv\n- file: nope.csv\n- {file: lists/*.csv}\n- file: folder\n";
    fs::write(&path, text).unwrap();
    fs::write(folder.path().join("good.csv"), "").unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    let config = Config::load(&path).unwrap();
    let error = config.lists.check_files().unwrap_err().to_string();
    let base = format!("{}/", folder.path().display());
    assert_eq!(
        error.replace(&base, ""),
        "config.yaml:3: lists[1].file: nope.csv: cannot be read: No such file or directory (os \
         error 2)\n\
         config.yaml:4: lists[2].file: lists/*.csv: cannot be read: No such file or directory (os \
         error 2); a glob is not expanded here\n\
         config.yaml:5: lists[3].file: folder: cannot be read: is a directory"
    );
    fs::write(&path, "lists: [{file: good.csv}]").unwrap();
    assert!(Config::load(&path).unwrap().lists.check_files().is_ok());
}

#[test]
fn lists_of_the_example_can_be_uncommented() {
    let example = fs::read_to_string("config.example.yaml").unwrap();
    let start = example.find("# lists:\n").unwrap();
    let (before, rest) = example.split_at(start);
    let (lists, after) = rest.split_once("\n\n").unwrap();
    let lists: Vec<&str> = lists
        .lines()
        .map(|line| line.strip_prefix("# ").unwrap_or(line))
        .collect();
    let lists = lists.join("\n");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    let without_files = |text: &str| {
        let lines = text
            .lines()
            .filter(|line| !line.contains("file: torrents/"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let text = format!(
        "{}\n{lists}\n\n{}",
        without_files(before),
        without_files(after)
    );
    fs::write(&path, &text).unwrap();
    let config = Config::load(&path).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let names: Vec<&str> = config.lists.all.iter().map(|list| &*list.name).collect();
    assert_eq!(names.len(), 3);
    assert_eq!(names[2], "indexer");
}
