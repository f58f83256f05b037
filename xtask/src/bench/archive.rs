//! The archive's figures beside what one would use without it: to Parquet beside a Python program (confluent-kafka and pyarrow,
//! `interop/python/parquet_writer.py`), to HDFS beside `hdfs dfs -put` of the same bytes. One topic of 1 kB JSON records, already
//! there; each is a whole run of the program, from its start to its end, in turn with the other.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Bench, Figure, Measurement, median};
use crate::install::python;
use crate::interop::hdfs::Hdfs;
use crate::interop::server::Weir;
use crate::process::{free_port, run};

const DEADLINE: Duration = Duration::from_mins(5);

pub(super) const MEASUREMENTS: &[Measurement] =
    &[("archive-parquet", parquet), ("archive-hdfs", hdfs)];

/// Runs of each side, in turn.
const ROUNDS: usize = 3;
pub(super) const PARTITIONS: &str = "4";
pub(super) const RECORDS: u32 = 1_000_000;
pub(super) const TOPIC: &str = "kept";

/// A broker with the topic on it.
pub(super) fn filled(bench: &Bench, name: &str) -> Result<Weir> {
    let broker = Weir::broker(&bench.weir, &bench.folder(name)?, free_port()?, &[])?;
    let bootstrap = broker.kafka.to_string();
    let mut create = Command::new(&bench.weir);
    create
        .args(["--bootstrap", &bootstrap, "topic", "create", TOPIC])
        .args(["--partitions", PARTITIONS]);
    run(&mut create, b"", DEADLINE)?;
    let mut fill = program(bench, "fill", &bootstrap)?;
    fill.args([PARTITIONS, &RECORDS.to_string()]);
    run(&mut fill, b"", DEADLINE)?;
    Ok(broker)
}

/// `parquet_writer.py`.
fn program(bench: &Bench, mode: &str, bootstrap: &str) -> Result<Command> {
    let mut command = Command::new(python(bench.workspace, "parquet")?);
    command
        .arg(bench.workspace.path("interop/python/parquet_writer.py"))
        .args([mode, bootstrap, TOPIC])
        .env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

/// Seconds that `weir archive` takes for the topic.
fn archive(bench: &Bench, broker: &Weir, to: &str, format: &str, more: &[&str]) -> Result<f64> {
    let mut command = Command::new(&bench.weir);
    command
        .args(["--bootstrap", &broker.kafka.to_string(), "--quiet"])
        .args(["archive", "--topic", TOPIC, "--to", to])
        .args(["--format", format, "--follow=false"])
        .args(more);
    timed(&mut command)
}

fn timed(command: &mut Command) -> Result<f64> {
    let started = Instant::now();
    run(command, b"", DEADLINE)?;
    Ok(started.elapsed().as_secs_f64())
}

fn parquet(bench: &Bench) -> Result<Vec<Figure>> {
    let broker = filled(bench, "archive-parquet")?;
    let folder = bench.folder("parquet")?;
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    let (mut json, mut arrow) = (Vec::new(), Vec::new());
    let mut sizes = [0, 0];
    for round in 0..ROUNDS {
        let to = folder.join(format!("weir-{round}"));
        let took = archive(
            bench,
            &broker,
            &format!("file://{}", to.display()),
            "parquet",
            &[],
        )?;
        ours.push(f64::from(RECORDS) / took);
        sizes[0] = emptied(&to)?;
        for (mode, reader, rates) in [
            ("plain", None, &mut plain),
            ("write", Some("json"), &mut json),
            ("write", Some("arrow"), &mut arrow),
        ] {
            let to = folder.join(format!("{mode}-{round}"));
            let mut command = program(bench, mode, &broker.kafka.to_string())?;
            let took = timed(command.args(reader).arg(&to))?;
            rates.push(f64::from(RECORDS) / took);
            sizes[1] = emptied(&to)?;
        }
    }
    let (ours, plain) = (median(ours), median(plain));
    let (json, arrow) = (median(json), median(arrow));
    Ok(vec![Figure {
        what: "archive to Parquet, 1 kB JSON records: records/s".to_owned(),
        weir: format!("{ours:.0}"),
        kafka: String::new(),
        remark: format!(
            "beside Python (confluent-kafka, pyarrow): {plain:.0} written as the libraries' introductions have it, so weir at {:.1} of it (wanted: 4); written as well as it can be, {json:.0} with json.loads, {:.1} of it, and {arrow:.0} with pyarrow.json, {:.1} of it; medians of {ROUNDS} runs in turn, {RECORDS} records in {PARTITIONS} partitions, start and end of the program within; weir's files are claimed and durable and have {} MB, Python's neither and {} MB",
            ours / plain,
            ours / json,
            ours / arrow,
            sizes[0] / 1_000_000,
            sizes[1] / 1_000_000
        ),
    }])
}

fn hdfs(bench: &Bench) -> Result<Vec<Figure>> {
    let broker = filled(bench, "archive-hdfs")?;
    let folder = bench.folder("hdfs")?;
    let store = Hdfs::start(bench.workspace, &folder)?;
    // The bytes to be put, as one file.
    let beside = folder.join("beside");
    archive(
        bench,
        &broker,
        &format!("file://{}", beside.display()),
        "text",
        &[],
    )?;
    let file = folder.join("kept.txt");
    let mut whole = File::create(&file)?;
    for path in files(&beside)? {
        if path.extension().is_some_and(|ending| ending == "txt") {
            std::io::copy(&mut File::open(path)?, &mut whole)?;
        }
    }
    let megabytes = whole.metadata()?.len() as f64 / 1e6;
    fs::remove_dir_all(&beside)?;
    let source = file.display().to_string();
    let (mut rolled, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    let one_file: &[&str] = &["--roll-size", "1GiB"];
    for _ in 0..ROUNDS {
        for (rates, more) in [(&mut rolled, &[][..]), (&mut ours, one_file)] {
            let took = archive(bench, &broker, &store.url("/weir"), "text", more)?;
            rates.push(megabytes / took);
            store.shell(&["-rm", "-r", "-skipTrash", "/weir"])?;
        }
        let started = Instant::now();
        store.shell(&["-put", &source, "/put.txt"])?;
        theirs.push(megabytes / started.elapsed().as_secs_f64());
        store.shell(&["-rm", "-skipTrash", "/put.txt"])?;
    }
    let (rolled, ours, theirs) = (median(rolled), median(ours), median(theirs));
    Ok(vec![Figure {
        what: "archive to HDFS (text): MB/s".to_owned(),
        weir: format!("{ours:.0}, rolled at 64 MiB {rolled:.0}"),
        kafka: String::new(),
        remark: format!(
            "beside hdfs dfs -put of the same {megabytes:.0} MB as one file: {theirs:.0}, so weir at {:.2} of it with a file for each of {PARTITIONS} partitions (wanted: 1), at {:.2} with its own size of files; medians of {ROUNDS} runs in turn, NameNode and DataNode 3.4 on this machine, one copy, start and end of the program within",
            ours / theirs,
            rolled / theirs
        ),
    }])
}

/// The files under a folder.
fn files(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Removes a folder of Parquet files: how many bytes they had.
fn emptied(folder: &Path) -> Result<u64> {
    let mut len_bytes = 0;
    for path in files(folder)? {
        if path.extension().is_some_and(|ending| ending == "parquet") {
            len_bytes += fs::metadata(path)?.len();
        }
    }
    ensure!(len_bytes > 0, "{} has no Parquet files", folder.display());
    fs::remove_dir_all(folder)?;
    Ok(len_bytes)
}
