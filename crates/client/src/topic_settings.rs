//! A topic's settings: what they are, and changing single ones.

use std::time::Duration;

use rdkafka::admin::{AlterConfig, ConfigSource, ResourceSpecifier};
use rdkafka::error::RDKafkaErrorCode as Code;

use crate::error::{check_topic_name, code_of};
use crate::kafka::refused;
use crate::topics::admin_options;
use crate::{ClientError, Kafka};

/// How often it is looked whether a change has come into force, each time after a little longer.
const LOOKS: u64 = 12;

/// A topic's setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Kafka's name for it.
    pub name: String,
    /// Its value; `None` where it is secret.
    pub value: Option<String>,
    /// Not set for this topic: the broker's value, or Kafka's.
    pub default: bool,
}

impl Kafka {
    /// A topic's settings, by name.
    pub async fn topic_config(&self, name: &str) -> Result<Vec<Setting>, ClientError> {
        check_topic_name(name)?;
        loop {
            match self.read_topic_config(name).await {
                Err(ClientError::NoSuchTopic { .. }) if self.known_soon(name).await => {}
                answer => return answer,
            }
        }
    }

    async fn read_topic_config(&self, name: &str) -> Result<Vec<Setting>, ClientError> {
        let what = format!("read the settings of topic {name:?}");
        let missing = || ClientError::NoSuchTopic {
            topic: name.to_owned(),
        };
        let admin = self.admin().await?;
        let results = match admin
            .describe_configs(&[ResourceSpecifier::Topic(name)], &admin_options())
            .await
        {
            Ok(results) => results,
            Err(error) if code_of(&error) == Some(Code::UnknownTopicOrPartition) => {
                return Err(missing());
            }
            Err(error) => return Err(self.explain(&what, &error).await),
        };
        match results.into_iter().next() {
            Some(Ok(resource)) => {
                if resource.entries.is_empty() {
                    // rdkafka drops the error of a single resource; a topic always has settings.
                    self.topic(name).await?;
                    if self.was_made(name) {
                        return Err(missing());
                    }
                }
                let mut settings: Vec<Setting> = resource
                    .entries
                    .into_iter()
                    .map(|entry| Setting {
                        name: entry.name,
                        value: entry.value.filter(|_| !entry.is_sensitive),
                        default: entry.source != ConfigSource::DynamicTopic,
                    })
                    .collect();
                settings.sort_by(|a, b| a.name.cmp(&b.name));
                Ok(settings)
            }
            Some(Err(Code::UnknownTopicOrPartition)) | None => Err(missing()),
            Some(Err(code)) => Err(refused(&what, code)),
        }
    }

    /// Changes settings of a topic and leaves its others: `(name, value)`, where no value is a return to the broker's.
    ///
    /// The library offers Kafka's older request alone, which replaces all of a topic's settings; whoever changes others at
    /// the same moment may find them undone.
    pub async fn alter_topic_config(
        &self,
        name: &str,
        changes: &[(String, Option<String>)],
    ) -> Result<(), ClientError> {
        let mut own = self.own_config(name).await?;
        for (key, value) in changes {
            own.retain(|(known, _)| known != key);
            own.extend(value.clone().map(|value| (key.clone(), value)));
        }
        let what = format!("change the settings of topic {name:?}");
        let mut wanted = AlterConfig::new(ResourceSpecifier::Topic(name));
        for (key, value) in &own {
            wanted = wanted.set(key, value);
        }
        let admin = self.admin().await?;
        match admin.alter_configs([&wanted], &admin_options()).await {
            Err(error) => return Err(self.explain(&what, &error).await),
            Ok(results) => {
                if let Some(Err((_, code))) = results.into_iter().next() {
                    return Err(refused(&what, code));
                }
            }
        }
        // rdkafka drops the error of a single resource: whether it was done is seen by looking. The controller has decided;
        // the other brokers hear of it a moment later.
        for attempt in 0..LOOKS {
            let found = self.own_config(name).await?;
            let done = changes.iter().all(|(key, value)| {
                let is = found.iter().find(|(known, _)| known == key);
                is.map(|(_, value)| value) == value.as_ref()
            });
            if done {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20 * attempt)).await;
        }
        Err(refused(&what, Code::InvalidConfig))
    }

    /// What is set for this topic.
    async fn own_config(&self, name: &str) -> Result<Vec<(String, String)>, ClientError> {
        let settings = self.topic_config(name).await?.into_iter();
        Ok(settings
            .filter(|setting| !setting.default)
            .filter_map(|setting| Some((setting.name, setting.value?)))
            .collect())
    }
}
