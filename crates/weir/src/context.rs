//! What every command is handed: which Kafka, where the data lies, how to report, when to stop.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use tokio_util::sync::CancellationToken;
use weir_base::time::{Clock, SystemClock};
use weir_client::Kafka;

use crate::cli::Global;
use crate::commands::sources::Source;

/// Where Kafka is, if nobody says otherwise.
pub const DEFAULT_BOOTSTRAP: &str = "127.0.0.1:9092";

/// What a command needs to know of the outside.
#[derive(Clone)]
pub struct Context {
    /// The Kafka that was asked for; `None` where nobody named one.
    pub bootstrap: Option<String>,
    /// librdkafka's properties.
    pub properties: Vec<(String, String)>,
    data_dir: Option<PathBuf>,
    /// What `serve` publishes.
    pub sources: Vec<Source>,
    /// Results as JSON.
    pub json: bool,
    /// No progress.
    pub quiet: bool,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Cancelled by Ctrl-C and SIGTERM.
    pub shutdown: CancellationToken,
}

impl Context {
    /// What the global options say.
    pub fn new(
        global: &Global,
        sources: Vec<Source>,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Self> {
        let properties = global
            .property
            .iter()
            .map(|text| parse_property("-X", text))
            .collect::<anyhow::Result<_>>()?;
        Ok(Self {
            bootstrap: global.bootstrap.clone(),
            properties,
            data_dir: global.data_dir.clone(),
            sources,
            json: global.json,
            quiet: global.quiet,
            clock: Arc::new(SystemClock::new()),
            shutdown,
        })
    }

    /// The Kafka to use.
    pub fn kafka(&self) -> anyhow::Result<Kafka> {
        self.kafka_at(self.bootstrap.as_deref().unwrap_or(DEFAULT_BOOTSTRAP))
    }

    /// A Kafka at another address, with the same properties.
    pub fn kafka_at(&self, bootstrap: &str) -> anyhow::Result<Kafka> {
        Ok(Kafka::new(bootstrap, &self.properties)?)
    }

    /// The folder of the embedded broker's log.
    pub fn data_dir(&self) -> anyhow::Result<PathBuf> {
        if let Some(dir) = &self.data_dir {
            return Ok(dir.clone());
        }
        let dirs = directories::BaseDirs::new()
            .context("there is no home folder to keep data in: name a folder with --data-dir")?;
        Ok(dirs.data_dir().join("weir"))
    }
}

/// Reads `key=value`, as `option` takes it.
pub fn parse_property(option: &str, text: &str) -> anyhow::Result<(String, String)> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.to_owned()))
        }
        // The value may be a secret, so only a name that stands alone is repeated.
        Some(_) => bail!("{option} has no property name before its `=`: write {option} key=value"),
        None => Err(anyhow!(
            "{option} {text}: a property is written key=value, such as {option} client.id=me"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_is_cut_at_its_first_equals_sign() {
        let parsed = parse_property("-X", "sasl.password=a=b;c").unwrap();
        assert_eq!(parsed, ("sasl.password".to_owned(), "a=b;c".to_owned()));
    }

    #[test]
    fn a_property_without_a_name_is_refused_without_repeating_its_value() {
        let refusal = parse_property("-X", "=secret").unwrap_err().to_string();
        assert!(!refusal.contains("secret"), "{refusal}");
        assert!(
            parse_property("-X", "client.id")
                .unwrap_err()
                .to_string()
                .contains("key=value")
        );
    }
}
