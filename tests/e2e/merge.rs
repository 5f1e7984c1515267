//! `--merge`: days put one by one onto a run are one run over all days, and what does not fit is refused.

use crate::sample::{Sample, assert_same_bytes};

#[test]
fn days_merged_one_by_one_are_one_run() {
    // The second settings reach back as far as the log does.
    let far =
        "--set journey.windows=[\"1w\",\"all\"] --set journey.touch_reuse=since_previous_conversion --set journey.reuse_by=kind";
    for settings in ["", far, "--set output.paths=0"] {
        let (days, whole) = (Sample::new(), Sample::new());
        days.run(&format!("{settings} --from 2026-02-01 --to 2026-02-04"));
        // Out of order, and one day that is there already.
        for day in ["2026-02-04", "2026-01-31", "2026-02-02", "2026-02-05"] {
            days.run(&format!("{settings} --date {day} --merge"));
        }
        let expected = whole.run(&format!("{settings} --from 2026-01-31 --to 2026-02-06"));
        let merged = days.current();
        assert_same_bytes(&merged, &expected, "", settings);
        assert_eq!(merged.manifest.range, expected.manifest.range);
        assert_eq!(merged.manifest.rows.conversions.in_range, expected.manifest.rows.conversions.in_range);
    }
}

#[test]
fn a_day_merged_into_a_run_over_everything_changes_no_byte() {
    let sample = Sample::new();
    let whole = sample.run("");
    assert_same_bytes(&sample.run("--date 2026-02-03 --merge"), &whole, "", "merged");
}

#[test]
fn the_first_merge_is_a_run() {
    let (merged, run) = (Sample::new(), Sample::new());
    assert_same_bytes(&merged.run("--date 2026-02-03 --merge"), &run.run("--date 2026-02-03"), "", "merged");
}

#[test]
fn other_settings_and_gaps_are_refused() {
    let sample = Sample::new();
    sample.run("--from 2026-02-01 --to 2026-02-03");
    let before = (sample.current(), runs(&sample));
    for (arguments, said) in [
        ("--date 2026-02-03 --set journey.windows=[\"2d\"]", "other settings"),
        ("--date 2026-02-03 --set model.time_decay.half_life=2d", "other settings"),
        ("--date 2026-02-03 --set output.paths=10", "other settings"),
        ("--date 2026-02-04", "overlap or touch"),
        ("--to 2026-01-31", "overlap or touch"),
    ] {
        let (code, _, stderr) = sample.try_run(&format!("{arguments} --merge"));
        assert_eq!(code, 2, "{arguments}\n{stderr}");
        assert!(stderr.contains(said), "{arguments}: no {said:?} in\n{stderr}");
        assert_eq!((sample.current(), runs(&sample)), before, "{arguments}");
    }
    // Where results go and how many are kept are not among the settings.
    sample.run("--date 2026-02-03 --merge --set pipeline.name=other --set output.keep=5");
}

/// The runs that there are.
fn runs(sample: &Sample) -> Vec<String> {
    let entries = std::fs::read_dir(sample.output().join("runs")).expect("a folder");
    let mut names: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
}
