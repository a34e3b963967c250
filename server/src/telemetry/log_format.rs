//! Log lines that end with the IDs of their trace and span.

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

/// A format with trace and span IDs added, by the names of OpenTelemetry ("Trace Context in non-OTLP
/// Log Formats").
pub(super) struct WithTraceIds<F> {
    format: F,
    json: bool,
}

impl WithTraceIds<Format<Full>> {
    pub(super) fn text(format: Format<Full>, ansi: bool) -> Self {
        // Each line is formatted into a string first, where colours would be off by default.
        Self { format: format.with_ansi(ansi), json: false }
    }
}

impl<F> WithTraceIds<F> {
    pub(super) fn json(format: F) -> Self {
        Self { format, json: true }
    }
}

impl<S, N, F> FormatEvent<S, N> for WithTraceIds<F>
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
        let Some((trace, span)) = traces::current_ids() else {
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
