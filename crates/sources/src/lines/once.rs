//! Lines of an input that ends.

use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::sync::CancellationToken;
use weir_client::{Kafka, ProducerOptions, TopicSpec};

use super::follow::cannot_open;
use super::records::Records;
use super::split::{Line, Splitter};
use super::{Input, Lines};
use crate::outlet::Outlet;
use crate::{Ended, Progress, Snapshot, SourceError, Summary};

/// Bytes read at a time.
const READ_BYTES: usize = 64 << 10;

/// Publishes all lines of the input.
pub(super) async fn run(
    options: Lines,
    kafka: &Kafka,
    progress: Arc<dyn Progress>,
    shutdown: CancellationToken,
) -> Result<Summary, SourceError> {
    // The file first: a wrong name should not leave a topic behind.
    let (mut input, len_bytes): (Box<dyn AsyncRead + Send + Unpin>, _) = match &options.input {
        Input::Stdin => (Box::new(tokio::io::stdin()), None),
        Input::File(path) => {
            let (file, len_bytes) = open(path).await?;
            (Box::new(file), len_bytes)
        }
    };
    let outlet = Outlet::open(
        kafka,
        TopicSpec::new(&options.topic),
        ProducerOptions {
            // Lines of a file come thousands at a time.
            linger_ms: 5,
            ..ProducerOptions::default()
        },
        options.clock.clone(),
        progress.clone(),
    )
    .await?;
    let records = Records::new(
        outlet.topic().clone(),
        options.key_separator.as_deref(),
        options.clock,
        progress,
    );
    let mut sender = Sender {
        splitter: Splitter::new(options.max_line_bytes.min(outlet.max_value_bytes())),
        records,
        outlet,
        read_bytes: 0,
        len_bytes,
    };
    let mut buffer = vec![0; READ_BYTES];
    let ended = loop {
        let read = tokio::select! {
            biased;
            () = shutdown.cancelled() => break Ended::Shutdown,
            read = input.read(&mut buffer) => read.map_err(|error| SourceError::File {
                path: "the input".to_owned(),
                why: error.to_string(),
            })?,
        };
        let going = match buffer.get(..read) {
            Some(bytes) if !bytes.is_empty() => sender.take(bytes, &shutdown).await?,
            _ if sender.rest(&shutdown).await? => break Ended::Finished,
            _ => false,
        };
        if !going {
            break Ended::Shutdown;
        }
    };
    let mut summary = sender.outlet.finish(ended).await?;
    summary.damage.extend(sender.records.damage());
    Ok(summary)
}

async fn open(path: &Path) -> Result<(tokio::fs::File, Option<u64>), SourceError> {
    let file = tokio::fs::File::open(path)
        .await
        .map_err(|error| cannot_open(path, &error))?;
    let metadata = file.metadata().await;
    if metadata.as_ref().is_ok_and(std::fs::Metadata::is_dir) {
        return Err(SourceError::File {
            path: path.display().to_string(),
            why: "it is a folder; name a file".to_owned(),
        });
    }
    Ok((file, metadata.ok().map(|metadata| metadata.len())))
}

/// Makes records of bytes and sends them.
struct Sender {
    splitter: Splitter,
    records: Records,
    outlet: Outlet,
    read_bytes: u64,
    len_bytes: Option<u64>,
}

impl Sender {
    async fn take(
        &mut self,
        bytes: &[u8],
        shutdown: &CancellationToken,
    ) -> Result<bool, SourceError> {
        self.read_bytes += bytes.len() as u64;
        let mut lines = Vec::new();
        self.splitter.push(bytes, |line| lines.push(line));
        self.send(lines, shutdown).await
    }

    async fn rest(&mut self, shutdown: &CancellationToken) -> Result<bool, SourceError> {
        let mut lines = Vec::new();
        self.splitter.finish(|line| lines.push(line));
        self.send(lines, shutdown).await
    }

    async fn send(
        &mut self,
        lines: Vec<Line>,
        shutdown: &CancellationToken,
    ) -> Result<bool, SourceError> {
        for line in lines {
            let record = self.records.of(&line, self.splitter.max_bytes());
            if !self.outlet.send(record, shutdown).await? {
                return Ok(false);
            }
            let (read_bytes, total_bytes) = (self.read_bytes, self.len_bytes);
            self.outlet.tell(|| Snapshot {
                read_bytes: Some(read_bytes),
                total_bytes,
                ..Snapshot::default()
            });
        }
        Ok(true)
    }
}
