//! Users' SCRAM credentials (KIP-554): which there are, and with how many iterations.
//!
//! Salts and salted passwords are checked and not kept: nothing here could use them, and a secret that is not kept does not leak.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use weir_base::fs::Fs;

use crate::files::JsonFile;

/// Iterations that Kafka takes.
const MIN_ITERATIONS: i32 = 4096;
const MAX_ITERATIONS: i32 = 16384;

/// A SCRAM mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Mechanism {
    Sha256 = 1,
    Sha512 = 2,
}

impl Mechanism {
    /// The mechanism of Kafka's number.
    pub fn of(number: i8) -> Option<Self> {
        match number {
            1 => Some(Self::Sha256),
            2 => Some(Self::Sha512),
            _ => None,
        }
    }
}

/// Why a credential was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScramError {
    #[error("Unknown SCRAM mechanism")]
    Mechanism,
    #[error("{0}")]
    Unacceptable(&'static str),
    #[error("Attempt to delete a user credential that does not exist")]
    NotThere,
    #[error("the credentials' file could not be written: {0}")]
    Io(#[from] io::Error),
}

type Credentials = BTreeMap<String, BTreeMap<Mechanism, i32>>;

/// The credentials there are.
pub(crate) struct Scram {
    file: JsonFile<Credentials>,
}

impl Scram {
    /// Reads them from their file.
    pub fn open(fs: Arc<dyn Fs>, path: PathBuf) -> io::Result<Self> {
        Ok(Self {
            file: JsonFile::open(fs, path)?,
        })
    }

    /// The names of users who have credentials.
    pub fn users(&self) -> Vec<String> {
        self.file.read(|users| users.keys().cloned().collect())
    }

    /// A user's mechanisms and iterations; `None` where there is no such user.
    pub fn of(&self, user: &str) -> Option<Vec<(Mechanism, i32)>> {
        self.file.read(|users| {
            let found = users.get(user)?;
            Some(
                found
                    .iter()
                    .map(|(m, iterations)| (*m, *iterations))
                    .collect(),
            )
        })
    }

    /// Gives a user a credential, durably.
    pub fn upsert(
        &self,
        user: &str,
        mechanism: Option<Mechanism>,
        iterations: i32,
    ) -> Result<(), ScramError> {
        let mechanism = mechanism.ok_or(ScramError::Mechanism)?;
        if user.is_empty() {
            return Err(ScramError::Unacceptable("Username must not be empty"));
        }
        if iterations < MIN_ITERATIONS {
            return Err(ScramError::Unacceptable("Too few iterations"));
        }
        if iterations > MAX_ITERATIONS {
            return Err(ScramError::Unacceptable("Too many iterations"));
        }
        Ok(self.file.change(|users| {
            users
                .entry(user.to_owned())
                .or_default()
                .insert(mechanism, iterations);
        })?)
    }

    /// Takes a credential from a user, durably.
    pub fn delete(&self, user: &str, mechanism: Option<Mechanism>) -> Result<(), ScramError> {
        let mechanism = mechanism.ok_or(ScramError::Mechanism)?;
        let there = self
            .of(user)
            .is_some_and(|found| found.iter().any(|(m, _)| *m == mechanism));
        if !there {
            return Err(ScramError::NotThere);
        }
        Ok(self.file.change(|users| {
            if let Some(found) = users.get_mut(user) {
                found.remove(&mechanism);
                if found.is_empty() {
                    users.remove(user);
                }
            }
        })?)
    }
}
