//! `weir mirror` beside Apache Kafka's `MirrorMaker` 2 (KIP-382): the same topic of 1 kB records from one weir to a new Apache Kafka
//! each time, in turn. From the start of the program until all is there; and once more, killed with -9 in the middle and started
//! again: what is lost or doubled then. Each record's time is its own, so the times tell.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::archive::{PARTITIONS, RECORDS, TOPIC, filled};
use super::{Bench, Figure, Measurement, median};
use crate::install::{jars, program};
use crate::interop::server::ApacheKafka;
use crate::process::{Running, resident_bytes, run};

pub(super) const MEASUREMENTS: &[Measurement] = &[("mirror", mirror)];

/// Runs of each side, in turn.
const ROUNDS: usize = 3;
const DEADLINE: Duration = Duration::from_mins(10);
/// How often the target is asked where the topic ends.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Who was killed has sent everything when the target has not grown for so long. (`MirrorMaker` takes a while to begin.)
const STILL: Duration = Duration::from_secs(15);

/// Who mirrors.
#[derive(Clone, Copy)]
enum Side {
    Weir,
    MirrorMaker,
}

/// What a run showed.
struct Run {
    seconds: f64,
    resident_bytes: u64,
    lost: usize,
    doubled: usize,
}

fn mirror(bench: &Bench) -> Result<Vec<Figure>> {
    let source = filled(bench, "mirror-source")?;
    let from = source.kafka.to_string();
    let sides = [("weir", Side::Weir), ("mm2", Side::MirrorMaker)];
    let mut runs = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        for ((name, side), runs) in sides.iter().zip(&mut runs) {
            let folder = bench.folder(&format!("mirror-{name}-{round}"))?;
            runs.push(once(bench, &from, *side, &folder, false)?);
        }
    }
    let mut killed = Vec::new();
    for (name, side) in sides {
        let folder = bench.folder(&format!("mirror-{name}-killed"))?;
        killed.push(once(bench, &from, side, &folder, true)?);
    }
    for run in runs.iter().flatten() {
        ensure!(run.lost == 0, "{} records are not there", run.lost);
    }
    let doubled: Vec<usize> = runs.iter().flatten().map(|run| run.doubled).collect();
    let seconds = |runs: &[Run]| median(runs.iter().map(|run| run.seconds).collect());
    let resident = |runs: &[Run]| runs.iter().map(|run| run.resident_bytes).max().unwrap_or(0);
    let [weir, mm2] = &runs;
    let [weir_killed, mm2_killed] = &killed[..] else {
        unreachable!("two sides")
    };
    let side = |runs: &[Run], killed: &Run| {
        format!(
            "{:.1} s, {} MB; after a kill {} lost, {} doubled",
            seconds(runs),
            resident(runs) / 1_000_000,
            killed.lost,
            killed.doubled
        )
    };
    Ok(vec![Figure {
        what: format!(
            "mirror {RECORDS} records of 1 kB to Apache Kafka: time until all is there, memory at most"
        ),
        weir: side(weir, weir_killed),
        kafka: side(mm2, mm2_killed),
        remark: format!(
            "beside MirrorMaker 2 (4.3.0, as it comes but for tasks.max={PARTITIONS} and one copy, heap of its own script); from weir's broker, {PARTITIONS} partitions; medians of {ROUNDS} runs in turn, start of the program within; doubled without a kill: {doubled:?}; the kill is one -9 at 40 % and a start at once"
        ),
    }])
}

/// The program, from one address to the other.
fn begin(bench: &Bench, side: Side, from: &str, to: &str, folder: &Path) -> Result<Command> {
    match side {
        Side::Weir => {
            let mut command = Command::new(&bench.weir);
            command.args(["mirror", "--from", from, "--to", to, "--topic", TOPIC]);
            Ok(command)
        }
        Side::MirrorMaker => mirror_maker(bench, from, to, folder),
    }
}

fn mirror_maker(bench: &Bench, from: &str, to: &str, folder: &Path) -> Result<Command> {
    let properties = folder.join("mm2.properties");
    let mut text = format!(
        "clusters=a,b\na.bootstrap.servers={from}\nb.bootstrap.servers={to}\na->b.enabled=true\na->b.topics={TOPIC}\n\
         b->a.enabled=false\ntasks.max={PARTITIONS}\nsync.topic.acls.enabled=false\n\
         replication.policy.class=org.apache.kafka.connect.mirror.IdentityReplicationPolicy\n"
    );
    for topic in [
        "",
        "checkpoints.topic.",
        "heartbeats.topic.",
        "offset-syncs.topic.",
        "offset.storage.",
        "status.storage.",
        "config.storage.",
    ] {
        writeln!(text, "{topic}replication.factor=1")?;
    }
    fs::write(&properties, text)?;
    let folder = jars(bench.workspace, "mirror-maker-4.3.0")?;
    let mut command = Command::new(program(bench.workspace, "java")?);
    command
        .args(["-Xms256m", "-Xmx2g", "-XX:+UseG1GC", "-cp"])
        .arg(format!("{}/*", folder.display()))
        .arg("org.apache.kafka.connect.mirror.MirrorMaker")
        .arg(&properties);
    Ok(command)
}

/// Mirrors the topic to a new Kafka, killed on the way or not.
fn once(bench: &Bench, from: &str, side: Side, folder: &Path, kill: bool) -> Result<Run> {
    let target = ApacheKafka::start(bench.workspace, &folder.join("kafka"), "")?;
    let to = target.kafka.to_string();
    let start = || -> Result<Running> {
        Running::start(
            "mirror",
            &mut begin(bench, side, from, &to, folder)?,
            folder,
        )
    };
    let all = u64::from(RECORDS);
    let started = Instant::now();
    let mut running = start()?;
    let mut resident = 0;
    let mut until = |running: &mut Running, wanted: u64| -> Result<()> {
        while end(bench, &to) < wanted {
            running.still_runs()?;
            resident = resident.max(resident_bytes(running.id()).unwrap_or(0));
            ensure!(started.elapsed() < DEADLINE, "not all came");
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    };
    if kill {
        until(&mut running, all * 2 / 5)?;
        running.kill()?;
        running = start()?;
    }
    until(&mut running, all)?;
    let seconds = started.elapsed().as_secs_f64();
    if kill {
        let (mut at, mut since) = (end(bench, &to), Instant::now());
        while since.elapsed() < STILL {
            thread::sleep(LOOK_EVERY);
            let now = end(bench, &to);
            if now != at {
                (at, since) = (now, Instant::now());
            }
        }
    }
    running.kill()?;
    let (lost, doubled) = counted(bench, &to)?;
    Ok(Run {
        seconds,
        resident_bytes: resident,
        lost,
        doubled,
    })
}

/// How many records the topic has at the target; none while it is not there.
fn end(bench: &Bench, to: &str) -> u64 {
    let mut command = Command::new(&bench.weir);
    command.args(["--bootstrap", to, "--json", "topic", "describe", TOPIC]);
    let said = command.output().map(|ended| ended.stdout);
    let said: Value = serde_json::from_slice(&said.unwrap_or_default()).unwrap_or_default();
    let partitions = said["partitions"].as_array().into_iter().flatten();
    let ends = partitions.filter_map(|partition| partition["high_watermark"].as_u64());
    ends.sum()
}

/// How many records are missing and how many are there more than once.
fn counted(bench: &Bench, to: &str) -> Result<(usize, usize)> {
    let mut command = Command::new(&bench.weir);
    command.args(["--bootstrap", to, "consume", TOPIC, "--from", "beginning"]);
    command.args(["--exit-at-end", "--format", "%T\\n"]);
    let said = run(&mut command, b"", DEADLINE)?.text();
    let mut times = said
        .lines()
        .map(|line| line.parse().with_context(|| format!("the time {line:?}")))
        .collect::<Result<Vec<i64>>>()?;
    let found = times.len();
    times.sort_unstable();
    times.dedup();
    let wanted = RECORDS as usize;
    Ok((wanted.saturating_sub(times.len()), found - times.len()))
}
