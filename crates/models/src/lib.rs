//! The models, one file each, and the list of them.
//!
//! A new model is one file here, its `mod` line and one entry in [`MODELS`]. Help, `attributary models`, the checks of
//! the pipeline file, the README's table and the conformance tests are loops over that list. What the models use is what
//! anyone may use: `examples/own_model.rs` defines one outside of it.

pub mod example;
pub mod sample;

mod any_touch;
mod custom;
mod first_click;
mod first_touch;
mod inverse_j;
mod j_shaped;
mod last_click;
mod last_touch;
mod learned;
mod linear;
mod markov;
mod position_based;
mod shao_li;
mod shapley;
mod time_decay;

use attributary_core::model::ModelSpec;

/// Every model, in the order in which people read about them.
pub const MODELS: &[ModelSpec] = &[
    last_touch::SPEC,
    first_touch::SPEC,
    last_click::SPEC,
    first_click::SPEC,
    linear::SPEC,
    any_touch::SPEC,
    time_decay::SPEC,
    position_based::SPEC,
    j_shaped::SPEC,
    inverse_j::SPEC,
    custom::SPEC,
    markov::SPEC,
    shapley::SPEC,
    shao_li::SPEC,
];

/// The model of a `kind`.
#[must_use]
pub fn find(kind: &str) -> Option<&'static ModelSpec> {
    MODELS.iter().find(|spec| spec.kind == kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use attributary_core::model::Parameters;
    use std::collections::BTreeSet;

    #[test]
    fn kinds_are_unique_and_each_has_its_file() {
        let kinds: BTreeSet<_> = MODELS.iter().map(|spec| spec.kind.to_owned()).collect();
        assert_eq!(kinds.len(), MODELS.len(), "a kind is there twice");

        let sources = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).expect("the folder of this crate");
        let mut files: BTreeSet<_> =
            sources.filter_map(|entry| entry.ok()?.path().file_stem().map(|stem| stem.to_string_lossy().into_owned())).collect();
        for other in ["lib", "example", "sample", "learned"] {
            assert!(files.remove(other), "{other}.rs");
        }
        assert_eq!(files, kinds, "one file for each model, one model for each file");
    }

    #[test]
    fn every_model_is_documented() {
        for spec in MODELS {
            let kind = spec.kind;
            assert!(kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{kind}");
            for text in [spec.summary, spec.weights, spec.useful_for, spec.not_useful_for] {
                assert!(
                    !text.is_empty() && text.trim() == text && !text.ends_with('.') && !text.contains('\n'),
                    "{kind}: {text:?}"
                );
            }
            assert!(spec.summary.len() <= 80, "{kind}: the summary is too long for a list");
            assert!(find(kind).is_some_and(|found| found.summary == spec.summary), "{kind}");
        }
        assert!(find("no_such_model").is_none());
    }

    #[test]
    fn every_parameter_is_documented_and_its_default_is_of_its_kind() {
        for spec in MODELS {
            let names: BTreeSet<_> = spec.parameters.iter().map(|parameter| parameter.name).collect();
            assert_eq!(names.len(), spec.parameters.len(), "{}: a parameter is there twice", spec.kind);
            for everyones in ["name", "kind", "only", "fallback"] {
                assert!(!names.contains(everyones), "{}: {everyones} belongs to every model", spec.kind);
            }
            for parameter in spec.parameters {
                assert!(!parameter.help.is_empty() && !parameter.help.ends_with('.'), "{}.{}", spec.kind, parameter.name);
            }
            assert!(Parameters::defaults(spec).is_ok(), "{}", spec.kind);
        }
    }
}
