//! What a run did as a trace of OpenTelemetry: a span for the run, and one in it for each phase.
//!
//! It is sent once, after the run, over HTTP, to where the variables of the standard say: see
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>. Where they name no collector nothing is sent. No text of an
//! error goes with it, as that may quote the data.

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::time::{Instant, SystemTime};

use attributary_pipeline::Progress;
use attributary_pipeline::report::RunReport;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Span, SpanBuilder, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;

use crate::errors::Failure;

/// Either names a collector.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// A trace that began.
pub struct Trace {
    began: Instant,
    at: SystemTime,
}

impl Trace {
    /// None where the environment names no collector, or turns OpenTelemetry off.
    pub fn begin() -> Option<Self> {
        let is_off = env::var("OTEL_SDK_DISABLED").is_ok_and(|word| word.eq_ignore_ascii_case("true"));
        let is_wanted = ENDPOINTS.iter().any(|name| env::var_os(name).is_some_and(|endpoint| !endpoint.is_empty()));
        (is_wanted && !is_off).then(|| Self { began: Instant::now(), at: SystemTime::now() })
    }

    /// Sends what came of the run of a pipeline.
    ///
    /// # Errors
    /// Where the variables contradict each other, or the collector does not take it in time.
    pub fn send(&self, pipeline: &str, progress: &Progress, ended: Result<&RunReport, &Failure>) -> Result<(), Box<dyn Error>> {
        let mut resource = Resource::builder();
        if env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name(env!("CARGO_PKG_NAME"));
        }
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.with_attribute(version).build())
            .with_batch_exporter(SpanExporter::builder().with_http().build()?)
            .build();
        let tracer = provider.tracer(env!("CARGO_PKG_NAME"));
        // What started the run may have a trace of its own: https://www.w3.org/TR/trace-context/
        let of_caller = env::var("TRACEPARENT").map(|parent| HashMap::from([("traceparent".to_owned(), parent)]));
        let outside = TraceContextPropagator::new().extract_with_context(&Context::new(), &of_caller.unwrap_or_default());

        let builder = SpanBuilder::from_name("run").with_start_time(self.at).with_attributes(attributes(pipeline, ended));
        let mut run = tracer.build_with_context(builder, &outside);
        if let Err(failure) = ended {
            run.set_status(Status::error(format!("exit code {}", failure.exit.code())));
        }
        let inside = outside.with_remote_span_context(run.span_context().clone());
        let spans = progress.spans(self.began);
        for (phase, from, to) in &spans {
            let builder = SpanBuilder::from_name(phase.name()).with_start_time(self.clock(*from));
            tracer.build_with_context(builder, &inside).end_with_timestamp(self.clock(*to));
        }
        run.end_with_timestamp(self.clock(spans.last().map_or(self.began, |(_, _, to)| *to)));
        provider.force_flush()?;
        Ok(provider.shutdown()?)
    }

    /// A moment by the clock that hung on the wall when the run began.
    fn clock(&self, moment: Instant) -> SystemTime {
        self.at + moment.duration_since(self.began)
    }
}

fn attributes(pipeline: &str, ended: Result<&RunReport, &Failure>) -> Vec<KeyValue> {
    let code = ended.map_or_else(|failure| failure.exit.code(), |_| 0);
    let mut all =
        vec![KeyValue::new("attributary.pipeline", pipeline.to_owned()), KeyValue::new("attributary.exit_code", i64::from(code))];
    if let Ok(report) = ended {
        let count = |name: &'static str, count: u64| KeyValue::new(name, i64::try_from(count).unwrap_or(i64::MAX));
        all.push(KeyValue::new("attributary.run_id", report.run_id.clone()));
        let days = [("attributary.from", &report.range.0), ("attributary.to", &report.range.1)];
        all.extend(days.into_iter().filter_map(|(name, day)| Some(KeyValue::new(name, day.clone()?))));
        all.push(count("attributary.touchpoints", report.rows.touchpoints.read));
        all.push(count("attributary.conversions", report.rows.conversions.read));
        all.push(count("attributary.peak_memory_bytes", report.peak_memory_bytes));
        all.extend(report.recomputed.as_ref().map(|some| count("attributary.computed_days", some.conversion_days)));
    }
    all
}
