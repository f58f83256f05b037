//! Rules about the sources that no compiler checks. Each finding names the file and line, what is wrong, and the remedy.
//! The rules are one file each: [`imports`] (the table of ARCHITECTURE.md), [`absence`] (what a crate must never name),
//! [`sources`] (headers, lengths, leftovers), [`options`] (the docs' options against `--help`).

mod absence;
mod imports;
mod options;
mod sources;

use std::fmt;
use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::process;
use crate::workspace::Workspace;

/// One breach of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// File, relative to the root.
    pub file: String,
    /// Line from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong there.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{}:{}: {}. {}",
            self.file, self.line, self.what, self.remedy
        )
    }
}

/// A file of the repository and its text; files that are no text are left out.
#[derive(Clone, Debug)]
pub struct Source {
    /// Path relative to the root, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl Source {
    /// The ending after the last dot of the file's name.
    pub fn ending(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.rsplit_once('.').map_or("", |(_, ending)| ending)
    }
}

/// All rules over the checkout.
pub fn run(workspace: &Workspace) -> Result<Vec<Finding>> {
    let (sources, names) = read(workspace)?;
    let mut findings = imports::check(workspace, &sources)?;
    findings.extend(absence::check(&sources));
    findings.extend(sources::check(&sources, &names, &workspace.root));
    findings.extend(options::check(workspace, &sources)?);
    findings.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    Ok(findings)
}

/// Every file that is committed or about to be, and the names of all of them.
fn read(workspace: &Workspace) -> Result<(Vec<Source>, Vec<String>)> {
    let listed = process::run(
        Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(&workspace.root),
        b"",
        Duration::from_mins(1),
    )?
    .text();
    let names: Vec<String> = listed.lines().map(str::to_owned).collect();
    let sources = names
        .iter()
        .filter_map(|path| {
            let text = String::from_utf8(fs::read(workspace.root.join(path)).ok()?).ok()?;
            Some(Source {
                path: path.clone(),
                text,
            })
        })
        .collect();
    Ok((sources, names))
}
