//! The trace of a run, as a collector gets it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread;

use serde_json::Value as Json;

use crate::sample::Sample;
use crate::support::{attributary, shown};

/// What a caller's trace is.
const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Runs the sample with a collector that answers with `status`, and gives the exit code, stderr, and what the collector was sent.
fn traced(sample: &Sample, arguments: &str, status: &str) -> (i32, String, Json) {
    let collector = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", collector.local_addr().expect("an address"));
    let answer =
        format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
    let heard = thread::spawn(move || {
        let (stream, _) = collector.accept().expect("a call");
        let mut reader = BufReader::new(stream);
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("a line");
            match line.trim() {
                "" => break,
                line => head.push(line.to_ascii_lowercase()),
            }
        }
        assert_eq!(head[0], "post /v1/traces http/1.1");
        let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        let mut body = vec![0; length.parse().expect("a number")];
        reader.read_exact(&mut body).expect("the body");
        reader.get_mut().write_all(answer.as_bytes()).expect("answered");
        serde_json::from_slice(&body).expect("JSON")
    });
    let mut command = attributary();
    command.args(["run", "tests/pipelines/sample.toml", "--output"]).arg(sample.output()).args(arguments.split_whitespace());
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
        .env("TRACEPARENT", CALLER);
    let (code, _, stderr) = shown(&command.output().expect("the binary starts"));
    (code, stderr, heard.join().expect("it was called"))
}

/// An attribute of a span or a resource, as text.
fn attribute<'a>(of: &'a Json, key: &str) -> &'a str {
    let all = of["attributes"].as_array().expect("attributes");
    let value = all.iter().find(|it| it["key"] == key).map(|it| &it["value"]);
    let value = value.unwrap_or_else(|| panic!("no {key} in {all:?}"));
    value["stringValue"].as_str().or_else(|| value["intValue"].as_str()).expect("text, or a number as text")
}

fn time(span: &Json, key: &str) -> u64 {
    span[key].as_str().expect("nanoseconds as text").parse().expect("a number")
}

#[test]
fn a_run_is_a_trace_within_that_of_its_caller() {
    let sample = Sample::new();
    let (code, stderr, sent) = traced(&sample, "--run-id one", "200 OK");
    assert!(code == 0 && !stderr.contains("WARN"), "{stderr}");
    let resource = &sent["resourceSpans"][0];
    assert_eq!(attribute(&resource["resource"], "service.name"), "attributary");
    let spans = resource["scopeSpans"][0]["spans"].as_array().expect("spans");
    let (run, phases): (Vec<_>, Vec<_>) = spans.iter().partition(|span| span["name"] == "run");
    let [run] = run[..] else { panic!("one run in {spans:?}") };
    assert_eq!((&run["traceId"], &run["parentSpanId"]), (&CALLER[3..35].into(), &CALLER[36..52].into()));
    assert_eq!((attribute(run, "attributary.run_id"), attribute(run, "attributary.exit_code")), ("one", "0"));
    let read = sample.current().manifest.rows.touchpoints.read.to_string();
    assert_eq!(attribute(run, "attributary.touchpoints"), read);

    let names: Vec<_> = phases.iter().map(|span| span["name"].as_str().expect("a name")).collect();
    assert_eq!(names.first(), Some(&"planning"));
    assert!(["conversions", "touchpoints", "walking", "writing"].iter().all(|phase| names.contains(phase)), "{names:?}");
    assert!(phases.iter().all(|span| span["parentSpanId"] == run["spanId"] && span["traceId"] == run["traceId"]));
    // One after another they are the whole run.
    let mut at = time(run, "startTimeUnixNano");
    for phase in &phases {
        assert_eq!(time(phase, "startTimeUnixNano"), at, "{names:?}");
        at = time(phase, "endTimeUnixNano");
    }
    assert_eq!(at, time(run, "endTimeUnixNano"));
}

#[test]
fn a_failed_run_is_one_with_its_code_and_no_text() {
    let sample = Sample::new();
    let (code, _, sent) = traced(&sample, "--set touchpoints.source=nowhere", "200 OK");
    assert_eq!(code, 3);
    assert!(!sent.to_string().contains("nowhere"), "what an error says stays here: {sent}");
    let spans = sent["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().expect("spans");
    let run = spans.iter().find(|span| span["name"] == "run").expect("the run");
    assert_eq!((&run["status"]["code"], &run["status"]["message"]), (&2.into(), &"exit code 3".into()));
}

#[test]
fn a_collector_that_takes_nothing_is_a_warning() {
    let sample = Sample::new();
    let (code, stderr, _) = traced(&sample, "", "400 Bad Request");
    assert!(code == 0 && stderr.contains("cannot send the trace of the run: "), "{stderr}");
    let mut command = attributary();
    command.args(["run", "tests/pipelines/sample.toml", "--output"]).arg(sample.output());
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1").env("OTEL_SDK_DISABLED", "true");
    let (code, _, stderr) = shown(&command.output().expect("the binary starts"));
    assert!(code == 0 && !stderr.contains("trace"), "{stderr}");
}
