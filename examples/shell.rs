//! Writes the man page and the completions for bash, zsh and fish into `deploy/shell`:
//! `cargo run --example shell`. Its test fails where a file is out of date.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_complete::{Shell, generate};
use clap_mangen::Man;
use seedwatch::cli::Cli;

/// The path and the text of a file.
type File = (PathBuf, Vec<u8>);

/// What the flags do not say, as roff.
const NOTES: &str = r#".SH EXIT STATUS
0 after success or a signal; 1 if the start failed; 2 after wrong usage.
.B seedwatch probe
ends with 0 if the torrent is alive, 3 if it is dead, and 4 if that is not known or a signal ended it.
.SH SIGNALS
SIGHUP reads the configuration again and applies it as a whole, or not at all. SIGTERM and SIGINT
end the daemon within five seconds.
.SH FILES
.TP
/etc/seedwatch/config.yaml
the configuration of the systemd service
.TP
/var/lib/seedwatch
the state directory of the systemd service
.TP
/usr/share/doc/seedwatch/docs
the documentation: configuration.md explains every key, metrics.md every metric, runbook.md every
alert
.SH SEE ALSO
.BR prometheus (1)
"#;

fn main() -> Result<(), Box<dyn Error>> {
    for (path, text) in files()? {
        fs::create_dir_all(folder())?;
        fs::write(path, text)?;
    }
    Ok(())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/shell")
}

/// Returns every file.
fn files() -> Result<Vec<File>, Box<dyn Error>> {
    // A revision would change the files with every commit.
    let mut command = Cli::command().version(env!("CARGO_PKG_VERSION"));
    command.build();
    let mut page = page(&command)?;
    page.extend(NOTES.as_bytes());
    let mut files = vec![(folder().join("seedwatch.1"), page)];
    for subcommand in command.get_subcommands() {
        let name = format!("seedwatch-{}.1", subcommand.get_name());
        files.push((folder().join(name), self::page(subcommand)?));
    }
    for (shell, name) in [
        (Shell::Bash, "seedwatch.bash"),
        (Shell::Zsh, "_seedwatch"),
        (Shell::Fish, "seedwatch.fish"),
    ] {
        let mut script = Vec::new();
        generate(shell, &mut command.clone(), "seedwatch", &mut script);
        files.push((folder().join(name), script));
    }
    Ok(files)
}

fn page(command: &clap::Command) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_up_to_date() -> Result<(), Box<dyn Error>> {
        for (path, text) in files()? {
            let written = fs::read(&path).unwrap_or_default();
            let path = path.display();
            assert!(written == text, "{path}: run `cargo run --example shell`");
        }
        Ok(())
    }
}
