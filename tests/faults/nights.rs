//! A log that is run night after night while things go wrong: a small simulated one that is there in two variants, a reader that
//! never stops looking, and what must hold whatever happened.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use attributary_store::Manifest;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::attributary;
use crate::world::{finish, litter};

/// How many runs are kept.
pub const KEEP: usize = 3;

const PIPELINE: &str = r#"
[pipeline]
currency = "SEK"

[touchpoints]
source = "log/touchpoints"
columns = { customer = "user_id", time = "event_time", channel = "channel", campaign = "campaign", interaction = "interaction", id = "event_id" }

[conversions]
source = "log/conversions"
columns = { id = "order_id", customer = "user_id", time = "ordered_at" }
values = { revenue = "revenue" }

[journey]
windows = ["2d"]

[[model]]
kind = "linear"

[[model]]
kind = "last_touch"

[output]
credits = true
paths = 20
keep = 3
"#;

/// The log with its last day of conversions, or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variant {
    With,
    Without,
}

/// The SHA-256 of the files of all tables, by path.
type Tables = BTreeMap<String, String>;

/// A folder with the log, a pipeline and an output, and what each variant's tables are.
pub struct Nights {
    folder: TempDir,
    output: PathBuf,
    expected: BTreeMap<Variant, Tables>,
}

impl Nights {
    /// With the output in its own folder.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let output = folder.path().join("out");
        Self::of(folder, output)
    }

    fn of(folder: TempDir, output: PathBuf) -> Self {
        let words = ["simulate", "log", "--touches", "20000", "--customers", "2000", "--conversions", "600", "--days", "12"];
        let ended = finish(attributary().current_dir(folder.path()).args(words));
        assert_eq!(ended.code, 0, "{ended:?}");
        fs::write(folder.path().join("pipeline.toml"), PIPELINE).expect("written");
        let mut nights = Self { folder, output, expected: BTreeMap::new() };
        for variant in [Variant::With, Variant::Without] {
            nights.put(variant);
            let clean = nights.folder.path().join("clean");
            let ended = finish(nights.command("run").arg("--output").arg(&clean));
            assert_eq!(ended.code, 0, "{ended:?}");
            let (_, tables) = read(&clean.join("current")).expect("a whole run");
            nights.expected.insert(variant, tables);
        }
        assert_ne!(nights.expected[&Variant::With], nights.expected[&Variant::Without]);
        nights
    }

    /// The output.
    pub fn output(&self) -> &Path {
        &self.output
    }

    /// The folder of everything.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Puts a variant of the log in place. No run is there that reads it.
    pub fn put(&self, variant: Variant) {
        let day = |name: &str| self.root().join("log/conversions").join(name);
        let (shown, hidden) = (day("2026-01-12.parquet"), day("_2026-01-12.parquet"));
        let (from, to) = if variant == Variant::With { (&hidden, &shown) } else { (&shown, &hidden) };
        if from.exists() {
            fs::rename(from, to).expect("renamed");
        }
    }

    /// A command on the pipeline.
    pub fn command(&self, name: &str) -> Command {
        let mut command = attributary();
        command.current_dir(self.root()).args([name, "pipeline.toml", "-q"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// A run into the output.
    pub fn run(&self) -> Command {
        let mut command = self.command("run");
        command.args(["--threads", "2", "--output"]).arg(&self.output);
        command
    }

    /// A run that waits at a moment until a file is gone, and the file.
    pub fn held(&self, moment: &str) -> (Child, PathBuf) {
        let file = self.root().join(format!("held-{moment}"));
        let child = self.run().env("ATTRIBUTARY_HOLD", format!("{moment}:{}", file.display())).spawn().expect("it starts");
        let there = crate::world::until(Duration::from_secs(30), || file.exists().then_some(()));
        assert!(there.is_some(), "no run came to {moment}");
        (child, file)
    }

    /// The id that `current` names.
    pub fn current(&self) -> Option<String> {
        let target = fs::read_link(self.output.join("current")).ok()?;
        Some(target.file_name()?.to_string_lossy().into_owned())
    }

    /// The runs that are there, in the order of publishing.
    pub fn runs(&self) -> Vec<String> {
        let ids = fs::read_to_string(self.output.join("runs/.ids")).unwrap_or_default();
        let mut seen = BTreeSet::new();
        let ids = ids.lines().map(str::to_owned).filter(|id| seen.insert(id.clone()));
        ids.filter(|id| self.output.join("runs").join(id).is_dir()).collect()
    }

    /// Holds a run against its manifest and the variants.
    pub fn look(&self, run: &str) -> Result<Variant, Trouble> {
        self.look_at(&self.output.join("runs").join(run))
    }

    fn look_at(&self, folder: &Path) -> Result<Variant, Trouble> {
        let (_, tables) = read(folder)?;
        let variant = self.expected.iter().find(|(_, expected)| **expected == tables).map(|(variant, _)| *variant);
        variant.ok_or_else(|| Trouble::Mixed(format!("{}: tables of neither variant", folder.display())))
    }

    /// Looks at what `current` names again and again until told to stop.
    pub fn watch(&self, stop: &AtomicBool) -> Seen {
        let mut seen = Seen::default();
        while !stop.load(Ordering::SeqCst) {
            // Others need the machine, too.
            std::thread::sleep(Duration::from_millis(1));
            let Ok(target) = fs::read_link(self.output.join("current")) else {
                // Once there was a run there always is one.
                seen.missing += u64::from(seen.reads > 0);
                continue;
            };
            match self.look_at(&self.output.join(target)) {
                Ok(variant) => {
                    seen.reads += 1;
                    seen.variants.insert(variant);
                }
                Err(Trouble::Gone) => seen.overtaken += 1,
                Err(Trouble::Torn(trouble)) => seen.torn.push(trouble),
                Err(Trouble::Mixed(trouble)) => seen.mixed.push(trouble),
            }
        }
        seen
    }

    /// What must hold after whatever happened: `current` names a whole run, and none of the runs that were `published` and are to
    /// be kept is lost. Gives the run that is current.
    #[track_caller]
    pub fn hold(&self, published: &mut BTreeSet<String>) -> Option<(String, Variant)> {
        let runs = self.runs();
        let ids = fs::read_to_string(self.output.join("runs/.ids")).unwrap_or_default();
        let known: Vec<&str> = ids.lines().filter(|id| published.contains(*id) || runs.iter().any(|run| run == id)).collect();
        let kept = &known[known.len().saturating_sub(KEEP)..];
        let lost: Vec<_> = kept.iter().filter(|id| !runs.iter().any(|run| run == **id)).collect();
        assert!(lost.is_empty(), "lost {lost:?} of {known:?}");
        for run in &runs {
            if let Err(trouble) = self.look(run) {
                panic!("{run}: {trouble:?}");
            }
        }
        published.extend(runs);
        let current = self.current()?;
        let variant = self.look(&current).expect("a whole run");
        Some((current, variant))
    }

    /// A run that nobody disturbs ends well, and nothing of the ones before is left.
    #[track_caller]
    pub fn recovers(&self, variant: Variant) {
        self.put(variant);
        let ended = finish(&mut self.run());
        assert_eq!(ended.code, 0, "{ended:#?}");
        assert_eq!(litter(&self.output), [""; 0]);
        assert_eq!(self.current().map(|run| self.look(&run)), Some(Ok(variant)));
    }
}

/// What a reader has seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// Whole runs.
    pub reads: u64,
    /// Which variants they were of.
    pub variants: BTreeSet<Variant>,
    /// Runs that were removed while they were read, as they were not kept any more.
    pub overtaken: u64,
    /// How often there was no `current`.
    pub missing: u64,
    /// Runs of which a file was not as the manifest says.
    pub torn: Vec<String>,
    /// Runs that were of neither variant.
    pub mixed: Vec<String>,
}

/// What is wrong with a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is not there any more.
    Gone,
    /// A file is not as the manifest says.
    Torn(String),
    /// The tables are those of no variant.
    Mixed(String),
}

/// Reads all of a run, and the hashes of its tables.
fn read(folder: &Path) -> Result<(Manifest, Tables), Trouble> {
    let torn = |path: &Path, what: String| match folder.exists() {
        true => Trouble::Torn(format!("{}: {what}", path.display())),
        false => Trouble::Gone,
    };
    let path = folder.join("manifest.json");
    let text = fs::read(&path).map_err(|error| torn(&path, error.to_string()))?;
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| torn(&path, error.to_string()))?;
    for file in manifest.tables.iter().chain(&manifest.state).flat_map(|table| &table.files) {
        let path = folder.join(&file.path);
        let bytes = fs::read(&path).map_err(|error| torn(&path, error.to_string()))?;
        let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        if (bytes.len() as u64, &sha256) != (file.bytes, &file.sha256) {
            return Err(torn(&path, "other bytes than its manifest says".to_owned()));
        }
    }
    let files = manifest.tables.iter().flat_map(|table| &table.files);
    let tables = files.map(|file| (file.path.clone(), file.sha256.clone())).collect();
    Ok((manifest, tables))
}

/// Numbers by chance, the same for the same seed.
pub struct Chance {
    state: u64,
    /// To be said, so that it can be played again with `ATTRIBUTARY_SEED`.
    pub seed: u64,
}

impl Chance {
    pub fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64);
        let seed = std::env::var("ATTRIBUTARY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(now % 1_000_000);
        Self { state: seed ^ 0x9e37_79b9_7f4a_7c15, seed }
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        // SplitMix64.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }

    pub fn variant(&mut self) -> Variant {
        if self.below(2) == 0 { Variant::With } else { Variant::Without }
    }
}

/// How often something is to be done: what an environment variable says, or a number that is bearable every day.
pub fn times(variable: &str, by_default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|times| times.parse().ok()).unwrap_or(by_default)
}

/// Says a figure past the capture of the tests' output: the figures are what these tests are for.
pub fn say(figures: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{figures}");
}
