//! Rules for single files: a header that tells the file's story, a length one can read, nothing left over, nothing
//! generated, no path of somebody's machine.

use std::path::Path;

use super::{Finding, Source};

/// Lines a file may have before it must say why here.
const LENGTH: usize = 700;

/// Files that are longer, and why.
const LONGER: &[(&str, &str)] = &[(
    "crates/ui/src/lib/api.ts",
    "nobody writes it: it is made from the files of crates/web/src/api/",
)];

/// By the file's ending: what its first line must start with, in words and as alternatives.
const HEADERS: &[(&str, &str, &[&str])] = &[
    ("rs", "a `//!` comment", &["//!"]),
    ("ts", "a comment", &["//", "/*"]),
    ("mjs", "a comment", &["//", "/*"]),
    ("svelte", "a comment", &["<!--"]),
    ("go", "a comment", &["//"]),
    ("java", "a comment", &["//", "/*"]),
    ("py", "a docstring", &["\"\"\"", "#!"]),
];

/// Parts of paths that only a build or a run makes.
const GENERATED: &[&str] = &[
    "node_modules/",
    "target/",
    "dist/",
    "artefacts/",
    "__pycache__/",
    "test-results/",
    ".class",
    ".jar",
    ".pyc",
    ".mp4",
    ".mkv",
    ".profraw",
    ".DS_Store",
];

pub(super) fn check(sources: &[Source], names: &[String], root: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in names {
        generated(name, &mut findings);
    }
    let paths = machine_paths(root);
    for source in sources {
        header(source, &mut findings);
        length(source, &mut findings);
        left_over(source, &mut findings);
        machine_path(source, &paths, &mut findings);
    }
    for source in sources {
        let listed = LONGER.iter().any(|(file, _)| source.path == *file);
        if listed && source.text.lines().count() <= LENGTH {
            findings.push(finding(
                "xtask/src/tidy/sources.rs",
                0,
                format!(
                    "{} stands in the list of long files and is not long",
                    source.path
                ),
                "Remove its line",
            ));
        }
    }
    findings
}

fn finding(file: &str, line: usize, what: String, remedy: &str) -> Finding {
    Finding {
        file: file.to_owned(),
        line,
        what,
        remedy: remedy.to_owned(),
    }
}

fn generated(name: &str, findings: &mut Vec<Finding>) {
    let made = GENERATED.iter().find(|part| {
        if part.ends_with('/') {
            name.starts_with(*part) || name.contains(&format!("/{part}"))
        } else {
            name.ends_with(*part)
        }
    });
    if let Some(part) = made {
        findings.push(finding(
            name,
            0,
            format!("`{part}` is generated"),
            "Remove it from the repository and add it to .gitignore",
        ));
    }
}

fn header(source: &Source, findings: &mut Vec<Finding>) {
    let Some((_, words, starts)) = HEADERS
        .iter()
        .find(|(ending, ..)| *ending == source.ending())
    else {
        return;
    };
    // A Svelte component may tell its story first thing within its script.
    let text = match source.text.strip_prefix("<script") {
        Some(script) if source.ending() == "svelte" => script
            .split_once('\n')
            .map_or("", |(_, rest)| rest)
            .trim_start(),
        _ => source.text.as_str(),
    };
    let in_script =
        source.ending() == "svelte" && (text.starts_with("//") || text.starts_with("/*"));
    if !in_script && !starts.iter().any(|start| text.starts_with(start)) {
        findings.push(finding(
            &source.path,
            1,
            format!("the file does not start with {words}"),
            "Say there what it is for, what flows in and out, and what it does not do",
        ));
    }
}

fn length(source: &Source, findings: &mut Vec<Finding>) {
    if !HEADERS
        .iter()
        .any(|(ending, ..)| *ending == source.ending())
    {
        return;
    }
    let count = source.text.lines().count();
    if count > LENGTH && !LONGER.iter().any(|(file, _)| *file == source.path) {
        findings.push(finding(
            &source.path,
            count,
            format!("{count} lines, more than {LENGTH}"),
            "Two things live in it: give each its file; or state the reason in xtask/src/tidy/sources.rs",
        ));
    }
}

fn left_over(source: &Source, findings: &mut Vec<Finding>) {
    if !HEADERS
        .iter()
        .any(|(ending, ..)| *ending == source.ending())
    {
        return;
    }
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("dbg", "!("),
    ];
    for (number, line) in source.text.lines().enumerate() {
        let word = words.iter().find(|word| {
            line.match_indices(*word).any(|(at, _)| {
                let joined = |c: char| c.is_alphanumeric() || c == '_';
                let before = line.get(..at).and_then(|text| text.chars().next_back());
                let after = line
                    .get(at + word.len()..)
                    .and_then(|text| text.chars().next());
                !before.is_some_and(joined) && (word.ends_with('(') || !after.is_some_and(joined))
            })
        });
        if let Some(word) = word {
            findings.push(finding(
                &source.path,
                number + 1,
                format!("`{}` was left over", word.trim_end_matches('(')),
                "Do it, or open an issue and say what is missing in words",
            ));
        }
    }
}

/// This checkout's own place, and the folders where people's homes are.
fn machine_paths(root: &Path) -> Vec<String> {
    let mut paths = vec![format!("/{}/", "home"), format!("/{}/", "Users")];
    let root = root.display().to_string();
    if root.matches('/').count() > 1 {
        paths.push(root);
    }
    paths
}

fn machine_path(source: &Source, paths: &[String], findings: &mut Vec<Finding>) {
    if source.ending() == "lock" || source.path.ends_with("package-lock.json") {
        return;
    }
    for (number, line) in source.text.lines().enumerate() {
        // A path starts where no other name goes on: `https://example.org/home/x` is none.
        let found = paths.iter().find(|path| {
            line.match_indices(path.as_str()).any(|(at, _)| {
                let before = line.get(..at).and_then(|text| text.chars().next_back());
                !before.is_some_and(|c| c.is_alphanumeric() || "._-$}~".contains(c))
            })
        });
        if let Some(path) = found {
            findings.push(finding(
                &source.path,
                number + 1,
                format!("`{path}` is a path of one machine"),
                "Use a path relative to the repository, or a temporary folder",
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(path: &str, text: &str) -> Vec<String> {
        let source = Source {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        check(&[source], &[path.to_owned()], Path::new("/x/checkout"))
            .into_iter()
            .map(|finding| format!("{} {}", finding.line, finding.what))
            .collect()
    }

    #[test]
    fn a_file_must_start_with_its_story() {
        assert_eq!(whats("a.rs", "//! Story.\n"), [""; 0]);
        assert_eq!(
            whats("a.rs", "use x;\n"),
            ["1 the file does not start with a `//!` comment"]
        );
        assert_eq!(
            whats("a.svelte", "<script>\n"),
            ["1 the file does not start with a comment"]
        );
        assert_eq!(
            whats("a.svelte", "<script lang=\"ts\">\n  // Story.\n"),
            [""; 0]
        );
        assert_eq!(whats("a.toml", "[x]\n"), [""; 0]);
    }

    #[test]
    fn a_long_file_is_found() {
        let text = "//! x\n".repeat(701);
        assert_eq!(whats("a.rs", &text), ["701 701 lines, more than 700"]);
    }

    #[test]
    fn what_was_left_over_is_found_with_its_line() {
        let text = format!("//! x\nfn a() {{ {}) }}\n", concat!("to", "do!("));
        assert_eq!(
            whats("a.rs", &text),
            [format!("2 `{}` was left over", concat!("to", "do!"))]
        );
        assert_eq!(whats("a.rs", "//! a todolist of XXXL\n"), [""; 0]);
    }

    #[test]
    fn generated_files_and_machine_paths_are_found() {
        assert_eq!(
            whats("crates/ui/dist/a.css", ""),
            ["0 `dist/` is generated"]
        );
        let home = format!("# in /{}/me/x\n", "home");
        assert_eq!(whats("a.md", &home).len(), 1);
        assert_eq!(
            whats("a.md", "see /x/checkout/README.md"),
            ["1 `/x/checkout` is a path of one machine"]
        );
        assert_eq!(
            whats("a.md", &format!("https://example.org/{}/page", "home")),
            [""; 0]
        );
    }
}
