//! What ffmpeg is to read, and how it is told: a password in an address stands neither in its arguments, which every user of the
//! machine may see (`ps`), nor in what is said to people.
//!
//! ffmpeg 5 takes no input's name from anywhere but its arguments; but its `concat` demuxer takes a list of inputs, here of one, from
//! standard input. It cannot seek in that, and does not say how long it is, so only addresses with something to hide go that way.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A server that sends nothing for so long is given up: microseconds, as ffmpeg's `-rw_timeout` takes them.
const SILENCE_US: &str = "15000000";
/// By itself ffmpeg looks at five seconds of what comes before it says what it is.
const ANALYZE_US: &str = "1500000";
/// Where ffmpeg reads a list from: its standard input.
pub(super) const LIST: &str = "pipe:0";
/// What a list may name, and what that may lead to: no files of this machine, whatever a server answers.
const PROTOCOLS: &str = "pipe,fd,crypto,data,ftp,gopher,http,httpproxy,https,mmsh,mmst,rtmp,rtmpe,rtmps,rtmpt,rtmpte,rtmpts,\
                         ffrtmpcrypt,ffrtmphttp,rtp,sctp,sftp,srt,srtp,tcp,tls,udp,udplite";
/// A parameter of an address is to be hidden if its name has one of these in it.
const HIDDEN: &[&str] = &[
    "pass", "pwd", "token", "secret", "key", "sig", "auth", "cred", "streamid",
];
/// What ends in one of these is a file, and has an end.
const FILES: &[&str] = &[
    "avi", "flv", "m2v", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mxf", "ogv", "webm", "wmv",
];

/// A file or an address that ffmpeg is to read.
#[derive(Clone, PartialEq, Eq)]
pub struct Input {
    path: PathBuf,
}

impl Input {
    /// By its name.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Its last part: a file's name, an address' path or host.
    pub(super) fn key(&self) -> String {
        let shown = self.to_string();
        let path = shown.split(['?', '#']).next().unwrap_or_default();
        let last = path.trim_end_matches('/').rsplit('/').next();
        last.filter(|last| !last.is_empty())
            .unwrap_or("video")
            .to_owned()
    }

    /// Whether something in it is to be seen by nobody.
    pub(super) fn is_secret(&self) -> bool {
        self.sign_in().is_some() || !self.hidden_values().is_empty()
    }

    /// Whether its name is that of a file with an end, where nobody says how long it is.
    pub(super) fn looks_like_a_file(&self) -> bool {
        let key = self.key();
        let ending = Path::new(&key).extension();
        ending.is_some_and(|ending| FILES.iter().any(|file| ending.eq_ignore_ascii_case(file)))
    }

    /// Names it as a command's input; what is given is for the command's standard input.
    pub(super) fn name_to(&self, command: &mut Command) -> Option<String> {
        if !super::is_address(&self.path) {
            // A file whose name begins with a dash, or has a colon in it, is still a file.
            let mut name = std::ffi::OsString::from("file:");
            name.push(&self.path);
            command.arg("-i").arg(name);
            return None;
        }
        let address = self.path.to_string_lossy();
        let scheme = address.split("://").next().unwrap_or_default();
        // Only what runs over TCP here knows the option.
        let over_tcp = matches!(scheme, "http" | "https" | "rtmp" | "rtmps" | "tcp");
        if !self.is_secret() {
            command.args(["-analyzeduration", ANALYZE_US, "-fflags", "nobuffer"]);
            if over_tcp {
                command.args(["-rw_timeout", SILENCE_US]);
            }
            command.arg("-i").arg(&self.path);
            return None;
        }
        command.args(["-f", "concat", "-safe", "0"]);
        command.args(["-protocol_whitelist", PROTOCOLS, "-i", LIST]);
        // A line is a line, and a quote is closed, escaped and opened again.
        let quoted = address.replace(['\r', '\n'], "").replace('\'', r"'\''");
        let mut list =
            format!("ffconcat version 1.0\nfile '{quoted}'\noption analyzeduration {ANALYZE_US}\n");
        if over_tcp {
            list = format!("{list}option rw_timeout {SILENCE_US}\n");
        }
        Some(list)
    }

    /// The sign-in in an address, as it stands there.
    fn sign_in(&self) -> Option<String> {
        let text = self.path.to_string_lossy();
        let (_, rest) = text.split_once("://")?;
        let host = rest.split(['/', '?', '#']).next()?;
        Some(host.rsplit_once('@')?.0.to_owned())
    }

    /// The values of parameters that are to be seen by nobody.
    fn hidden_values(&self) -> Vec<String> {
        let text = self.path.to_string_lossy();
        let query = text
            .split_once("://")
            .and_then(|(_, rest)| rest.split_once('?'));
        let Some((_, query)) = query else {
            return Vec::new();
        };
        let pairs = query
            .split(['&', '#'])
            .filter_map(|pair| pair.split_once('='));
        pairs
            .filter(|(name, value)| {
                let name = name.to_ascii_lowercase();
                !value.is_empty() && HIDDEN.iter().any(|hidden| name.contains(hidden))
            })
            .map(|(_, value)| value.to_owned())
            .collect()
    }

    /// A text in which what nobody is to see, should it be repeated, is not shown.
    pub(super) fn redacted(&self, text: &str) -> String {
        let mut text = text.to_owned();
        if let Some(sign_in) = self.sign_in() {
            text = text
                .replace(&format!("{sign_in}@"), "")
                .replace(&sign_in, "…");
        }
        for value in self.hidden_values() {
            text = text.replace(&format!("={value}"), "=…");
        }
        text
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted(&self.path.to_string_lossy()))
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Input({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A command's arguments and standard input.
    fn told(address: &str) -> (String, Option<String>) {
        let mut command = Command::new("ffmpeg");
        let list = Input::new(address).name_to(&mut command);
        (format!("{command:?}"), list)
    }

    #[test]
    fn what_is_secret_in_an_address_is_shown_nowhere() {
        let input = Input::new("rtmp://me:s3cret@host/app/cam?token=t0ken&quality=1");
        assert_eq!(input.to_string(), "rtmp://host/app/cam?token=…&quality=1");
        assert_eq!(input.key(), "cam");
        let said = input.redacted("rtmp://me:s3cret@host/app?token=t0ken: I/O error for me:s3cret");
        assert!(
            !said.contains("s3cret") && !said.contains("t0ken"),
            "{said}"
        );
        assert_eq!(Input::new("/videos/a.avi").key(), "a.avi");
        assert_eq!(Input::new("udp://127.0.0.1:9000").key(), "127.0.0.1:9000");
        let srt = Input::new("srt://10.0.0.5:9000?passphrase=longenough&latency=2");
        assert_eq!(
            srt.to_string(),
            "srt://10.0.0.5:9000?passphrase=…&latency=2"
        );
    }

    #[test]
    fn what_is_secret_in_an_address_stands_in_no_argument() {
        for address in [
            "http://me:s3cret@host/cam",
            "rtmp://host/app/cam?key=s3cret",
            "srt://10.0.0.5:9000?passphrase=s3cret",
        ] {
            let (arguments, list) = told(address);
            assert!(!arguments.contains("s3cret"), "{arguments}");
            assert!(list.is_some_and(|list| list.contains(address)));
        }
        let (arguments, list) = told("http://host/film.avi?quality=1");
        assert!(arguments.contains("http://host/film.avi?quality=1") && list.is_none());
    }

    #[test]
    fn an_address_stays_one_line_and_one_name_whatever_is_in_it() {
        let (_, list) = told("http://me:it's@host/?a=\nfile '/etc/passwd'");
        let list = list.unwrap();
        let named = list
            .lines()
            .filter(|line| line.starts_with("file "))
            .count();
        assert_eq!(named, 1, "{list}");
        assert!(list.contains(r"it'\''s@host"), "{list}");
    }

    #[test]
    fn a_name_says_whether_there_is_an_end() {
        assert!(Input::new("http://me:pw@host/film.MP4?x=1").looks_like_a_file());
        assert!(!Input::new("http://me:pw@host/cam.ts").looks_like_a_file());
        assert!(!Input::new("rtmp://me:pw@host/app/cam").looks_like_a_file());
    }
}
