//! What a processor is apart from reading and writing, and the two ends that it stands between.
//!
//! A [`Machine`] takes records one by one and has results to be written; it knows no Kafka, no task and no timer, so a test
//! feeds it a `Vec`. [`Inlet`] and [`Outlet`] are what the loop (`running`) reads from and writes to: the client's reader and
//! a result topic, or the in-memory log of the tests, which can be made to fail at any write.

use weir_client::{ClientError, Event, NewRecord, Reader, Record};

use crate::ProcessorError;
use crate::tally::Tally;

/// Records in, results out.
pub(crate) trait Machine: Send {
    /// Takes a record up. `false`: its results are there already, it only brings the state back.
    fn take(&mut self, record: &Record, tally: &mut Tally) -> Result<bool, ProcessorError>;
    /// The records from `from` up to `to` will not come; a `to` before `from` is a log that was made anew.
    fn missed(&mut self, partition: i32, from: i64, to: i64);
    /// How many results there are to be written.
    fn pending(&self) -> usize;
    /// The results to be written; `read_to` is the next record of each partition that has not been taken.
    fn results(&mut self, read_to: &[(i32, i64)]) -> Vec<NewRecord>;
}

/// Where records come from.
pub(crate) trait Inlet: Send {
    /// The next event; cancel-safe.
    fn next(&mut self) -> impl Future<Output = Result<Event, ClientError>> + Send;
    /// The next record of each partition that has not been given out.
    fn positions(&self) -> Vec<(i32, i64)>;
    /// Keeps those positions under the processor's group, for whoever asks how far it is.
    fn commit(&mut self) -> impl Future<Output = Result<(), ClientError>> + Send;
}

/// Where results go.
pub(crate) trait Outlet: Send {
    /// Writes results and waits until all are acknowledged.
    fn write(
        &mut self,
        results: Vec<NewRecord>,
    ) -> impl Future<Output = Result<(), ProcessorError>> + Send;
}

impl Inlet for Reader {
    async fn next(&mut self) -> Result<Event, ClientError> {
        Reader::next(self).await
    }

    fn positions(&self) -> Vec<(i32, i64)> {
        Reader::positions(self)
    }

    async fn commit(&mut self) -> Result<(), ClientError> {
        Reader::commit(self, &Reader::positions(self)).await
    }
}
