//! What a crate must never name. Each rule is one line of [`RULES`]; comments, tests and the crates a rule exempts are not
//! looked at.

use super::{Finding, Source};

/// A word that may stand only in some crates.
struct Rule {
    /// What is looked for in code lines.
    words: &'static [&'static str],
    /// The crates the rule is about; empty for all of them.
    within: &'static [&'static str],
    /// The crates that may name it.
    except: &'static [&'static str],
    /// Why, as the finding says it.
    why: &'static str,
    remedy: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        words: &["rdkafka"],
        within: &[],
        except: &["client", "xtask"],
        why: "only `client` names rdkafka",
        remedy: "Use what `weir_client` gives, or extend it",
    },
    Rule {
        words: &["kafka_protocol", "kafka-protocol"],
        within: &[],
        except: &["broker", "xtask"],
        why: "only `broker` names kafka-protocol",
        remedy: "The wire protocol stays behind the broker",
    },
    Rule {
        words: &[
            "env::var",
            "env::vars",
            "env::args",
            "std::env::current_dir",
        ],
        within: &[],
        except: &["weir", "base", "xtask"],
        why: "only `weir` and `base` read the environment",
        remedy: "Take it as a value from the caller",
    },
    Rule {
        words: &[
            "SystemTime::now",
            "Zoned::now",
            "jiff::Timestamp::now",
            "UNIX_EPOCH.elapsed",
        ],
        within: &[],
        except: &["weir", "base", "xtask"],
        why: "only `weir` and `base` read the wall clock",
        remedy: "Take a `weir_base::time::Clock`",
    },
    Rule {
        words: &["tokio", "async fn", "std::net", "socket2"],
        within: &["log"],
        except: &[],
        why: "`log` knows no async runtime and no sockets",
        remedy: "Waiting and waking are the broker's: give it a callback",
    },
    Rule {
        words: &["std::fs", "std::net", "File::open", "tokio", "TcpStream"],
        within: &["media"],
        except: &[],
        why: "`media` does no I/O",
        remedy: "Take bytes, or a `Read + Seek`",
    },
    Rule {
        words: &["weir_log", "weir_broker"],
        within: &["web", "processors", "archive", "sources", "client"],
        except: &[],
        why: "`web`, `processors`, `archive`, `sources` and `client` never see `log` or `broker`",
        remedy: "Go through `weir_client`, so that a cluster serves as well",
    },
];

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        let Some(name) = crate_of(&source.path) else {
            continue;
        };
        if source.ending() == "rs" && !is_test(&source.path) {
            check_rust(source, name, &mut findings);
        } else if source.path.ends_with("/Cargo.toml") {
            check_manifest(source, name, &mut findings);
        }
    }
    findings
}

/// The crate a path belongs to.
fn crate_of(path: &str) -> Option<&str> {
    if path.starts_with("xtask/") {
        return Some("xtask");
    }
    path.strip_prefix("crates/")?.split('/').next()
}

/// Tests may use a real clock, a socket of their own, or another client.
fn is_test(path: &str) -> bool {
    path.split('/')
        .any(|part| part == "tests" || part == "benches" || part == "examples")
        || path.ends_with("/tests.rs")
        || path.ends_with("_tests.rs")
        || path.ends_with("/build.rs")
}

impl Rule {
    fn is_about(&self, name: &str) -> bool {
        (self.within.is_empty() || self.within.contains(&name)) && !self.except.contains(&name)
    }
}

fn check_rust(source: &Source, name: &str, findings: &mut Vec<Finding>) {
    for (number, line) in code_lines(&source.text) {
        for rule in RULES.iter().filter(|rule| rule.is_about(name)) {
            if let Some(word) = rule.words.iter().find(|word| names(line, word)) {
                findings.push(Finding {
                    file: source.path.clone(),
                    line: number,
                    what: format!("`{word}`: {}", rule.why),
                    remedy: rule.remedy.to_owned(),
                });
            }
        }
    }
}

/// Dependencies by name, in every table but `dev-dependencies`.
fn check_manifest(source: &Source, name: &str, findings: &mut Vec<Finding>) {
    let mut free = false;
    for (number, line) in source.text.lines().enumerate() {
        if line.starts_with('[') {
            free = line.contains("dev-dependencies");
        }
        let key = line.split(['.', '=', ' ']).next().unwrap_or_default();
        for rule in RULES.iter().filter(|rule| !free && rule.is_about(name)) {
            if rule.words.contains(&key) {
                findings.push(Finding {
                    file: source.path.clone(),
                    line: number + 1,
                    what: format!("`{key}`: {}", rule.why),
                    remedy: rule.remedy.to_owned(),
                });
            }
        }
    }
}

/// True when the word stands there as a word of its own, not as a part of another name.
fn names(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line
            .get(at + word.len()..)
            .and_then(|text| text.chars().next());
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

/// The lines that are code of the product: no comments, no `#[cfg(test)] mod … { … }`.
pub(super) fn code_lines(text: &str) -> Vec<(usize, &str)> {
    let mut lines = Vec::new();
    let mut test_next = false;
    let mut in_test = false;
    for (number, line) in text.lines().enumerate() {
        if in_test {
            in_test = line != "}";
            continue;
        }
        if line.starts_with("#[cfg(") && line.contains("test") {
            test_next = true;
            continue;
        }
        if test_next && line.starts_with("#[") {
            continue;
        }
        if test_next {
            test_next = false;
            if line.trim_end().ends_with('{') {
                in_test = true;
                continue;
            }
        }
        let trimmed = line.trim_start();
        if trimmed.starts_with("//") || trimmed.is_empty() {
            continue;
        }
        let code = line
            .find(" // ")
            .and_then(|at| line.get(..at))
            .unwrap_or(line);
        lines.push((number + 1, code));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_forbidden_name_is_found_with_its_line() {
        let findings = check(&[source(
            "crates/web/src/lib.rs",
            "//! x\n\nuse rdkafka::Offset;\n",
        )]);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 3);
        assert!(findings[0].what.contains("only `client`"));
    }

    #[test]
    fn comments_and_tests_and_the_crate_itself_may_name_it() {
        let text = "//! rdkafka is not here\nfn a() {} // rdkafka\n#[cfg(test)]\nmod tests {\n    use rdkafka::Offset;\n}\nfn b() {}\n";
        assert_eq!(check(&[source("crates/web/src/lib.rs", text)]), []);
        assert_eq!(
            check(&[source("crates/client/src/lib.rs", "use rdkafka::Offset;\n")]),
            []
        );
        assert_eq!(
            check(&[source(
                "crates/web/tests/whole.rs",
                "use rdkafka::Offset;\n"
            )]),
            []
        );
    }

    #[test]
    fn code_after_a_test_module_is_looked_at_again() {
        let text = "#[cfg(test)]\nmod tests {\n    fn x() {}\n}\nuse rdkafka::Offset;\n";
        assert_eq!(check(&[source("crates/web/src/lib.rs", text)]).len(), 1);
    }

    #[test]
    fn a_longer_name_is_another_name() {
        assert!(!names("let tokiology = 1;", "tokio"));
        assert!(names("use tokio::sync;", "tokio"));
    }

    #[test]
    fn a_dependency_is_found_but_not_a_dev_dependency() {
        let text = "[dependencies]\nrdkafka.workspace = true\n[dev-dependencies]\nrdkafka.workspace = true\n";
        let findings = check(&[source("crates/sources/Cargo.toml", text)]);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 2);
    }
}
