//! Any file can be loaded as the configuration or as the web configuration, or is refused with a
//! message. Run it as `krpc` is run.

#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use seedwatch::config::Config;
use seedwatch_exporter::WebConfig;

/// A directory of its own per process, in memory.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let name = format!("seedwatch-fuzz-{}", std::process::id());
    let directory = PathBuf::from("/dev/shm").join(name);
    std::fs::create_dir_all(&directory).expect("/dev/shm can be written to");
    directory.join("input.yaml")
});

fuzz_target!(|input: &[u8]| {
    // Files that the input names are not what is tested, and some are devices.
    let names = |place: &str| input.windows(place.len()).any(|part| part == place.as_bytes());
    if ["/dev", "/proc", "/sys", "/run"].into_iter().any(names) {
        return;
    }
    std::fs::write(&*FILE, input).expect("/dev/shm has room");
    match Config::load(&FILE) {
        Ok(config) => assert!(!config.effective_yaml().is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Err(error) = WebConfig::load(&FILE) {
        assert!(!error.to_string().is_empty());
    }
});
