//! Log lines on standard error: `time=… level=… msg=… key=value`, or the same as JSON.
//!
//! Only events of our own crates are written: libraries may log what must not be in a log, such as
//! addresses. Values are escaped, so that a line stays one line and cannot control a terminal.
//!
//! Lines go through a bounded queue (`queue`), because standard error may be a pipe that is not
//! read. [`LineLimit`] keeps a lasting fault to one line per minute.

mod queue;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::{self, Write};
use std::io;
use std::panic::{self, PanicHookInfo};
use std::time::Instant;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

pub use queue::FLUSH_LIMIT;
use queue::Queue;
use seedwatch_clock::LineLimit;
use seedwatch_input::text::{JsonEscape, is_invisible};

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// `key=value` pairs; values are quoted where needed.
    Logfmt,
    /// One JSON object per line.
    Json,
}

/// The lowest severity that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogLevel {
    /// Everything, including single probes and connections.
    Debug,
    /// Starts, stops, reloads and changes of state, and all warnings and errors.
    Info,
    /// Problems that the program works around, and errors.
    Warn,
    /// Failures only.
    Error,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Info => Self::INFO,
            LogLevel::Warn => Self::WARN,
            LogLevel::Error => Self::ERROR,
        }
    }
}

/// Reasons why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The process has a log already.
    #[error(transparent)]
    Taken(#[from] TryInitError),
    /// The system cannot start a thread for the log.
    #[error("cannot start the thread of the log: {0}")]
    Thread(#[from] io::Error),
}

/// The log of the process. Dropping it waits at most one second until all lines are written, so it
/// must be dropped last.
#[derive(Debug)]
pub struct Log {
    queue: Queue,
}

impl Drop for Log {
    fn drop(&mut self) {
        self.queue.flush();
    }
}

/// Sends the log of this process to standard error, panics included.
///
/// # Errors
/// See [`LogError`].
pub fn init(level: LogLevel, format: LogFormat) -> Result<Log, LogError> {
    let queue = Queue::start(io::stderr(), move |dropped| dropped_line(format, dropped))?;
    subscriber(level, format, queue.clone()).try_init()?;
    // The standard library's hook writes to standard error directly and blocks while it is not
    // read.
    panic::set_hook(Box::new(log_panic));
    Ok(Log { queue })
}

/// Returns the line that says how many lines were dropped.
fn dropped_line(format: LogFormat, dropped: u64) -> String {
    let mut others = String::new();
    add(&mut others, format, "dropped", &dropped.to_string(), false);
    let message = "log lines dropped: standard error was not read";
    line(format, Level::WARN, message, &others).unwrap_or_default()
}

/// Limits lines about panics, by source location.
static PANICS: LineLimit<Option<String>> = LineLimit::new();

/// Logs a panic in one line, with what the standard library prints.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string);
    let Some(suppressed) = PANICS.admit(location.clone(), Instant::now()) else {
        return;
    };
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let payload = panic.payload();
    let literal = payload.downcast_ref::<&str>().copied();
    let message = literal.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let message = message.unwrap_or_default();
    // Captured only if RUST_BACKTRACE asks for it.
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(backtrace);
    tracing::error!(
        thread,
        location,
        suppressed,
        backtrace = backtrace.as_ref().map(tracing::field::display),
        "panicked: {message}"
    );
}

fn subscriber<W>(level: LogLevel, format: LogFormat, to: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let ours = Targets::new().with_target(env!("CARGO_CRATE_NAME"), LevelFilter::from(level));
    let lines = tracing_subscriber::fmt::layer()
        .event_format(Lines(format))
        .with_writer(to)
        .with_filter(ours);
    tracing_subscriber::registry().with(lines)
}

/// Writes an event as one line.
struct Lines(LogFormat);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields {
            format: self.0,
            message: String::new(),
            others: String::new(),
        };
        event.record(&mut fields);
        let level = *event.metadata().level();
        to.write_str(&line(self.0, level, &fields.message, &fields.others)?)
    }
}

/// Returns a whole line; `others` are fields as [`add`] appends them.
fn line(
    format: LogFormat,
    level: Level,
    message: &str,
    others: &str,
) -> Result<String, fmt::Error> {
    let mut time = String::new();
    SystemTime.format_time(&mut Writer::new(&mut time))?;
    let mut line = String::new();
    add(&mut line, format, "time", &time, true);
    add(&mut line, format, "level", level_name(level), true);
    add(&mut line, format, "msg", message, true);
    line.push_str(others);
    Ok(match format {
        LogFormat::Logfmt => format!("{}\n", line.trim_start()),
        LogFormat::Json => format!("{{{}}}\n", line.trim_start_matches(',')),
    })
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// The fields of one event in their order. The message is kept apart, because it is written first.
struct Fields {
    format: LogFormat,
    message: String,
    others: String,
}

impl Fields {
    fn add(&mut self, field: &Field, value: &str, quoted: bool) {
        match field.name() {
            "message" => self.message.push_str(value),
            name => add(&mut self.others, self.format, name, value, quoted),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, &format!("{value:?}"), true);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value, true);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, &value.to_string(), false);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, &value.to_string(), false);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, &value.to_string(), false);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no number that is not finite (RFC 8259 section 6).
        self.add(field, &value.to_string(), !value.is_finite());
    }
}

/// Appends one field. `quoted` is false for JSON numbers and booleans.
fn add(line: &mut String, format: LogFormat, key: &str, value: &str, quoted: bool) {
    match format {
        LogFormat::Json => {
            line.push(',');
            quote(line, key);
            line.push(':');
            match quoted {
                true => quote(line, value),
                false => line.push_str(value),
            }
        }
        LogFormat::Logfmt => {
            line.push(' ');
            line.push_str(key);
            line.push('=');
            match value.is_empty() || value.chars().any(needs_quotes) {
                true => quote(line, value),
                false => line.push_str(value),
            }
        }
    }
}

fn needs_quotes(c: char) -> bool {
    matches!(c, ' ' | '=' | '"' | '\\') || is_unsafe(c)
}

fn is_unsafe(c: char) -> bool {
    c.is_control() || is_invisible(c)
}

/// Appends a value in quotes, escaped as in JSON. Parsers of logfmt understand the same escapes.
fn quote(line: &mut String, value: &str) {
    line.push('"');
    for c in value.chars() {
        match c {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c if is_unsafe(c) => {
                // Writing to a `String` cannot fail.
                let _ = write!(line, "{}", JsonEscape(c));
            }
            c => line.push(c),
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: LogLevel, format: LogFormat, events: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber = subscriber(level, format, move || writer.clone());
        tracing::subscriber::with_default(subscriber, events);
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn event() {
        tracing::info!(
            address = %"127.0.0.1:16881",
            count = 3u64,
            ratio = 0.5,
            on = true,
            empty = "",
            "listening \u{1b}[31mon\n\"x\""
        );
    }

    #[test]
    fn logfmt_has_one_field_per_key() {
        let line = logged(LogLevel::Info, LogFormat::Logfmt, event);
        let (time, rest) = line.strip_prefix("time=").unwrap().split_once(' ').unwrap();
        assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
        assert_eq!(
            rest,
            "level=info msg=\"listening \\u001b[31mon\\n\\\"x\\\"\" address=127.0.0.1:16881 \
             count=3 ratio=0.5 on=true empty=\"\"\n"
        );
    }

    #[test]
    fn json_has_one_object_per_line() {
        let line = logged(LogLevel::Info, LogFormat::Json, event);
        assert_eq!(line.lines().count(), 1);
        assert!(!line.contains('\u{1b}'));
        let mut value: serde_json::Value = serde_json::from_str(&line).unwrap();
        value.as_object_mut().unwrap().remove("time").unwrap();
        assert_eq!(
            value,
            serde_json::json!({
                "level": "info",
                "msg": "listening \u{1b}[31mon\n\"x\"",
                "address": "127.0.0.1:16881",
                "count": 3,
                "ratio": 0.5,
                "on": true,
                "empty": "",
            })
        );
    }

    #[test]
    fn lower_levels_and_libraries_are_filtered_out() {
        let events = || {
            tracing::debug!("debug");
            tracing::info!("info");
            tracing::warn!(n = f64::NAN, "warn");
            tracing::error!("error");
            tracing::error!(target: "hickory_resolver", "from a library");
        };
        for (level, lines) in [
            (LogLevel::Debug, 4),
            (LogLevel::Info, 3),
            (LogLevel::Warn, 2),
            (LogLevel::Error, 1),
        ] {
            for format in [LogFormat::Logfmt, LogFormat::Json] {
                let log = logged(level, format, events);
                assert_eq!(log.lines().count(), lines);
                assert!(!log.contains("library"));
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_stays_one_line(text in "\\PC*|(?s).*") {
            let events = || tracing::info!(value = %text, "{text}");
            let line = logged(LogLevel::Info, LogFormat::Logfmt, events);
            assert_eq!(line.find(is_unsafe), Some(line.len() - 1));

            let line = logged(LogLevel::Info, LogFormat::Json, events);
            assert_eq!(line.find(is_unsafe), Some(line.len() - 1));
            let read: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(read["msg"], text.as_str());
            assert_eq!(read["value"], text.as_str());
        }
    }

    #[test]
    fn unsafe_values_are_escaped() {
        for (value, expected) in [
            ("plain-1.2:3/x", " k=plain-1.2:3/x"),
            ("a b", " k=\"a b\""),
            ("a=b", " k=\"a=b\""),
            ("back\\slash", " k=\"back\\\\slash\""),
            ("\u{9b}31m", " k=\"\\u009b31m\""),
            ("\u{202e}txt", " k=\"\\u202etxt\""),
            ("tab\tcr\r", " k=\"tab\\tcr\\r\""),
            ("zürich", " k=zürich"),
        ] {
            let mut line = String::new();
            add(&mut line, LogFormat::Logfmt, "k", value, true);
            assert_eq!(line, expected);
        }
    }
}
