//! Apache Kafka's own command-line tools, and its `kafka-dump-log` over our files.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::server::{KAFKA, Weir};
use super::{Case, Context};
use crate::install::{java, program};
use crate::process::{free_port, run, tail};

const DEADLINE: Duration = Duration::from_mins(2);

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";
const PRODUCER_PERFORMANCE: &str = "org.apache.kafka.tools.ProducerPerformance";
const CONSUMER_PERFORMANCE: &str = "org.apache.kafka.tools.ConsumerPerformance";
const DUMP: &str = "org.apache.kafka.tools.DumpLogSegments";

pub(super) const CASES: &[Case] = &[
    Case {
        name: "kafka-topics",
        what: "creates, lists, describes, deletes; kafka-configs describes",
        run: topics,
    },
    Case {
        name: "kafka-configs",
        what: "--alter on a living topic: kept for ever, up to a size, for a time, and the log does; weir describes it in words",
        run: keeping,
    },
    Case {
        name: "kafka-console-producer",
        what: "and -consumer: lines in, the same lines out; kafka-get-offsets agrees",
        run: console,
    },
    Case {
        name: "kafka-consumer-groups",
        what: "lists and describes a group of the console consumer: offsets and lag",
        run: groups,
    },
    Case {
        name: "kafka-producer-perf-test",
        what: "and consumer-perf-test: 200,000 records of 1 kB through, all of them back",
        run: performance,
    },
    Case {
        name: "kafka-dump-log",
        what: "--deep-iteration over segments and indexes written under load, with small segments",
        run: dump_log,
    },
];

/// Runs one of Kafka's tools against the broker and gives what it printed.
fn tool(context: &Context, class: &str, arguments: &[&str], input: &str) -> Result<String> {
    let bootstrap = context.bootstrap()?.to_string();
    let mut command = java(context.workspace, KAFKA)?;
    command
        .args([class, "--bootstrap-server", &bootstrap])
        .args(arguments);
    Ok(run(&mut command, input.as_bytes(), DEADLINE)?.text())
}

fn topics(context: &Context) -> Result<String> {
    let topic = context.topic("tools");
    tool(
        context,
        TOPICS,
        &[
            "--create",
            "--topic",
            &topic,
            "--partitions",
            "4",
            "--config",
            "retention.ms=3600000",
        ],
        "",
    )?;
    let listed = tool(context, TOPICS, &["--list"], "")?;
    ensure!(
        listed.lines().any(|line| line == topic),
        "--list does not name {topic}: {}",
        tail(&listed)
    );
    let described = tool(context, TOPICS, &["--describe", "--topic", &topic], "")?;
    ensure!(
        described.contains("PartitionCount: 4") && described.contains("retention.ms=3600000"),
        "--describe: {}",
        tail(&described)
    );
    let configured = tool(
        context,
        CONFIGS,
        &[
            "--entity-type",
            "topics",
            "--entity-name",
            &topic,
            "--describe",
        ],
        "",
    )?;
    ensure!(
        configured.contains("retention.ms=3600000"),
        "kafka-configs: {}",
        tail(&configured)
    );
    tool(context, TOPICS, &["--delete", "--topic", &topic], "")?;
    let listed = tool(context, TOPICS, &["--list"], "")?;
    ensure!(
        !listed.lines().any(|line| line == topic),
        "{topic} is still listed after its deletion"
    );
    Ok("tools of Kafka 4.3.0".to_owned())
}

/// What the settings say is what the log then has.
fn keeping(context: &Context) -> Result<String> {
    let settings = [
        "--set",
        "log.retention.check.interval.ms=100",
        "--set",
        "log.cleaner.backoff.ms=100",
    ];
    let folder = context.folder("keeping")?;
    let server = Weir::broker(context.weir()?, &folder, free_port()?, &settings)?;
    let bootstrap = server.kafka.to_string();
    let tool = |class: &str, arguments: &[&str], input: &str| -> Result<String> {
        let mut command = java(context.workspace, KAFKA)?;
        command
            .args([class, "--bootstrap-server", &bootstrap])
            .args(arguments);
        Ok(run(&mut command, input.as_bytes(), DEADLINE)?.text())
    };
    tool(
        TOPICS,
        &[
            "--create",
            "--topic",
            "kept",
            "--config",
            "retention.ms=-1",
            "--config",
            "segment.bytes=1048576",
        ],
        "",
    )?;
    let alter = |what: &[&str]| {
        let of = [
            "--entity-type",
            "topics",
            "--entity-name",
            "kept",
            "--alter",
        ];
        tool(CONFIGS, &[&of, what].concat(), "")
    };
    let earliest = || -> Result<u64> {
        let said = tool(OFFSETS, &["--topic", "kept", "--time", "earliest"], "")?;
        let offset = said.trim().rsplit(':').next().unwrap_or_default();
        offset
            .parse()
            .with_context(|| format!("kafka-get-offsets: {said}"))
    };
    let until = |what: &str, holds: &dyn Fn(u64) -> bool| -> Result<u64> {
        let started = Instant::now();
        loop {
            let found = earliest()?;
            if holds(found) {
                return Ok(found);
            }
            ensure!(
                started.elapsed() < DEADLINE,
                "{what}: the log begins at {found}"
            );
        }
    };
    produce_load(context, &bootstrap, "kept", 5_000, "none")?;
    ensure!(
        earliest()? == 0,
        "records of a topic kept for ever are gone"
    );
    alter(&["--add-config", "retention.bytes=2000000"])?;
    until("retention.bytes=2000000", &|start| {
        (2_000..5_000).contains(&start)
    })?;
    alter(&["--add-config", "retention.ms=1000"])?;
    until("retention.ms=1000", &|start| start == 5_000)?;
    alter(&["--add-config", "retention.ms=-1,cleanup.policy=compact"])?;
    alter(&["--delete-config", "retention.bytes"])?;
    let described = run(
        Command::new(context.weir()?).args([
            "--bootstrap",
            &bootstrap,
            "topic",
            "describe",
            "kept",
        ]),
        b"",
        DEADLINE,
    )?
    .text();
    ensure!(
        described.contains("keeps the newest record of each key for ever"),
        "weir topic describe: {}",
        tail(&described)
    );
    Ok("tools of Kafka 4.3.0".to_owned())
}

fn lines(count: usize) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "key{number}\tline {number}");
        text
    })
}

fn console(context: &Context) -> Result<String> {
    let topic = context.topic("console");
    let input = lines(2000);
    tool(
        context,
        PRODUCER,
        &[
            "--topic",
            &topic,
            "--property",
            "parse.key=true",
            "--compression-codec",
            "zstd",
        ],
        &input,
    )
    .or_else(|_| {
        // Kafka 4.2 renamed the property and the option.
        tool(
            context,
            PRODUCER,
            &[
                "--topic",
                &topic,
                "--reader-property",
                "parse.key=true",
                "--compression-codec",
                "zstd",
            ],
            &input,
        )
    })?;
    let back = tool(
        context,
        CONSUMER,
        &[
            "--topic",
            &topic,
            "--from-beginning",
            "--max-messages",
            "2000",
            "--timeout-ms",
            "30000",
            "--formatter-property",
            "print.key=true",
        ],
        "",
    )?;
    ensure!(
        back == input,
        "{} lines came back of 2000, or others",
        back.lines().count()
    );
    let offsets = tool(context, OFFSETS, &["--topic", &topic], "")?;
    ensure!(
        offsets.trim() == format!("{topic}:0:2000"),
        "kafka-get-offsets: {}",
        tail(&offsets)
    );
    Ok("tools of Kafka 4.3.0".to_owned())
}

fn groups(context: &Context) -> Result<String> {
    let topic = context.topic("groups");
    let group = format!("group-{topic}");
    tool(context, PRODUCER, &["--topic", &topic], &lines(500))?;
    let read = tool(
        context,
        CONSUMER,
        &[
            "--topic",
            &topic,
            "--group",
            &group,
            "--from-beginning",
            "--max-messages",
            "200",
            "--timeout-ms",
            "30000",
        ],
        "",
    )?;
    ensure!(
        read.lines().count() == 200,
        "the group read {} records of 200",
        read.lines().count()
    );
    let listed = tool(context, GROUPS, &["--list"], "")?;
    ensure!(
        listed.lines().any(|line| line == group),
        "--list does not name {group}"
    );
    let described = tool(context, GROUPS, &["--describe", "--group", &group], "")?;
    let row = described
        .lines()
        .find(|line| line.contains(&topic))
        .context("--describe has no row of the topic")?;
    let cells: Vec<&str> = row.split_whitespace().collect();
    // GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG …
    ensure!(
        cells.get(3..6) == Some(&["200", "500", "300"]),
        "--describe: {row}"
    );
    tool(
        context,
        GROUPS,
        &[
            "--reset-offsets",
            "--group",
            &group,
            "--topic",
            &topic,
            "--to-earliest",
            "--execute",
        ],
        "",
    )?;
    let again = tool(context, GROUPS, &["--describe", "--group", &group], "")?;
    ensure!(
        again
            .lines()
            .any(|line| line.contains(&topic) && line.split_whitespace().nth(3) == Some("0")),
        "after --reset-offsets: {}",
        tail(&again)
    );
    Ok("tools of Kafka 4.3.0".to_owned())
}

fn produce_load(
    context: &Context,
    bootstrap: &str,
    topic: &str,
    records: u32,
    compression: &str,
) -> Result<String> {
    let mut command = java(context.workspace, KAFKA)?;
    command.args([
        PRODUCER_PERFORMANCE,
        "--topic",
        topic,
        "--num-records",
        &records.to_string(),
        "--record-size",
        "1000",
        "--throughput",
        "-1",
        "--producer-props",
        &format!("bootstrap.servers={bootstrap}"),
        "acks=all",
        &format!("compression.type={compression}"),
    ]);
    let text = run(&mut command, b"", DEADLINE)?.text();
    let last = text.lines().last().unwrap_or_default();
    ensure!(
        last.starts_with(&format!("{records} records sent")),
        "{}",
        tail(&text)
    );
    Ok(last.split(',').nth(1).unwrap_or_default().trim().to_owned())
}

fn performance(context: &Context) -> Result<String> {
    let topic = context.topic("performance");
    let bootstrap = context.bootstrap()?.to_string();
    let rate = produce_load(context, &bootstrap, &topic, 200_000, "none")?;
    let read = tool(
        context,
        CONSUMER_PERFORMANCE,
        &[
            "--topic",
            &topic,
            "--num-records",
            "200000",
            "--timeout",
            "30000",
            "--hide-header",
        ],
        "",
    )?;
    let count = read
        .lines()
        .last()
        .unwrap_or_default()
        .split(',')
        .nth(4)
        .map(str::trim)
        .unwrap_or_default();
    ensure!(count == "200000", "the consumer read: {}", tail(&read));
    Ok(rate)
}

fn dump_log(context: &Context) -> Result<String> {
    let mut server = Weir::broker(
        context.weir()?,
        &context.folder("dump")?,
        free_port()?,
        &["--set", "log.segment.bytes=1048576"],
    )?;
    let bootstrap = server.kafka.to_string();
    let load = context.topic("load");
    for compression in ["none", "gzip", "lz4"] {
        produce_load(context, &bootstrap, &load, 20_000, compression)?;
    }
    // A group's commits, so that the broker's own topic has records to be looked at as well.
    let mut kcat = Command::new(program(context.workspace, "kcat")?);
    kcat.args([
        "-b",
        &bootstrap,
        "-q",
        "-G",
        "dumped",
        "-c",
        "1000",
        "-X",
        "auto.offset.reset=earliest",
        &load,
    ]);
    run(&mut kcat, b"", DEADLINE)?;
    server.still_runs()?;
    let data = server.data.clone();
    let (status, _) = server.end()?;
    ensure!(status.success(), "weir broker ended with {status}");

    let checked = dump(context, &data)?;
    ensure!(
        checked.segments >= 10,
        "only {} segments were written",
        checked.segments
    );
    ensure!(
        checked.records >= 60_000,
        "only {} records were found",
        checked.records
    );
    Ok(format!(
        "{} segments, {} index files, {} records sound",
        checked.segments, checked.indexes, checked.records
    ))
}

/// What `kafka-dump-log` looked at without complaint.
#[derive(Debug, Default)]
pub(super) struct Dumped {
    pub segments: usize,
    pub indexes: usize,
    pub records: usize,
}

/// Runs `kafka-dump-log` over every segment and index under the folder; an error with its words where it complains.
pub(super) fn dump(context: &Context, data: &Path) -> Result<Dumped> {
    let mut files = Vec::new();
    for partition in fs::read_dir(data)?
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_dir())
    {
        for entry in fs::read_dir(partition.path())?.filter_map(Result::ok) {
            files.push(entry.path());
        }
    }
    let ending = |file: &PathBuf| {
        file.extension()
            .map(|ending| ending.to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    // One line for each record at most; the tool wants segments and indexes in calls of their own.
    let mut dumped = Dumped::default();
    let of = |kind: &str| -> Result<(usize, String)> {
        let chosen: Vec<String> = files
            .iter()
            .filter(|file| ending(file) == kind)
            .map(|file| file.display().to_string())
            .collect();
        if chosen.is_empty() {
            return Ok((0, String::new()));
        }
        let mut command = java(context.workspace, KAFKA)?;
        command.args([DUMP, "--deep-iteration", "--files", &chosen.join(",")]);
        let ended = run(&mut command, b"", DEADLINE)?;
        let text = ended.text();
        if let Some(wrong) = text.lines().find(|line| complains(line)) {
            bail!("kafka-dump-log on .{kind}: {wrong}");
        }
        if let Some(wrong) = complaint(&ended.stderr) {
            bail!("kafka-dump-log on .{kind}: {wrong}");
        }
        Ok((chosen.len(), text))
    };
    let (segments, text) = of("log")?;
    dumped.segments = segments;
    dumped.records = text
        .lines()
        .filter(|line| line.trim_start().starts_with("| offset:"))
        .count();
    for kind in ["index", "timeindex", "txnindex"] {
        dumped.indexes += of(kind)?.0;
    }
    Ok(dumped)
}

/// The words `kafka-dump-log` uses for what is not sound.
fn complains(line: &str) -> bool {
    [
        "Mismatches",
        "mismatch",
        "Non-consecutive",
        "not found",
        "Invalid",
        "invalid",
        "corrupt",
        "Exception",
        "isvalid: false",
        "is larger than",
        "out of order",
    ]
    .iter()
    .any(|word| line.contains(word))
}

/// What the tool says on stderr, but for one thing it says of every segment after a partition's first, Kafka's own
/// included: that the offset "-1 is followed by" the segment's base offset.
fn complaint(stderr: &str) -> Option<&str> {
    stderr
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("Non-consecutive offsets in "))
        .find(|line| !line.starts_with("-1 is followed by "))
}

#[cfg(test)]
mod tests {
    use super::{complains, complaint};

    #[test]
    fn a_gap_is_a_complaint_and_the_start_of_a_later_segment_is_none() {
        let start =
            "Non-consecutive offsets in /x/00000000000000001025.log\n  -1 is followed by 1025\n";
        assert_eq!(complaint(start), None);
        let gap = format!("{start}  1030 is followed by 1032\n");
        assert_eq!(complaint(&gap), Some("1030 is followed by 1032"));
        assert!(complains("Mismatches in :/x/0.index"));
    }
}
