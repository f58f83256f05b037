//! The children: ffprobe, which says what an input holds, and ffmpeg, whose pictures a thread reads off a pipe.
//!
//! What they say on standard error is the reason when they fail; an address in it is shown without its sign-in.

use std::collections::VecDeque;
use std::fmt;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use weir_media::container::Growing;
use weir_media::{AccessUnit, Codec};

use super::Ffmpeg;
use crate::SourceError;

/// Pictures that may wait to be sent.
const AHEAD: usize = 4;
/// What is kept of what ffmpeg says.
const SAID_LINES: usize = 4;
/// A server that sends nothing for so long is given up: microseconds, as ffmpeg's `-rw_timeout` takes them.
const SILENCE_US: &str = "15000000";

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

    /// The sign-in in an address, as it stands there.
    fn sign_in(&self) -> Option<String> {
        let text = self.path.to_string_lossy();
        let (_, rest) = text.split_once("://")?;
        let host = rest.split(['/', '?', '#']).next()?;
        Some(host.rsplit_once('@')?.0.to_owned())
    }

    /// A text in which the sign-in, should it be repeated, is not shown.
    fn redacted(&self, text: &str) -> String {
        match self.sign_in() {
            Some(sign_in) => text
                .replace(&format!("{sign_in}@"), "")
                .replace(&sign_in, "…"),
            None => text.to_owned(),
        }
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

/// What the thread that reads has to say; it ends with the pictures.
pub(super) enum Event {
    /// The next picture, with ffmpeg's times.
    Picture(Codec, AccessUnit),
    /// It could not go on.
    Failed(String),
}

/// An ffmpeg at work. It is ended when this is dropped.
pub(super) struct Running {
    pub(super) events: mpsc::Receiver<Event>,
    /// What it does, for people.
    pub(super) what: String,
    /// How long the input is, where it has an end.
    pub(super) length: Option<Duration>,
    /// Ends the child, whatever it waits for, when this is dropped.
    pub(super) ending: Ending,
}

/// What ffprobe says.
#[derive(Debug, Default, PartialEq)]
struct Probed {
    codec: String,
    size: String,
    length: Option<Duration>,
}

/// Looks at the input and starts ffmpeg. Blocks until the first answer.
pub(super) fn start(options: &Ffmpeg) -> Result<Running, SourceError> {
    let probed = probe(&options.input)?;
    let copied = match probed.codec.as_str() {
        "h264" | "hevc" | "vp9" | "av1" => !options.encode,
        _ => false,
    };
    if probed.length.is_none() && (options.from.is_some() || options.to.is_some() || options.repeat)
    {
        return Err(SourceError::Option {
            option: "--from, --to, --loop",
            why: format!("{} has no end, and no start to count from", options.input),
        });
    }
    let mut command = tool("ffmpeg");
    if probed.length.is_some() && !options.max_pace {
        command.arg("-re");
    }
    if options.repeat {
        command.args(["-stream_loop", "-1"]);
    }
    for (option, time) in [("-ss", options.from), ("-to", options.to)] {
        if let Some(time) = time {
            command.args([option, &format!("{:.6}", time.as_secs_f64())]);
        }
    }
    input(&mut command, &options.input);
    command.args(["-map", "0:v:0", "-an", "-sn", "-dn"]);
    if copied {
        command.args(["-c:v", "copy"]);
    } else {
        command.args([
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
            "-tune",
            "zerolatency",
            "-pix_fmt",
            "yuv420p",
        ]);
        command.args(["-force_key_frames", "expr:gte(t,n_forced*2)"]);
    }
    command.args([
        "-f",
        "mp4",
        "-movflags",
        "empty_moov+default_base_moof+frag_every_frame",
    ]);
    command.args(["-flush_packets", "1", "pipe:1"]);
    let mut child = spawn(&mut command, &options.input)?;
    let pipes = (child.stdout.take(), child.stderr.take());
    let child = Arc::new(Mutex::new(child));
    let ending = Ending(child.clone());
    let what = format!(
        "{}: {} {}, {}",
        options.input,
        probed.codec,
        probed.size,
        if copied {
            "passed through"
        } else {
            "encoded as H.264"
        }
    );
    let (out, events) = mpsc::channel(AHEAD);
    let about = options.input.clone();
    std::thread::Builder::new()
        .name("ffmpeg".to_owned())
        .spawn(move || read(pipes, Ending(child), &about, &out))
        .map_err(|error| {
            SourceError::Media(format!("no thread to read ffmpeg's pictures on: {error}"))
        })?;
    Ok(Running {
        events,
        what,
        length: probed.length,
        ending,
    })
}

/// A command without its chatter and without our terminal.
fn tool(name: &str) -> Command {
    let mut command = Command::new(name);
    command.args(["-hide_banner", "-loglevel", "error"]);
    if name == "ffmpeg" {
        command.arg("-nostdin");
    }
    command
}

fn input(command: &mut Command, input: &Input) {
    if super::is_address(&input.path) {
        // By itself ffmpeg looks at five seconds of what comes before it says what it is.
        command.args(["-analyzeduration", "1500000", "-fflags", "nobuffer"]);
        let scheme = input
            .path
            .to_string_lossy()
            .split("://")
            .next()
            .unwrap_or_default()
            .to_owned();
        // Only what runs over TCP here knows the option.
        if matches!(scheme.as_str(), "http" | "https" | "rtmp" | "rtmps" | "tcp") {
            command.args(["-rw_timeout", SILENCE_US]);
        }
        command.arg("-i").arg(&input.path);
    } else {
        // A file whose name begins with a dash, or has a colon in it, is still a file.
        let mut name = std::ffi::OsString::from("file:");
        name.push(&input.path);
        command.arg("-i").arg(name);
    }
}

fn spawn(command: &mut Command, input: &Input) -> Result<Child, SourceError> {
    let started = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    started.map_err(|error| {
        SourceError::Media(if error.kind() == ErrorKind::NotFound {
            format!(
                "{input} needs ffmpeg to be read, and there is none on PATH: install it (on Debian: apt install ffmpeg); weir \
                 itself reads MP4, MOV, Matroska and WebM files, rtsp:// and cameras"
            )
        } else {
            format!("ffmpeg cannot be started: {error}")
        })
    })
}

fn probe(about: &Input) -> Result<Probed, SourceError> {
    let mut command = tool("ffprobe");
    command.args([
        "-select_streams",
        "v:0",
        "-of",
        "default=noprint_wrappers=1",
    ]);
    command.args([
        "-show_entries",
        "stream=codec_name,width,height:format=duration",
    ]);
    input(&mut command, about);
    let ended = spawn(&mut command, about)?
        .wait_with_output()
        .map_err(|error| SourceError::Media(format!("ffprobe cannot be heard: {error}")))?;
    let said = about.redacted(&String::from_utf8_lossy(&ended.stderr));
    if !ended.status.success() {
        let why = said
            .lines()
            .rfind(|line| !line.trim().is_empty())
            .unwrap_or("it does not say why");
        let name = about.to_string();
        let why = why
            .trim()
            .trim_start_matches("file:")
            .trim_start_matches(&name)
            .trim_start_matches([':', ' ']);
        return Err(SourceError::Media(format!(
            "{name} cannot be read, says ffmpeg: {why}"
        )));
    }
    let probed = Probed::read(&String::from_utf8_lossy(&ended.stdout));
    if probed.codec.is_empty() {
        return Err(SourceError::Media(format!("{about} has no pictures in it")));
    }
    Ok(probed)
}

impl Probed {
    /// Lines of `name=value`.
    fn read(text: &str) -> Self {
        let value = |name: &str| {
            let mut lines = text.lines();
            lines
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
                .unwrap_or_default()
        };
        Self {
            codec: value("codec_name").to_owned(),
            size: format!("{}x{}", value("width"), value("height")),
            length: value("duration")
                .parse()
                .ok()
                .filter(|seconds| *seconds > 0.0)
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        }
    }
}

/// Ends the child when nobody wants its pictures any more, whatever it waits for.
pub(super) struct Ending(Arc<Mutex<Child>>);

impl Drop for Ending {
    fn drop(&mut self) {
        let mut child = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // It may have ended by itself.
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn read(
    (stdout, stderr): (Option<ChildStdout>, Option<ChildStderr>),
    ending: Ending,
    about: &Input,
    out: &mpsc::Sender<Event>,
) {
    let said = Arc::new(Mutex::new(VecDeque::new()));
    let listening = stderr.map(|stderr| {
        let said = said.clone();
        std::thread::spawn(move || {
            // A line without an end must not fill the memory.
            let mut lines = BufReader::new(stderr.take(u64::from(u32::MAX)));
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|count| count > 0) {
                let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                said.push_back(line.chars().take(500).collect::<String>().trim().to_owned());
                if said.len() > SAID_LINES {
                    said.pop_front();
                }
                line.clear();
            }
        })
    });
    let failed =
        stdout.and_then(|stdout| pictures(BufReader::with_capacity(64 << 10, stdout), out).err());
    drop(ending);
    if let Some(listening) = listening {
        let _ = listening.join();
    }
    let said = said.lock().unwrap_or_else(PoisonError::into_inner);
    let last = said.back().map(|line| about.redacted(line));
    // What ffmpeg says comes first: that its pipe ended early only follows from it.
    if let Some(why) = failed {
        let why = last.unwrap_or(why);
        drop(out.blocking_send(Event::Failed(format!(
            "{about} broke off, says ffmpeg: {why}"
        ))));
    }
}

/// Hands pictures over until they end or nobody takes them; else why not.
fn pictures(pipe: impl std::io::Read, out: &mpsc::Sender<Event>) -> Result<(), String> {
    let mut growing = Growing::open(pipe).map_err(|error| error.to_string())?;
    while let Some(unit) = growing.read().map_err(|error| error.to_string())? {
        if out
            .blocking_send(Event::Picture(growing.codec(), unit))
            .is_err()
        {
            return Ok(());
        }
    }
    Ok(())
}

/// Whether there is an ffmpeg to fall back on.
pub(super) fn is_there() -> bool {
    let asked = Command::new("ffmpeg")
        .arg("-version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_sign_in_in_an_address_is_shown_nowhere() {
        let input = Input::new("rtmp://me:s3cret@host/app/cam?token=1");
        assert_eq!(input.to_string(), "rtmp://host/app/cam?token=1");
        assert_eq!(input.key(), "cam");
        let said = input.redacted("rtmp://me:s3cret@host/app: I/O error for me:s3cret");
        assert!(!said.contains("s3cret"), "{said}");
        assert_eq!(Input::new("/videos/a.avi").key(), "a.avi");
        assert_eq!(Input::new("udp://127.0.0.1:9000").key(), "127.0.0.1:9000");
    }

    #[test]
    fn what_ffprobe_says_is_read() {
        let probed =
            Probed::read("codec_name=mpeg2video\nwidth=720\nheight=576\nduration=12.500000\n");
        assert_eq!(
            (probed.codec.as_str(), probed.size.as_str(), probed.length),
            ("mpeg2video", "720x576", Some(Duration::from_millis(12_500)))
        );
        let endless = Probed::read("codec_name=h264\nduration=N/A\n");
        assert_eq!(endless.length, None);
        assert_eq!(Probed::read("").codec, "");
    }

    #[test]
    fn addresses_are_told_from_files() {
        for (name, address) in [
            ("http://a/b", true),
            ("srt://h:1", true),
            ("a.mp4", false),
            ("/a://b", false),
            ("://x", false),
        ] {
            assert_eq!(super::super::is_address(Path::new(name)), address, "{name}");
        }
    }
}
