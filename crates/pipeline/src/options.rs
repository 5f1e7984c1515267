//! What a caller asks for besides the pipeline file.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;
use std::time::Instant;

use attributary_core::time::Day;

use crate::as_of::AsOf;
use crate::inputs::Inputs;
use crate::writer::lock;

/// The words of `attributary run`; `check` and `explain` use some of them.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The pipeline file.
    pub pipeline: PathBuf,
    /// What the file says, where that is known without reading it.
    pub text: Option<String>,
    /// `--set key=value`, in order.
    pub overrides: Vec<String>,
    /// Where to write instead of where the file says.
    pub output: Option<PathBuf>,
    /// The first conversion day.
    pub from: Option<Day>,
    /// The day after the last.
    pub to: Option<Day>,
    /// Leave out what came later.
    pub as_of: Option<AsOf>,
    /// Put the days into the current run.
    pub merge: bool,
    /// Compute all days, whatever the current run has.
    pub full: bool,
    /// Fit anew also the models that are to be fitted once.
    pub refit: bool,
    /// The folder of the run of which such models have what they learnt; by default that which is current.
    pub fits_of: Option<PathBuf>,
    /// Whether `[quality]` is passed over: where a run is made again for nobody to see.
    pub unjudged: bool,
    /// Which step of a backfill the run is.
    pub backfill: Option<attributary_store::Backfill>,
    /// How many threads; by default all of the machine's.
    pub threads: Option<usize>,
    /// How much memory the process may take, in bytes; by default 60 % of what the machine grants.
    pub memory: Option<u64>,
    /// The folder for temporary files; by default the output's.
    pub temp: Option<PathBuf>,
    /// How long to wait for an output that another run holds; by default not at all.
    pub wait: Option<Duration>,
    /// The run's id; by default the time and a few random digits.
    pub run_id: Option<String>,
}

/// How far a run has come; any thread may look at any time.
#[derive(Debug, Default)]
pub struct Progress {
    phase: AtomicU8,
    /// When each phase began, in their order.
    begun: Mutex<Vec<(Phase, Instant)>>,
    /// Bytes that the sources hold together.
    pub total_bytes: AtomicU64,
    /// Conversions read.
    pub conversions: attributary_frames::Progress,
    /// Touches read.
    pub touchpoints: attributary_frames::Progress,
    /// The files that are read, and what a run leaves behind that cannot clean up.
    pub inputs: Inputs,
}

/// What a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading the pipeline file and the schemas.
    Planning,
    /// Reading conversions.
    Conversions,
    /// Reading touches.
    Touchpoints,
    /// Walking the journeys.
    Walking,
    /// Writing tables.
    Writing,
}

impl Phase {
    /// What logs, reports and metrics call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Planning => "planning",
            Self::Conversions => "conversions",
            Self::Touchpoints => "touchpoints",
            Self::Walking => "walking",
            Self::Writing => "writing",
        }
    }
}

impl Progress {
    /// What the run is doing.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Planning,
            1 => Phase::Conversions,
            2 => Phase::Touchpoints,
            3 => Phase::Walking,
            _ => Phase::Writing,
        }
    }

    pub(crate) fn enter(&self, phase: Phase) {
        // Whatever is logged from here on says so.
        tracing::Span::current().record("phase", phase.name());
        tracing::debug!("phase");
        self.phase.store(phase as u8, Ordering::Relaxed);
        lock(&self.begun).push((phase, Instant::now()));
    }

    /// When each phase began that was entered since `began`, which is when planning did, and when it ended; the last one now.
    #[must_use]
    pub fn spans(&self, began: Instant) -> Vec<(Phase, Instant, Instant)> {
        let mut begun = vec![(Phase::Planning, began)];
        begun.extend(lock(&self.begun).iter().copied().filter(|(_, at)| *at >= began));
        let ends: Vec<Instant> = begun.iter().skip(1).map(|(_, at)| *at).chain([Instant::now()]).collect();
        begun.into_iter().zip(ends).map(|((phase, from), to)| (phase, from, to)).collect()
    }

    /// How long each phase took that was entered since `began`.
    pub(crate) fn phases(&self, began: Instant) -> Vec<(String, f64)> {
        let mut phases: Vec<(String, f64)> = Vec::new();
        for (phase, from, to) in self.spans(began) {
            let (name, seconds) = (phase.name().to_owned(), to.duration_since(from).as_secs_f64());
            match phases.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum += seconds,
                None => phases.push((name, seconds)),
            }
        }
        phases
    }
}
