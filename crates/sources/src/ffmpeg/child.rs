//! The children: ffprobe, which says what an input holds, and ffmpeg, whose pictures a thread reads off a pipe.
//!
//! What they say on standard error is the reason when they fail; an address in it is shown without its sign-in.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use weir_media::container::Growing;
use weir_media::{AccessUnit, Codec};

use super::Ffmpeg;
use super::input::{Input, LIST};
use crate::SourceError;

/// Pictures that may wait to be sent.
const AHEAD: usize = 4;
/// What is kept of what ffmpeg says.
const SAID_LINES: usize = 4;

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
    /// Whether the input has an end.
    pub(super) has_end: bool,
    /// How long it is, where that is known.
    pub(super) length: Option<Duration>,
    /// Ends the child, whatever it waits for, when this is dropped.
    pub(super) ending: Ending,
}

/// What ffprobe says.
#[derive(Debug, Default, PartialEq)]
struct Probed {
    codec: String,
    size: String,
    has_end: bool,
    length: Option<Duration>,
}

/// Looks at the input and starts ffmpeg. Blocks until the first answer.
pub(super) fn start(options: &Ffmpeg) -> Result<Running, SourceError> {
    let probed = probe(&options.input)?;
    let copied = match probed.codec.as_str() {
        "h264" | "hevc" | "vp9" | "av1" => !options.encode,
        _ => false,
    };
    if options.input.is_secret() && (options.from.is_some() || options.to.is_some()) {
        return Err(SourceError::Option {
            option: "--from, --to",
            why: format!(
                "{} has a password in it, which ffmpeg is given where nobody sees it, and cannot seek there; leave them out, or \
                 download it first",
                options.input
            ),
        });
    }
    if !probed.has_end && (options.from.is_some() || options.to.is_some() || options.repeat) {
        return Err(SourceError::Option {
            option: "--from, --to, --loop",
            why: format!("{} has no end, and no start to count from", options.input),
        });
    }
    let mut command = tool("ffmpeg");
    if probed.has_end && !options.max_pace {
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
    let list = options.input.name_to(&mut command);
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
    let mut child = spawn(command, list, &options.input)?;
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
        has_end: probed.has_end,
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

/// Starts it with its input, which must be the last thing named in front of what is made of it.
fn spawn(mut command: Command, list: Option<String>, input: &Input) -> Result<Child, SourceError> {
    let started = command
        .stdin(list.as_ref().map_or_else(Stdio::null, |_| Stdio::piped()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = started.map_err(|error| {
        SourceError::Media(if error.kind() == ErrorKind::NotFound {
            format!(
                "{input} needs ffmpeg to be read, and there is none on PATH: install it (on Debian: apt install ffmpeg); weir \
                 itself reads MP4, MOV, Matroska and WebM files, rtsp:// and cameras"
            )
        } else {
            format!("ffmpeg cannot be started: {error}")
        })
    })?;
    if let (Some(list), Some(mut stdin)) = (list, child.stdin.take()) {
        // A few lines, which fit into the pipe. One that has ended already says why itself.
        drop(stdin.write_all(list.as_bytes()));
    }
    Ok(child)
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
    let list = about.name_to(&mut command);
    let ended = spawn(command, list, about)?
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
            .trim_start_matches(LIST)
            .trim_start_matches([':', ' ']);
        return Err(SourceError::Media(format!(
            "{name} cannot be read, says ffmpeg: {why}"
        )));
    }
    let mut probed = Probed::read(&String::from_utf8_lossy(&ended.stdout));
    probed.has_end |= about.is_secret() && about.looks_like_a_file();
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
        let length: Option<Duration> = value("duration")
            .parse()
            .ok()
            .filter(|seconds| *seconds > 0.0)
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Self {
            codec: value("codec_name").to_owned(),
            size: format!("{}x{}", value("width"), value("height")),
            has_end: length.is_some(),
            length,
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
