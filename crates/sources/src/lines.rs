//! A record a line, from a file or standard input.
//!
//! A line ends with LF or CRLF, which the record does not hold; the last line of an input that is not followed may lack
//! it; an empty line is an empty record. A line longer than the limit becomes several records, cut between characters where it
//! is UTF-8.

mod follow;
mod split;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::sync::CancellationToken;
use weir_base::time::{Clock, SystemClock};
use weir_client::{Kafka, NewRecord, ProducerOptions, TopicSpec};

pub(crate) use self::follow::cannot_open;
use self::follow::{Followed, Moved};
use self::split::{Line, Splitter};
use crate::outlet::Outlet;
use crate::{Ended, Progress, Snapshot, SourceError, Summary};

/// Bytes read at a time.
const READ_BYTES: usize = 64 << 10;

/// Where lines come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Standard input, until it ends.
    Stdin,
    /// A file.
    File(PathBuf),
}

/// Publishes lines.
#[derive(Clone)]
pub struct Lines {
    /// Where to.
    pub topic: String,
    /// Where from.
    pub input: Input,
    /// Goes on with what is appended, as `tail -F`: starts at the end of the file, survives rotation and truncation.
    pub follow: bool,
    /// With [`Lines::follow`]: what the file holds already comes first.
    pub from_start: bool,
    /// What stands before it is the key.
    pub key_separator: Option<String>,
    /// A longer line is cut into records of this many bytes at most.
    pub max_line_bytes: usize,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Lines {
    /// All lines of `input` once.
    pub fn new(topic: impl Into<String>, input: Input) -> Self {
        Self {
            topic: topic.into(),
            input,
            follow: false,
            from_start: true,
            key_separator: None,
            max_line_bytes: 1_000_000,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Publishes until the end or `shutdown`.
    pub async fn run(
        self,
        kafka: &Kafka,
        progress: Arc<dyn Progress>,
        shutdown: CancellationToken,
    ) -> Result<Summary, SourceError> {
        self.check()?;
        // The file first: a wrong name should not leave a topic behind.
        let mut input: Opened = match &self.input {
            Input::Stdin => Opened::Once(Box::new(tokio::io::stdin()), None),
            Input::File(path) if self.follow => {
                Opened::Followed(Followed::open(path, self.from_start).await?)
            }
            Input::File(path) => {
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
                let len = metadata.ok().map(|metadata| metadata.len());
                Opened::Once(Box::new(file), len)
            }
        };
        let outlet = Outlet::open(
            kafka,
            TopicSpec::new(&self.topic),
            ProducerOptions {
                // Lines of a file come thousands at a time; a followed one's wait for nobody.
                linger_ms: if self.follow { 0 } else { 5 },
                ..ProducerOptions::default()
            },
            self.clock.clone(),
            progress,
        )
        .await?;
        let mut sender = Sender {
            splitter: Splitter::new(self.max_line_bytes.min(outlet.max_message_bytes())),
            separator: self.key_separator.clone().map(String::into_bytes),
            clock: self.clock.clone(),
            outlet,
            cut: 0,
            read_bytes: 0,
            len_bytes: match &input {
                Opened::Once(_, len) => *len,
                Opened::Followed(_) => None,
            },
        };
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let read = tokio::select! {
                biased;
                () = shutdown.cancelled() => return sender.outlet.finish(Ended::Shutdown).await,
                read = input.read(&mut buffer) => read?,
            };
            let going = match read {
                Read::Bytes(len) => {
                    let bytes = buffer.get(..len).unwrap_or_default().to_vec();
                    sender.take(&bytes, &shutdown).await?
                }
                Read::Moved(moved) => {
                    sender.outlet.note(&moved.to_string());
                    // What stood unfinished at the end of the old file will not be continued in the new one.
                    sender.rest(&shutdown).await?
                }
                Read::End => {
                    let ended = if sender.rest(&shutdown).await? {
                        Ended::Finished
                    } else {
                        Ended::Shutdown
                    };
                    return sender.outlet.finish(ended).await;
                }
            };
            if !going {
                return sender.outlet.finish(Ended::Shutdown).await;
            }
        }
    }

    fn check(&self) -> Result<(), SourceError> {
        let wrong = |option, why: &str| {
            Err(SourceError::Option {
                option,
                why: why.to_owned(),
            })
        };
        if self.max_line_bytes < 16 {
            return wrong("--max-line", "give 16 bytes or more");
        }
        if self.key_separator.as_ref().is_some_and(String::is_empty) {
            return wrong("--key-separator", "give one character or more");
        }
        if self.follow && self.input == Input::Stdin {
            return wrong(
                "--follow",
                "standard input is read to its end anyway; name a file to follow",
            );
        }
        Ok(())
    }
}

/// What is read from.
enum Opened {
    /// Up to its end; how long it is, where that is known.
    Once(Box<dyn AsyncRead + Send + Unpin>, Option<u64>),
    /// Without end.
    Followed(Followed),
}

/// What came of reading.
enum Read {
    Bytes(usize),
    Moved(Moved),
    End,
}

impl Opened {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<Read, SourceError> {
        match self {
            Self::Once(reader, _) => match reader.read(buffer).await {
                Ok(0) => Ok(Read::End),
                Ok(len) => Ok(Read::Bytes(len)),
                Err(error) => Err(SourceError::File {
                    path: "the input".to_owned(),
                    why: error.to_string(),
                }),
            },
            Self::Followed(followed) => followed.read(buffer).await,
        }
    }
}

/// Makes records of bytes and sends them.
struct Sender {
    splitter: Splitter,
    separator: Option<Vec<u8>>,
    outlet: Outlet,
    clock: Arc<dyn Clock>,
    cut: u64,
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
            if line.cut {
                self.cut += 1;
                if self.cut == 1 {
                    self.outlet.note(&format!(
                        "a line is longer than {} bytes and becomes several records",
                        self.splitter.max_bytes()
                    ));
                }
            }
            let record = NewRecord::new(self.outlet.topic().clone(), line.bytes.clone())
                .timestamp(self.clock.now());
            let record = match self
                .separator
                .as_deref()
                .and_then(|separator| split::key(&line.bytes, separator))
            {
                Some((key, value)) => NewRecord {
                    key: Some(key),
                    value: Some(value),
                    ..record
                },
                None => record,
            };
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
