//! `weir mirror`: topics and groups' positions from one Kafka to another while everything runs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::{ArgAction, Args};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use weir_base::time::Clock;
use weir_base::units::show_bytes;
use weir_client::Kafka;
use weir_mirror::{Mirror, MirrorError, Side, Told, TopicProgress};

use crate::context::{Context, parse_property};
use crate::output::write_stdout;

/// How often topics that are behind are told where there is no terminal.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// Topics that have a line of their own on a terminal.
const LINES: usize = 20;

/// Options of `weir mirror`.
#[derive(Debug, Args)]
#[command(
    after_help = "For example, from weir's own broker to a cluster: weir mirror --from 127.0.0.1:9092 --to kafka1:9092 --replication 3\n\
    To switch: start it and let it catch up; stop what writes to --from and the groups that read there; when it says `safe to \
    switch`, start them again with --bootstrap of --to, and end the mirror with Ctrl-C. Every record is there once, whatever is \
    killed meanwhile; start it again and it goes on."
)]
pub struct MirrorArgs {
    /// The Kafka to mirror
    #[arg(long, value_name = "HOST:PORT,…")]
    from: String,
    /// The Kafka to mirror to; not the same cluster
    #[arg(long, value_name = "HOST:PORT,…")]
    to: String,
    /// The topics to mirror (repeatable, or separated by commas) [default: all but internal ones, those made later too]
    #[arg(short, long = "topic", value_name = "T", value_delimiter = ',')]
    topics: Vec<String>,
    /// A librdkafka property for --from alone (repeatable); -X is for both
    #[arg(long = "from-X", value_name = "KEY=VALUE", action = ArgAction::Append)]
    from_x: Vec<String>,
    /// A librdkafka property for --to alone (repeatable); -X is for both
    #[arg(long = "to-X", value_name = "KEY=VALUE", action = ArgAction::Append)]
    to_x: Vec<String>,
    /// How many copies of each topic --to keeps [default: its own default.replication.factor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    replication: Option<i32>,
    /// With --follow=false: end when everything that is there now has been mirrored
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1)]
    #[arg(
        require_equals = true,
        default_missing_value = "true",
        value_name = "BOOL"
    )]
    follow: bool,
}

/// Mirrors until it is told to end, or has caught up.
pub async fn run(args: MirrorArgs, context: &Context) -> anyhow::Result<()> {
    let from = side(Side::From, &args.from, &args.from_x, context)?;
    let to = side(Side::To, &args.to, &args.to_x, context)?;
    let shown = Shown::new(context, &args);
    let mirror = Mirror {
        topics: args.topics,
        replication: args.replication,
        follow: args.follow,
        tell: Arc::new(move |told| shown.tell(told)),
        ..Mirror::default()
    };
    mirror.run(&from, &to, context.shutdown.clone()).await?;
    Ok(())
}

/// One of the two Kafkas.
fn side(
    side: Side,
    address: &str,
    properties: &[String],
    context: &Context,
) -> anyhow::Result<Kafka> {
    let mut all = context.properties.clone();
    for text in properties {
        all.push(parse_property(&format!("{}-X", side.option()), text)?);
    }
    let kafka = Kafka::new(address, &all);
    Ok(kafka.map_err(|error| MirrorError::Kafka { side, error })?)
}

/// What people and scripts see of it.
struct Shown {
    json: bool,
    quiet: bool,
    from: String,
    to: String,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    topics: BTreeMap<String, TopicProgress>,
    bars: Option<Bars>,
    told: Option<Duration>,
}

struct Bars {
    all: MultiProgress,
    lines: BTreeMap<String, ProgressBar>,
}

impl Shown {
    fn new(context: &Context, args: &MirrorArgs) -> Self {
        let terminal = std::io::stderr().is_terminal() && !context.quiet;
        Self {
            json: context.json,
            quiet: context.quiet,
            from: args.from.clone(),
            to: args.to.clone(),
            clock: context.clock.clone(),
            state: Mutex::new(State {
                bars: terminal.then(|| Bars {
                    all: MultiProgress::new(),
                    lines: BTreeMap::new(),
                }),
                ..State::default()
            }),
        }
    }

    fn tell(&self, told: &Told) {
        if self.json {
            let line = serde_json::to_string(told).unwrap_or_default() + "\n";
            if let Err(error) = write_stdout(line.as_bytes()) {
                tracing::debug!("{error:#}");
            }
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Told::Progress(progress) = told {
            let topics = &mut state.topics;
            topics.insert(progress.topic.clone(), progress.clone());
            self.progress(&mut state, progress);
            return;
        }
        let (text, result) = sentence(told, &self.from, &self.to);
        let result = result && !self.json;
        if let Some(text) = text {
            let say = || {
                if result {
                    // What scripts wait for.
                    drop(write_stdout(format!("{text}\n").as_bytes()));
                } else if !(self.quiet || self.json && is_plain(told)) {
                    eprintln!("weir: {text}");
                }
            };
            match &state.bars {
                Some(bars) => bars.all.suspend(say),
                None => say(),
            }
        }
    }

    fn progress(&self, state: &mut State, progress: &TopicProgress) {
        if let Some(bars) = &mut state.bars {
            if !bars.lines.contains_key(&progress.topic) && bars.lines.len() >= LINES {
                return;
            }
            let all = &bars.all;
            let line = bars
                .lines
                .entry(progress.topic.clone())
                .or_insert_with(|| all.add(line()));
            line.set_message(describe(progress));
            line.tick();
            return;
        }
        let now = self.clock.monotonic();
        let due = state
            .told
            .is_none_or(|told| now.saturating_sub(told) >= TELL_EVERY);
        if !due || self.quiet || self.json {
            return;
        }
        state.told = Some(now);
        for progress in state.topics.values() {
            eprintln!("weir: {}", describe(progress));
        }
    }
}

fn line() -> ProgressBar {
    let line = ProgressBar::new_spinner();
    // The template is a constant; should it be wrong, the default style still shows progress.
    line.set_style(
        ProgressStyle::with_template("{spinner} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    line
}

fn describe(progress: &TopicProgress) -> String {
    let behind = match progress.behind {
        0 => "caught up".to_owned(),
        behind => format!("behind by {behind}"),
    };
    format!(
        "{}: {behind}  {} records, {}",
        progress.topic,
        progress.records,
        show_bytes(progress.bytes)
    )
}

/// Whether a JSON object says it well enough.
fn is_plain(told: &Told) -> bool {
    !matches!(
        told,
        Told::Stopped { .. } | Told::Waiting { .. } | Told::GoingOn { .. } | Told::Note { .. }
    )
}

/// What is told, as a sentence; and whether it is a result, for standard output.
fn sentence(told: &Told, from: &str, to: &str) -> (Option<String>, bool) {
    let mut result = false;
    let text = match told {
        Told::Begun { topics, .. } => format!(
            "mirroring {} from {from} to {to}\n\
             To switch: 1. stop what writes to {from}, and the groups that read there\n           \
             2. wait for \"safe to switch\"\n           \
             3. start them again with --bootstrap {to}, and end this with Ctrl-C",
            counted(*topics, "topic")
        ),
        Told::Topic {
            topic,
            created,
            stamped,
            ..
        } => {
            let mut text = if *created {
                format!("topic {topic}: made at {to}")
            } else if *stamped {
                format!("topic {topic}")
            } else {
                return (None, false);
            };
            if *stamped {
                text += ": its times are those of the log (message.timestamp.type=LogAppendTime) and stay as they are; set it at --to after the switch";
            }
            text
        }
        Told::Setting {
            topic,
            name,
            value,
            refused: None,
        } => format!("topic {topic}: {name}={value} is now set at {to}"),
        Told::Setting {
            topic,
            name,
            value,
            refused: Some(why),
        } => format!("topic {topic}: {to} refuses {name}={value}: {why}"),
        Told::Stopped { topic, why } => format!("topic {topic} waits: {why}"),
        Told::GroupLeft { group, why } => format!("group {group} is left alone: {why}"),
        Told::Waiting { side, why } => format!("{}: {why}; trying on", side.option()),
        Told::GoingOn { side } => format!("{} answers again", side.option()),
        Told::Note { text } => text.clone(),
        Told::CaughtUp { since: 0 } => {
            result = true;
            format!("caught up: everything that was at {from} is at {to}, groups' positions too")
        }
        Told::CaughtUp { since } => {
            result = true;
            format!(
                "caught up with what was there at the start; {since} records have come at {from} since: not safe to switch while it is written to"
            )
        }
        Told::SafeToSwitch {
            topics,
            groups,
            moved,
            reading,
        } => {
            result = true;
            safe(from, to, *topics, *groups, moved, reading)
        }
        Told::NotSafe { why } => {
            result = true;
            format!("not safe to switch any more: {why}")
        }
        _ => return (None, false),
    };
    (Some(text), result)
}

fn counted(count: usize, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}

fn safe(
    from: &str,
    to: &str,
    topics: usize,
    groups: usize,
    moved: &[String],
    reading: &[String],
) -> String {
    let mut text = format!(
        "safe to switch: everything at {from} is at {to} ({}, the positions of {})",
        counted(topics, "topic"),
        counted(groups, "group")
    );
    if !reading.is_empty() {
        let _ = write!(
            text,
            "; stop these groups at {from} before you start them at {to}: {}",
            reading.join(", ")
        );
    }
    if !moved.is_empty() {
        let _ = write!(
            text,
            "; offsets differ in {} (groups go on at the right record; archives and processors begin anew there)",
            moved.join(", ")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(told: &Told) -> String {
        sentence(told, "a:1", "b:2").0.unwrap_or_default()
    }

    #[test]
    fn the_steps_of_a_switch_are_told_at_the_start_and_name_both_sides() {
        let text = said(&Told::Begun {
            from: "a:1".to_owned(),
            to: "b:2".to_owned(),
            topics: 3,
        });
        for part in ["a:1", "--bootstrap b:2", "safe to switch", "Ctrl-C"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn safe_to_switch_names_groups_to_be_stopped_and_topics_with_other_offsets() {
        let text = said(&Told::SafeToSwitch {
            topics: 2,
            groups: 1,
            moved: vec!["log".to_owned()],
            reading: vec!["tv".to_owned()],
        });
        assert!(text.starts_with("safe to switch: "), "{text}");
        assert!(text.contains("tv") && text.contains("log"), "{text}");
    }

    #[test]
    fn a_setting_that_is_refused_is_named_with_the_reason() {
        let text = said(&Told::Setting {
            topic: "t".to_owned(),
            name: "no.such".to_owned(),
            value: "1".to_owned(),
            refused: Some("because".to_owned()),
        });
        assert_eq!(text, "topic t: b:2 refuses no.such=1: because");
    }
}
