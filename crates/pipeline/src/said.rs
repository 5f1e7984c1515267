//! What is said of a run: the manifest for machines, a report for people.

use std::time::Instant;

use attributary_core::journey::Rejected;
use attributary_core::time::instant_text;
use attributary_engine::Setup;
use attributary_engine::rejects::Side;
use attributary_engine::tables;
use attributary_engine::walk::Extreme;
use attributary_frames::SourceFile;
use attributary_store::{ConversionCounts, InputFile, Manifest, ModelEntry, RowCounts, SourceCounts, TouchpointCounts};

use crate::as_of;
use crate::frozen;
use crate::machine;
use crate::plan::Plan;
use crate::report::{LedgerLine, ModelSummary, range_text};
use crate::run::{Computed, Totals};

/// Every file of a plan, as a manifest names it.
pub(crate) fn inputs(plan: &Plan) -> Vec<InputFile> {
    let input = |source: &str, file: &SourceFile| InputFile {
        source: source.to_owned(),
        path: file.path.display().to_string(),
        bytes: file.bytes,
        rows: file.rows.unwrap_or(0),
        footer_sha256: file.footer_sha256.clone(),
    };
    let (touchpoints, conversions) = match plan.setup.counted {
        true => (&[][..], plan.conversions.files()),
        false => (plan.touchpoints.files(), plan.conversions.files()),
    };
    let of_conversions = if plan.setup.counted { "paths" } else { "conversions" };
    let inputs = touchpoints.iter().map(|file| input("touchpoints", file));
    let inputs = inputs.chain(conversions.iter().map(|file| input(of_conversions, file)));
    let inputs = inputs.chain(plan.own_spend().flat_map(|spend| spend.files()).map(|file| input("spend", file)));
    inputs.chain(plan.rates.iter().flat_map(|rates| rates.files()).map(|file| input("fx", file))).collect()
}

/// What the manifest says of a run. `started` is when the run began, by the clock and by what no clock that is set can change.
pub(crate) fn manifest(plan: &Plan, computed: &Computed, totals: &Totals, started: (i64, Instant)) -> Manifest {
    let setup = &plan.setup;
    let range = setup.range;
    let rejected = |side: Side| {
        let counts = Rejected::ALL.map(|reason| (reason.to_string(), computed.rejected.count(side, reason)));
        counts.into_iter().filter(|(_, count)| *count > 0).collect()
    };
    let (from, to) = range_text(range.from, range.to);
    let counted = totals.ledger.iter().map(|line| line.attributed_conversions + line.unattributed_conversions);
    let in_range = counted.max().unwrap_or(0);
    Manifest {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pipeline: plan.pipeline.name.clone(),
        pipeline_sha256: plan.pipeline.fingerprints.pipeline_sha256.clone(),
        settings_sha256: plan.pipeline.fingerprints.settings_sha256.clone(),
        pipeline_file: plan.pipeline.file().display().to_string(),
        working_folder: std::env::current_dir().map_or_else(|_| String::new(), |folder| folder.display().to_string()),
        pipeline_toml: plan.pipeline.fingerprints.text.clone(),
        range: attributary_store::Range { from, to },
        as_of: as_of::said(plan.as_of),
        inputs: inputs(plan),
        bytes_read: computed.bytes_read,
        rows: RowCounts {
            touchpoints: TouchpointCounts {
                read: computed.touches_read,
                later: computed.touches_came.later,
                rejected: rejected(Side::Touchpoints),
                used: computed.walked.touches_used,
            },
            conversions: ConversionCounts {
                read: computed.conversions_read,
                later: computed.conversions_came.later,
                rejected: rejected(Side::Conversions),
                accepted: computed.conversions_accepted,
                in_range,
                refunds: computed.walked.refunds,
            },
            spend: (!plan.spend.is_empty())
                .then(|| SourceCounts { read: computed.spending.read, rejected: rejected(Side::Spend) }),
            fx: plan.rates.as_ref().map(|_| SourceCounts { read: computed.rates_read, rejected: rejected(Side::Rates) }),
        },
        models: plan
            .pipeline
            .models
            .iter()
            .enumerate()
            .map(|(place, model)| ModelEntry {
                name: model.name.clone(),
                kind: model.spec.kind.to_owned(),
                additive: model.spec.additive,
                fit_sha256: frozen::fit_sha256(plan, &computed.walked.fits, place),
            })
            .collect(),
        windows: setup.rules.windows.iter().map(ToString::to_string).collect(),
        started: instant_text(started.0),
        finished: instant_text(started.0.saturating_add(started.1.elapsed().as_micros() as i64)),
        peak_memory_bytes: machine::peak_memory(),
        ..Manifest::default()
    }
}

pub(crate) fn summaries(plan: &Plan, totals: &Totals) -> Vec<ModelSummary> {
    let setup = &plan.setup;
    let text = |amount: i128| attributary_core::money::decimal_text(amount, setup.currency.1);
    let mut summaries = Vec::new();
    for model in &setup.models {
        for window in setup.rules.windows.iter().map(ToString::to_string) {
            let lines: Vec<_> = totals.ledger.iter().filter(|line| line.model == model.name && line.window == window).collect();
            let channels =
                totals.channels.iter().find(|((of_model, of_window), _)| *of_model == model.name && *of_window == window);
            summaries.push(ModelSummary {
                model: model.name.clone(),
                additive: model.additive,
                attributed_conversions: lines.first().map_or(0, |line| line.attributed_conversions),
                unattributed_conversions: lines.first().map_or(0, |line| line.unattributed_conversions),
                attributed: lines.iter().map(|line| (line.value.clone(), text(line.attributed))).collect(),
                top_channels: channels
                    .map(|(_, channels)| {
                        channels.iter().take(3).map(|(channel, amount)| (channel.clone(), text(*amount))).collect()
                    })
                    .unwrap_or_default(),
                window,
            });
        }
    }
    summaries
}

pub(crate) fn ledger_lines(setup: &Setup, lines: &[tables::ledger::Line]) -> Vec<LedgerLine> {
    let text = |amount: i128| attributary_core::money::decimal_text(amount, setup.currency.1);
    let line = |line: &tables::ledger::Line| LedgerLine {
        model: line.model.clone(),
        window: line.window.clone(),
        value: line.value.clone(),
        currency: setup.currency.0.clone(),
        source: text(line.source),
        attributed: text(line.attributed),
        unattributed: text(line.unattributed),
        rejected: text(line.rejected),
        difference: text(line.difference()),
        rounding: attributary_core::money::decimal_text(line.rounding, attributary_core::money::ROUNDING_SCALE),
    };
    lines.iter().map(line).collect()
}

/// What a person should know although the run went well.
pub(crate) fn warnings(plan: &Plan, computed: &Computed) -> Vec<String> {
    // Who it is is not said: customers' ids stay in the tables.
    let warning = |extreme: &Extreme| {
        let Extreme { touches, conversions, .. } = extreme;
        format!(
            "a customer has {touches} touches and {conversions} conversions, of which some models look at every pair; a bot or a test account is best left \
             out by `where` in [touchpoints]"
        )
    };
    const SHOWN: usize = 3;
    let extremes = &computed.walked.extremes;
    let mut warnings: Vec<String> = extremes.iter().take(SHOWN).map(warning).collect();
    let fits = computed.observed.as_ref().and_then(|(_, fits)| fits.as_ref());
    warnings.extend(fits.iter().flat_map(|fits| fits.warnings(plan.setup.currency.1)));
    warnings.extend(computed.spending.warnings.iter().cloned());
    warnings.extend(as_of::warnings(plan.as_of, &plan.pipeline, computed));
    let kinds = &computed.walked.kinds.values;
    let never = |name: &&String| !kinds.iter().any(|kind| kind.as_text() == Some(name));
    for kind in plan.setup.order_kinds.iter().flatten().filter(never) {
        warnings.push(format!("no conversion is of kind {kind:?}, which conversions.order_kinds names"));
    }
    if extremes.len() > SHOWN {
        warnings.push(format!("{} further customers are like that", extremes.len() - SHOWN));
    }
    warnings
}
