//! Access rules (KIP-11, KIP-290): what they are made of, how a filter picks them, and where they are kept.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use weir_base::fs::Fs;

use crate::files::JsonFile;

/// A filter's word for "whatever it is".
const ANY: i8 = 1;
/// A pattern type in filters alone: all rules that apply to the resource of this name.
const MATCH: i8 = 2;
const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;
/// The resource type and name of the cluster.
const CLUSTER: (i8, &str) = (4, "kafka-cluster");
/// Resource types from topic to user.
const RESOURCE_TYPES: std::ops::RangeInclusive<i8> = 2..=7;
/// Operations from "all" to two-phase commit.
const OPERATIONS: std::ops::RangeInclusive<i8> = 2..=15;
/// Deny and allow.
const PERMISSIONS: std::ops::RangeInclusive<i8> = 2..=3;

/// What is done with a topic, with Kafka's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Read = 3,
    Write = 4,
    Create = 5,
    Delete = 6,
    Alter = 7,
    Describe = 8,
    DescribeConfigs = 10,
    AlterConfigs = 11,
}

impl Operation {
    /// Whether leave to do `other` is leave to do this too: who may use a topic may look at it.
    fn is_implied_by(self, other: i8) -> bool {
        match self {
            _ if other == ALL || other == self as i8 => true,
            Self::Describe => [Self::Read, Self::Write, Self::Delete, Self::Alter]
                .iter()
                .any(|op| *op as i8 == other),
            Self::DescribeConfigs => other == Self::AlterConfigs as i8,
            _ => false,
        }
    }
}

/// The operation that stands for all.
const ALL: i8 = 2;
const DENY: i8 = 2;
const TOPIC: i8 = 2;
/// Who every client is here: connections do not log in.
const ANONYMOUS: &str = "User:ANONYMOUS";
const ANYBODY: &str = "User:*";

/// One rule, with Kafka's numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Acl {
    pub resource_type: i8,
    pub resource_name: String,
    pub pattern_type: i8,
    pub principal: String,
    pub host: String,
    pub operation: i8,
    pub permission: i8,
}

impl Acl {
    /// Whether it is one of those that are enforced here.
    pub fn is_about_a_topic(&self) -> bool {
        self.resource_type == TOPIC
    }

    /// Whether this can be a rule; else a sentence that says why not.
    pub fn check(&self) -> Result<(), String> {
        let why = if !RESOURCE_TYPES.contains(&self.resource_type) {
            format!("Invalid resource type {}", self.resource_type)
        } else if self.resource_name.is_empty() {
            "Resource name should not be empty".to_owned()
        } else if self.resource_type == CLUSTER.0 && self.resource_name != CLUSTER.1 {
            format!(
                "The only valid name for the CLUSTER resource is {}",
                CLUSTER.1
            )
        } else if !matches!(self.pattern_type, LITERAL | PREFIXED) {
            format!("Invalid pattern type {}", self.pattern_type)
        } else if !OPERATIONS.contains(&self.operation) {
            format!("Invalid operation {}", self.operation)
        } else if !PERMISSIONS.contains(&self.permission) {
            format!("Invalid permission type {}", self.permission)
        } else if !is_principal(&self.principal) {
            format!("Could not parse principal from `{}`", self.principal)
        } else {
            return Ok(());
        };
        Err(why)
    }
}

/// A principal is a type and a name with a colon between.
fn is_principal(text: &str) -> bool {
    text.split_once(':')
        .is_some_and(|(kind, name)| !kind.is_empty() && !name.is_empty())
}

/// What picks rules. `None` is any.
#[derive(Debug, Clone)]
pub(crate) struct AclFilter {
    pub resource_type: i8,
    pub resource_name: Option<String>,
    pub pattern_type: i8,
    pub principal: Option<String>,
    pub host: Option<String>,
    pub operation: i8,
    pub permission: i8,
}

impl AclFilter {
    /// Whether this can be a filter; else a sentence that says why not.
    pub fn check(&self) -> Result<(), String> {
        let known = |what: &str, value: i8, range: std::ops::RangeInclusive<i8>| {
            if value == ANY || range.contains(&value) {
                Ok(())
            } else {
                Err(format!(
                    "The AclBindingFilter must not contain UNKNOWN elements: {what} {value}"
                ))
            }
        };
        known("resource type", self.resource_type, RESOURCE_TYPES)?;
        known("pattern type", self.pattern_type, MATCH..=PREFIXED)?;
        known("operation", self.operation, OPERATIONS)?;
        known("permission type", self.permission, PERMISSIONS)
    }

    /// Whether it picks `acl`.
    pub fn matches(&self, acl: &Acl) -> bool {
        let any_or = |wanted: i8, is: i8| wanted == ANY || wanted == is;
        let none_or = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w == is);
        any_or(self.resource_type, acl.resource_type)
            && any_or(self.operation, acl.operation)
            && any_or(self.permission, acl.permission)
            && none_or(&self.principal, &acl.principal)
            && none_or(&self.host, &acl.host)
            && self.matches_name(acl)
    }

    fn matches_name(&self, acl: &Acl) -> bool {
        let pattern =
            matches!(self.pattern_type, ANY | MATCH) || self.pattern_type == acl.pattern_type;
        let name = match (&self.resource_name, self.pattern_type) {
            (None, _) => true,
            (Some(name), MATCH) => match acl.pattern_type {
                PREFIXED => name.starts_with(&acl.resource_name),
                _ => acl.resource_name == *name || acl.resource_name == "*",
            },
            (Some(name), _) => acl.resource_name == *name,
        };
        pattern && name
    }
}

/// Whether `acls` let a client at `host` do `operation` with a topic. Where no rule is about the topic, everybody may (Kafka's
/// `allow.everyone.if.no.acl.found=true`); where one is, it takes one that allows, and none that denies.
fn allows(acls: &[Acl], host: &str, operation: Operation, topic: &str) -> bool {
    let about = AclFilter {
        resource_type: TOPIC,
        resource_name: Some(topic.to_owned()),
        pattern_type: MATCH,
        principal: None,
        host: None,
        operation: ANY,
        permission: ANY,
    };
    let mut any = false;
    let mut allowed = false;
    for acl in acls.iter().filter(|acl| about.matches(acl)) {
        any = true;
        let ours = (acl.principal == ANONYMOUS || acl.principal == ANYBODY)
            && (acl.host == "*" || acl.host == host);
        if ours
            && acl.permission == DENY
            && (acl.operation == ALL || acl.operation == operation as i8)
        {
            return false;
        }
        allowed |= ours && acl.permission != DENY && operation.is_implied_by(acl.operation);
    }
    allowed || !any
}

/// The rules there are.
pub(crate) struct Acls {
    file: JsonFile<Vec<Acl>>,
}

impl Acls {
    /// Reads them from their file.
    pub fn open(fs: Arc<dyn Fs>, path: PathBuf) -> io::Result<Self> {
        Ok(Self {
            file: JsonFile::open(fs, path)?,
        })
    }

    /// Adds rules, durably. One that is there already stays.
    pub fn add(&self, new: &[Acl]) -> io::Result<()> {
        self.file.change(|acls| {
            acls.extend(new.iter().cloned());
            acls.sort();
            acls.dedup();
        })
    }

    /// Removes what the filter picks, durably, and returns it.
    pub fn remove(&self, filter: &AclFilter) -> io::Result<Vec<Acl>> {
        self.file.change(|acls| {
            let (removed, kept) = acls.drain(..).partition(|acl| filter.matches(acl));
            *acls = kept;
            removed
        })
    }

    /// Whether a client at `host` may do `operation` with a topic.
    pub fn allows(&self, host: IpAddr, operation: Operation, topic: &str) -> bool {
        self.file.read(|acls| {
            acls.is_empty() || allows(acls, &host.to_canonical().to_string(), operation, topic)
        })
    }

    /// What the filter picks, in order of resource.
    pub fn find(&self, filter: &AclFilter) -> Vec<Acl> {
        self.file.read(|acls| {
            acls.iter()
                .filter(|acl| filter.matches(acl))
                .cloned()
                .collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(name: &str, pattern_type: i8) -> Acl {
        Acl {
            resource_type: 2,
            resource_name: name.to_owned(),
            pattern_type,
            principal: "User:alice".to_owned(),
            host: "*".to_owned(),
            operation: 3,
            permission: 3,
        }
    }

    fn filter(name: Option<&str>, pattern_type: i8) -> AclFilter {
        AclFilter {
            resource_type: ANY,
            resource_name: name.map(str::to_owned),
            pattern_type,
            principal: None,
            host: None,
            operation: ANY,
            permission: ANY,
        }
    }

    #[test]
    fn filters_pick_names_as_kip_290_says() {
        let rules = [acl("cam", PREFIXED), acl("cam", LITERAL), acl("*", LITERAL)];
        let picked = |name, pattern| -> Vec<usize> {
            let filter = filter(name, pattern);
            (0..3).filter(|at| filter.matches(&rules[*at])).collect()
        };
        assert_eq!(picked(None, ANY), [0, 1, 2]);
        assert_eq!(picked(Some("cam"), ANY), [0, 1]);
        assert_eq!(picked(Some("cam"), LITERAL), [1]);
        assert_eq!(picked(Some("cam"), PREFIXED), [0]);
        assert_eq!(picked(Some("cam"), MATCH), [0, 1, 2]);
        assert_eq!(picked(Some("camera"), MATCH), [0, 2]);
        assert_eq!(picked(Some("other"), MATCH), [2]);
    }

    #[test]
    fn a_rule_that_denies_comes_before_one_that_allows_and_no_rule_lets_everybody() {
        let rule = |name: &str, principal: &str, operation, permission| Acl {
            principal: principal.to_owned(),
            operation,
            permission,
            ..acl(name, LITERAL)
        };
        let may = |acls: &[Acl], operation| allows(acls, "127.0.0.1", operation, "cam");
        assert!(may(&[], Operation::Write));
        assert!(may(&[rule("other", ANYBODY, ALL, DENY)], Operation::Write));
        assert!(!may(
            &[rule("cam", ANYBODY, ALL, DENY)],
            Operation::Describe
        ));
        assert!(!may(&[rule("cam", "User:alice", ALL, 3)], Operation::Read));
        let reader = rule("cam", ANONYMOUS, 3, 3);
        assert!(may(std::slice::from_ref(&reader), Operation::Read));
        assert!(may(std::slice::from_ref(&reader), Operation::Describe));
        assert!(!may(std::slice::from_ref(&reader), Operation::Write));
        let elsewhere = Acl {
            host: "10.0.0.1".to_owned(),
            ..rule("cam", ANYBODY, ALL, DENY)
        };
        assert!(may(&[reader.clone(), elsewhere], Operation::Read));
        assert!(!may(
            &[reader, rule("*", ANYBODY, 3, DENY)],
            Operation::Read
        ));
    }

    #[test]
    fn what_cannot_be_a_rule_is_refused() {
        assert_eq!(acl("t", LITERAL).check(), Ok(()));
        assert!(acl("", LITERAL).check().is_err());
        assert!(acl("t", MATCH).check().is_err());
        let nobody = Acl {
            principal: "alice".to_owned(),
            ..acl("t", LITERAL)
        };
        assert!(nobody.check().is_err());
        let cluster = Acl {
            resource_type: 4,
            ..acl("t", LITERAL)
        };
        assert!(cluster.check().is_err());
    }
}
