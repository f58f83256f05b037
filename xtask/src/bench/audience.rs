//! Viewers by the thousand in one thread: sockets that ask for a WebSocket, read what comes as fast as it comes, and throw it away.
//!
//! Of weir's player socket the 32 bytes in front of each picture are read: how old it is, and whether one is missing before it. Of any
//! server's the last bytes of a message, by which all viewers' messages of one picture are known: how long after the first of
//! them the others read it. Nothing is decoded and nothing is kept, so that the machine is left to the server. Linux alone: the
//! sockets are waited for with epoll.

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;

/// Read at a time; all viewers share it.
const BUFFER_BYTES: usize = 256 << 10;
/// What is looked at of a message.
const LOOKED_AT: usize = 32;
/// By which a message is known: the end of a picture's slices.
const TAIL: usize = 8;
/// Shorter messages are no pictures.
const SHORTEST_PICTURE: u64 = 200;
/// The same bytes again after so long are the film's next round.
const ROUND_US: i64 = 10_000_000;
/// How long a server may take to make a WebSocket of a connection.
const PATIENCE: Duration = Duration::from_secs(20);

/// Viewers of one address.
pub(super) struct Audience {
    epoll: OwnedFd,
    viewers: Vec<Viewer>,
    buffer: Vec<u8>,
    seen: Seen,
    /// Pictures that were captured earlier are not counted.
    counted_from_ms: i64,
    /// When the first viewer had read a picture, in µs since 1970, by the picture's last bytes.
    first_read_us: HashMap<[u8; TAIL], i64>,
}

/// What the viewers that read have seen since [`Audience::count`].
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// How old each picture was when it had been read, in ms, shortest first once it is handed out.
    pub delays_ms: Vec<f64>,
    /// How long after the first viewer each had read a picture, in ms, likewise.
    pub behind_first_ms: Vec<f64>,
    /// Pictures that are missing between two that came.
    pub lost: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Viewers whose connection the server ended.
    pub ended: usize,
}

struct Viewer {
    socket: TcpStream,
    message: Message,
    last_offset: Option<i64>,
    stalled: bool,
}

/// A message that is being read.
struct Message {
    head: [u8; 10 + LOOKED_AT],
    have: usize,
    tail: [u8; TAIL],
    /// Bytes still to come of what is not looked at, once its beginning is there.
    left: Option<u64>,
}

/// A message that has come: its first bytes, as far as they are looked at.
struct Come<'m> {
    binary: bool,
    len_bytes: u64,
    begins: &'m [u8],
    tail: [u8; TAIL],
}

impl Audience {
    /// Nobody watches yet.
    pub fn new() -> Result<Self> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            viewers: Vec::new(),
            buffer: vec![0; BUFFER_BYTES],
            seen: Seen::default(),
            counted_from_ms: i64::MAX,
            first_read_us: HashMap::new(),
        })
    }

    /// Another viewer of `path`; `says`: what it sends first.
    pub fn join(&mut self, server: SocketAddr, path: &str, says: Option<&str>) -> Result<()> {
        let mut socket = handshake(server, path)?;
        if let Some(text) = says {
            socket.write_all(&masked(text)?)?;
        }
        socket.set_nonblocking(true)?;
        let number = self.viewers.len() as u64;
        let data = epoll::EventData::new_u64(number);
        epoll::add(&self.epoll, &socket, data, epoll::EventFlags::IN)?;
        self.viewers.push(Viewer {
            socket,
            message: Message::new(),
            last_offset: None,
            stalled: false,
        });
        // Those who came before go on reading meanwhile.
        self.read_for(Duration::ZERO)
    }

    /// Every `nth` viewer reads no more.
    pub fn stall_every(&mut self, nth: usize) -> Result<()> {
        for viewer in self.viewers.iter_mut().step_by(nth) {
            if !viewer.stalled {
                epoll::delete(&self.epoll, &viewer.socket)?;
                viewer.stalled = true;
            }
        }
        Ok(())
    }

    /// Begins to count.
    pub fn count(&mut self) {
        self.seen = Seen::default();
        self.counted_from_ms = now_us() / 1_000;
    }

    /// What was seen since.
    pub fn seen(&mut self) -> Seen {
        self.counted_from_ms = i64::MAX;
        let mut seen = std::mem::take(&mut self.seen);
        seen.delays_ms.sort_by(f64::total_cmp);
        seen.behind_first_ms.sort_by(f64::total_cmp);
        seen
    }

    /// Reads what comes within `span`.
    pub fn read_for(&mut self, span: Duration) -> Result<()> {
        let until = Instant::now() + span;
        let mut ready = Vec::with_capacity(256);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let timeout = Timespec {
                tv_sec: i64::try_from(left.as_secs())?,
                tv_nsec: left.subsec_nanos().into(),
            };
            ready.clear();
            epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut ready),
                Some(&timeout),
            )?;
            for event in &ready {
                self.read(event.data.u64() as usize)?;
            }
            if left.is_zero() {
                return Ok(());
            }
        }
    }

    /// Reads until a picture has come.
    pub fn until_a_picture(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self
            .viewers
            .iter()
            .all(|viewer| viewer.last_offset.is_none())
        {
            ensure!(Instant::now() < deadline, "no picture came");
            self.read_for(Duration::from_micros(500))?;
        }
        Ok(())
    }

    fn read(&mut self, number: usize) -> Result<()> {
        let Some(viewer) = self.viewers.get_mut(number) else {
            return Ok(());
        };
        let count = match viewer.socket.read(&mut self.buffer) {
            Ok(0) => {
                self.seen.ended += 1;
                epoll::delete(&self.epoll, &viewer.socket)?;
                return Ok(());
            }
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                self.seen.ended += 1;
                epoll::delete(&self.epoll, &viewer.socket)?;
                return Ok(());
            }
            Err(error) => return Err(error).context("a viewer's socket"),
        };
        let now_us = now_us();
        self.seen.bytes += count as u64;
        let counts = now_us / 1_000 >= self.counted_from_ms;
        let (last_offset, seen) = (&mut viewer.last_offset, &mut self.seen);
        let firsts = &mut self.first_read_us;
        let mut rest = self.buffer.get(..count).unwrap_or_default();
        while !rest.is_empty() {
            rest = viewer.message.take(rest, |come| {
                if counts && come.binary && come.len_bytes >= SHORTEST_PICTURE {
                    let first = firsts.entry(come.tail).or_insert(now_us);
                    if now_us - *first > ROUND_US {
                        *first = now_us;
                    }
                    seen.behind_first_ms.push((now_us - *first) as f64 / 1e3);
                }
                let Some((offset, timestamp_ms)) = picture(&come) else {
                    return;
                };
                if timestamp_ms >= self.counted_from_ms {
                    // The timestamp names a whole millisecond: its middle is meant.
                    let captured_us = timestamp_ms * 1_000 + 500;
                    seen.delays_ms.push((now_us - captured_us) as f64 / 1e3);
                    let missing = last_offset.map_or(0, |last| offset - last - 1);
                    seen.lost += u64::try_from(missing).unwrap_or(0);
                }
                *last_offset = Some(offset);
            });
        }
        Ok(())
    }
}

/// Offset and timestamp of a picture of weir's.
fn picture(come: &Come) -> Option<(i64, i64)> {
    const FRAGMENT: u8 = 1;
    let number = |at: usize| {
        let bytes = come.begins.get(at..at + 8)?;
        Some(i64::from_be_bytes(bytes.try_into().ok()?))
    };
    if !come.binary || come.begins.first() != Some(&FRAGMENT) {
        return None;
    }
    Some((number(8)?, number(16)?))
}

impl Message {
    fn new() -> Self {
        Self {
            head: [0; 10 + LOOKED_AT],
            have: 0,
            tail: [0; TAIL],
            left: None,
        }
    }

    /// Takes bytes up to the message's end and gives those behind it (RFC 6455 §5.2; a server's are not masked).
    fn take<'b>(&mut self, bytes: &'b [u8], come: impl FnOnce(Come)) -> &'b [u8] {
        let mut rest = bytes;
        let left = loop {
            if let Some(left) = self.left {
                break left;
            }
            if let (head_bytes, Some(len_bytes)) = self.lengths() {
                let looked_at = len_bytes.min(LOOKED_AT as u64);
                if self.have as u64 == head_bytes as u64 + looked_at {
                    self.left = Some(len_bytes - looked_at);
                    continue;
                }
            }
            let Some((byte, behind)) = rest.split_first() else {
                return rest;
            };
            if let Some(place) = self.head.get_mut(self.have) {
                *place = *byte;
            }
            self.have += 1;
            rest = behind;
        };
        let skipped = left.min(rest.len() as u64);
        self.left = Some(left - skipped);
        let taken = rest.get(..skipped as usize).unwrap_or_default();
        if let Some(tail) = taken.last_chunk() {
            self.tail = *tail;
        } else {
            self.tail.rotate_left(taken.len());
            let kept = TAIL - taken.len();
            self.tail[kept..].copy_from_slice(taken);
        }
        if left == skipped {
            let (head_bytes, len_bytes) = self.lengths();
            come(Come {
                binary: self.head[0] & 0x0f == 2,
                len_bytes: len_bytes.unwrap_or(0),
                begins: self.head.get(head_bytes..self.have).unwrap_or_default(),
                tail: self.tail,
            });
            (self.have, self.left) = (0, None);
        }
        rest.get(skipped as usize..).unwrap_or_default()
    }

    /// How long the frame's head is, and what stands behind it once that is known.
    fn lengths(&self) -> (usize, Option<u64>) {
        let be = |bytes: &[u8]| {
            let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
            bytes.iter().fold(0, add)
        };
        let (head_bytes, len_bytes) = match self.head[1] & 0x7f {
            126 => (4, be(&self.head[2..4])),
            127 => (10, be(&self.head[2..10])),
            short => (2, short.into()),
        };
        let known = self.have >= 2 && self.have >= head_bytes;
        (head_bytes, known.then_some(len_bytes))
    }
}

/// A connection that has become a WebSocket.
fn handshake(server: SocketAddr, path: &str) -> Result<TcpStream> {
    let mut socket = TcpStream::connect(server).context("connecting a viewer")?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_nodelay(true)?;
    write!(
        socket,
        "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(head.len() < 4_096, "the answer to a viewer has no end");
        if socket.read(&mut byte)? == 0 {
            bail!("the server hung up on a viewer");
        }
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head);
    ensure!(
        head.starts_with("HTTP/1.1 101"),
        "{path} was answered with {}",
        head.lines().next().unwrap_or_default()
    );
    Ok(socket)
}

/// A text as a client sends it, with a mask of zeros.
fn masked(text: &str) -> Result<Vec<u8>> {
    let len = u8::try_from(text.len()).ok().filter(|len| *len < 126);
    let len = len.context("a text of a viewer is too long")?;
    Ok([&[0x81, 0x80 | len, 0, 0, 0, 0], text.as_bytes()].concat())
}

/// Since 1970, in microseconds.
fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server's frame.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let len = payload.len();
        let head = match len {
            0..126 => vec![first, len as u8],
            126..=0xffff => [&[first, 126][..], &(len as u16).to_be_bytes()].concat(),
            _ => [&[first, 127][..], &(len as u64).to_be_bytes()].concat(),
        };
        [head, payload.to_vec()].concat()
    }

    #[test]
    fn messages_are_told_apart_however_their_bytes_come() {
        let payload = |len: usize| (0..len).map(|n| n as u8).collect::<Vec<_>>();
        let lengths = [0, 1, 31, 32, 33, 125, 126, 5_000, 70_000, 3];
        let mut bytes = Vec::new();
        for (n, len) in lengths.into_iter().enumerate() {
            bytes.extend(frame(if n % 2 == 0 { 0x82 } else { 0x81 }, &payload(len)));
        }
        for step in [1, 2, 7, 100, 4_096, bytes.len()] {
            let mut message = Message::new();
            let mut come = Vec::new();
            for mut part in bytes.chunks(step) {
                while !part.is_empty() {
                    part = message.take(part, |m| {
                        let tail = (m.len_bytes >= SHORTEST_PICTURE).then_some(m.tail);
                        come.push((m.binary, m.begins.to_vec(), tail));
                    });
                }
            }
            let wanted: Vec<_> = lengths
                .iter()
                .enumerate()
                .map(|(n, len)| {
                    let tail = (*len >= 200).then(|| *payload(*len).last_chunk().unwrap());
                    (n % 2 == 0, payload((*len).min(LOOKED_AT)), tail)
                })
                .collect();
            assert_eq!(come, wanted, "in parts of {step}");
        }
    }

    #[test]
    fn of_a_picture_offset_and_time_are_read() {
        let mut begins = vec![1, 0, 0, 0, 0, 0, 0, 0];
        begins.extend(42_i64.to_be_bytes());
        begins.extend(1_700_000_000_000_i64.to_be_bytes());
        begins.extend([0; 8]);
        let come = |binary| Come {
            binary,
            len_bytes: 32,
            begins: &begins,
            tail: [0; TAIL],
        };
        assert_eq!(picture(&come(true)), Some((42, 1_700_000_000_000)));
        assert_eq!(picture(&come(false)), None);
    }
}
