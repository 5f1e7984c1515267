//! Where touches and conversions come from: a log each, or paths that were counted, which are both.

use std::sync::Arc;

use attributary_core::batch::{ConversionBatch, TouchBatch};
use attributary_core::rates::Rates;
use attributary_core::time::Zone;
use attributary_core::value::ColumnType;
use attributary_frames::{ConversionSource, FrameError, PathSource, Progress, SourceFile, Stop, TimeBounds, TouchSource};

/// The touchpoints.
pub enum Touchpoints {
    /// `[touchpoints]`.
    Log(Box<TouchSource>),
    /// `[paths]`.
    Paths(Arc<PathSource>),
}

/// The conversions.
pub enum Conversions {
    /// `[conversions]`.
    Log(Box<ConversionSource>),
    /// `[paths]`.
    Paths(Arc<PathSource>),
}

impl Touchpoints {
    /// The files, in the order of their paths' bytes: the order in which batches number them.
    #[must_use]
    pub fn files(&self) -> &[SourceFile] {
        match self {
            Self::Log(log) => log.files(),
            Self::Paths(paths) => paths.files(),
        }
    }

    /// The type of customers over all files.
    #[must_use]
    pub fn customer_type(&self) -> &ColumnType {
        match self {
            Self::Log(log) => log.customer_type(),
            Self::Paths(_) => &PathSource::CUSTOMER,
        }
    }

    /// The type of touch ids over all files, where mapped.
    #[must_use]
    pub fn id_type(&self) -> Option<&ColumnType> {
        match self {
            Self::Log(log) => log.id_type(),
            Self::Paths(_) => None,
        }
    }

    /// The type of each dimension over all files.
    #[must_use]
    pub fn dimension_types(&self) -> &[ColumnType] {
        match self {
            Self::Log(log) => log.dimension_types(),
            Self::Paths(_) => &[],
        }
    }

    /// Reads the files that are wanted by their places, of paths all; see [`TouchSource::read_files`].
    ///
    /// # Errors
    /// As there.
    pub fn read_files(
        &self,
        wanted: &(dyn Fn(usize) -> bool + Sync),
        bounds: &TimeBounds,
        threads: usize,
        progress: &Progress,
        sink: &(dyn Fn(TouchBatch) -> Result<(), Stop> + Sync),
    ) -> Result<(), FrameError> {
        match self {
            Self::Log(log) => log.read_files(wanted, bounds, threads, progress, sink),
            Self::Paths(paths) => paths.read_touches(threads, progress, sink),
        }
    }
}

impl Conversions {
    /// The files, in the order of their paths' bytes: the order in which batches number them.
    #[must_use]
    pub fn files(&self) -> &[SourceFile] {
        match self {
            Self::Log(log) => log.files(),
            Self::Paths(paths) => paths.files(),
        }
    }

    /// The type of customers over all files.
    #[must_use]
    pub fn customer_type(&self) -> &ColumnType {
        match self {
            Self::Log(log) => log.customer_type(),
            Self::Paths(_) => &PathSource::CUSTOMER,
        }
    }

    /// The type of conversion ids over all files.
    #[must_use]
    pub fn id_type(&self) -> &ColumnType {
        match self {
            Self::Log(log) => log.id_type(),
            Self::Paths(_) => &ColumnType::Text,
        }
    }

    /// What amounts are converted with, see [`ConversionSource::set_rates`].
    pub fn set_rates(&mut self, rates: Arc<Rates>, zone: Zone) {
        if let Self::Log(log) = self {
            log.set_rates(rates, zone);
        }
    }

    /// Reads the files that are wanted by their places, of paths all; see [`ConversionSource::read_files`].
    ///
    /// # Errors
    /// As there.
    pub fn read_files(
        &self,
        wanted: &(dyn Fn(usize) -> bool + Sync),
        bounds: &TimeBounds,
        threads: usize,
        progress: &Progress,
        sink: &(dyn Fn(ConversionBatch) -> Result<(), Stop> + Sync),
    ) -> Result<(), FrameError> {
        match self {
            Self::Log(log) => log.read_files(wanted, bounds, threads, progress, sink),
            Self::Paths(paths) => paths.read_conversions(threads, progress, sink),
        }
    }
}
