//! From the engine's tables to the files of a run, on any thread.

use std::sync::{Mutex, MutexGuard, PoisonError};

use attributary_core::table::{Field, Rows};
use attributary_engine::tables::{SinkError, TableSink};
use attributary_engine::{EngineError, Interrupt};
use attributary_store::{PublishedRun, Staging, StoreError};

use crate::error::Error;

/// Hands the engine's tables to the store, and keeps the store's error.
pub(crate) struct Writer<'a> {
    staging: Mutex<Staging>,
    interrupt: &'a Interrupt,
    error: Mutex<Option<StoreError>>,
}

/// The tables of a run, or its state.
pub(crate) struct Section<'a> {
    writer: &'a Writer<'a>,
    state: bool,
}

impl<'a> Writer<'a> {
    /// For a run that is being staged, and may be interrupted.
    pub fn new(staging: Staging, interrupt: &'a Interrupt) -> Self {
        Self { staging: Mutex::new(staging), interrupt, error: Mutex::default() }
    }

    /// Lets `work` write, and says in full what failed.
    pub fn all<T>(&self, work: impl FnOnce() -> Result<T, SinkError>) -> Result<T, Error> {
        work().map_err(|error| match (error, lock(&self.error).take()) {
            (SinkError::Engine(error), _) => error.into(),
            (SinkError::Sink, Some(error)) => error.into(),
            (SinkError::Sink, None) => EngineError::Bug("a table was refused without a reason".to_owned()).into(),
        })
    }

    /// Where tables go.
    pub fn tables(&self) -> Section<'_> {
        Section { writer: self, state: false }
    }

    /// Where what the next run needs goes.
    pub fn state(&self) -> Section<'_> {
        Section { writer: self, state: true }
    }

    /// The folder that is written to.
    pub fn folder(&self) -> std::path::PathBuf {
        lock(&self.staging).folder().to_owned()
    }

    /// The run with all that was written.
    pub fn into_staging(self) -> Staging {
        self.staging.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a file of a table over from a published run.
    pub fn carry_over(&self, from: &PublishedRun, table: &str, file: &str) -> Result<(), StoreError> {
        lock(&self.staging).carry_over(from, table, file)
    }

    fn keep<T>(&self, result: Result<T, StoreError>) -> Result<T, SinkError> {
        result.map_err(|error| {
            // Of several that fail at once the first is told.
            lock(&self.error).get_or_insert(error);
            SinkError::Sink
        })
    }
}

impl TableSink for Section<'_> {
    fn file(
        &self,
        table: &str,
        file: &str,
        fields: &[Field],
        rows: &mut dyn Iterator<Item = Result<Rows, EngineError>>,
    ) -> Result<(), SinkError> {
        let Self { writer, state } = self;
        let begun = {
            let mut staging = lock(&writer.staging);
            if *state { staging.state_file(table, file, fields) } else { staging.table_file(table, file, fields) }
        };
        let mut staged = writer.keep(begun)?;
        for rows in rows {
            writer.interrupt.check()?;
            writer.keep(staged.write(&rows?))?;
        }
        let completed = writer.keep(staged.complete())?;
        lock(&writer.staging).add(completed);
        Ok(())
    }
}

/// What a mutex holds, whether a thread has panicked with it or not.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
