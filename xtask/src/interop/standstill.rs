//! What writes on and on, while its topic takes nothing: each says what it waits for in the same words, at once, and goes on by itself.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::process::{Running, run};

const DEADLINE: Duration = Duration::from_mins(2);

/// How a command of weir is made.
type Weir<'a> = &'a dyn Fn(&[&str]) -> Result<Command>;

/// A followed log and counts of words, each with a result topic that wants all three replicas in sync.
pub(super) struct Writers {
    log: PathBuf,
    lines: Running,
    words: Running,
}

impl Writers {
    /// Starts them and waits until each has written something.
    pub(super) fn begin(weir: Weir, folder: &Path) -> Result<Self> {
        for (topic, min_in_sync) in [("strict-lines", 3), ("strict-counts", 3), ("text", 2)] {
            let setting = format!("min.insync.replicas={min_in_sync}");
            let create = ["topic", "create", topic, "--replication", "3", "--config"];
            let mut create = weir(&create)?;
            create.arg(setting);
            if topic == "strict-counts" {
                create.args(["--config", "cleanup.policy=compact"]);
            }
            run(&mut create, b"", DEADLINE)?;
        }
        let log = folder.join("followed.log");
        let name = log.display().to_string();
        let follow = ["publish", "lines", &name, "--topic", "strict-lines"];
        let count = ["process", "words", "--topic", "text"];
        let mut writers = Self {
            log,
            lines: Running::start(
                "lines",
                weir(&follow)?.args(["--follow", "--from-start"]),
                folder,
            )?,
            words: Running::start(
                "words",
                weir(&count)?.args(["--to", "strict-counts"]),
                folder,
            )?,
        };
        writers.say(weir, "before")?;
        writers.until_written(weir, "before")?;
        Ok(writers)
    }

    /// A line into the log, and a word to be counted.
    pub(super) fn say(&mut self, weir: Weir, word: &str) -> Result<()> {
        let mut log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)?;
        writeln!(log, "{word}")?;
        run(
            &mut weir(&["produce", "text"])?,
            format!("{word}\n").as_bytes(),
            DEADLINE,
        )?;
        Ok(())
    }

    /// Waits until both say that their topic has too few replicas in sync.
    pub(super) fn until_they_say_why(&mut self) -> Result<()> {
        for (writer, topic) in [
            (&mut self.lines, "strict-lines"),
            (&mut self.words, "strict-counts"),
        ] {
            let path = writer.output.clone();
            let said = [
                &format!("topic {topic:?} takes no records"),
                "min.insync.replicas=3",
                "start the brokers",
            ];
            writer.until("what it waits for", DEADLINE, || {
                let printed = std::fs::read_to_string(&path).unwrap_or_default();
                said.iter().all(|part| printed.contains(part))
            })?;
        }
        Ok(())
    }

    /// Waits until a word is in both topics, and whether it is there once.
    pub(super) fn until_written(&mut self, weir: Weir, word: &str) -> Result<()> {
        for (writer, topic, wanted) in [
            (&mut self.lines, "strict-lines", format!(" {word}\n")),
            (
                &mut self.words,
                "strict-counts",
                format!("{word} {{\"count\":1}}\n"),
            ),
        ] {
            let all = [
                "consume",
                topic,
                "--from",
                "beginning",
                "--exit-at-end",
                "--format",
            ];
            let mut last = String::new();
            let written = writer.until("what was waited for", DEADLINE, || {
                let read = weir(&all).and_then(|mut all| run(all.arg("%k %s\\n"), b"", DEADLINE));
                last = read.map(|read| read.text()).unwrap_or_default();
                last.contains(&wanted)
            });
            written.with_context(|| format!("{topic} holds {last:?}"))?;
            ensure!(last.matches(&wanted).count() == 1, "{topic} holds {last:?}");
        }
        Ok(())
    }

    /// Ends them, after they have said that they go on.
    pub(super) fn end(self) -> Result<()> {
        for mut writer in [self.lines, self.words] {
            let path = writer.output.clone();
            writer.until("that it goes on", DEADLINE, || {
                std::fs::read_to_string(&path).is_ok_and(|text| text.contains("acknowledged again"))
            })?;
            let (status, _) = writer.end(DEADLINE)?;
            ensure!(status.success(), "it ended with {status}");
        }
        Ok(())
    }
}
