//! The docs' commands and options against the program's own `--help`, so that neither tells of what the other has not:
//! every `weir …` line of the README and docs/ must be accepted by the help, and every global option users hold on to
//! must be in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::{Finding, Source};
use crate::process::run;
use crate::workspace::{Workspace, cargo};

/// What other people's scripts hold on to, in the help of every level's top.
const GLOBAL: &[&str] = &[
    "--bootstrap",
    "WEIR_BOOTSTRAP",
    "-X",
    "WEIR_X",
    "--config",
    "WEIR_CONFIG",
    "--data-dir",
    "WEIR_DATA_DIR",
    "-v",
    "-q",
    "--log-format",
];

/// Help of each command: `""` for the program, `publish video` for a command within a command.
type Help = BTreeMap<String, String>;

pub(super) fn check(workspace: &Workspace, sources: &[Source]) -> Result<Vec<Finding>> {
    run(
        Command::new(cargo())
            .args(["build", "--quiet", "--package", "weir", "--bin", "weir"])
            .current_dir(&workspace.root),
        b"",
        Duration::from_mins(30),
    )?;
    let mut help = Help::new();
    read_help(&workspace.target.join("debug/weir"), &[], &mut help)?;
    let mut findings = globals(&help);
    let documents = sources.iter().filter(|source| {
        source.path == "README.md" || (source.path.starts_with("docs/") && source.ending() == "md")
    });
    for document in documents {
        check_document(document, &help, &mut findings);
    }
    Ok(findings)
}

/// Asks for the help of a command and of all commands it lists.
fn read_help(weir: &Path, command: &[String], help: &mut Help) -> Result<()> {
    let text = run(
        Command::new(weir)
            .args(command)
            .arg("--help")
            .env("COLUMNS", "160"),
        b"",
        Duration::from_secs(20),
    )?
    .text();
    let commands = subcommands(&text);
    help.insert(command.join(" "), text);
    if command.len() < 3 {
        for name in commands {
            let mut deeper = command.to_vec();
            deeper.push(name);
            read_help(weir, &deeper, help)?;
        }
    }
    Ok(())
}

/// The names under `Commands:` (clap's layout: two spaces, the name, its description).
fn subcommands(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| line.is_empty() || line.starts_with(' '))
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

fn globals(help: &Help) -> Vec<Finding> {
    let top = help.get("").map_or("", String::as_str);
    GLOBAL
        .iter()
        .filter(|option| !has_word(top, option))
        .map(|option| Finding {
            file: "crates/weir/src/main.rs".to_owned(),
            line: 0,
            what: format!("`weir --help` does not name {option}"),
            remedy:
                "Users hold on to it: bring it back, or change CHANGELOG.md and this list together"
                    .to_owned(),
        })
        .collect()
}

/// True when the text has the word with nothing else grown onto it.
fn has_word(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|t| t.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|t| t.chars().next());
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

fn check_document(document: &Source, help: &Help, findings: &mut Vec<Finding>) {
    let mut finding = |line: usize, what: String| {
        findings.push(Finding {
            file: document.path.clone(),
            line,
            what,
            remedy: "Write what `weir --help` says, or give the program what is promised here"
                .to_owned(),
        });
    };
    let commands: BTreeSet<&str> = help.keys().map(String::as_str).collect();
    let mut fenced = false;
    for (number, line) in document.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        // Four spaces make a block of code as well.
        let code = fenced || line.starts_with("    ");
        let codes: Vec<&str> = if code { vec![line] } else { spans(line) };
        for code in codes {
            for invocation in invocations(code) {
                for what in wrong(&invocation, help, &commands) {
                    finding(number + 1, what);
                }
            }
        }
    }
}

/// What stands between backticks on a line of prose.
fn spans(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

/// The arguments of each `weir …` on the line, up to a pipe, a semicolon or a comment.
fn invocations(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for part in code.split(['|', ';', '&']) {
        let part = part.split(" #").next().unwrap_or_default();
        let part = part.split(" // ").next().unwrap_or_default();
        let words: Vec<&str> = part.split_whitespace().collect();
        let at = words.iter().position(|word| {
            let word = word.trim_start_matches("./").trim_start_matches("$(");
            word == "weir" || word.ends_with("/weir")
        });
        let start = match at {
            Some(at) => at + 1,
            None if words.starts_with(&["cargo", "run"]) => {
                match words.iter().position(|word| *word == "--") {
                    Some(at) => at + 1,
                    None => continue,
                }
            }
            None => continue,
        };
        let arguments = words.get(start..).unwrap_or_default();
        found.push(
            arguments
                .iter()
                .map(|word| word.trim_matches(['\'', '"', ')', '(']).to_owned())
                .collect(),
        );
    }
    found
}

/// What the help does not know of an invocation.
fn wrong(arguments: &[String], help: &Help, commands: &BTreeSet<&str>) -> Vec<String> {
    let mut command = String::new();
    let mut whats = Vec::new();
    let mut naming = true;
    let mut after_option = false;
    for argument in arguments {
        let may_be_value = std::mem::replace(
            &mut after_option,
            argument.starts_with('-') && !argument.contains('='),
        );
        if argument.starts_with('-') && argument.len() > 1 {
            let name = argument.split('=').next().unwrap_or_default();
            let known = ["", &command]
                .iter()
                .any(|level| help.get(*level).is_some_and(|text| has_word(text, name)));
            // `-vv` and `-Xkey=value` are short options written together.
            let short = !name.starts_with("--") && name.len() > 2;
            if !known && !short && name != "--" {
                whats.push(format!("`weir {command}` has no option {name}"));
            }
            continue;
        }
        if !naming {
            continue;
        }
        let deeper = if command.is_empty() {
            argument.clone()
        } else {
            format!("{command} {argument}")
        };
        if commands.contains(deeper.as_str()) {
            command = deeper;
            continue;
        }
        if may_be_value {
            continue;
        }
        naming = false;
        let has_commands = commands
            .iter()
            .any(|known| known.starts_with(&format!("{command} ")) || command.is_empty());
        let is_name = argument.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        if has_commands && is_name {
            whats.push(format!("`weir {command}` has no command {argument}"));
        }
    }
    whats
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help() -> Help {
        Help::from([
            (
                String::new(),
                "Usage\n\nCommands:\n  demo     All\n  publish  Publish\n  help     Print\n\nOptions:\n      --bootstrap <A>  [env: WEIR_BOOTSTRAP=]\n  -v"
                    .to_owned(),
            ),
            ("demo".to_owned(), "--listen <A>".to_owned()),
            ("publish".to_owned(), "Commands:\n  video  x\n".to_owned()),
            ("publish video".to_owned(), "--topic <T>\n --loop".to_owned()),
        ])
    }

    fn whats(text: &str) -> Vec<String> {
        let mut findings = Vec::new();
        let document = Source {
            path: "README.md".to_owned(),
            text: text.to_owned(),
        };
        check_document(&document, &help(), &mut findings);
        findings
            .into_iter()
            .map(|finding| format!("{} {}", finding.line, finding.what))
            .collect()
    }

    #[test]
    fn commands_and_options_that_the_help_knows_pass() {
        assert_eq!(
            whats(
                "```sh\nweir --bootstrap b:1 publish video x --loop\ncargo run --release -- demo --listen 1 # all\nweir publish video x.mp4 --topic t --bootstrap b | less -x\n```\nUse `weir demo film.mp4`.\n"
            ),
            [""; 0]
        );
    }

    #[test]
    fn an_unknown_option_or_command_is_found_with_its_line() {
        assert_eq!(
            whats("a\n`weir publish video x.mp4 --topics t`\n"),
            ["2 `weir publish video` has no option --topics"]
        );
        assert_eq!(
            whats("`weir publish film x`\n"),
            ["1 `weir publish` has no command film"]
        );
        assert_eq!(
            whats("    weir demo --lisen 1    # `--x`\n"),
            ["1 `weir demo` has no option --lisen"]
        );
        assert_eq!(
            whats("`weir destroy`\n"),
            ["1 `weir ` has no command destroy"]
        );
    }

    #[test]
    fn the_commands_of_a_help_are_listed_without_help_itself() {
        assert_eq!(subcommands(&help()[""]), ["demo", "publish"]);
    }

    #[test]
    fn a_missing_global_option_is_found() {
        let missing: Vec<String> = globals(&help())
            .into_iter()
            .map(|finding| finding.what)
            .collect();
        assert!(missing.iter().any(|what| what.ends_with("--data-dir")));
        assert!(!missing.iter().any(|what| what.ends_with("--bootstrap")));
    }
}
