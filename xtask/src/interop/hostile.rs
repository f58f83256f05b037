//! Frames no client library would send, from raw sockets: each costs its sender the connection or gets the protocol's
//! error, the broker answers everybody else as before, and its memory does not follow a length somebody only claimed.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context as _, Result, ensure};

use super::server::Weir;
use super::{Case, Context};
use crate::process::{free_port, resident_bytes};
use crate::wire::{answers, connect, frame, header};

/// What resident memory may grow by over all of these.
const GROWTH: u64 = 32 << 20;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "hostile frames",
        what: "claimed lengths, counts and varints, wrong versions, other protocols: the connection closes, the broker goes on",
        run: frames,
    },
    Case {
        name: "hostile bodies",
        what: "4,000 requests of every API and version with random bodies: no end of the broker, no growth",
        run: random_bodies,
    },
    Case {
        name: "half-sent frames",
        what: "200 connections that claim 90 MB each and send ten bytes: others are served, memory stays",
        run: half_sent,
    },
];

/// What must happen to a sender.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Closed,
    /// An answer (with an error in it) or the end, but never silence.
    AnsweredOrClosed,
}

/// A frame of a header and what follows it.
fn with(head: &[u8], rest: &[u8]) -> Vec<u8> {
    frame(&[head, rest].concat())
}

/// What is sent, and what must come of it.
type Hostile = (&'static str, Vec<u8>, Fate);

/// Lengths, other protocols and headers: what is wrong before a request is looked at.
fn broken_frames() -> Vec<Hostile> {
    let claimed = |length: i32| length.to_be_bytes().to_vec();
    vec![
        ("a negative length", claimed(-1), Fate::Closed),
        ("the smallest length", claimed(i32::MIN), Fate::Closed),
        ("2 GB claimed", claimed(i32::MAX), Fate::Closed),
        ("1 GB claimed", claimed(1 << 30), Fate::Closed),
        (
            "an HTTP request",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
            Fate::Closed,
        ),
        (
            "a TLS hello",
            vec![
                0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03,
            ],
            Fate::Closed,
        ),
        ("an empty frame", frame(&[]), Fate::Closed),
        ("three bytes of a header", frame(&[0, 18, 0]), Fate::Closed),
        (
            "an API that does not exist",
            with(&header(9999, 0, 1), &[]),
            Fate::Closed,
        ),
        ("a negative API", with(&header(-1, 0, 1), &[]), Fate::Closed),
        (
            "metadata in version 99",
            with(&header(3, 99, 1), &[0; 8]),
            Fate::Closed,
        ),
        (
            "ApiVersions in version 99",
            with(&header(18, 99, 1), &[]),
            Fate::AnsweredOrClosed,
        ),
        (
            "a client id longer than the frame",
            frame(&[0, 3, 0, 1, 0, 0, 0, 1, 0x7f, 0xff, b'x']),
            Fate::Closed,
        ),
        (
            "a client id of length -2",
            frame(&[0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xfe]),
            Fate::AnsweredOrClosed,
        ),
    ]
}

/// Requests whose insides claim what is not there.
fn broken_requests() -> Vec<Hostile> {
    vec![
        (
            "metadata of 2^31-1 topics",
            with(&header(3, 1, 1), &[0x7f, 0xff, 0xff, 0xff]),
            Fate::Closed,
        ),
        (
            "metadata of -2 topics",
            with(&header(3, 1, 1), &[0xff, 0xff, 0xff, 0xfe]),
            Fate::AnsweredOrClosed,
        ),
        (
            "metadata of 2^32-2 topics, compact",
            with(&header(3, 9, 1), &[0, 0xff, 0xff, 0xff, 0xff, 0x0f]),
            Fate::Closed,
        ),
        (
            "a varint that does not end",
            with(&header(3, 9, 1), &[0x80; 64]),
            Fate::Closed,
        ),
        (
            "2^31 tagged fields",
            with(&header(3, 9, 1), &[0xff, 0xff, 0xff, 0xff, 0x07]),
            Fate::Closed,
        ),
        (
            "a produce of nothing",
            with(&header(0, 3, 1), &[]),
            Fate::Closed,
        ),
        (
            "a produce of 2^31-1 topics",
            with(
                &header(0, 3, 1),
                &[
                    0xff, 0xff, 0xff, 0xff, 0, 0, 0x75, 0x30, 0x7f, 0xff, 0xff, 0xff,
                ],
            ),
            Fate::Closed,
        ),
        (
            "a fetch of 2^31-1 topics",
            with(&header(1, 4, 1), &fetch_of_many()),
            Fate::Closed,
        ),
        (
            "a produce whose records claim 1 GB",
            produce(1 << 30, &[0; 16]),
            Fate::Closed,
        ),
        (
            "a produce of a batch that claims 2 GB",
            produce(70, &batch_claiming(i32::MAX)),
            Fate::AnsweredOrClosed,
        ),
        (
            "a produce of a batch of negative length",
            produce(70, &batch_claiming(-5)),
            Fate::AnsweredOrClosed,
        ),
        (
            "a produce of zeroes",
            produce(70, &[0; 70]),
            Fate::AnsweredOrClosed,
        ),
        (
            "a join with a member's protocol of 2 GB",
            with(&header(11, 0, 1), &join_claiming()),
            Fate::Closed,
        ),
    ]
}

fn fetch_of_many() -> Vec<u8> {
    let mut body = (-1i32).to_be_bytes().to_vec();
    for number in [100i32, 1, i32::MAX] {
        body.extend(number.to_be_bytes());
    }
    body.push(0);
    body.extend(i32::MAX.to_be_bytes());
    body
}

/// A produce request of version 3 for partition 0 of the topic `hostile`, its records claiming that length.
fn produce(claimed: i32, records: &[u8]) -> Vec<u8> {
    let mut body = header(0, 3, 1);
    body.extend((-1i16).to_be_bytes()); // transactional id: none
    body.extend((-1i16).to_be_bytes()); // acks: all
    body.extend(30_000i32.to_be_bytes());
    body.extend(1i32.to_be_bytes());
    body.extend(7i16.to_be_bytes());
    body.extend(b"hostile");
    body.extend(1i32.to_be_bytes());
    body.extend(0i32.to_be_bytes());
    body.extend(claimed.to_be_bytes());
    body.extend_from_slice(records);
    frame(&body)
}

/// The head of a record batch that claims that length (base offset, length, leader epoch, magic 2, zeroes).
fn batch_claiming(length: i32) -> Vec<u8> {
    let mut batch = 0i64.to_be_bytes().to_vec();
    batch.extend(length.to_be_bytes());
    batch.extend(0i32.to_be_bytes());
    batch.push(2);
    batch.resize(70, 0);
    batch
}

fn join_claiming() -> Vec<u8> {
    let mut body = 1i16.to_be_bytes().to_vec();
    body.push(b'g');
    body.extend(10_000i32.to_be_bytes());
    body.extend(0i16.to_be_bytes());
    body.extend(8i16.to_be_bytes());
    body.extend(b"consumer");
    body.extend(1i32.to_be_bytes());
    body.extend(1i16.to_be_bytes());
    body.push(b'p');
    body.extend(i32::MAX.to_be_bytes());
    body
}

/// What the broker did with the sender: its answer's length, or `None` when it closed.
fn reaction(stream: &mut TcpStream) -> Result<Option<usize>> {
    let mut bytes = [0; 4096];
    match stream.read(&mut bytes) {
        Ok(0) => Ok(None),
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(None),
        Err(error) => Err(error).context("neither an answer nor the end of the connection"),
    }
}

/// The broker at the other end, and its memory before anything was sent.
struct Target {
    address: SocketAddr,
    /// A broker of our own, so that what it does to memory is its doing; none against a broker that was named.
    own: Option<(Weir, u64)>,
}

impl Target {
    fn start(context: &Context) -> Result<Self> {
        if let Ok(address) = context.given() {
            return Ok(Self { address, own: None });
        }
        let server = Weir::broker(
            context.weir()?,
            &context.folder("hostile")?,
            free_port()?,
            &[],
        )?;
        let address = server.kafka;
        // The first requests allocate what stays: thread stacks, buffers.
        for _ in 0..50 {
            ensure!(answers(address), "it does not answer");
        }
        let memory = resident_bytes(server.id()).unwrap_or(0);
        Ok(Self {
            address,
            own: Some((server, memory)),
        })
    }

    /// It runs, answers, and has not grown.
    fn is_sound(&mut self) -> Result<String> {
        if let Some((server, _)) = &mut self.own {
            server.still_runs()?;
        }
        ensure!(answers(self.address), "it answers nobody any more");
        let Some((server, before)) = &self.own else {
            return Ok("memory not looked at".to_owned());
        };
        let after = resident_bytes(server.id()).unwrap_or(0);
        ensure!(
            after < before + GROWTH,
            "resident memory went from {} to {} MB",
            before >> 20,
            after >> 20
        );
        Ok(format!(
            "{} MB before, {} MB after",
            before >> 20,
            after >> 20
        ))
    }
}

fn frames(context: &Context) -> Result<String> {
    let mut target = Target::start(context)?;
    let frames = [broken_frames(), broken_requests()].concat();
    for (what, bytes, fate) in &frames {
        let mut stream = connect(target.address)?;
        // The broker may close while we still write: that is one of the ends we want.
        let _ = stream.write_all(bytes);
        let reaction = reaction(&mut stream).with_context(|| format!("{what} (hostile)"))?;
        ensure!(
            *fate == Fate::AnsweredOrClosed || reaction.is_none(),
            "{what}: {} bytes came back where the connection should have ended",
            reaction.unwrap_or(0)
        );
        ensure!(answers(target.address), "after {what} it answers nobody");
    }
    let memory = target.is_sound()?;
    Ok(format!("{} frames, {memory}", frames.len()))
}

/// A small generator: the same bodies every time (xorshift64, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn random_bodies(context: &Context) -> Result<String> {
    let mut target = Target::start(context)?;
    let mut random = Random(0x5eed_5eed_5eed_5eed);
    let mut sent = 0;
    for round in 0..4000 {
        let api = (round % 80) as i16;
        let version = (random.next() % 14) as i16;
        let mut body = header(api, version, round);
        for _ in 0..random.next() % 120 {
            // Small numbers and extremes lead deeper into a decoder than noise does.
            body.push(match random.next() % 4 {
                0 => 0,
                1 => 0xff,
                2 => (random.next() % 8) as u8,
                _ => random.next() as u8,
            });
        }
        let mut stream = connect(target.address)
            .with_context(|| format!("before API {api} version {version}"))?;
        let _ = stream.write_all(&frame(&body));
        // Some of them are right by chance and wait for their time (a fetch): nobody waits with them.
        drop(stream);
        sent += 1;
        if round % 200 == 0 {
            target.is_sound()?;
            ensure!(
                answers(target.address),
                "after API {api} version {version} it answers nobody"
            );
        }
    }
    let memory = target.is_sound()?;
    Ok(format!("{sent} requests, {memory}"))
}

fn half_sent(context: &Context) -> Result<String> {
    let mut target = Target::start(context)?;
    let open = |address: SocketAddr| -> Result<TcpStream> {
        let mut stream = connect(address)?;
        let mut bytes = (90i32 << 20).to_be_bytes().to_vec();
        bytes.extend([0, 0, 0, 3, 0, 0, 0, 1, 0xff, 0xff]);
        stream.write_all(&bytes)?;
        Ok(stream)
    };
    let held: Vec<TcpStream> = (0..200)
        .map(|_| open(target.address))
        .collect::<Result<_>>()?;
    let memory = target.is_sound()?;
    drop(held);
    ensure!(answers(target.address), "after they left it answers nobody");
    Ok(memory)
}
