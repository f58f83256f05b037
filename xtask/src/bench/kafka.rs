//! The broker's figures beside Apache Kafka's, both measured by the same generators: throughput by Kafka's own
//! `ProducerPerformance` and `ConsumerPerformance` (their 0.6 to 1 GB/s with acks=0 on an idle core pair is above what two
//! shared cores give either broker), latency by librdkafka, which stamps microseconds where Kafka's tool has milliseconds.
//! Both brokers run all the time, the runs alternate, and a topic is deleted after its run.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{Bench, Figure, Measurement, median};
use crate::install::java;
use crate::interop::server::{ApacheKafka, KAFKA, Weir};
use crate::process::{free_port, run, tail};

const DEADLINE: Duration = Duration::from_mins(5);

pub(super) const MEASUREMENTS: &[Measurement] = &[
    ("start", start),
    ("throughput", throughput),
    ("latency", latency),
];

/// Runs of each side, alternating.
const ROUNDS: usize = 4;

/// Record length in bytes, and how many make one run: gigabytes, so that what a broker leaves to the operating system's cache
/// (Kafka all of it, weir with acks=1 a second's worth) begins to be written within the run too.
const SIZES: &[(u32, u32)] = &[(1000, 1_000_000), (100_000, 20_000)];

fn start(bench: &Bench) -> Result<Vec<Figure>> {
    let mut weir = Vec::new();
    for round in 0..9 {
        let server = Weir::broker(
            &bench.weir,
            &bench.folder(&format!("start-{round}"))?,
            free_port()?,
            &[],
        )?;
        weir.push(server.start_took.as_secs_f64() * 1000.0);
        server.kill()?;
    }
    let mut kafka = Vec::new();
    for round in 0..3 {
        let server = ApacheKafka::start(
            bench.workspace,
            &bench.folder(&format!("kafka-start-{round}"))?,
            "",
        )?;
        kafka.push(server.start_took.as_secs_f64() * 1000.0);
    }
    Ok(vec![Figure {
        what: "broker start to first answer".to_owned(),
        weir: format!("{:.0} ms", median(weir)),
        kafka: format!("{:.0} ms", median(kafka)),
        remark: "median; wanted: at most 100 ms".to_owned(),
    }])
}

/// Both brokers, running.
struct Pair {
    weir: Weir,
    kafka: ApacheKafka,
}

impl Pair {
    fn start(bench: &Bench, name: &str) -> Result<Self> {
        Ok(Self {
            weir: Weir::broker(
                &bench.weir,
                &bench.folder(&format!("weir-{name}"))?,
                free_port()?,
                &[],
            )?,
            kafka: ApacheKafka::start(
                bench.workspace,
                &bench.folder(&format!("kafka-{name}"))?,
                "",
            )?,
        })
    }

    /// Kafka at the durability weir's acks=all has: it syncs each append before it answers.
    fn synced(&self, bench: &Bench, size: u32, records: u32) -> Result<f64> {
        let bootstrap = self.kafka.kafka.to_string();
        let name = format!("synced-{size}");
        topic(bench, &bootstrap, "--create", &name, &["flush.messages=1"])?;
        // A quarter, since the run takes several times as long.
        let rate = produce(bench, &bootstrap, &name, size, records / 4, "all")?;
        topic(bench, &bootstrap, "--delete", &name, &[])?;
        Ok(rate)
    }

    /// A B A B: both sides once a round.
    fn each(&self, mut measure: impl FnMut(usize, SocketAddr) -> Result<()>) -> Result<()> {
        for _ in 0..ROUNDS {
            measure(0, self.weir.kafka)?;
            measure(1, self.kafka.kafka)?;
        }
        Ok(())
    }
}

fn tool(bench: &Bench, class: &str, arguments: &[&str]) -> Result<String> {
    let mut command = java(bench.workspace, KAFKA)?;
    command.arg(class).args(arguments);
    Ok(run(&mut command, b"", DEADLINE)?.text())
}

fn topic(bench: &Bench, bootstrap: &str, what: &str, topic: &str, settings: &[&str]) -> Result<()> {
    let mut arguments = vec!["--bootstrap-server", bootstrap, what, "--topic", topic];
    if what == "--create" {
        arguments.extend(["--partitions", "1", "--replication-factor", "1"]);
        for setting in settings {
            arguments.extend(["--config", *setting]);
        }
    }
    tool(bench, "org.apache.kafka.tools.TopicCommand", &arguments)?;
    Ok(())
}

fn throughput(bench: &Bench) -> Result<Vec<Figure>> {
    let pair = Pair::start(bench, "throughput")?;
    let mut figures = Vec::new();
    let mut number = 0;
    for &(size, records) in SIZES {
        for acks in ["all", "1"] {
            let mut produced = [Vec::new(), Vec::new()];
            let mut consumed = [Vec::new(), Vec::new()];
            pair.each(|side, address| {
                number += 1;
                let bootstrap = address.to_string();
                let name = format!("throughput-{number}");
                topic(bench, &bootstrap, "--create", &name, &[])?;
                produced[side].push(produce(bench, &bootstrap, &name, size, records, acks)?);
                if acks == "all" {
                    consumed[side].push(consume(bench, &bootstrap, &name, records)?);
                }
                topic(bench, &bootstrap, "--delete", &name, &[])
            })?;
            let kilobytes = size / 1000;
            figures.push(figure(
                format!("produce, {kilobytes} kB, acks={acks}"),
                &produced,
            ));
            if acks == "all" {
                let synced = [
                    produced[0].clone(),
                    vec![pair.synced(bench, size, records)?],
                ];
                let mut same = figure(
                    format!("produce, {kilobytes} kB, acks=all, both synced"),
                    &synced,
                );
                same.remark += "; Kafka with flush.messages=1, so that its acks=all waits for the disk too; once, with a quarter of the records";
                figures.push(same);
                figures.push(figure(format!("consume, {kilobytes} kB"), &consumed));
            }
        }
    }
    Ok(figures)
}

fn figure(what: String, sides: &[Vec<f64>; 2]) -> Figure {
    let show = |values: &Vec<f64>| {
        let runs: Vec<String> = values.iter().map(|value| format!("{value:.0}")).collect();
        format!("{} MB/s", runs.join(", "))
    };
    let mean = |values: &Vec<f64>| values.iter().sum::<f64>() / values.len().max(1) as f64;
    Figure {
        what,
        weir: show(&sides[0]),
        kafka: show(&sides[1]),
        remark: format!(
            "weir at {:.2} of Kafka; runs in turn",
            mean(&sides[0]) / mean(&sides[1])
        ),
    }
}

/// MB/s (of 10^6 bytes) of one run of Kafka's producer-perf-test, as fast as it goes.
fn produce(
    bench: &Bench,
    bootstrap: &str,
    topic: &str,
    size: u32,
    records: u32,
    acks: &str,
) -> Result<f64> {
    let text = tool(
        bench,
        "org.apache.kafka.tools.ProducerPerformance",
        &[
            "--topic",
            topic,
            "--num-records",
            &records.to_string(),
            "--record-size",
            &size.to_string(),
            "--throughput",
            "-1",
            "--warmup-records",
            &(records / 10).to_string(),
            "--producer-props",
            &format!("bootstrap.servers={bootstrap}"),
            &format!("acks={acks}"),
            "batch.size=131072",
            "linger.ms=5",
            "max.request.size=1048576",
        ],
    )?;
    // "N records sent, R records/sec (M MB/sec), …": the last such line is the steady state after the warm-up.
    let line = text
        .lines()
        .rfind(|line| line.contains("records/sec"))
        .context("no result line")?;
    let rate: f64 = line
        .split(',')
        .find_map(|part| {
            part.trim()
                .split(" records/sec")
                .next()
                .filter(|_| part.contains("records/sec"))
        })
        .and_then(|text| text.parse().ok())
        .with_context(|| format!("reading {line}"))?;
    Ok(rate * f64::from(size) / 1e6)
}

/// MB/s (of 10^6 bytes) of Kafka's consumer-perf-test over what was just written.
fn consume(bench: &Bench, bootstrap: &str, topic: &str, records: u32) -> Result<f64> {
    let text = tool(
        bench,
        "org.apache.kafka.tools.ConsumerPerformance",
        &[
            "--bootstrap-server",
            bootstrap,
            "--topic",
            topic,
            "--num-records",
            &records.to_string(),
            "--timeout",
            "30000",
        ],
    )?;
    let mut lines = text.lines().filter(|line| line.contains(','));
    let head: Vec<&str> = lines
        .next()
        .context("no head")?
        .split(',')
        .map(str::trim)
        .collect();
    let cells: Vec<&str> = lines
        .next()
        .context("no result")?
        .split(',')
        .map(str::trim)
        .collect();
    let cell = |name: &str| -> Result<f64> {
        let column = head
            .iter()
            .position(|title| *title == name)
            .with_context(|| format!("no column {name}"))?;
        Ok(cells.get(column).context("a short row")?.parse()?)
    };
    ensure!(
        cell("data.consumed.in.nMsg")? >= f64::from(records),
        "{}",
        tail(&text)
    );
    // The fetch alone, without joining the group; the tool's MB are of 2^20 bytes.
    Ok(cell("fetch.MB.sec")? * 1.048_576)
}

fn latency(bench: &Bench) -> Result<Vec<Figure>> {
    let pair = Pair::start(bench, "latency")?;
    let mut figures = Vec::new();
    let mut number = 0;
    for acks in ["all", "1"] {
        let mut sides = [Vec::new(), Vec::new()];
        pair.each(|side, address| {
            number += 1;
            let bootstrap = address.to_string();
            let name = format!("latency-{number}");
            topic(bench, &bootstrap, "--create", &name, &[])?;
            sides[side]
                .push(bench.script("latency.py", &[&bootstrap, &name, acks, "4000", "500"])?);
            Ok(())
        })?;
        for part in ["p50", "p99", "p999"] {
            let show = |side: &Vec<serde_json::Value>| {
                let runs: Vec<String> = side
                    .iter()
                    .map(|run| format!("{:.2}", run[part].as_f64().unwrap_or(f64::NAN)))
                    .collect();
                format!("{} ms", runs.join(", "))
            };
            figures.push(Figure {
                what: format!("produce latency, 1 kB, acks={acks}, {}", part.replace("p999", "p99.9")),
                weir: show(&sides[0]),
                kafka: show(&sides[1]),
                remark: "librdkafka, 500 records/s, nothing batched; Kafka's acks=all does not wait for the disk, weir's does".to_owned(),
            });
        }
    }
    Ok(figures)
}
