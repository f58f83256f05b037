//! `weir process run FILE`: several processors at once, as a TOML file names them.
//!
//! Each `[[process]]` is turned into the command line that it stands for and read by the same definitions, so that an option
//! has one name, one default and one error.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use clap::{CommandFactory as _, Parser};
use tokio::task::JoinSet;
use toml::{Table, Value};
use weir_client::{ClientError, Kafka};
use weir_processors::{Progress, Snapshot};

use crate::commands::process::{ProcessCommand, tell};
use crate::context::Context;
use crate::progress;

/// Between two looks whether another processor's result topic is there.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What a `[[process]]` is read as.
#[derive(Debug, Parser)]
#[command(no_binary_name = true, disable_help_subcommand = true)]
struct Entry {
    #[command(subcommand)]
    command: ProcessCommand,
}

/// Runs the file's processors until they are told to end or one fails.
pub async fn run(file: &Path, context: &Context) -> anyhow::Result<()> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let commands = read(&text).with_context(|| file.display().to_string())?;
    let kafka = context.kafka()?;
    let reporter = progress::reporter(context);
    let results: Vec<String> = commands.iter().map(|c| c.to().to_owned()).collect();
    let shutdown = context.shutdown.child_token();
    let mut running = JoinSet::new();
    for command in commands {
        let name = format!("{} from {}", command.to(), command.topic());
        let named = Arc::new(Named {
            name: name.clone(),
            progress: reporter.clone(),
        });
        let (kafka, shutdown, context) = (kafka.clone(), shutdown.clone(), context.clone());
        let waits = results.iter().any(|to| to == command.topic());
        running.spawn(async move {
            let to = command.to().to_owned();
            if waits {
                let there = until_there(&kafka, command.topic());
                tokio::select! {
                    there = there => there?,
                    () = shutdown.cancelled() => return Ok(()),
                }
            }
            let summary = command
                .process(&kafka, named, shutdown, &context)
                .await
                .with_context(|| name.clone())?;
            tell(&to, &summary, &context);
            anyhow::Ok(())
        });
    }
    let mut ended = Ok(());
    while let Some(one) = running.join_next().await {
        let one = one.context("a processor has stopped").flatten();
        if ended.is_ok() && one.is_err() {
            shutdown.cancel();
            ended = one;
        }
    }
    ended
}

/// Waits for a topic that another processor makes.
async fn until_there(kafka: &Kafka, topic: &str) -> anyhow::Result<()> {
    loop {
        match kafka.topic(topic).await {
            Ok(_) => return Ok(()),
            Err(ClientError::NoSuchTopic { .. }) => tokio::time::sleep(LOOK_EVERY).await,
            Err(error) => return Err(error.into()),
        }
    }
}

/// The processors that a file names.
fn read(text: &str) -> anyhow::Result<Vec<ProcessCommand>> {
    let file: Table = text.parse().context("it is not TOML")?;
    if let Some(other) = file.keys().find(|key| *key != "process") {
        bail!("there is no `{other}` here: every processor is a table [[process]]");
    }
    let entries = match file.get("process") {
        Some(Value::Array(entries)) if !entries.is_empty() => entries,
        _ => {
            bail!("it names no processor: write one as a table [[process]] with kind, topic and to")
        }
    };
    let mut commands: Vec<ProcessCommand> = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let place = || format!("[[process]] number {}", at + 1);
        let table = entry
            .as_table()
            .with_context(|| format!("{} is no table", place()))?;
        let command = command(table).with_context(place)?;
        if let Some(other) = commands.iter().find(|other| other.to() == command.to()) {
            bail!(
                "{}: to = {:?} is what another writes already; two processors must not share a result topic",
                place(),
                other.to()
            );
        }
        commands.push(command);
    }
    Ok(commands)
}

fn command(table: &Table) -> anyhow::Result<ProcessCommand> {
    let known = Entry::command();
    let kinds: Vec<&str> = known
        .get_subcommands()
        .map(clap::Command::get_name)
        .filter(|name| *name != "run")
        .collect();
    let kind = table.get("kind").and_then(Value::as_str);
    let kind = kind
        .filter(|kind| kinds.contains(kind))
        .ok_or_else(|| anyhow!("`kind` is one of {}", kinds.join(", ")))?;
    let options = known
        .find_subcommand(kind)
        .context("a kind without a command")?;
    let mut arguments = vec![kind.to_owned()];
    for (key, value) in table.iter().filter(|(key, _)| *key != "kind") {
        let names: Vec<&str> = options
            .get_arguments()
            .filter_map(clap::Arg::get_long)
            .collect();
        ensure!(
            names.contains(&key.as_str()),
            "{kind} has no option `{key}`; it has {}",
            names.join(", ")
        );
        arguments.push(format!("--{key}={}", show(key, value)?));
    }
    match Entry::try_parse_from(arguments) {
        Ok(entry) => Ok(entry.command),
        // The first paragraph says what is wrong; the usage below it is that of a command line.
        Err(error) => {
            let text = error.to_string();
            let what = text.split("\n\n").next().unwrap_or(&text);
            let what = what.strip_prefix("error: ").unwrap_or(what);
            Err(anyhow!(
                "{}",
                what.split_whitespace().collect::<Vec<_>>().join(" ")
            ))
        }
    }
}

/// A value as it stands on a command line.
fn show(key: &str, value: &Value) -> anyhow::Result<String> {
    Ok(match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Array(values) => values
            .iter()
            .map(|value| show(key, value))
            .collect::<anyhow::Result<Vec<_>>>()?
            .join(","),
        other => bail!(
            "`{key}` is a {}; write a text or a number",
            other.type_str()
        ),
    })
}

/// Says of which processor a note is. How far each of several is nobody could follow.
struct Named {
    name: String,
    progress: Arc<dyn Progress>,
}

impl Progress for Named {
    fn update(&self, _snapshot: &Snapshot) {}

    fn note(&self, text: &str) {
        self.progress.note(&format!("{}: {text}", self.name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        format!("{:#}", read(text).unwrap_err())
    }

    #[test]
    fn each_table_is_a_processor_with_the_options_of_the_command_line() {
        let commands = read(
            "[[process]]\nkind='average'\ntopic='s'\nto='a'\nlast=7\n\
             [[process]]\nkind='combine'\ntopic='s'\nto='c'\nkeys=['x','y']\nevery='500ms'\n\
             [[process]]\nkind='stats'\ntopic='a'\nto='b'\nwindow='1m'\nmember='average'\n\
             [[process]]\nkind='words'\ntopic='t'\nto='w'\n",
        )
        .unwrap();
        let shown = format!("{commands:?}");
        for part in [
            "last: 7",
            "Some([\"x\", \"y\"])",
            "500ms",
            "60s",
            "max_words",
        ] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_place_and_a_remedy() {
        for (text, parts) in [
            ("", &["[[process]]"][..]),
            ("x = 1", &["`x`"]),
            ("process = 1", &["[[process]]"]),
            (
                "[[process]]\ntopic='s'\nto='a'",
                &["number 1", "kind", "average"],
            ),
            ("[[process]]\nkind='run'\ntopic='s'\nto='a'", &["kind"]),
            (
                "[[process]]\nkind='average'\nto='a'",
                &["number 1", "--topic"],
            ),
            (
                "[[process]]\nkind='average'\ntopic='s'\nto='a'\nlost=5",
                &["`lost`", "last"],
            ),
            (
                "[[process]]\nkind='average'\ntopic='s'\nto='a'\nlast='x'",
                &["--last"],
            ),
            (
                "[[process]]\nkind='average'\ntopic='s'\nto='a'\nlast=true",
                &["`last`"],
            ),
            (
                "[[process]]\nkind='stats'\ntopic='s'\nto='a'\nwindow=10",
                &["--window", "5s"],
            ),
            (
                "[[process]]\nkind='average'\ntopic='s'\nto='a'\n[[process]]\nkind='stats'\ntopic='s'\nto='a'",
                &["number 2", "share"],
            ),
            ("[[process", &["TOML"]),
        ] {
            let refusal = refusal(text);
            for part in parts {
                assert!(refusal.contains(part), "{text}: {refusal}");
            }
        }
    }
}
