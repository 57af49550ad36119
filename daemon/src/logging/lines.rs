//! How a line of the log looks.

use std::fmt;

use openproxy::config::LogFormat;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{Format, Full, Json, Writer, debug_fn};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::fields;

/// Writes lines in one format.
pub(super) struct Lines {
    format: LogFormat,
    /// The journal has times and levels of its own.
    to_journal: bool,
    text: Format<Full>,
    json: Format<Json>,
}

impl Lines {
    pub(super) fn new(format: LogFormat, to_journal: bool) -> Self {
        let plain = Format::default().with_target(false);
        let json = plain.clone().json().flatten_event(true);
        let json = json.with_current_span(false).with_span_list(false);
        Self { format, to_journal, text: plain, json }
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if self.to_journal {
            write!(writer, "<{}>", journal_level(*event.metadata().level()))?;
        }
        match self.format {
            LogFormat::Json => self.json.format_event(ctx, writer, event),
            LogFormat::Text if self.to_journal => {
                ctx.format_fields(writer.by_ref(), event)?;
                writeln!(writer)
            }
            LogFormat::Text => self.text.format_event(ctx, writer, event),
        }
    }
}

/// What systemd takes off the beginning of a line: sd-daemon(3).
fn journal_level(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// What text shows of an event: its words, which have everything that our own fields have.
pub(super) fn words() -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
    debug_fn(|writer: &mut Writer<'_>, field, value| match field.name() {
        "message" => write!(writer, "{value:?}"),
        name if fields::NAMES.contains(&name) => Ok(()),
        name => write!(writer, " {name}={value:?}"),
    })
}
