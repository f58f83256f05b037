//! `weir.toml`: everything the options say, as TOML, turned into the options' defaults before the command line is read.
//!
//! Keys at the top are the global options, a table is a command (`[serve]`, `[publish.video]`), its keys that command's
//! options by their long names. `[broker]` also takes Kafka's own server settings by their names, `[X]` librdkafka's. The
//! command line wins over the environment, the environment over the file. A key that no option has is refused by name. Each
//! `[[source]]` is something that `weir serve` publishes.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Command};
use thiserror::Error;
use toml::{Table, Value};

use crate::commands::sources::Source;

/// Where the file is looked for when nobody names one.
pub const DEFAULT_FILE: &str = "weir.toml";

/// What is wrong with the file: a sentence that names the key and the remedy.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A file was named and cannot be read.
    #[error("cannot read the config file {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no TOML.
    #[error("{path} is not TOML: {source}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A key that is no option.
    #[error("{path}: there is no option `{key}`{hint}")]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key with the tables it is in.
        key: String,
        /// The nearest name there is, as a sentence.
        hint: String,
    },
    /// A `[[source]]` that cannot be run.
    #[error("{path}: source {number}: {why}")]
    Source {
        /// The file.
        path: PathBuf,
        /// Which of them, from 1.
        number: usize,
        /// What is wrong, and what to write.
        why: String,
    },
    /// A value of a type that no option takes.
    #[error("{path}: `{key}` is {found}; write {expected}")]
    BadValue {
        /// The file.
        path: PathBuf,
        /// The key with the tables it is in.
        key: String,
        /// The type found.
        found: &'static str,
        /// What is taken.
        expected: &'static str,
    },
}

/// Which file the arguments or the environment name; `None` where they name none.
pub fn named_file(args: &[String], env: Option<String>) -> Option<PathBuf> {
    let mut rest = args.iter();
    let mut before = "";
    while let Some(arg) = rest.next() {
        // Behind `topic create` and `topic alter` the option is Kafka's: a setting of the topic.
        if arg == "--" || (before == "topic" && matches!(&**arg, "create" | "alter")) {
            break;
        }
        before = arg;
        if arg == "--config" {
            return rest.next().map(PathBuf::from);
        }
        if let Some(path) = arg.strip_prefix("--config=") {
            return Some(path.into());
        }
    }
    env.filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// What the file says.
pub struct Layered {
    /// The command line with the file's values as its defaults.
    pub command: Command,
    /// The `[[source]]` tables.
    pub sources: Vec<Source>,
}

/// `command` with the file's values as its defaults.
pub fn with_file(command: Command, path: &Path) -> Result<Layered, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    with_text(command, path, &text)
}

/// The same from the file's text.
pub fn with_text(command: Command, path: &Path, text: &str) -> Result<Layered, ConfigError> {
    let mut table: Table = text.parse().map_err(|source| ConfigError::Syntax {
        path: path.to_owned(),
        source: Box::new(source),
    })?;
    let sources = sources(path, table.remove("source"))?;
    // Builds the command tree, so that the global options are known everywhere below.
    let command = Layer { path, file: &table }.apply(command, &table, &mut Vec::new())?;
    Ok(Layered { command, sources })
}

/// The `[[source]]` tables, which are no options of a command but what `weir serve` runs.
fn sources(path: &Path, value: Option<Value>) -> Result<Vec<Source>, ConfigError> {
    let tables = match value {
        None => Vec::new(),
        Some(Value::Array(tables)) => tables,
        Some(_) => vec![Value::Boolean(false)],
    };
    let read = |(at, value): (usize, &Value)| {
        let refused = |why| ConfigError::Source {
            path: path.to_owned(),
            number: at + 1,
            why,
        };
        match value {
            Value::Table(table) => Source::from_table(table).map_err(refused),
            _ => Err(refused("write it as a table, [[source]]".to_owned())),
        }
    };
    tables.iter().enumerate().map(read).collect()
}

struct Layer<'a> {
    path: &'a Path,
    file: &'a Table,
}

impl Layer<'_> {
    fn apply(
        &self,
        mut command: Command,
        table: &Table,
        trail: &mut Vec<String>,
    ) -> Result<Command, ConfigError> {
        // The embedded broker's settings stand in [broker] for every command that starts it.
        let settings = match self.file.get("broker") {
            Some(Value::Table(broker)) => self.settings(&command, broker)?,
            _ => Vec::new(),
        };
        let takes_settings = command.get_arguments().any(|arg| arg.get_id() == "set");
        if takes_settings && !settings.is_empty() {
            command = command.mut_arg("set", |arg| arg.default_values(settings));
        }
        for (key, value) in table {
            trail.push(key.clone());
            let is_command = command.get_subcommands().any(|sub| sub.get_name() == key);
            if key == "X" && trail.len() == 1 {
                let properties = self.properties(value, trail)?;
                command = command.mut_arg("X", |arg| arg.default_values(properties));
            } else if let (true, Value::Table(inner)) = (is_command, value) {
                let mut failed = None;
                command = command.mut_subcommand(key, |sub| {
                    match self.apply(sub.clone(), inner, trail) {
                        Ok(sub) => sub,
                        Err(error) => {
                            failed = Some(error);
                            sub
                        }
                    }
                });
                if let Some(error) = failed {
                    return Err(error);
                }
            } else if let Some(id) = option_id(&command, key) {
                // `--from-X` and `--to-X` of `mirror` take what `-X` takes.
                let values = if key.ends_with("-X") {
                    self.properties(value, trail)?
                } else {
                    self.values(&command, &id, value, trail)?
                };
                command = command.mut_arg(id, |arg| arg.required(false).default_values(values));
            } else if !takes_settings || trail.first().is_none_or(|first| first != "broker") {
                return Err(self.unknown(&command, key, trail));
            }
            trail.pop();
        }
        Ok(if trail.is_empty() {
            self.settings_everywhere(command)?
        } else {
            command
        })
    }

    /// `[broker]` also holds for the commands that have no table of their own.
    fn settings_everywhere(&self, mut command: Command) -> Result<Command, ConfigError> {
        let Some(Value::Table(broker)) = self.file.get("broker") else {
            return Ok(command);
        };
        let without_table: Vec<String> = command
            .get_subcommands()
            .filter(|sub| !self.file.contains_key(sub.get_name()))
            .filter(|sub| sub.get_arguments().any(|arg| arg.get_id() == "set"))
            .map(|sub| sub.get_name().to_owned())
            .collect();
        for name in without_table {
            let Some(sub) = command.find_subcommand(&name) else {
                continue;
            };
            let settings = self.settings(sub, broker)?;
            if !settings.is_empty() {
                command = command.mut_subcommand(name, |sub| {
                    sub.mut_arg("set", |arg| arg.default_values(settings))
                });
            }
        }
        Ok(command)
    }

    /// The keys of `[broker]` that are no options: Kafka's settings, as `key=value`.
    fn settings(&self, command: &Command, broker: &Table) -> Result<Vec<String>, ConfigError> {
        let mut found = Vec::new();
        for (key, value) in broker {
            if option_id(command, key).is_none() {
                self.flatten(key, value, &mut found)?;
            }
        }
        Ok(found)
    }

    fn properties(&self, value: &Value, trail: &[String]) -> Result<Vec<String>, ConfigError> {
        let mut found = Vec::new();
        match value {
            Value::Table(table) => {
                for (key, value) in table {
                    self.flatten(key, value, &mut found)?;
                }
            }
            Value::Array(items) => {
                for item in items {
                    found.push(self.scalar(item, trail)?);
                }
            }
            other => found.push(self.scalar(other, trail)?),
        }
        Ok(found)
    }

    /// `num.partitions = 3` is, to TOML, a table in a table; here it is one name again.
    fn flatten(
        &self,
        name: &str,
        value: &Value,
        found: &mut Vec<String>,
    ) -> Result<(), ConfigError> {
        if let Value::Table(table) = value {
            for (key, value) in table {
                self.flatten(&format!("{name}.{key}"), value, found)?;
            }
            return Ok(());
        }
        let value = self.scalar(value, &[name.to_owned()])?;
        found.push(format!("{name}={value}"));
        Ok(())
    }

    fn values(
        &self,
        command: &Command,
        id: &str,
        value: &Value,
        trail: &[String],
    ) -> Result<Vec<String>, ConfigError> {
        let arg = command.get_arguments().find(|arg| arg.get_id() == id);
        let is_flag = arg.is_some_and(|arg| matches!(arg.get_action(), ArgAction::SetTrue));
        if is_flag && !value.is_bool() {
            return Err(self.bad(value, trail, "true or false"));
        }
        match value {
            Value::Array(items) if arg.is_some_and(takes_many) => {
                items.iter().map(|item| self.scalar(item, trail)).collect()
            }
            other => Ok(vec![self.scalar(other, trail)?]),
        }
    }

    fn scalar(&self, value: &Value, trail: &[String]) -> Result<String, ConfigError> {
        match value {
            Value::String(text) => Ok(text.clone()),
            Value::Integer(number) => Ok(number.to_string()),
            Value::Float(number) => Ok(number.to_string()),
            Value::Boolean(flag) => Ok(flag.to_string()),
            Value::Datetime(time) => Ok(time.to_string()),
            Value::Array(_) | Value::Table(_) => {
                Err(self.bad(value, trail, "one text, number, true or false"))
            }
        }
    }

    fn bad(&self, value: &Value, trail: &[String], expected: &'static str) -> ConfigError {
        let found = match value {
            Value::Array(_) => "a list",
            Value::Table(_) => "a table",
            Value::Boolean(_) => "true or false",
            Value::Integer(_) | Value::Float(_) => "a number",
            Value::String(_) => "a text",
            Value::Datetime(_) => "a time",
        };
        ConfigError::BadValue {
            path: self.path.to_owned(),
            key: trail.join("."),
            found,
            expected,
        }
    }

    fn unknown(&self, command: &Command, key: &str, trail: &[String]) -> ConfigError {
        let options = command.get_arguments().filter_map(Arg::get_long);
        let names = options.chain(command.get_subcommands().map(Command::get_name));
        let hint = names
            .map(|name| (distance(name, key), name))
            .filter(|(distance, _)| *distance <= 3)
            .min()
            .map_or_else(
                || "; `weir --help` lists them".to_owned(),
                |(_, name)| format!("; did you mean `{name}`?"),
            );
        ConfigError::UnknownKey {
            path: self.path.to_owned(),
            key: trail.join("."),
            hint,
        }
    }
}

fn option_id(command: &Command, key: &str) -> Option<String> {
    command
        .get_arguments()
        .find(|arg| arg.get_long() == Some(key) && !matches!(key, "config" | "help" | "version"))
        .map(|arg| arg.get_id().to_string())
}

fn takes_many(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append) || arg.get_value_delimiter().is_some()
}

/// Levenshtein's distance, to find the name that was meant.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut before = i;
        let mut next = vec![i + 1];
        for (to, above) in b.iter().zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or_default();
            next.push(
                (before + usize::from(from != *to))
                    .min(above + 1)
                    .min(left + 1),
            );
            before = *above;
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches};

    use super::*;
    use crate::cli::{Cli, Command as Asked};

    fn parse(toml: &str, args: &[&str]) -> Cli {
        let command = with_text(Cli::command(), Path::new("weir.toml"), toml)
            .unwrap()
            .command;
        let matches = command.try_get_matches_from(args).unwrap();
        Cli::from_arg_matches(&matches).unwrap()
    }

    fn refused(toml: &str) -> String {
        with_text(Cli::command(), Path::new("weir.toml"), toml)
            .err()
            .unwrap()
            .to_string()
    }

    #[test]
    fn a_global_option_in_the_file_holds_for_every_command() {
        let cli = parse(
            "bootstrap = 'kafka:9092'\njson = true",
            &["weir", "topic", "list"],
        );
        assert_eq!(cli.global.bootstrap.as_deref(), Some("kafka:9092"));
        assert!(cli.global.json);
    }

    #[test]
    fn the_command_line_wins_over_the_file() {
        let cli = parse(
            "bootstrap = 'kafka:9092'",
            &["weir", "--bootstrap", "other:1", "topic", "list"],
        );
        assert_eq!(cli.global.bootstrap.as_deref(), Some("other:1"));
    }

    #[test]
    fn kafka_settings_stand_in_broker_by_their_dotted_names_for_every_command_that_starts_it() {
        for command in ["broker", "serve", "demo"] {
            let cli = parse(
                "[broker]\nnum.partitions = 3\n\"log.retention.ms\" = 60000",
                &["weir", command],
            );
            let mut set = match cli.command {
                Asked::Broker(args) => args.broker.set,
                Asked::Serve(args) => args.broker.set,
                Asked::Demo(args) => args.broker.set,
                other => panic!("{other:?}"),
            };
            set.sort();
            assert_eq!(
                set,
                ["log.retention.ms=60000", "num.partitions=3"],
                "{command}"
            );
        }
    }

    #[test]
    fn an_option_of_the_broker_stands_beside_the_settings() {
        let cli = parse(
            "[broker]\nkafka-listen = '127.0.0.1:9999'\nnum.partitions = 3",
            &["weir", "broker"],
        );
        let Asked::Broker(args) = cli.command else {
            panic!()
        };
        assert_eq!(args.broker.kafka_listen.to_string(), "127.0.0.1:9999");
        assert_eq!(args.broker.set, ["num.partitions=3"]);
    }

    #[test]
    fn a_required_option_may_stand_in_the_file() {
        let cli = parse(
            "[publish.lines]\ntopic = 'log'",
            &["weir", "publish", "lines"],
        );
        assert!(matches!(cli.command, Asked::Publish(_)));
    }

    #[test]
    fn librdkafka_properties_stand_in_a_table_of_their_own() {
        let cli = parse(
            "[X]\nsecurity.protocol = 'SASL_SSL'",
            &["weir", "topic", "list"],
        );
        assert_eq!(cli.global.property, ["security.protocol=SASL_SSL"]);
    }

    #[test]
    fn each_side_of_a_mirror_has_properties_of_its_own() {
        let cli = parse(
            "[mirror]\nfrom = 'a:1'\nto = 'b:2'\n[mirror.to-X]\nsecurity.protocol = 'SASL_SSL'",
            &["weir", "mirror"],
        );
        let shown = format!("{:?}", cli.command);
        assert!(
            shown.contains("to_x: [\"security.protocol=SASL_SSL\"]"),
            "{shown}"
        );
    }

    #[test]
    fn an_unknown_key_is_refused_by_name_with_the_nearest_there_is() {
        assert_eq!(
            refused("bootstrp = 'x'"),
            "weir.toml: there is no option `bootstrp`; did you mean `bootstrap`?"
        );
        assert!(refused("[serve]\nfoo = 1").contains("`serve.foo`"));
        assert!(refused("[nosuch]\na = 1").contains("`nosuch`"));
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused_by_name() {
        assert_eq!(
            refused("json = 3"),
            "weir.toml: `json` is a number; write true or false"
        );
        assert!(refused("bootstrap = ['a']").contains("`bootstrap` is a list"));
    }

    #[test]
    fn sources_are_read_in_their_order_and_a_wrong_one_is_refused_by_its_number() {
        let text =
            "[[source]]\nkind = 'testcard'\ntopic = 'a'\n[[source]]\nkind = 'sensor'\ntopic = 'b'";
        let layered = with_text(Cli::command(), Path::new("weir.toml"), text).unwrap();
        assert_eq!(layered.sources.len(), 2);
        let refusal =
            refused("[[source]]\nkind = 'testcard'\ntopic = 'a'\n[[source]]\nkind = 'nope'");
        assert!(
            refusal.starts_with("weir.toml: source 2: there is no kind"),
            "{refusal}"
        );
        assert!(refused("source = 'camera'").contains("[[source]]"));
    }

    #[test]
    fn what_is_no_toml_is_refused_with_the_place() {
        assert!(refused("= 3").contains("weir.toml is not TOML"));
    }

    #[test]
    fn hostile_files_are_refused_or_taken_and_never_a_panic() {
        let deep = format!("a = {}1{}", "[".repeat(10_000), "]".repeat(10_000));
        let dotted = format!("[broker]\n{}x = 1", "a.".repeat(1_000));
        let long = format!("bootstrap = '{}'", "x".repeat(1 << 20));
        for text in [
            "",
            "\u{feff}",
            "\0",
            "=",
            "[",
            "[[serve]]\nlisten = 1",
            "serve = 3",
            "X = [[1]]",
            "X = { a = [1] }",
            "json = 1979-05-27",
            "verbose = 300",
            "bootstrap = 9223372036854775807",
            "bootstrap = nan",
            "broker = 'x'",
            "[broker.set]\na = 1",
            "[publish]\nvideo = 1",
            "[publish.video.loop]\na = 1",
            "\"\" = 1",
            "help = true",
            "config = 'again'",
            "version = true",
            &deep,
            &dotted,
            &long,
        ] {
            let made = with_text(Cli::command(), Path::new("weir.toml"), text);
            if let Ok(made) = made {
                // What was taken must make a command line that still works.
                let _ = made.command.try_get_matches_from(["weir", "serve"]);
            }
        }
    }

    #[test]
    fn the_file_is_found_on_the_command_line_before_the_environment() {
        let args = |list: &[&str]| list.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>();
        assert_eq!(
            named_file(&args(&["weir", "--config", "a"]), Some("b".into())),
            Some("a".into())
        );
        assert_eq!(
            named_file(&args(&["weir", "--config=a"]), None),
            Some("a".into())
        );
        assert_eq!(
            named_file(&args(&["weir"]), Some("b".into())),
            Some("b".into())
        );
        assert_eq!(
            named_file(&args(&["weir", "--", "--config", "a"]), None),
            None
        );
    }
}
