//! Figures, of weir and of Apache Kafka side by side in one run on one machine, printed as a table and appended to
//! `bench/results.md` with the machine and the commit. They inform; no test asserts a time.
//!
//! - [`kafka`]: start, produce and consume throughput, produce latency, of both brokers, in the order A B A B
//! - [`page`]: pictures a second of the page's chart in Chromium
//! - [`video`]: bytes of a topic against its file, first picture, publisher-to-socket delay, memory and processor time
//! - [`viewers`]: what 1, 200 and 1,000 viewers of one camera cost; [`audience`] is those viewers
//! - [`seek`]: how long a jump into a day of video takes
//! - [`archive`]: to Parquet beside a Python program, to HDFS beside `hdfs dfs -put`
//! - [`mirror`]: to an Apache Kafka, beside `MirrorMaker` 2
//!
//! Adding a measurement is one function and one line in its module's table.

mod archive;
mod audience;
mod kafka;
mod machine;
mod mirror;
mod page;
mod seek;
mod video;
mod viewers;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::install::python;
use crate::process::run as run_command;
use crate::report::{Outcome, row, table};
use crate::workspace::Workspace;

/// One line of the result table.
pub(crate) struct Figure {
    /// What was measured.
    pub what: String,
    /// weir's figure.
    pub weir: String,
    /// Apache Kafka's in the same run, or nothing where it has none.
    pub kafka: String,
    /// What we want to reach, or how it was taken.
    pub remark: String,
}

/// A measurement: its name and what it does.
type Measurement = (&'static str, fn(&Bench) -> Result<Vec<Figure>>);

/// What measurements work with.
pub(crate) struct Bench<'a> {
    pub workspace: &'a Workspace,
    pub weir: PathBuf,
    folder: TempDir,
}

impl Bench<'_> {
    /// A folder of a measurement's own, on the disk the build is on (a tmpfs would flatter fsync).
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Runs a program of `bench/` and gives the JSON it prints.
    pub fn script(&self, name: &str, arguments: &[&str]) -> Result<Value> {
        let mut command = self.script_command(name, arguments)?;
        let text = run_command(&mut command, b"", Duration::from_mins(5))?.text();
        serde_json::from_str(text.lines().last().unwrap_or_default())
            .with_context(|| format!("{name} printed no JSON"))
    }

    /// The command that [`Bench::script`] runs.
    pub fn script_command(&self, name: &str, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(python(self.workspace, "current")?);
        command
            .arg(self.workspace.path(&format!("bench/{name}")))
            .args(arguments)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        Ok(command)
    }
}

/// Measures what is named (all without names), prints, and appends unless it is a dry run.
pub(crate) fn run(
    workspace: &Workspace,
    weir: Option<&Path>,
    names: &[String],
    dry_run: bool,
) -> Result<()> {
    let chosen: Vec<&Measurement> = kafka::MEASUREMENTS
        .iter()
        .chain(video::MEASUREMENTS)
        .chain(viewers::MEASUREMENTS)
        .chain(seek::MEASUREMENTS)
        .chain(page::MEASUREMENTS)
        .chain(archive::MEASUREMENTS)
        .chain(mirror::MEASUREMENTS)
        .filter(|(name, _)| {
            names.is_empty() || names.iter().any(|wanted| name.contains(wanted.as_str()))
        })
        .collect();
    if chosen.is_empty() {
        bail!("no measurement is named like that");
    }
    std::fs::create_dir_all(&workspace.target)?;
    let bench = Bench {
        workspace,
        weir: workspace.weir(weir)?,
        folder: tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in(&workspace.target)?,
    };
    let mut cells = Vec::new();
    let mut failed = 0;
    for (name, measure) in chosen {
        eprintln!("measuring {name} …");
        let mut figures = Vec::new();
        let row = row(name, || {
            figures = measure(&bench)?;
            Ok(String::new())
        });
        if row.outcome != Outcome::Passed {
            failed += usize::from(row.outcome == Outcome::Failed);
            figures.push(Figure {
                what: (*name).to_owned(),
                weir: row.outcome.word().to_owned(),
                kafka: String::new(),
                remark: row.remark,
            });
        }
        for figure in figures {
            eprintln!(
                "  {}: weir {}, Kafka {}",
                figure.what, figure.weir, figure.kafka
            );
            cells.push(vec![figure.what, figure.weir, figure.kafka, figure.remark]);
        }
    }
    let text = format!(
        "## {} · {}\n\n{}\n\n{}\n",
        workspace.commit(),
        machine::now(),
        machine::describe(&workspace.target),
        table(&["what", "weir", "Apache Kafka 4.3", "remark"], &cells)
    );
    println!("{text}");
    if !dry_run {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(workspace.path("bench/results.md"))?;
        write!(file, "\n{text}")?;
    }
    if failed > 0 {
        bail!("{failed} measurements failed");
    }
    Ok(())
}

/// The middle one of several; for an even number the lower middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values
        .get(values.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_a_value_that_was_measured() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(vec![4.0, 1.0, 2.0, 3.0]) - 2.0).abs() < f64::EPSILON);
    }
}
