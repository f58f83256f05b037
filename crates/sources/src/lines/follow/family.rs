//! The files beside the one followed that rotation made of it: `access.log.1`, `access.log-20260131`, `access-2026-01-31.log`.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::super::place::{Identity, born_ns, identity, touched_ns};

/// Files of a folder that are looked at.
const MAX_FILES: usize = 10_000;

/// A file of the family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relative {
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    pub(super) born_ns: i64,
    pub(super) touched_ns: i64,
    /// Its name is the followed file's with a number or a date.
    pub(super) rotated: bool,
}

/// The files whose names begin as that of `path` or of the file it links to, in the folders of both.
pub(super) fn relatives(path: &Path) -> Vec<Relative> {
    let mut places = BTreeSet::from([path.to_owned()]);
    places.extend(std::fs::canonicalize(path));
    let mut found: Vec<Relative> = Vec::new();
    for place in places {
        let Some(base) = place.file_name().map(OsStr::to_string_lossy) else {
            continue;
        };
        let stem = place
            .file_stem()
            .map_or_else(|| base.clone(), OsStr::to_string_lossy);
        let Ok(entries) = std::fs::read_dir(folder(&place)) else {
            continue;
        };
        for entry in entries.flatten().take(MAX_FILES) {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // The link itself is not followed: `metadata` of an entry is that of the link.
            let Some(metadata) = entry
                .metadata()
                .ok()
                .filter(|metadata| metadata.is_file() && name.starts_with(&*stem))
            else {
                continue;
            };
            let identity = identity(&metadata);
            if found.iter().any(|known| known.identity == identity) {
                continue;
            }
            found.push(Relative {
                path: entry.path(),
                identity,
                born_ns: born_ns(&metadata),
                touched_ns: touched_ns(&metadata),
                rotated: is_rotated(&base, &name),
            });
        }
    }
    found
}

/// The folder a file is in.
pub(super) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Whether `name` is what rotation makes of `base`: the same with a number or a date behind it or before its ending.
fn is_rotated(base: &str, name: &str) -> bool {
    let counted = |part: &str| {
        part.strip_prefix(['.', '-', '_']).is_some_and(|part| {
            part.starts_with(|c: char| c.is_ascii_digit())
                && part
                    .chars()
                    .all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '_' | ':' | 'T' | 'Z'))
        })
    };
    let behind = name.strip_prefix(base).is_some_and(counted);
    let within = base.rsplit_once('.').is_some_and(|(stem, ending)| {
        !stem.is_empty()
            && name
                .strip_prefix(stem)
                .and_then(|rest| rest.strip_suffix(ending)?.strip_suffix('.'))
                .is_some_and(counted)
    });
    behind || within
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotated_file_has_the_name_with_a_number_or_a_date_and_no_other_file_has() {
        for (base, name, want) in [
            ("access.log", "access.log.1", true),
            ("access.log", "access.log.10", true),
            ("access.log", "access.log-20260131", true),
            ("access.log", "access.log.2026-01-31T12:00", true),
            ("access.log", "access-2026-01-31.log", true),
            ("access.log", "access.3.log", true),
            ("0.log", "0.log.20260131-120000", true),
            ("syslog", "syslog.1", true),
            ("access.log", "access.log", false),
            ("access.log", "access.log.1.gz", false),
            ("access.log", "access.log.old", false),
            ("access.log", "access-errors.log", false),
            ("access.log", "access.log2", false),
            ("syslog", "syslog-ng", false),
            ("error.log", "access.log.1", false),
            (".log", ".1.log", false),
        ] {
            assert_eq!(is_rotated(base, name), want, "{base} {name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_family_of_a_link_is_beside_the_link_and_beside_its_target() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("pods");
        std::fs::create_dir(&real).unwrap();
        for name in ["0.log", "0.log.20260131", "1.log"] {
            std::fs::write(real.join(name), name).unwrap();
        }
        std::fs::write(folder.path().join("web.log.1"), "older").unwrap();
        let link = folder.path().join("web.log");
        std::os::unix::fs::symlink(real.join("0.log"), &link).unwrap();
        let mut names: Vec<(String, bool)> = relatives(&link)
            .into_iter()
            .map(|file| {
                let name = file.path.file_name().unwrap().to_string_lossy();
                (name.into_owned(), file.rotated)
            })
            .collect();
        names.sort();
        let want = [
            ("0.log", false),
            ("0.log.20260131", true),
            ("web.log.1", true),
        ];
        assert_eq!(
            names,
            want.map(|(name, rotated)| (name.to_owned(), rotated))
        );
    }
}
