//! Metrics as a table, in the three formats collectors ask for.

use std::fmt::Write as _;

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows; its name gets `_total` in the text formats.
    Counter,
    /// Any value.
    Gauge,
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Name without prefix and without `_total`.
    pub name: &'static str,
    /// What it means.
    pub help: &'static str,
    /// Counter or gauge.
    pub kind: MetricKind,
    /// Labels, in order.
    pub labels: Vec<(&'static str, String)>,
    /// The value; booleans are 0 and 1.
    pub value: f64,
}

impl Metric {
    /// A counter without labels.
    #[expect(
        clippy::cast_precision_loss,
        reason = "collectors keep 64 bit floats anyway"
    )]
    pub fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self {
            name,
            help,
            kind: MetricKind::Counter,
            labels: Vec::new(),
            value: value as f64,
        }
    }

    /// A gauge without labels.
    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self {
            name,
            help,
            kind: MetricKind::Gauge,
            labels: Vec::new(),
            value,
        }
    }

    /// A gauge that is a whole number.
    #[expect(
        clippy::cast_precision_loss,
        reason = "collectors keep 64 bit floats anyway"
    )]
    pub fn count(name: &'static str, help: &'static str, value: u64) -> Self {
        Self::gauge(name, help, value as f64)
    }

    /// A gauge that is true or false.
    pub fn truth(name: &'static str, help: &'static str, value: bool) -> Self {
        Self::gauge(name, help, f64::from(u8::from(value)))
    }

    /// Adds a label.
    #[must_use]
    pub fn with_label(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.labels.push((name, value.into()));
        self
    }
}

/// How a collector wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricFormat {
    /// `OpenMetrics` 1.0.0.
    OpenMetrics,
    /// Prometheus text 0.0.4.
    Prometheus,
    /// Flat JSON.
    Json,
}

impl MetricFormat {
    /// The first format an `Accept` header names; `OpenMetrics` without one.
    pub fn negotiate(accept: Option<&str>) -> Self {
        for part in accept.unwrap_or("*/*").split(',') {
            match part.split(';').next().unwrap_or_default().trim() {
                "application/openmetrics-text" | "*/*" => return Self::OpenMetrics,
                "text/plain" => return Self::Prometheus,
                "application/json" => return Self::Json,
                _ => {}
            }
        }
        Self::OpenMetrics
    }

    /// The `Content-Type` of the answer.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::Json => "application/json",
        }
    }
}

/// Writes metrics; those of one name must stand together.
pub fn render(metrics: &[Metric], prefix: &str, format: MetricFormat) -> String {
    match format {
        MetricFormat::Json => render_json(metrics, prefix),
        _ => render_text(metrics, prefix, format == MetricFormat::OpenMetrics),
    }
}

fn render_text(metrics: &[Metric], prefix: &str, open: bool) -> String {
    let mut out = String::with_capacity(metrics.len() * 96);
    let mut last = "";
    for metric in metrics {
        let (kind, suffix) = match metric.kind {
            MetricKind::Counter => ("counter", "_total"),
            MetricKind::Gauge => ("gauge", ""),
        };
        if metric.name != last {
            last = metric.name;
            // OpenMetrics names the family without the suffix, the older format with it.
            let family = if open { "" } else { suffix };
            let _ = writeln!(
                out,
                "# HELP {prefix}{}{family} {}",
                metric.name, metric.help
            );
            let _ = writeln!(out, "# TYPE {prefix}{}{family} {kind}", metric.name);
        }
        let _ = write!(out, "{prefix}{}{suffix}", metric.name);
        write_labels(&mut out, &metric.labels);
        let _ = writeln!(out, " {}", metric.value);
    }
    if open {
        out.push_str("# EOF\n");
    }
    out
}

fn write_labels(out: &mut String, labels: &[(&'static str, String)]) {
    if labels.is_empty() {
        return;
    }
    out.push('{');
    for (index, (name, value)) in labels.iter().enumerate() {
        let escaped = value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        let comma = if index > 0 { "," } else { "" };
        let _ = write!(out, "{comma}{name}=\"{escaped}\"");
    }
    out.push('}');
}

fn render_json(metrics: &[Metric], prefix: &str) -> String {
    let mut out = String::from("{");
    // A flat object has no place for labels.
    for (index, metric) in metrics
        .iter()
        .filter(|metric| metric.labels.is_empty())
        .enumerate()
    {
        let comma = if index > 0 { "," } else { "" };
        let value = if metric.value.is_finite() {
            metric.value
        } else {
            0.0
        };
        let _ = write!(out, "{comma}\"{prefix}{}\":{value}", metric.name);
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_formats_are_those_of_their_specifications() {
        let metrics = [
            Metric::counter("packets_sent", "Packets sent.", 3),
            Metric::gauge("stress", "Load.", 0.25),
            Metric::gauge("bridge", "Per bridge.", 1.0).with_label("jvb", "a\"b"),
        ];
        let open = render(&metrics, "p_", MetricFormat::OpenMetrics);
        assert!(open.contains("# TYPE p_packets_sent counter\np_packets_sent_total 3\n"));
        assert!(open.contains("p_bridge{jvb=\"a\\\"b\"} 1\n"));
        assert!(open.ends_with("# EOF\n"));
        let text = render(&metrics, "p_", MetricFormat::Prometheus);
        assert!(text.contains("# TYPE p_packets_sent_total counter\n"));
        assert!(!text.contains("EOF"));
        let json = render(&metrics, "p_", MetricFormat::Json);
        assert_eq!(json, "{\"p_packets_sent\":3,\"p_stress\":0.25}");
    }

    #[test]
    fn the_first_acceptable_format_wins() {
        let negotiate = MetricFormat::negotiate;
        assert_eq!(negotiate(None), MetricFormat::OpenMetrics);
        assert_eq!(
            negotiate(Some("text/plain;q=0.5,*/*")),
            MetricFormat::Prometheus
        );
        assert_eq!(
            negotiate(Some("text/html, application/json")),
            MetricFormat::Json
        );
        assert_eq!(negotiate(Some("text/html")), MetricFormat::OpenMetrics);
    }
}
