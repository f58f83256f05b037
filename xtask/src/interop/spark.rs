//! What reads an archive afterwards: Spark counts the words of text and Parquet in a real HDFS and of the topic through its
//! Kafka source, with the README's script, and all must be what `weir process words` has; DuckDB and pandas read the Parquet
//! by the README's recipe, with typed `date` and `hour`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::archive::{Archive, file_url};
use super::hdfs::Hdfs;
use super::{Case, Context};
use crate::http;
use crate::install::{compile, jars, program, python};
use crate::process::{Running, run};
use crate::workspace::Workspace;

const DEADLINE: Duration = Duration::from_mins(3);

/// The Python environment with `PySpark`, `DuckDB` and pandas.
const ENVIRONMENT: &str = "spark";
/// Spark's Kafka source.
const KAFKA: &str = "spark-kafka-4.2.0";
/// The part of it that some registries lack.
const TOKENS: &str = "spark-token-provider-4.2.0";

const LINES: u32 = 20_000;
/// The last word of the last line.
const LAST: &str = "finis";

/// Small, on loopback, and quick with little.
const SMALL: &[&str] = &[
    "spark.ui.enabled=false",
    "spark.sql.shuffle.partitions=2",
    "spark.driver.host=127.0.0.1",
    "spark.driver.bindAddress=127.0.0.1",
];

pub(super) const CASES: &[Case] = &[
    Case {
        name: "DuckDB and pandas",
        what: "the archive's Parquet by the README's recipe, date and hour typed, against the values as they were sent",
        run: tables,
    },
    Case {
        name: "PySpark 4.2",
        what: "the README's script counts the words of text and Parquet in HDFS and of the topic: all as weir process words",
        run: words,
    },
];

fn tables(context: &Context) -> Result<String> {
    let python = python(context.workspace, ENVIRONMENT)?;
    let archive = Archive::shared(context)?;
    let topic = archive.topic("readings", 3)?;
    let folder = context.folder("tables")?;
    let to = file_url(&folder);
    archive.fill(&topic, 3, 12_000)?;
    archive.to_the_end(&topic, &to, "parquet")?;
    // A member that no file before had.
    let late =
        br#"{"n": 12000, "sensor": "s0", "temperature": 0.1, "ok": true, "note": "", "late": 1}"#;
    let mut produce = Command::new(context.weir()?);
    produce.args(["--bootstrap", &context.bootstrap()?.to_string()]);
    run(produce.args(["produce", &topic]), late, DEADLINE)?;
    archive.to_the_end(&topic, &to, "parquet")?;
    let said = run(
        Command::new(python)
            .arg(context.workspace.path("interop/python/tables.py"))
            .arg(context.workspace.path("README.md"))
            .arg(folder.join("topics").join(&topic))
            .arg("12001")
            .env("PYTHONDONTWRITEBYTECODE", "1"),
        b"",
        DEADLINE,
    )?;
    Ok(said.text().trim().to_owned())
}

fn words(context: &Context) -> Result<String> {
    let spark = Spark::install(context.workspace)?;
    let folder = context.folder("spark")?;
    let store = Hdfs::start(context.workspace, &folder)?;
    let archive = Archive::shared(context)?;
    let server = context.server()?;
    let bootstrap = server.kafka.to_string();
    let topic = archive.topic("log", 3)?;
    let weir = |arguments: &[&str]| -> Result<Command> {
        let mut command = Command::new(context.weir()?);
        command.args(["--bootstrap", &bootstrap]).args(arguments);
        Ok(command)
    };

    let counts = format!("{topic}-words");
    let mut counting = Running::start(
        "words",
        &mut weir(&["process", "words", "--topic", &topic, "--to", &counts])?,
        &folder,
    )?;
    let url = server.url(&format!("/topics/{counts}/latest"));
    for odd in odd_records() {
        let mut produce = weir(&["produce", "--whole", &topic])?;
        run(&mut produce, &odd, DEADLINE)?;
    }
    let log = folder.join("log.txt");
    fs::write(&log, lines())?;
    let log = log.display().to_string();
    // Followed lines come in transactions, whose marks are records no reader is given.
    let follow = [
        "publish",
        "lines",
        &log,
        "--topic",
        &topic,
        "--follow",
        "--from-start",
    ];
    let following = Running::start("lines", &mut weir(&follow)?, &folder)?;
    counting.until("the count of the last word", DEADLINE, || {
        counted(&url).is_ok_and(|counts| counts.contains_key(LAST))
    })?;
    let (status, _) = following.end(Duration::from_secs(30))?;
    ensure!(
        status.success(),
        "publish lines ended with {status} on SIGTERM"
    );
    for format in ["text", "parquet"] {
        archive.to_the_end(&topic, &store.url(&format!("/{format}")), format)?;
    }

    let said = run(
        spark
            .submit(context.workspace)
            .arg(context.workspace.path("README.md"))
            .args([&store.url("/"), &bootstrap, &topic]),
        b"",
        DEADLINE,
    )?
    .text();
    let last = said.lines().last().unwrap_or_default();
    let said: Value = serde_json::from_str(last).context("Spark's program printed no tables")?;
    let tables = said["tables"].as_array().context("no tables")?;
    ensure!(
        tables.len() == 3,
        "the script showed {} tables",
        tables.len()
    );
    let script_lines = said["lines"].as_u64().unwrap_or_default();
    ensure!(script_lines <= 12, "the script has {script_lines} lines");

    let mut by_weir = counted(&url)?;
    let total = |counts: &BTreeMap<String, u64>| counts.values().sum::<u64>();
    for (name, table) in ["text in HDFS", "Parquet in HDFS", "the topic"]
        .iter()
        .zip(tables)
    {
        let by_spark: BTreeMap<String, u64> = serde_json::from_value(table.clone())?;
        let _ = counting.until("all words", Duration::from_secs(20), || {
            by_weir = counted(&url).unwrap_or_default();
            total(&by_weir) >= total(&by_spark)
        });
        ensure!(
            by_spark == by_weir,
            "{name}: Spark counts {} of {} words, weir {} of {}; they differ in {}",
            total(&by_spark),
            by_spark.len(),
            total(&by_weir),
            by_weir.len(),
            differences(&by_spark, &by_weir)
        );
    }
    Ok(format!(
        "Spark {}: {} of {} words, three times; script of {script_lines} lines{}",
        said["spark"].as_str().unwrap_or_default(),
        total(&by_weir),
        by_weir.len(),
        spark.remark
    ))
}

/// `PySpark` with its Kafka source on the class path.
struct Spark {
    submit: std::path::PathBuf,
    classpath: String,
    /// What of it is not Spark's own.
    remark: &'static str,
}

impl Spark {
    fn install(workspace: &Workspace) -> Result<Self> {
        program(workspace, "java")?;
        let python = python(workspace, ENVIRONMENT)?;
        let source = jars(workspace, KAFKA)?;
        let (tokens, remark) = match jars(workspace, TOKENS) {
            Ok(folder) => (format!("{}/*", folder.display()), ""),
            Err(_) => (
                stand_in(workspace, &python, &source)?,
                "; no-op classes stand in for spark-token-provider-kafka-0-10, which the registry did not give",
            ),
        };
        Ok(Self {
            submit: python.with_file_name("spark-submit"),
            classpath: format!("{}/*:{tokens}", source.display()),
            remark,
        })
    }

    /// `spark-submit` with the program that runs the README's script; its arguments follow.
    fn submit(&self, workspace: &Workspace) -> Command {
        let mut command = Command::new(&self.submit);
        command
            .args(["--master", "local[2]", "--driver-memory", "1g"])
            .args(["--driver-class-path", &self.classpath])
            .args(SMALL.iter().flat_map(|setting| ["--conf", setting]))
            .arg(workspace.path("interop/python/spark_words.py"))
            .env("PYSPARK_PYTHON", self.submit.with_file_name("python"))
            .env("SPARK_LOCAL_IP", "127.0.0.1")
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

/// Compiles what stands in for the token provider: the folder of its classes.
fn stand_in(workspace: &Workspace, python: &Path, source: &Path) -> Result<String> {
    let home = "import pyspark; print(pyspark.__path__[0])";
    let home = run(Command::new(python).args(["-c", home]), b"", DEADLINE)?.text();
    let classes = workspace.cache.join("java/no-tokens-classes");
    let folder = workspace.path("interop/java/no-tokens");
    let sources: Vec<_> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    let classpath = format!("{}/jars/*:{}/*", home.trim(), source.display());
    compile(workspace, &classpath, &sources, &classes)?;
    Ok(classes.display().to_string())
}

/// Every word's count as weir has it now.
fn counted(url: &str) -> Result<BTreeMap<String, u64>> {
    let latest = http::json(url)?;
    ensure!(
        latest["truncated"] == false,
        "{url} does not have all words"
    );
    let values = latest["values"].as_object().context("no values")?;
    values
        .iter()
        .map(|(word, latest)| {
            let count = latest["value"]["count"].as_u64();
            Ok((word.clone(), count.context("a count that is none")?))
        })
        .collect()
}

fn differences(one: &BTreeMap<String, u64>, other: &BTreeMap<String, u64>) -> String {
    let mut text = String::new();
    let words = one.keys().chain(other.keys());
    for word in words
        .filter(|word| one.get(*word) != other.get(*word))
        .take(5)
    {
        let _ = write!(
            text,
            "{word:?}: {:?} and {:?}; ",
            one.get(word),
            other.get(word)
        );
    }
    text
}

/// Records that are no plain lines.
fn odd_records() -> [Vec<u8>; 4] {
    [
        // Latin-1: passed over as a whole.
        b"un caf\xe9 noir".to_vec(),
        b"two lines\nin one record\r\n".to_vec(),
        format!("a key is no word: {}", "0123456789abcdef".repeat(5)).into_bytes(),
        "nothing but — ’ ' … «»".to_owned().into_bytes(),
    ]
}

/// A log of many words, some often and most seldom, as people write them.
fn lines() -> String {
    const SYLLABLES: [&str; 8] = ["har", "bo", "ur", "tide", "qu", "ay", "mo", "or"];
    const WRITTEN: [&str; 12] = [
        "Don’t",
        "DON'T",
        "rock'n'roll,",
        "'quoted'",
        "north-west",
        "ÄRGER",
        "Straße",
        "ΣΊΣΥΦΟΣ",
        "Σίσυφος.",
        "e\u{301}te\u{301}",
        "日本語",
        "3.5",
    ];
    let mut text = String::new();
    for number in 0..LINES as usize {
        let _ = write!(
            text,
            "{} The ferry {}",
            number % 3000,
            WRITTEN[number % WRITTEN.len()]
        );
        // Small numbers make words of one syllable, which are many lines' then.
        let mut rest = number % 64 * (number % 37);
        for place in 0..4 {
            text.push_str(if place % 2 == 0 { " " } else { "" });
            text.push_str(SYLLABLES[rest % 8]);
            rest /= 8;
        }
        text.push('\n');
    }
    text + LAST + "\n"
}
