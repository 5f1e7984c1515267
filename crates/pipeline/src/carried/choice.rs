//! Whether a run goes on from the one that is current, or computes all days, and why.

use std::collections::BTreeSet;

use attributary_core::model::Weighing;
use attributary_core::time::{Day, day_text, parse_day};
use attributary_engine::{Interrupt, ModelSetup, Range};
use attributary_frames::SourceFile;
use attributary_store::{Output, PublishedRun, StoreError, now};

use super::files::{InputVersions, Version, Versions, content};
use super::hours::Hours;
use super::{Carried, Changes, Selecting, stand_alone, state};
use crate::as_of;
use crate::error::Error;
use crate::options::Options;
use crate::plan::Plan;

/// Why the first run of an output computes all days.
pub const FIRST_RUN: &str = "nothing is published yet";

/// What a run does.
pub(crate) enum Choice {
    /// It computes all days of its range.
    Whole {
        /// Why.
        because: String,
    },
    /// It computes some days, and takes the others over.
    Some(Box<Carried>),
}

/// Chooses. With `--merge` the plan's range becomes that of the merged run. `versions` are those of the files;
/// what is known of their content is noted there.
///
/// # Errors
/// Where `--merge` cannot be, or a file cannot be read.
pub(crate) fn choose(
    options: &Options,
    output: &Output,
    plan: &mut Plan,
    versions: &mut InputVersions,
    interrupt: &Interrupt,
) -> Result<Choice, Error> {
    let whole = |because: String| Ok(Choice::Whole { because });
    if plan.setup.counted {
        return whole("paths that were counted have no days".to_owned());
    }
    if options.merge {
        let Some(base) = merge_base(output, plan)? else { return whole(FIRST_RUN.to_owned()) };
        let asked = plan.setup.range;
        plan.setup.range = whole_range(&base, asked)?;
        doubt(&mut versions.touchpoints, state::touch_files(&base)?);
        let orders = match state::conversion_files(&base)? {
            Some(before) => {
                doubt(&mut versions.conversions, before);
                let known = state::known_orders(&base)?;
                Some(Selecting { known, look: Vec::new(), stale: BTreeSet::new(), selected: None })
            }
            None => None,
        };
        return Ok(Choice::Some(Box::new(Carried::merge(base, asked, orders)?)));
    }
    if options.full {
        return whole("--full was given".to_owned());
    }
    let base = match output.current() {
        Ok(Some(base)) => base,
        Ok(None) => return whole(FIRST_RUN.to_owned()),
        Err(error) => return whole(format!("the run before cannot be read: {error}")),
    };
    let range = match fits(&base, plan) {
        Ok(range) => range,
        Err(because) => return whole(because),
    };
    let before = match state::touch_files(&base) {
        Ok(before) => before,
        Err(error) => return whole(error.to_string()),
    };
    let files = plan.touchpoints.files();
    let (look, stale) = compare(files, &mut versions.touchpoints, before, interrupt)?;
    let mut count = Vec::new();
    if plan.pipeline.counts_touches() {
        let counted = |(file, look): (&SourceFile, &bool)| {
            *look || versions.touchpoints.get(&path(file)).is_some_and(|version| version.touches.is_some())
        };
        // What a run over all days would count must be known without one.
        if plan.setup.range != Range::default() {
            return whole("[quality] counts the touches of a range of days".to_owned());
        }
        if !files.iter().zip(&look).all(counted) {
            return whole(format!("[quality] counts touches, and run {} did not count those of all files", base.manifest.run_id));
        }
        let now = now();
        let is_past = |file: &SourceFile| versions.touchpoints.get(&path(file))?.touches?.next.map(|next| next <= now);
        count = files.iter().map(|file| is_past(file).unwrap_or(false)).collect();
    }
    let changes = Changes { range, look, count, stale, reach: Hours::default() };
    let changed: u64 = files.iter().zip(&changes.look).filter(|(_, look)| **look).map(|(file, _)| file.bytes).sum();
    if changed * 2 > files.iter().map(|file| file.bytes).sum() {
        return whole("more than half of the touchpoints' bytes are new or changed".to_owned());
    }
    let orders = match selecting(plan, &base, &mut versions.conversions, interrupt) {
        Ok(orders) => orders,
        Err(error) => return whole(error.to_string()),
    };
    match Carried::changed(base, changes, orders) {
        Ok(carried) => Ok(Choice::Some(Box::new(carried))),
        Err(error) => whole(error.to_string()),
    }
}

/// Whether a run can be gone on from, and which days it has; else why not.
fn fits(base: &PublishedRun, plan: &Plan) -> Result<Range, String> {
    let run = &base.manifest.run_id;
    if base.manifest.version != env!("CARGO_PKG_VERSION") {
        return Err(format!("run {run} is of version {}, this is {}", base.manifest.version, env!("CARGO_PKG_VERSION")));
    }
    let settings = &plan.pipeline.fingerprints.settings_sha256;
    if base.manifest.settings_sha256 != *settings {
        return Err(format!("the settings are not those of run {run}{}", changed_sections(base, plan)));
    }
    if base.manifest.as_of != as_of::said(plan.as_of) {
        let (before, now) = (as_of::words(base.manifest.as_of.as_ref()), as_of::words(as_of::said(plan.as_of).as_ref()));
        return Err(format!("run {run} {before}, and this one {now}"));
    }
    if !plan.setup.worths.is_empty() {
        return Err("what customers are worth changes on all days with every order".to_owned());
    }
    if let Some(model) = fitted(plan) {
        return Err(format!("model {model:?} is fitted anew, so that it may credit otherwise on all days"));
    }
    let files = base.manifest.tables.iter().chain(&base.manifest.state).flat_map(|table| &table.files);
    for file in files {
        let found = base.path(file).ok().and_then(|path| std::fs::metadata(path).ok()).map(|metadata| metadata.len());
        if found != Some(file.bytes) {
            return Err(format!("file {} of run {run} is not as its manifest says", file.path));
        }
    }
    let range = range_of(base).ok_or_else(|| format!("the manifest of run {run} names days that are none"))?;
    let (now, text) = (plan.setup.range, |day: Option<Day>| day.map_or_else(|| "…".to_owned(), day_text));
    let begins_earlier = range.from.is_some_and(|from| now.from.is_none_or(|now| now < from));
    let apart = |end: Option<Day>, start: Option<Day>| end.zip(start).is_some_and(|(end, start)| end <= start);
    if begins_earlier || apart(range.to, now.from) || apart(now.to, range.from) {
        return Err(format!("run {run} has the days from {} to before {}", text(range.from), text(range.to)));
    }
    Ok(range)
}

/// The name of a model that learns from all journeys, if there is one.
fn fitted(plan: &Plan) -> Option<&str> {
    let models = &plan.setup.models;
    let learns = |model: &&ModelSetup| matches!(model.weighing, Weighing::Fitted(_)) && model.frozen.is_none();
    models.iter().find(learns).map(|model| model.name.as_str())
}

/// Which sections of the pipeline file are not as they were, in words.
fn changed_sections(base: &PublishedRun, plan: &Plan) -> String {
    // A section is a line, and its name is what stands before the first equals sign.
    let section = |line: &str| line.split(" = ").next().unwrap_or_default().to_owned();
    let (before, now) = (&base.manifest.pipeline_toml, &plan.pipeline.fingerprints.text);
    let unlike = |text: &str, other: &str| -> BTreeSet<String> {
        text.lines().filter(|line| !other.lines().any(|known| known == *line)).map(section).collect()
    };
    let sections: Vec<String> = unlike(before, now).union(&unlike(now, before)).map(|name| format!("[{name}]")).collect();
    if before.is_empty() || sections.is_empty() { String::new() } else { format!(": {} changed", sections.join(", ")) }
}

/// What is known of conversions, where they stand alone and the run before noted it.
fn selecting(
    plan: &Plan,
    base: &PublishedRun,
    versions: &mut Versions,
    interrupt: &Interrupt,
) -> Result<Option<Selecting>, Error> {
    let Some(before) = state::conversion_files(base)?.filter(|_| stand_alone(&plan.setup)) else { return Ok(None) };
    let known = state::known_orders(base)?;
    let (look, stale) = compare(plan.conversions.files(), versions, before, interrupt)?;
    Ok(Some(Selecting { known, look, stale, selected: None }))
}

/// What changed among files: which are new or changed, by their places, and the paths of those that changed or are gone.
fn compare(
    files: &[SourceFile],
    versions: &mut Versions,
    before: Versions,
    interrupt: &Interrupt,
) -> Result<(Vec<bool>, BTreeSet<String>), Error> {
    let mut stale: BTreeSet<String> = before.keys().filter(|path| !versions.contains_key(*path)).cloned().collect();
    let mut look = vec![true; files.len()];
    for (file, look) in files.iter().zip(&mut look) {
        let path = path(file);
        let Some(version) = versions.get_mut(&path) else { continue };
        let before = before.get(&path);
        let same = match before.map(|before| version.is_same(before)) {
            Some(Some(same)) => same,
            // Its time or its place on the disk is another one: only its bytes can tell.
            Some(None) => {
                version.content = Some(content(&file.path, interrupt)?);
                version.content == before.and_then(|before| before.content)
            }
            None => false,
        };
        if same {
            version.content = before.and_then(|before| before.content);
            version.touches = before.and_then(|before| before.touches);
        } else if before.is_some() {
            stale.insert(path);
        }
        *look = !same;
    }
    Ok((look, stale))
}

fn path(file: &SourceFile) -> String {
    file.path.display().to_string()
}

/// Notes nothing of files that are new or changed, and those that are gone as they were: they may reach days that a merge does
/// not compute, so the next run must look at them.
fn doubt(versions: &mut Versions, before: Versions) {
    for (path, version) in versions.iter_mut() {
        match before.get(path) {
            Some(before) if version.is_same(before) == Some(true) => {
                (version.content, version.touches) = (before.content, before.touches);
            }
            _ => *version = Version::default(),
        }
    }
    versions.extend(before.into_iter().filter(|(path, _)| !versions.contains_key(path)).collect::<Vec<_>>());
}

/// The days of a run; none where its manifest names something else.
fn range_of(base: &PublishedRun) -> Option<Range> {
    let day = |text: &Option<String>| text.as_ref().map(|text| parse_day(text)).map_or(Some(None), |day| day.map(Some));
    Some(Range { from: day(&base.manifest.range.from)?, to: day(&base.manifest.range.to)? })
}

/// The run that is merged into; none where nothing is published yet.
fn merge_base(output: &Output, plan: &Plan) -> Result<Option<PublishedRun>, Error> {
    if !plan.setup.worths.is_empty() {
        return Err(Error::Usage {
            problem: "--merge: predicted_clv, total_clv and historic_clv change on all days with every new order".to_owned(),
            hint: Some("run all days anew without --merge, or leave these values out of the pipeline that is merged".to_owned()),
        });
    }
    if let Some(model) = fitted(plan) {
        return Err(Error::Usage {
            problem: format!(
                "--merge: model {model:?} is fitted to all journeys, so that days cannot be put in place one by one"
            ),
            hint: Some(
                "run all days anew without --merge, after which refit = \"frozen\" lets the model credit days by what it learnt"
                    .to_owned(),
            ),
        });
    }
    let Some(base) = output.current().map_err(|error: StoreError| Error::from(error))? else { return Ok(None) };
    let ours = &plan.pipeline.fingerprints.settings_sha256;
    if base.manifest.settings_sha256 != *ours || base.manifest.version != env!("CARGO_PKG_VERSION") {
        return Err(Error::Usage {
            problem: format!(
                "--merge: run {} was made with other settings ({}…, version {}) than these ({}…, version {})",
                base.manifest.run_id,
                &base.manifest.settings_sha256.get(..12).unwrap_or_default(),
                base.manifest.version,
                &ours[..12],
                env!("CARGO_PKG_VERSION"),
            ),
            hint: Some("run all days anew without --merge, or go back to the settings of that run".to_owned()),
        });
    }
    let said = as_of::said(plan.as_of);
    if base.manifest.as_of != said {
        let (before, now) = (as_of::words(base.manifest.as_of.as_ref()), as_of::words(said.as_ref()));
        return Err(Error::Usage {
            problem: format!("--merge: run {} {before}, and this one {now}", base.manifest.run_id),
            hint: Some("merge days that are known as of the same time, or run all days anew without --merge".to_owned()),
        });
    }
    Ok(Some(base))
}

/// All days of the merged run.
fn whole_range(base: &PublishedRun, range: Range) -> Result<Range, Error> {
    let Some(Range { from, to }) = range_of(base) else {
        return Err(Error::Input {
            problem: format!("the manifest of run {} names days that are none", base.manifest.run_id),
            hint: Some("publish a whole run again, without --merge".to_owned()),
        });
    };
    let before = |end: Option<Day>, start: Option<Day>| end.zip(start).is_some_and(|(end, start)| end < start);
    if before(to, range.from) || before(range.to, from) {
        let text = |day: Option<Day>| day.map_or_else(|| "…".to_owned(), day_text);
        return Err(Error::Usage {
            problem: format!(
                "--merge: expected days that overlap or touch those of run {} ({} to {}), found {} to {}",
                base.manifest.run_id,
                text(from),
                text(to),
                text(range.from),
                text(range.to),
            ),
            hint: Some("merge the days between them too, so that no day of the result is missing".to_owned()),
        });
    }
    Ok(Range {
        from: from.zip(range.from).map(|(one, other)| one.min(other)),
        to: to.zip(range.to).map(|(one, other)| one.max(other)),
    })
}
