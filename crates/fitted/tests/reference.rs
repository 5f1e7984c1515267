//! Ten thousand published paths, in `$ATTRIBUTARY_REAL_DATA/paths`, whose removal effects were computed elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use attributary_fitted::{Chain, Removal, Transitions, removal};

#[test]
fn removal_effects_are_those_that_others_computed() {
    for (file, nulls) in [("exact_markov1_with_null.csv", true), ("exact_markov1_without_null.csv", false)] {
        let (Some(paths), Some(expected)) = (read("paths.csv"), read(file)) else { return };
        let names: BTreeSet<&str> = rows(&paths).flat_map(|row| row[0].split(" > ")).collect();
        let players: BTreeMap<&str, u32> = names.into_iter().zip(0..).collect();
        let mut transitions = Transitions::new(1);
        for row in rows(&paths) {
            let path: Vec<u32> = row[0].split(" > ").map(|name| players[name]).collect();
            let count = |text: &str| text.parse::<f64>().expect("a number") as u64;
            transitions.add(&path, count(row[1]), if nulls { count(row[3]) } else { 0 });
        }
        let chain = Chain::new(&transitions);
        let sets: Vec<BTreeSet<u32>> = players.values().map(|player| BTreeSet::from([*player])).collect();
        let found = removal::effects(&chain, &sets, Removal::Null).expect("an answer");
        if nulls {
            assert!((found.conversion_probability - 0.223_845_135_596_863_8).abs() < 1e-15, "{}", found.conversion_probability);
        }
        let all: f64 = found.effects.iter().sum();
        assert_eq!(rows(&expected).count(), players.len());
        for row in rows(&expected) {
            let [effect, credit] = [row[1], row[2]].map(|text| text.parse::<f64>().expect("a number"));
            let effect_found = found.effects[players[row[0]] as usize];
            let credit_found = chain.conversions() as f64 * effect_found / all;
            assert!((effect_found / effect - 1.0).abs() < 1e-12, "{}: {effect_found} {effect}", row[0]);
            assert!((credit_found / credit - 1.0).abs() < 1e-12, "{}: {credit_found} {credit}", row[0]);
        }
    }
}

fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().skip(1).map(|line| line.split(',').collect())
}

fn read(file: &str) -> Option<String> {
    match std::env::var_os("ATTRIBUTARY_REAL_DATA") {
        Some(folder) => {
            let path = PathBuf::from(folder).join("paths").join(file);
            Some(std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        }
        None => {
            #[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
            {
                println!("skipped: ATTRIBUTARY_REAL_DATA is not set");
            }
            None
        }
    }
}
