//! A window's series as JSON or CSV, written as fast as the viewer takes it and no faster.
//!
//! CSV is RFC 4180's with a header line. A viewer that takes nothing for [`STALLED`] is given up; what it has is then cut off, never
//! ended as if it were whole.

use std::io::{self, Write as _};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::api::SeriesAnswer;

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As [`SeriesAnswer`].
    Json,
    /// A line a point.
    Csv,
}

const CHUNK_BYTES: usize = 64 << 10;
const STALLED: Duration = Duration::from_secs(20);

impl Format {
    /// For `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }

    fn write(self, answer: &SeriesAnswer, out: &mut impl io::Write) -> io::Result<()> {
        match self {
            Self::Json => serde_json::to_writer(out, answer).map_err(io::Error::from),
            Self::Csv => write_csv(answer, out),
        }
    }
}

fn write_csv(answer: &SeriesAnswer, out: &mut impl io::Write) -> io::Result<()> {
    out.write_all(b"series,t_ms,arrival_ms,offset,value\r\n")?;
    for series in &answer.series {
        let name = quoted(&series.name);
        let times = series.t_ms.iter().zip(&series.arrival_ms);
        let numbers = series.offset.iter().zip(&series.v);
        for ((t_ms, arrival_ms), (offset, v)) in times.zip(numbers) {
            // `{:?}` writes a great number with an exponent, and every number so that it is read back as it was.
            write!(out, "{name},{t_ms},{arrival_ms},{offset},{v:?}\r\n")?;
        }
    }
    Ok(())
}

/// RFC 4180 §2, 5 to 7.
fn quoted(name: &str) -> String {
    if name.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        name.to_owned()
    }
}

/// The answer as a body. `place` is held until the last byte has gone.
pub fn body(answer: SeriesAnswer, format: Format, place: OwnedSemaphorePermit) -> Body {
    let (sender, receiver) = mpsc::channel(2);
    let handle = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        let _place = place;
        let mut out = Chunks {
            chunk: Vec::with_capacity(CHUNK_BYTES),
            sender,
            handle,
        };
        // One that is gone needs no word of it.
        let _ = format.write(&answer, &mut out).and_then(|()| {
            out.flush()?;
            out.send(None)
        });
    });
    Body::from_stream(stream::unfold(Some(receiver), |receiver| async move {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Some(chunk)) => Some((Ok(chunk), Some(receiver))),
            Some(None) => None,
            None => {
                let cut = io::Error::new(io::ErrorKind::TimedOut, "the viewer takes nothing");
                Some((Err(cut), None))
            }
        }
    }))
}

/// Collects what is written and sends it on in chunks; `None` is the end.
struct Chunks {
    chunk: Vec<u8>,
    sender: mpsc::Sender<Option<Bytes>>,
    handle: tokio::runtime::Handle,
}

impl Chunks {
    fn send(&mut self, chunk: Option<Bytes>) -> io::Result<()> {
        self.handle
            .block_on(self.sender.send_timeout(chunk, STALLED))
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl io::Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let full = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK_BYTES));
        self.send(Some(full.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use futures_util::StreamExt as _;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::api::SeriesColumns;

    fn answer(points: usize) -> SeriesAnswer {
        let series = |name: &str| SeriesColumns {
            name: name.into(),
            t_ms: vec![1_795_233_600_000.0; points],
            v: vec![1e300; points],
            arrival_ms: vec![1_795_233_600_000.25; points],
            offset: vec![7; points],
        };
        SeriesAnswer {
            topic: "t".into(),
            from_ms: 0.0,
            to_ms: 1.0,
            reduced_to_columns: None,
            series: vec![series("plain"), series("a \"b\", c")],
            passed_over: 0,
            reasons: BTreeMap::new(),
        }
    }

    #[test]
    fn csv_is_a_line_a_point_with_names_quoted_where_they_must_be() {
        let mut out = Vec::new();
        Format::Csv.write(&answer(1), &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "series,t_ms,arrival_ms,offset,value\r\n\
             plain,1795233600000,1795233600000.25,7,1e300\r\n\
             \"a \"\"b\"\", c\",1795233600000,1795233600000.25,7,1e300\r\n"
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_body_is_the_json_of_its_type_however_long_and_its_place_is_free_behind_it() {
        let places = Arc::new(Semaphore::new(1));
        let place = places.clone().try_acquire_owned().unwrap();
        let long = answer(10_000);
        let body = body(long.clone(), Format::Json, place);
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        assert!(bytes == serde_json::to_vec(&long).unwrap());
        drop(places.acquire().await.unwrap());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_body_nobody_takes_any_more_frees_its_place() {
        let places = Arc::new(Semaphore::new(1));
        let place = places.clone().try_acquire_owned().unwrap();
        let mut body = body(answer(100_000), Format::Csv, place).into_data_stream();
        assert!(body.next().await.unwrap().is_ok());
        drop(body);
        drop(places.acquire().await.unwrap());
    }
}
