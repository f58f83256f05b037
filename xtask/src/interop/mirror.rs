//! From weir's own broker to Apache Kafka while everything runs, by the steps that `weir mirror` prints: what was acknowledged is
//! there once, at its offset, with keys, headers and times, and a group goes on at exactly its next record.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::failover::Three;
use super::server::{ApacheKafka, Weir};
use super::{Case, Context};
use crate::install::python;
use crate::process::{Running, free_port, run, tail};

const DEADLINE: Duration = Duration::from_mins(3);

/// Records the writer sends in a second: what is tried is the killing, not the speed.
const A_SECOND: usize = 2_000;

/// What must be acknowledged between two kills.
const BETWEEN: usize = 4_000;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "mirror",
        what: "from weir's broker to Apache Kafka while writers and a group run, mirror, source and target killed -9: every record once, the group at its next",
        run: to_one,
    },
    Case {
        name: "mirror to three brokers",
        what: "the same to a cluster of three with three copies, whose leader is killed -9",
        run: to_three,
    },
];

/// Who is killed beside the mirror, which always is.
#[derive(Clone, Copy, PartialEq)]
enum Beside {
    Nobody,
    Source,
    Target,
}

/// The topics that are compared, and whether their offsets are the same on both sides: transactions move them.
const TOPICS: [(&str, bool); 5] = [
    ("acknowledged", true),
    ("sensors", true),
    ("cam", true),
    ("log", false),
    ("words", false),
];

/// The program with the address of one side.
struct Side<'a> {
    weir: &'a Path,
    bootstrap: String,
}

impl Side<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.weir);
        command
            .args(["--bootstrap", &self.bootstrap])
            .args(arguments);
        command
    }

    fn say(&self, arguments: &[&str]) -> Result<String> {
        Ok(run(&mut self.command(arguments), b"", DEADLINE)?.text())
    }

    /// Every record of a topic, a line each, by partition.
    fn records(&self, topic: &str, with_offsets: bool) -> Result<Vec<String>> {
        let offset = if with_offsets { "%o" } else { "" };
        let format = format!("%p {offset} %T %k %K %S %h %s\\n");
        let from = ["--from", "beginning", "--exit-at-end", "--format", &format];
        let mut command = self.command(&["consume", topic]);
        let printed = run(command.args(from), b"", DEADLINE)?.stdout;
        let mut lines: Vec<String> = printed
            .split(|byte| *byte == b'\n')
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        // What is no text breaks a line anywhere; it is compared all the same.
        if topic != "cam" {
            lines.sort_by_key(|line| line.split(' ').next().map(str::to_owned));
        }
        Ok(lines)
    }
}

/// What runs at the source until the switch.
struct Load {
    writer: Running,
    reader: Running,
    others: Vec<Running>,
    journal: PathBuf,
    log: PathBuf,
    lines: usize,
}

impl Load {
    fn begin(context: &Context, from: &Side, folder: &Path) -> Result<Self> {
        let log = folder.join("app.log");
        fs::write(&log, "")?;
        let shown = log.display().to_string();
        let begun = |name: &str, arguments: &[&str]| {
            Running::start(name, &mut from.command(arguments), folder)
        };
        let journal = folder.join("journal.txt");
        let mut write = acknowledged(context, "write", &from.bootstrap, &journal)?;
        write.arg(A_SECOND.to_string());
        Ok(Self {
            writer: Running::start("writer", &mut write, folder)?,
            reader: begun(
                "reader",
                &[
                    "consume",
                    "acknowledged",
                    "--group",
                    "readers",
                    "--format",
                    "%p %s\\n",
                ],
            )?,
            others: vec![
                begun(
                    "sensors",
                    &["publish", "sensor", "--topic", "sensors", "--rate", "50/s"],
                )?,
                begun(
                    "card",
                    &["publish", "testcard", "--topic", "cam", "--size", "320x180"],
                )?,
                begun(
                    "lines",
                    &["publish", "lines", &shown, "--topic", "log", "--follow"],
                )?,
                begun(
                    "words",
                    &["process", "words", "--topic", "log", "--to", "words"],
                )?,
            ],
            journal,
            log,
            lines: 0,
        })
    }

    /// Waits until the writer has got on, and adds to the log.
    fn goes_on(&mut self) -> Result<()> {
        let mut file = OpenOptions::new().append(true).open(&self.log)?;
        for _ in 0..50 {
            writeln!(file, "line number {} of the log", self.lines)?;
            self.lines += 1;
        }
        let journal = &self.journal;
        let acknowledged = || fs::read_to_string(journal).map_or(0, |text| text.lines().count());
        let before = acknowledged();
        let more = || acknowledged() >= before + BETWEEN;
        self.writer.until("acknowledgements", DEADLINE, more)?;
        for other in &mut self.others {
            other.still_runs()?;
        }
        self.reader.still_runs()
    }
}

/// The script that writes down what was acknowledged, or looks for it.
fn acknowledged(context: &Context, mode: &str, bootstrap: &str, journal: &Path) -> Result<Command> {
    let mut command = Command::new(python(context.workspace, "current")?);
    command
        .arg(context.workspace.path("interop/python/acknowledged.py"))
        .args([mode, "confluent", bootstrap, "acknowledged"])
        .arg(journal);
    Ok(command)
}

/// Where it is mirrored to.
trait Target {
    /// Its addresses.
    fn bootstrap(&self) -> String;
    /// Kills a broker that has something to do with -9, and starts it again; `then` is done as soon as anybody is there.
    fn killed_and_back(&mut self, then: &mut dyn FnMut() -> Result<()>) -> Result<()>;
}

struct One<'a> {
    context: &'a Context<'a>,
    folder: PathBuf,
    kafka: ApacheKafka,
}

impl Target for One<'_> {
    fn bootstrap(&self) -> String {
        self.kafka.kafka.to_string()
    }

    fn killed_and_back(&mut self, then: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        self.kafka
            .killed_and_back(self.context.workspace, &self.folder)?;
        then()
    }
}

impl Target for Three<'_> {
    fn bootstrap(&self) -> String {
        self.addresses()
    }

    fn killed_and_back(&mut self, then: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        let leader = self.leader("acknowledged")?;
        self.killed(leader)?;
        then()?;
        self.back(leader)
    }
}

fn to_one(context: &Context) -> Result<String> {
    let folder = context.folder("target")?;
    let kafka = ApacheKafka::start(context.workspace, &folder, "")?;
    switched(
        context,
        One {
            context,
            folder,
            kafka,
        },
        &[],
        &[
            Beside::Nobody,
            Beside::Source,
            Beside::Target,
            Beside::Nobody,
        ],
    )
}

fn to_three(context: &Context) -> Result<String> {
    // After each kill the next mirror waits for the cluster to settle.
    let kills = &[Beside::Source, Beside::Target];
    let three = Three::start(context, "")?;
    switched(context, three, &["--replication", "3"], kills)
}

fn switched(
    context: &Context,
    mut target: impl Target,
    options: &[&str],
    kills: &[Beside],
) -> Result<String> {
    let weir = context.weir()?;
    let folder = context.folder("mirror")?;
    let source_folder = folder.join("source");
    let port = free_port()?;
    let mut source = Weir::broker(weir, &source_folder, port, &[])?;
    let side = |address: &str| Side {
        weir,
        bootstrap: address.to_owned(),
    };
    let from = side(&source.kafka.to_string());
    let to = side(&target.bootstrap());
    let create = ["topic", "create", "acknowledged", "--partitions", "3"];
    let keep = ["--config", "retention.ms=-1"];
    run(from.command(&create).args(keep), b"", DEADLINE)?;
    from.say(&["topic", "create", "log"])?;
    let mut load = Load::begin(context, &from, &folder)?;
    load.goes_on()?;
    let mirror = || {
        let mut command = Command::new(weir);
        command
            .args(["mirror", "--from", &from.bootstrap, "--to", &to.bootstrap])
            .args(options);
        Running::start("mirror", &mut command, &folder)
    };
    let mut mirroring = Some(mirror()?);
    for (kill, beside) in (1..).zip(kills) {
        let running = mirroring.as_mut().context("it runs")?;
        let printed = running.printed().len();
        let mirrors = |text: &str| {
            text.get(printed..)
                .is_some_and(|new| new.contains(" records,"))
        };
        let path = running.output.clone();
        let printed = || fs::read_to_string(&path).unwrap_or_default();
        running
            .until("records mirrored", DEADLINE, || mirrors(&printed()))
            .with_context(|| format!("before kill {kill}"))?;
        let begun_at = printed().len();
        let mut again = || {
            if let Some(running) = mirroring.take() {
                running.kill()?;
            }
            mirroring = Some(mirror()?);
            Ok(())
        };
        if *beside == Beside::Target {
            target.killed_and_back(&mut again)?;
        } else {
            again()?;
        }
        if *beside == Beside::Source {
            until_begun(mirroring.as_mut().context("it runs")?, begun_at)?;
            source.kill()?;
            source = Weir::broker(weir, &source_folder, port, &[])?;
        }
        load.goes_on()
            .with_context(|| format!("after kill {kill}"))?;
    }
    let mirroring = mirroring.context("it runs")?;
    // The steps that were printed: stop what writes and the groups that read, and wait.
    ensure!(
        mirroring
            .printed()
            .contains(&format!("--bootstrap {}", to.bootstrap)),
        "the steps were not printed: {}",
        tail(&mirroring.printed())
    );
    let read = stopped(load)?;
    until_safe(mirroring)?;
    let compared = compare(&from, &to)?;
    let more = to.say(&[
        "consume",
        "acknowledged",
        "--group",
        "readers",
        "--exit-at-end",
        "--format",
        "%p %s\\n",
    ])?;
    once(&read, &more, read_journal(&folder)?)?;
    let said = run(
        &mut acknowledged(
            context,
            "verify",
            &to.bootstrap,
            &folder.join("journal.txt"),
        )?,
        b"",
        DEADLINE,
    )?;
    source.kill()?;
    Ok(format!(
        "{} kills of the mirror, one of each side; {compared} records the same on both sides; {}; the group read {} before and {} after",
        kills.len(),
        said.text().trim(),
        read.lines().count(),
        more.lines().count()
    ))
}

/// Waits until a mirror has begun. One that is started while a side is away says so and ends; one that has begun waits.
fn until_begun(mirroring: &mut Running, before: usize) -> Result<()> {
    let path = mirroring.output.clone();
    mirroring.until("a mirror that has begun", DEADLINE, || {
        let printed = fs::read_to_string(&path).unwrap_or_default();
        let new = printed.get(before..);
        new.is_some_and(|new| new.contains("mirroring "))
    })?;
    Ok(())
}

/// Waits until the mirror says, from now on, that it is safe to switch, and ends it.
fn until_safe(mut mirroring: Running) -> Result<()> {
    let before = mirroring.printed().len();
    let path = mirroring.output.clone();
    mirroring.until("safe to switch", DEADLINE, || {
        let printed = fs::read_to_string(&path).unwrap_or_default();
        let new = printed.get(before..).unwrap_or_default();
        let is = new.rfind("safe to switch: everything");
        is.is_some_and(|is| new.rfind("not safe to switch").is_none_or(|not| not < is))
    })?;
    let (status, _) = mirroring.end(DEADLINE)?;
    ensure!(
        status.success(),
        "the mirror ended with {status} on SIGTERM"
    );
    Ok(())
}

/// Ends the load; gives what the group has read, which is not all. What was committed for the group that the writer makes up is left
/// out of the journal: its positions are numbers and no records.
fn stopped(mut load: Load) -> Result<String> {
    let output = load.reader.output.clone();
    let (status, _) = load.reader.end(DEADLINE)?;
    ensure!(status.success(), "the reader ended with {status}");
    let before = fs::read_to_string(&load.journal)?.lines().count();
    let more = || {
        fs::read_to_string(&load.journal).is_ok_and(|text| text.lines().count() > before + BETWEEN)
    };
    load.writer
        .until("more than the group has read", DEADLINE, more)?;
    let (status, _) = load.writer.end(DEADLINE)?;
    ensure!(status.success(), "the writer ended with {status}");
    for other in load.others {
        let (status, _) = other.end(DEADLINE)?;
        ensure!(status.success(), "a part of the load ended with {status}");
    }
    let journal = fs::read_to_string(&load.journal)?;
    let records = journal.lines().filter(|line| line.starts_with("r "));
    let records: Vec<&str> = records.collect();
    fs::write(&load.journal, records.join("\n") + "\n")?;
    let read = fs::read_to_string(output)?;
    let lines = read.lines().filter(|line| !line.starts_with("weir: "));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

fn read_journal(folder: &Path) -> Result<usize> {
    Ok(fs::read_to_string(folder.join("journal.txt"))?
        .lines()
        .count())
}

/// Every topic record by record, and the settings.
fn compare(from: &Side, to: &Side) -> Result<usize> {
    let mut compared = 0;
    for (topic, same) in TOPICS {
        let (here, there) = (from.records(topic, same)?, to.records(topic, same)?);
        let differs = here.iter().zip(&there).find(|(here, there)| here != there);
        ensure!(
            here.len() == there.len() && differs.is_none(),
            "topic {topic}: {} lines at the source, {} at the target; the first that differ: {differs:?}",
            here.len(),
            there.len()
        );
        ensure!(here.len() > 1, "topic {topic} is empty");
        compared += here.len() - 1;
    }
    let described = to.say(&["topic", "describe", "acknowledged"])?;
    ensure!(
        described.contains("retention.ms=-1"),
        "settings: {described}"
    );
    let described = to.say(&["topic", "describe", "words"])?;
    ensure!(described.contains("compact"), "settings: {described}");
    Ok(compared)
}

/// What the group read before and after the switch is every record once, in order within its partition.
fn once(before: &str, after: &str, acknowledged: usize) -> Result<()> {
    let mut next: [u64; 3] = [0, 1, 2];
    let mut count = 0;
    for line in before.lines().chain(after.lines()) {
        let (partition, value) = line.split_once(' ').with_context(|| line.to_owned())?;
        let (partition, value): (usize, u64) = (partition.parse()?, value.parse()?);
        let next = next.get_mut(partition).context("three partitions")?;
        ensure!(
            *next == value,
            "the group read {value} in partition {partition} where {next} comes next"
        );
        *next += 3;
        count += 1;
    }
    ensure!(
        count >= acknowledged,
        "the group read {count} records, {acknowledged} were acknowledged"
    );
    Ok(())
}
