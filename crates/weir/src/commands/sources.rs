//! The sources that `weir serve` runs: the `[[source]]` tables of `weir.toml`, each a command of `weir publish` in other clothes.
//!
//! Each runs on its own. One that fails is started again with growing pauses, whatever becomes of the others; how each is goes to
//! the log and, through [`Board`], to `GET /sources`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::{Command, FromArgMatches as _, Subcommand as _};
use tokio::sync::watch;
use tokio::task::JoinSet;
use toml::{Table, Value};
use weir_base::time::Clock;
use weir_client::Kafka;
use weir_sources::{Backoff, Ended, Progress, Snapshot};
use weir_web::api::{SourceState, SourceStatus, Sources};

use super::publish::{self, PublishCommand};
use crate::context::Context;
use crate::progress;

/// Between two looks at how many records there are.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// A source as the file has it.
#[derive(Debug, Clone)]
pub struct Source {
    kind: String,
    command: PublishCommand,
}

impl Source {
    /// Reads a `[[source]]` table: `kind` is a command of `weir publish`, the other keys are its options and arguments.
    pub fn from_table(table: &Table) -> Result<Self, String> {
        let Some(Value::String(kind)) = table.get("kind") else {
            return Err(format!("it has no `kind`; write one of {}", kinds()));
        };
        let all = PublishCommand::augment_subcommands(Command::new("weir publish"));
        let Some(command) = all.get_subcommands().find(|sub| sub.get_name() == kind) else {
            return Err(format!(
                "there is no kind {kind:?}; write one of {}",
                kinds()
            ));
        };
        let mut arguments = vec!["weir publish".to_owned(), kind.clone()];
        let mut positional = Vec::new();
        for (key, value) in table.iter().filter(|(key, _)| *key != "kind") {
            let arg = command.get_arguments().find(|arg| {
                arg.get_long() == Some(key) || (arg.is_positional() && arg.get_id() == key)
            });
            let arg = arg.ok_or_else(|| {
                format!("`{key}` is no option of `weir publish {kind}`; its --help lists them")
            })?;
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Integer(number) => number.to_string(),
                Value::Float(number) => number.to_string(),
                Value::Boolean(true) => {
                    arguments.push(format!("--{key}"));
                    continue;
                }
                Value::Boolean(false) => continue,
                _ => return Err(format!("`{key}`: write one text, number, true or false")),
            };
            if arg.is_positional() {
                positional.push(text);
            } else {
                arguments.push(format!("--{key}={text}"));
            }
        }
        if !positional.is_empty() {
            arguments.push("--".to_owned());
            arguments.append(&mut positional);
        }
        let parsed = all
            .try_get_matches_from(arguments)
            .and_then(|matches| PublishCommand::from_arg_matches(&matches));
        let command = parsed.map_err(|error| why(&error))?;
        if matches!(&command, PublishCommand::Camera(camera) if camera.only_lists()) {
            return Err("`list` lists cameras and publishes nothing".to_owned());
        }
        Ok(Self {
            kind: kind.clone(),
            command,
        })
    }
}

fn kinds() -> String {
    let all = PublishCommand::augment_subcommands(Command::new("weir publish"));
    let names: Vec<&str> = all.get_subcommands().map(Command::get_name).collect();
    names.join(", ")
}

/// What clap says, without its advice for a command line.
fn why(error: &clap::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let lines = text.lines().map(str::trim);
    let said: Vec<&str> = lines
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .filter(|line| !line.is_empty())
        .collect();
    said.join(" ")
}

/// How every source is.
pub struct Board {
    sources: watch::Sender<Arc<Sources>>,
    clock: Arc<dyn Clock>,
    quiet: bool,
}

impl Board {
    /// None has been started.
    pub fn new(sources: &[Source], context: &Context) -> Arc<Self> {
        let now = context.clock.now();
        let of = |source: &Source| SourceStatus {
            kind: source.kind.clone(),
            topic: source.command.topic().to_owned(),
            state: SourceState::Starting,
            since_ms: now.0,
            note: None,
            records: 0,
            bytes: 0,
            broke_off: 0,
        };
        let sources = Sources {
            sources: sources.iter().map(of).collect(),
        };
        Arc::new(Self {
            sources: watch::Sender::new(Arc::new(sources)),
            clock: context.clock.clone(),
            quiet: context.quiet,
        })
    }

    /// For the web server.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Sources>> {
        self.sources.subscribe()
    }

    fn change(&self, at: usize, change: impl FnOnce(&mut SourceStatus)) {
        let now = self.clock.now();
        self.sources.send_modify(|sources| {
            let Some(status) = Arc::make_mut(sources).sources.get_mut(at) else {
                return;
            };
            let before = status.state;
            change(status);
            if status.state != before {
                status.since_ms = now.0;
            }
        });
    }
}

/// One source's line on the board.
struct Line {
    board: Arc<Board>,
    at: usize,
    name: String,
    counted: Mutex<Option<Duration>>,
}

impl Line {
    fn say(&self, text: &str) {
        if !self.board.quiet {
            eprintln!("weir: {}: {text}", self.name);
        }
    }

    /// It broke off.
    fn waits(&self, why: &str) {
        self.say(why);
        self.board.change(self.at, |status| {
            status.state = SourceState::Waiting;
            status.broke_off += 1;
            status.note = Some(why.to_owned());
        });
    }
}

impl Progress for Line {
    fn update(&self, snapshot: &Snapshot) {
        let now = self.board.clock.monotonic();
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if snapshot.records == 0 || counted.is_some_and(|at| now.saturating_sub(at) < COUNT_EVERY) {
            return;
        }
        *counted = Some(now);
        self.board.change(self.at, |status| {
            status.records = snapshot.records;
            status.bytes = snapshot.bytes;
            if status.state == SourceState::Starting {
                status.state = SourceState::Running;
            }
        });
    }

    fn note(&self, text: &str) {
        self.say(text);
        self.board
            .change(self.at, |status| status.note = Some(text.to_owned()));
    }

    fn waiting(&self, why: &str) {
        self.waits(why);
    }

    fn going_on(&self, text: &str) {
        self.say(text);
        self.board.change(self.at, |status| {
            status.state = SourceState::Running;
            status.note = Some(text.to_owned());
        });
    }
}

/// Starts every source; each ends with `context.shutdown`, or when it has no more.
pub fn start(
    sources: &[Source],
    board: &Arc<Board>,
    kafka: &Kafka,
    context: &Context,
) -> JoinSet<()> {
    let mut running = JoinSet::new();
    let context = Arc::new(context.clone());
    for (at, source) in sources.iter().enumerate() {
        let line = Arc::new(Line {
            board: board.clone(),
            at,
            name: format!("{} → {}", source.kind, source.command.topic()),
            counted: Mutex::new(None),
        });
        running.spawn(keep(source.clone(), line, kafka.clone(), context.clone()));
    }
    running
}

/// Runs a source until it has no more, starting it again when it fails.
async fn keep(source: Source, line: Arc<Line>, kafka: Kafka, context: Arc<Context>) {
    let mut backoff = Backoff::default();
    loop {
        let begun = context.clock.monotonic();
        let published =
            publish::publish(source.command.clone(), &kafka, line.clone(), &context).await;
        let worked = context.clock.monotonic().saturating_sub(begun);
        if context.shutdown.is_cancelled() {
            return;
        }
        match published {
            Ok(summary) if summary.ended == Ended::Finished => {
                let text = progress::summary("done", summary.records, summary.bytes, summary.took);
                line.say(&text);
                line.board.change(line.at, |status| {
                    status.state = SourceState::Ended;
                    status.records = summary.records;
                    status.bytes = summary.bytes;
                });
                return;
            }
            Ok(_) => return,
            Err(error) => {
                let wait = backoff.after(worked);
                line.waits(&format!(
                    "{error:#}; starting again in {} s",
                    wait.as_secs()
                ));
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = context.shutdown.cancelled() => return,
                }
                line.board
                    .change(line.at, |status| status.state = SourceState::Starting);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> Result<Source, String> {
        Source::from_table(&toml.parse().unwrap())
    }

    #[test]
    fn a_table_says_what_the_command_line_says() {
        let source = read("kind = 'rtsp'\ntopic = 'door'\nurl = 'rtsp://10.0.0.9/a'\nuser = 'me'\npassword = 's3cret'").unwrap();
        assert_eq!(
            (source.kind.as_str(), source.command.topic()),
            ("rtsp", "door")
        );
        assert!(!format!("{source:?}").contains("s3cret"));
        let source =
            read("kind = 'video'\ntopic = 'v'\nfile = '-dash.mp4'\nloop = true\nquality = 80")
                .unwrap();
        assert!(matches!(source.command, PublishCommand::Video(_)));
        assert!(read("kind = 'testcard'\ntopic = 'card'\nfps = 12.5\nsize = '640x360'").is_ok());
        assert!(read("kind = 'camera'\ntopic = 'desk'\ndevice = '/dev/video2'").is_ok());
    }

    #[test]
    fn what_cannot_be_run_is_refused_by_name() {
        for (toml, words) in [
            ("topic = 'x'", "no `kind`"),
            ("kind = 'rstp'", "there is no kind \"rstp\""),
            ("kind = 'testcard'", "--topic"),
            ("kind = 'testcard'\ntopic = 'x'\ncolour = 'red'", "`colour`"),
            ("kind = 'testcard'\ntopic = 'x'\nfps = [1]", "`fps`"),
            (
                "kind = 'testcard'\ntopic = 'x'\nsize = '1x1'",
                "WIDTHxHEIGHT",
            ),
            ("kind = 'camera'\nlist = true", "publishes nothing"),
            (
                "kind = 'rtsp'\ntopic = 'x'\nurl = 'http://me:s3cret@h/'",
                "RTSP",
            ),
        ] {
            let refusal = read(toml).unwrap_err();
            assert!(refusal.contains(words), "{toml}: {refusal}");
        }
    }
}
