//! What `${NAME}` puts into a pipeline is in no message, whatever is wrong with the pipeline.

use crate::support::{attributary, root, shown};

const SECRET: &str = "hunter2-\"quoted\"";

const PIPELINE: &str = r#"
[pipeline]
currency = "SEK"
[touchpoints]
source = "SAMPLE/touchpoints"
where = "channel <> 'x'"
columns = { customer = "user_id", time = "event_time", channel = "channel" }
[conversions]
source = "SAMPLE/conversions"
columns = { id = "order_id", customer = "user_id", time = "ordered_at" }
values = { revenue = "revenue" }
[[model]]
kind = "linear"
"#;

#[test]
fn no_message_tells_what_a_variable_holds() {
    let changes = [
        ("channel <> 'x'", "no_such <> '${SECRET}'"),
        ("channel <> 'x'", "channel <> '${SECRET}' )"),
        ("channel <> 'x'", "concat(channel, '${SECRET}')"),
        (r#"channel = "channel""#, r#"channel = { sql = "foo('${SECRET}')" }"#),
        (r#"channel = "channel""#, r#"channel = "${SECRET}""#),
        (r#"kind = "linear""#, r#"kind = "${SECRET}""#),
        (r#"kind = "linear""#, "kind = \"linear\"\nonly = \"no_such = '${SECRET}'\""),
        (r#"kind = "linear""#, "kind = \"custom\"\nweight = \"foo('${SECRET}')\""),
        (r#"kind = "linear""#, "kind = \"linear\"\nper = \"${SECRET}\""),
        (r#"currency = "SEK""#, r#"currency = "${SECRET}""#),
        (r#"revenue = "revenue""#, r#"revenue = { sql = "CAST(order_id || '${SECRET}' AS DOUBLE)" }"#),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pipeline.toml");
    let output = folder.path().join("out");
    let sample = root().join("sample-data").display().to_string();
    for (from, to) in changes {
        assert!(PIPELINE.contains(from), "{from}");
        std::fs::write(&path, PIPELINE.replacen(from, to, 1).replace("SAMPLE", &sample)).expect("written");
        for format in ["text", "json"] {
            let mut command = attributary();
            command.arg("run").arg(&path).arg("--output").arg(&output).args(["--log-format", format]).env("SECRET", SECRET);
            let (code, stdout, stderr) = shown(&command.output().expect("the binary starts"));
            assert!(code == 2 || code == 3, "{to}: exit code {code}, {stderr}");
            assert!(stderr.contains("${SECRET}"), "{to}: the variable is named\n{stderr}");
            assert!(!stdout.contains("hunter2") && !stderr.contains("hunter2"), "{to}\n{stdout}{stderr}");
        }
    }
}

#[test]
fn what_is_checked_shows_the_variable_and_paths_are_shown_as_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pipeline.toml");
    let sample = root().join("sample-data").display().to_string();
    let computed = PIPELINE.replace(r#"channel = "channel""#, r#"channel = { sql = "replace(channel, '${SECRET}', '')" }"#);
    std::fs::write(&path, computed.replace("SAMPLE", "${SAMPLE}")).expect("written");
    let mut command = attributary();
    command.arg("check").arg(&path).env("SECRET", "hunter2 plain").env("SAMPLE", &sample);
    let (code, stdout, stderr) = shown(&command.output().expect("the binary starts"));
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("${SECRET}") && !stdout.contains("hunter2"), "{stdout}");
    assert!(stdout.contains(&sample), "{stdout}");
}
