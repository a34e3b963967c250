//! The trace at the end of each log line.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Full, Writer},
    },
    registry::LookupSpan,
};

use super::traces;

/// Adds to a format which trace and which span a line is of, by the names that OpenTelemetry has
/// for it ("Trace Context in non-OTLP Log Formats").
pub(super) struct Traced<F> {
    format: F,
    json: bool,
}

impl Traced<Format<Full>> {
    pub(super) fn text(format: Format<Full>, ansi: bool) -> Self {
        // Else colours are lost on the way through the line that is added to.
        Self { format: format.with_ansi(ansi), json: false }
    }
}

impl<F> Traced<F> {
    pub(super) fn json(format: F) -> Self {
        Self { format, json: true }
    }
}

impl<S, N, F> FormatEvent<S, N> for Traced<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some((trace, span)) = traces::under_way() else {
            return self.format.format_event(ctx, writer, event);
        };
        let mut line = String::new();
        self.format.format_event(ctx, Writer::new(&mut line), event)?;
        let line = line.trim_end();
        match line.strip_suffix('}').filter(|_| self.json) {
            Some(open) => {
                writeln!(writer, r#"{open},"trace_id":"{trace}","span_id":"{span}"}}"#)
            }
            None => writeln!(writer, "{line} trace_id={trace} span_id={span}"),
        }
    }
}
