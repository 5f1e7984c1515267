//! What people read: commands that run, tables made from the lists, links that lead somewhere, words for every key.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use attributary_core::model::{ModelSpec, ParameterKind, ParameterSpec};
use attributary_pipeline::models::MODELS;

use crate::cases::unbalanced;
use crate::support::{root, run};

#[test]
fn the_commands_of_the_readme_run() {
    // A folder that looks like the project's, so that nothing is written into that one.
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in ["sample-data", "pipelines"] {
        std::os::unix::fs::symlink(root().join(name), folder.path().join(name)).expect("a link");
    }
    let commands: Vec<String> = shell_lines(&read("README.md")).into_iter().filter(|line| !line.starts_with("make")).collect();
    assert!(commands.iter().filter(|line| line.starts_with("attributary ")).count() >= 4, "{commands:?}");
    // As they stand, but for the size of the log that is made for a try.
    let script = commands.join("\n").replace("1000000 ", "10000 ").replace("100000 ", "1000 ");
    let bin = Path::new(env!("CARGO_BIN_EXE_attributary")).parent().expect("a folder");
    let path = std::env::join_paths(
        std::iter::once(bin.to_owned()).chain(std::env::split_paths(&std::env::var_os("PATH").expect("a path"))),
    );
    let mut shell = Command::new("sh");
    shell.args(["-euc", &script]).current_dir(folder.path()).env("PATH", path.expect("a path"));
    let done = shell.output().expect("a shell");
    assert!(done.status.success(), "{script}\n{}", String::from_utf8_lossy(&done.stderr));
    assert!(folder.path().join("out/my/current/manifest.json").is_file());
}

#[test]
fn what_is_made_can_be_made() {
    let makefile = read("Makefile");
    for document in documents() {
        let text = read(&document);
        let in_blocks = shell_lines(&text).into_iter().filter_map(|line| line.strip_prefix("make ").map(str::to_owned));
        let in_prose = text.split('`').skip(1).step_by(2).filter_map(|code| code.strip_prefix("make ").map(str::to_owned));
        for words in in_blocks.chain(in_prose) {
            for target in words.split('#').next().unwrap_or_default().split_whitespace() {
                assert!(makefile.contains(&format!("\n{target}:")), "{document}: make {target}");
            }
        }
    }
}

#[test]
fn pipelines_are_planned_and_run() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut found = 0;
    for entry in std::fs::read_dir(root().join("pipelines")).expect("a folder") {
        let path = entry.expect("an entry").path();
        let pipeline = path.to_str().expect("a text");
        let output = folder.path().join(path.file_stem().expect("a name"));
        let (code, _, stderr) = run(&["check", pipeline]);
        assert_eq!(code, 0, "{stderr}");
        let (code, _, stderr) = run(&["run", pipeline, "--quiet", "--output", output.to_str().expect("a text")]);
        assert_eq!(code, 0, "{stderr}");
        assert_eq!(unbalanced(&output), None, "{pipeline}");
        found += 1;
    }
    assert!(found >= 3, "only {found} pipelines");
}

#[test]
fn the_readme_shows_what_make_run_shows() {
    let readme = read("README.md");
    let shown = between(&readme, "<!-- result:begin -->\n```text\n", "```\n<!-- result:end -->");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (code, stdout, stderr) =
        run(&["run", "pipelines/nightly.toml", "--quiet", "--output", folder.path().to_str().expect("a text")]);
    assert_eq!(code, 0, "{stderr}");
    // What comes after it is of this run alone: its folder, its time.
    assert!(stdout.starts_with(shown) && !shown.is_empty(), "expected\n{stdout}\nfound\n{shown}");
}

#[test]
fn the_table_of_models_is_made_from_the_list() {
    let header = "| kind | weights | parameters | additive |\n| --- | --- | --- | --- |\n".to_owned();
    let row = |spec: &ModelSpec| {
        let parameters: Vec<String> = spec.parameters.iter().map(parameter).collect();
        let parameters = if parameters.is_empty() { "—".to_owned() } else { parameters.join(", ") };
        format!("| `{}` | {} | {parameters} | {} |\n", spec.kind, spec.weights, if spec.additive { "yes" } else { "no" })
    };
    let expected = MODELS.iter().map(row).fold(header, |table, row| table + &row);
    assert_eq!(between(&read("README.md"), "<!-- models:begin -->\n", "<!-- models:end -->"), expected);
    let (models, pipelines) = (read("docs/models.md"), read("pipelines/nightly.toml") + &read("pipelines/learned.toml"));
    for spec in MODELS {
        assert!(models.contains(&format!("`{}`", spec.kind)), "docs/models.md says nothing of {}", spec.kind);
        assert!(pipelines.contains(&format!("kind = \"{}\"", spec.kind)), "no pipeline has {}", spec.kind);
    }
}

#[test]
fn every_key_is_explained() {
    let keys = read("docs/pipeline-file.md");
    let mut known = BTreeSet::new();
    // Each section says of itself which keys it knows.
    for section in [
        "",
        "pipeline.",
        "touchpoints.",
        "touchpoints.columns.",
        "conversions.",
        "conversions.columns.",
        "journey.",
        "journey.ignore.",
        "model.linear.",
        "table.total.",
        "output.",
    ] {
        let (code, _, stderr) = run(&["check", "pipelines/nightly.toml", "--set", &format!("{section}no_such_key=1")]);
        assert_eq!(code, 2, "{stderr}");
        let line = stderr.lines().next().unwrap_or_default();
        let (_, names) = line.split_once("expected one of ").unwrap_or_else(|| panic!("no list of keys in {stderr}"));
        known.extend(names.split(", ").map(str::to_owned));
    }
    known.extend(MODELS.iter().flat_map(|spec| spec.parameters).map(|parameter| parameter.name.to_owned()));
    assert!(known.len() > 35, "{known:?}");
    for key in known {
        let said = [
            format!("`{key}`"),
            format!("`[{key}]`"),
            format!("`[[{key}]]`"),
            format!("`columns.{key}`"),
            format!("{{ {key} = "),
            format!(", {key} = "),
        ];
        assert!(said.iter().any(|said| keys.contains(said)), "docs/pipeline-file.md says nothing of {key}");
    }
}

#[test]
fn every_exit_code_is_explained() {
    let documented = read("docs/exit-codes.md");
    let (_, help, _) = run(&["--help"]);
    let codes = help.split_once("Exit codes:\n").expect("a list of exit codes").1;
    let codes: Vec<&str> = codes.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(codes, ["0", "1", "2", "3", "4", "5", "6", "130", "143"]);
    for code in codes {
        assert!(documented.contains(&format!("\n| {code} | ")), "docs/exit-codes.md has no row for {code}");
    }
}

#[test]
fn links_lead_somewhere() {
    for document in documents() {
        let text = read(&document);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|link| !link.contains("://")) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => PathBuf::from(&document),
                path => Path::new(&document).parent().unwrap_or(Path::new("")).join(path),
            };
            assert!(root().join(&target).exists(), "{document}: {link} leads nowhere");
            let found = anchor.is_empty() || headings(&read(&target)).contains(anchor);
            assert!(found, "{document}: {link}: there is no such heading");
        }
    }
}

/// The documents, from the project's folder.
fn documents() -> Vec<String> {
    let mut found: Vec<String> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "crates/README.md", "tests/cases/README.md"].map(str::to_owned).into();
    let docs = std::fs::read_dir(root().join("docs")).expect("a folder");
    let names = docs.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    found.extend(names.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}")));
    found
}

fn read(document: impl AsRef<Path>) -> String {
    let document = document.as_ref();
    std::fs::read_to_string(root().join(document)).unwrap_or_else(|error| panic!("{}: {error}", document.display()))
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let text = text.split_once(begin).unwrap_or_else(|| panic!("no {begin}")).1;
    text.split_once(end).unwrap_or_else(|| panic!("no {end}")).0
}

/// The lines of all blocks of commands.
fn shell_lines(text: &str) -> Vec<String> {
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(str::lines).map(str::to_owned).collect()
}

/// What one links to: headings in small letters, without punctuation, `-` for spaces.
fn headings(text: &str) -> BTreeSet<String> {
    let anchor = |line: &str| -> String {
        let kept = line.chars().filter(|letter| letter.is_alphanumeric() || "-_ ".contains(*letter));
        kept.flat_map(char::to_lowercase).map(|letter| if letter == ' ' { '-' } else { letter }).collect()
    };
    let heading = |line: &str| line.starts_with('#').then(|| anchor(line.trim_start_matches('#').trim()));
    text.lines().filter_map(heading).collect()
}

fn parameter(parameter: &ParameterSpec) -> String {
    let name = parameter.name;
    match (parameter.default, parameter.kind) {
        (None, _) => format!("`{name}` (required)"),
        (Some(""), _) => format!("`{name}`"),
        (Some(default), ParameterKind::Fraction | ParameterKind::Whole { .. } | ParameterKind::Flag) => {
            format!("`{name} = {default}`")
        }
        (Some(default), _) => format!("`{name} = \"{default}\"`"),
    }
}
