//! The import table of ARCHITECTURE.md (`| crate | holds | may import |`) against what `cargo metadata` says. The table
//! is the only list; dev-dependencies are free.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Finding, Source};
use crate::process::run;
use crate::workspace::{Workspace, cargo};

const DOCUMENT: &str = "ARCHITECTURE.md";

/// A row of the table: its line, and the crates that may be imported.
#[derive(Debug, PartialEq, Eq)]
struct Allowed {
    line: usize,
    crates: BTreeSet<String>,
}

pub(super) fn check(workspace: &Workspace, sources: &[Source]) -> Result<Vec<Finding>> {
    let Some(document) = sources.iter().find(|source| source.path == DOCUMENT) else {
        return Ok(vec![Finding {
            file: DOCUMENT.to_owned(),
            line: 0,
            what: "the file is not there".to_owned(),
            remedy: "It holds the table `| crate | holds | may import |`".to_owned(),
        }]);
    };
    let actual = dependencies(workspace)?;
    let members: BTreeSet<String> = actual.keys().cloned().collect();
    match table(&document.text, &members) {
        Ok(allowed) => Ok(compare(&allowed, &actual)),
        Err(error) => Ok(vec![Finding {
            file: DOCUMENT.to_owned(),
            line: 0,
            what: format!("{error:#}"),
            remedy: "A row is `| `name` | what it holds | –, all, all but a, or a, b |`".to_owned(),
        }]),
    }
}

/// Reads the table. `–` is none, `all` every crate of the workspace, `all but X, Y` every other one.
fn table(text: &str, members: &BTreeSet<String>) -> Result<BTreeMap<String, Allowed>> {
    let mut rows = BTreeMap::new();
    let mut inside = false;
    for (number, line) in text.lines().enumerate() {
        let cells: Vec<String> = line
            .trim()
            .strip_prefix('|')
            .map(|rest| {
                rest.split('|')
                    .map(|cell| cell.trim().replace('`', ""))
                    .collect()
            })
            .unwrap_or_default();
        let [name, _, may, ..] = cells.as_slice() else {
            inside = false;
            continue;
        };
        if name == "crate" && may.starts_with("may import") {
            inside = true;
            continue;
        }
        if !inside || name.starts_with("--") || name.starts_with(":-") {
            continue;
        }
        let list = |text: &str| -> Vec<String> {
            text.split([',', ' '])
                .map(str::trim)
                .filter(|word| {
                    !word.is_empty() && !["and", "directly", "–", "-", "—"].contains(word)
                })
                .map(str::to_owned)
                .collect()
        };
        let crates: BTreeSet<String> = if let Some(rest) = may.strip_prefix("all") {
            let except = list(rest.trim().strip_prefix("but").unwrap_or(""));
            unknown(&except, members, name)?;
            members
                .iter()
                .filter(|m| !except.contains(m))
                .cloned()
                .collect()
        } else {
            let named = list(may);
            unknown(&named, members, name)?;
            named.into_iter().collect()
        };
        rows.insert(
            name.clone(),
            Allowed {
                line: number + 1,
                crates,
            },
        );
    }
    if rows.is_empty() {
        bail!("no table with the head `| crate | holds | may import |`");
    }
    Ok(rows)
}

fn unknown(named: &[String], members: &BTreeSet<String>, row: &str) -> Result<()> {
    match named.iter().find(|name| !members.contains(*name)) {
        Some(name) => {
            bail!("the row of `{row}` names `{name}`, which is no crate of the workspace")
        }
        None => Ok(()),
    }
}

fn compare(
    allowed: &BTreeMap<String, Allowed>,
    actual: &BTreeMap<String, BTreeSet<String>>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, imports) in actual {
        let manifest = manifest(name);
        let Some(row) = allowed.get(name) else {
            findings.push(Finding {
                file: DOCUMENT.to_owned(),
                line: 0,
                what: format!("the crate `{name}` has no row in the table of crates"),
                remedy: "Add it, with what it may import".to_owned(),
            });
            continue;
        };
        for import in imports.difference(&row.crates) {
            findings.push(Finding {
                file: manifest.clone(),
                line: 0,
                what: format!("`{name}` imports `{import}`, which {DOCUMENT}:{} does not allow", row.line),
                remedy: "Move what is needed to where both may reach it; or change the table and say why".to_owned(),
            });
        }
    }
    for (name, row) in allowed {
        if !actual.contains_key(name) {
            findings.push(Finding {
                file: DOCUMENT.to_owned(),
                line: row.line,
                what: format!("there is no crate `{name}`"),
                remedy: "Remove its row".to_owned(),
            });
        }
    }
    findings
}

fn manifest(name: &str) -> String {
    if name == "xtask" {
        "xtask/Cargo.toml".to_owned()
    } else {
        format!("crates/{name}/Cargo.toml")
    }
}

/// Crate name (its folder's) to the workspace crates it depends on, dev-dependencies aside.
fn dependencies(workspace: &Workspace) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let ended = run(
        Command::new(cargo())
            .args([
                "metadata",
                "--format-version",
                "1",
                "--no-deps",
                "--offline",
            ])
            .current_dir(&workspace.root),
        b"",
        Duration::from_mins(2),
    )?;
    let metadata: Value =
        serde_json::from_slice(&ended.stdout).context("reading cargo metadata")?;
    let packages = metadata["packages"]
        .as_array()
        .context("metadata without packages")?;
    let folder = |package: &str| package.strip_prefix("weir-").unwrap_or(package).to_owned();
    let names: BTreeSet<String> = packages
        .iter()
        .filter_map(|p| p["name"].as_str())
        .map(folder)
        .collect();
    Ok(packages
        .iter()
        .filter_map(|package| {
            let name = folder(package["name"].as_str()?);
            let imports = package["dependencies"]
                .as_array()?
                .iter()
                .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
                .filter_map(|dependency| dependency["name"].as_str())
                .map(folder)
                .filter(|import| names.contains(import) && *import != name)
                .collect();
            Some((name, imports))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    const TABLE: &str = "text\n\n| crate | holds | may import |\n|---|---|---|\n| `base` | clock | – |\n| `log` | a | base |\n\
                         | `client` | b | base |\n| `weir` | c | all but log directly |\n\nmore | text |\n";

    #[test]
    fn the_table_is_read_with_none_all_and_all_but() {
        let members = set(&["base", "log", "client", "weir"]);
        let rows = table(TABLE, &members).unwrap();
        assert_eq!(rows["base"].crates, set(&[]));
        assert_eq!(
            rows["log"],
            Allowed {
                line: 6,
                crates: set(&["base"])
            }
        );
        assert_eq!(rows["weir"].crates, set(&["base", "client", "weir"]));
    }

    #[test]
    fn an_import_the_table_does_not_allow_is_found_with_its_row() {
        let members = set(&["base", "log", "client", "weir"]);
        let rows = table(TABLE, &members).unwrap();
        let actual = BTreeMap::from([
            ("base".to_owned(), set(&[])),
            ("log".to_owned(), set(&["base", "client"])),
            ("client".to_owned(), set(&["base"])),
            ("weir".to_owned(), set(&["client"])),
        ]);
        let findings = compare(&rows, &actual);
        assert_eq!(findings.len(), 1);
        assert!(
            findings[0]
                .what
                .contains("`log` imports `client`, which ARCHITECTURE.md:6")
        );
    }

    #[test]
    fn a_crate_without_a_row_and_a_row_without_a_crate_are_found() {
        let rows = table(TABLE, &set(&["base", "log", "client", "weir"])).unwrap();
        let actual = BTreeMap::from([
            ("base".to_owned(), set(&[])),
            ("log".to_owned(), set(&[])),
            ("web".to_owned(), set(&[])),
            ("weir".to_owned(), set(&[])),
        ]);
        let whats: Vec<String> = compare(&rows, &actual)
            .into_iter()
            .map(|finding| finding.what)
            .collect();
        assert_eq!(
            whats,
            [
                "the crate `web` has no row in the table of crates",
                "there is no crate `client`"
            ]
        );
    }

    #[test]
    fn a_row_that_names_an_unknown_crate_is_refused() {
        let error = table(
            "| crate | holds | may import |\n|---|---|---|\n| log | x | bases |\n",
            &set(&["log"]),
        )
        .unwrap_err();
        assert!(error.to_string().contains("`bases`"), "{error}");
    }
}
