//! `weir publish …`: video, a camera, an RTSP server, a test card, sensor values, prices or lines into a topic.

mod camera;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use weir_base::units::{Rate, parse_bytes, parse_duration};
use weir_client::Kafka;
use weir_sources::ffmpeg::{self, Ffmpeg, Input};
use weir_sources::lines::{self, Lines};
use weir_sources::rtsp::{Address, Rtsp};
use weir_sources::sensor::{Arrival, Sensors};
use weir_sources::testcard::TestCardSource;
use weir_sources::ticker::Ticker;
use weir_sources::video_file::{CodecChoice, Pace, VideoFile};
use weir_sources::{Ended, Progress, SourceError, Summary};

use self::camera::CameraArgs;
use crate::context::Context;
use crate::progress;

/// What can be published.
#[derive(Debug, Clone, Subcommand)]
pub enum PublishCommand {
    /// A video file, as it was encoded or as pictures; an address or any other format through ffmpeg
    Video(VideoArgs),
    /// A camera of this machine (Linux: V4L2)
    Camera(CameraArgs),
    /// A network camera or server that speaks RTSP
    Rtsp(RtspArgs),
    /// A moving picture with the wall clock burnt in
    Testcard(TestcardArgs),
    /// Made-up sensor values
    Sensor(SensorArgs),
    /// Made-up prices of made-up shares: numbers with a key
    Ticker(TickerArgs),
    /// The lines of a file or of standard input, a record each
    Lines(LinesArgs),
}

/// Options of `weir publish video`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "For example: weir publish video holiday.mp4 --topic holiday --loop\n\
    As the tutorials do, five pictures a second: weir publish video holiday.mp4 --topic my-topic --codec jpeg --pace 0.2"
)]
pub struct VideoArgs {
    /// The file: MP4, MOV, Matroska or WebM; an address (http, rtmp, srt, udp, …) or anything else where ffmpeg is on PATH
    #[arg(value_name = "FILE|URL")]
    file: PathBuf,
    /// The topic; made with settings that fit where there is none
    #[arg(short, long, value_name = "T")]
    topic: String,
    /// What goes into the topic: the file's own access units, H.264 encoded anew, or a picture a record
    #[arg(long, value_enum, default_value_t = CodecArg::Copy, value_name = "CODEC")]
    codec: CodecArg,
    /// So many pictures a second instead of all (not with --codec copy)
    #[arg(long, value_name = "N")]
    fps: Option<f64>,
    /// How fast: realtime, max (dated back as if it ended now), or a record every so many SECONDS
    #[arg(long, default_value = "realtime", value_parser = parse_pace, value_name = "PACE")]
    pace: Pace,
    /// From the start again at the end; time goes on forward
    #[arg(long = "loop")]
    repeat: bool,
    /// Begin at this time of the file, such as 90s or 1.5m
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    from: Option<Duration>,
    /// End at this time of the file
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    to: Option<Duration>,
    /// The key of every record [default: the file's name]
    #[arg(long, value_name = "TEXT")]
    key: Option<String>,
    /// JPEG quality, 1 to 100
    #[arg(long, default_value_t = 85, value_parser = clap::value_parser!(u8).range(1..=100), value_name = "N")]
    quality: u8,
    /// Bits a second of --codec h264, such as 2M [default: by the picture's size]
    #[arg(long, value_parser = parse_bitrate, value_name = "N")]
    bitrate: Option<u32>,
    /// Leave the sound out: AAC and Opus otherwise go into the topic with the video, as they are
    #[arg(long)]
    no_sound: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum CodecArg {
    Copy,
    H264,
    Jpeg,
    Png,
}

impl CodecArg {
    fn name(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::H264 => "h264",
            Self::Jpeg => "jpeg",
            Self::Png => "png",
        }
    }
}

/// Options of `weir publish rtsp`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "For example: WEIR_RTSP_PASSWORD=… weir publish rtsp rtsp://192.168.1.20/stream1 --user viewer --topic door\n\
    H.264, H.265 and JPEG are passed through as they come. It goes on by itself when the camera was away."
)]
pub struct RtspArgs {
    /// The address: rtsp://[USER:PASSWORD@]HOST[:PORT]/PATH
    url: Address,
    /// The topic; made with settings that fit where there is none
    #[arg(short, long, value_name = "T")]
    topic: String,
    /// Who signs in
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The password; in WEIR_RTSP_PASSWORD or weir.toml nobody sees it in the list of processes
    #[arg(
        long,
        env = "WEIR_RTSP_PASSWORD",
        hide_env_values = true,
        value_name = "TEXT"
    )]
    password: Option<Secret>,
    /// The key of every record [default: the server's host name]
    #[arg(long, value_name = "TEXT")]
    key: Option<String>,
}

/// A text that is shown nowhere.
#[derive(Clone)]
struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// Options of `weir publish testcard`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Hold the picture beside a clock to read the delay off the screen: weir publish testcard --topic card"
)]
pub struct TestcardArgs {
    /// The topic; made with settings that fit where there is none
    #[arg(short, long, value_name = "T")]
    topic: String,
    /// Width and height in pixels, both even
    #[arg(long, default_value = "1280x720", value_parser = parse_size, value_name = "WxH")]
    size: (u32, u32),
    /// Pictures a second
    #[arg(long, default_value_t = 25.0, value_name = "N")]
    fps: f64,
    /// Bits a second, such as 2M [default: by the picture's size]
    #[arg(long, value_parser = parse_bitrate, value_name = "N")]
    bitrate: Option<u32>,
    /// End after so many pictures
    #[arg(short, long, value_name = "N")]
    count: Option<u64>,
}

/// Options of `weir publish sensor`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "For example, three sensors in bursts: weir publish sensor --topic s --producers 3 --arrival bursty"
)]
pub struct SensorArgs {
    /// The topic; made where there is none
    #[arg(short, long, value_name = "T")]
    topic: String,
    /// The sensor's name and its records' key; several are told apart by -1, -2, …
    #[arg(long, default_value = "sensor", value_name = "TEXT")]
    name: String,
    /// Values of each sensor, such as 5/s or 10/min
    #[arg(long, default_value = "5/s", value_name = "RATE")]
    rate: Rate,
    /// The least and the greatest value
    #[arg(long, default_value = "0..100", value_parser = parse_range, allow_hyphen_values = true, value_name = "MIN..MAX")]
    range: (f64, f64),
    /// Whether values arrive evenly or several at once after a pause
    #[arg(long, value_enum, default_value_t = ArrivalArg::Uniform, value_name = "HOW")]
    arrival: ArrivalArg,
    /// How many sensors
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000), value_name = "N")]
    producers: u32,
    /// End after so many values of each
    #[arg(short, long, value_name = "N")]
    count: Option<u64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ArrivalArg {
    Uniform,
    Bursty,
}

/// Options of `weir publish ticker`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Each record has its symbol as key and {\"t\":…,\"price\":…} as value. The prices are made up.\n\
    The newest of each: curl http://127.0.0.1:8080/topics/ticks/latest"
)]
pub struct TickerArgs {
    /// The topic; made where there is none
    #[arg(short, long, value_name = "T")]
    topic: String,
    /// The shares, separated by commas
    #[arg(
        long,
        default_value = "BOLT,CORK,DUNE,FERN,GULL",
        value_delimiter = ',',
        value_name = "A,B,…"
    )]
    symbols: Vec<String>,
    /// Prices of each share on average, such as 1/s or 10/min
    #[arg(long, default_value = "1/s", value_name = "RATE")]
    rate: Rate,
    /// End after so many prices in all
    #[arg(short, long, value_name = "N")]
    count: Option<u64>,
}

/// Options of `weir publish lines`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "For example: weir publish lines /var/log/syslog --topic syslog --follow\n\
    A followed file: each line is in the topic once for readers of committed records (librdkafka's and weir's default,\n\
    isolation.level=read_committed elsewhere), through Ctrl-C, kill -9, rotation and a Kafka that is away."
)]
pub struct LinesArgs {
    /// The file, or - for standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    /// The topic; made where there is none
    #[arg(short, long, value_name = "T")]
    topic: String,
    /// Go on with what is appended, as tail -F does, through rotation and truncation: the first time from the file's end,
    /// later from where it was, which is kept in Kafka with the lines
    #[arg(short, long)]
    follow: bool,
    /// With --follow, the first time: what the file holds already comes first
    #[arg(long, requires = "follow")]
    from_start: bool,
    /// With --follow: the name under which the place is kept; under a new one the file counts as never followed
    /// [default: this machine's name and the file's path; give one where the machine's name changes, as in a container]
    #[arg(long, requires = "follow", value_name = "NAME")]
    place: Option<String>,
    /// What stands between key and value on each line; without it records have no key
    #[arg(short = 'K', long, value_name = "TEXT")]
    key_separator: Option<String>,
    /// A longer line is cut into records of this size at most
    #[arg(long, default_value = "1MB", value_parser = parse_bytes, value_name = "SIZE")]
    max_line: u64,
}

impl PublishCommand {
    /// Where it publishes to.
    pub fn topic(&self) -> &str {
        match self {
            Self::Video(args) => &args.topic,
            Self::Camera(args) => args.topic(),
            Self::Rtsp(args) => &args.topic,
            Self::Testcard(args) => &args.topic,
            Self::Sensor(args) => &args.topic,
            Self::Ticker(args) => &args.topic,
            Self::Lines(args) => &args.topic,
        }
    }
}

/// Publishes what was asked for, and reports.
pub async fn run(command: PublishCommand, context: &Context) -> anyhow::Result<()> {
    if matches!(&command, PublishCommand::Camera(args) if args.only_lists()) {
        return camera::list(context);
    }
    let topic = command.topic().to_owned();
    let progress = progress::reporter(context);
    let summary = publish(command, &context.kafka()?, progress, context).await?;
    report(&topic, &summary, context);
    Ok(())
}

/// Publishes what was asked for.
pub async fn publish(
    command: PublishCommand,
    kafka: &Kafka,
    progress: Arc<dyn Progress>,
    context: &Context,
) -> anyhow::Result<Summary> {
    let shutdown = context.shutdown.clone();
    Ok(match command {
        PublishCommand::Video(args) => publish_video(args, kafka, progress, context).await?,
        PublishCommand::Camera(args) => {
            camera::source(args, context)
                .run(kafka, progress, shutdown)
                .await?
        }
        PublishCommand::Rtsp(args) => rtsp(args, context).run(kafka, progress, shutdown).await?,
        PublishCommand::Testcard(args) => {
            testcard(&args, context)
                .run(kafka, progress, shutdown)
                .await?
        }
        PublishCommand::Sensor(args) => {
            sensor(args, context).run(kafka, progress, shutdown).await?
        }
        PublishCommand::Ticker(args) => {
            ticker(args, context).run(kafka, progress, shutdown).await?
        }
        PublishCommand::Lines(args) => lines(args, context)?.run(kafka, progress, shutdown).await?,
    })
}

/// Reads what weir reads itself, and anything else through ffmpeg.
async fn publish_video(
    args: VideoArgs,
    kafka: &Kafka,
    progress: Arc<dyn Progress>,
    context: &Context,
) -> anyhow::Result<Summary> {
    let shutdown = context.shutdown.clone();
    if args.file.to_string_lossy().starts_with("rtsp://") {
        bail!(
            "`weir publish rtsp` reads rtsp:// addresses, and goes on by itself when the server was away"
        );
    }
    if !ffmpeg::is_address(&args.file) {
        let source = video(args.clone(), context)?;
        // A file that is no video is told before anybody is asked for a Kafka.
        match source.probe() {
            Ok(_) => return Ok(source.run(kafka, progress, shutdown).await?),
            Err(SourceError::NotRead(_)) if Ffmpeg::is_there() => {}
            Err(SourceError::NotRead(why)) => {
                bail!("{why}; with an ffmpeg on PATH weir reads other formats through it")
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(through_ffmpeg(args, context)?
        .run(kafka, progress, shutdown)
        .await?)
}

fn through_ffmpeg(args: VideoArgs, context: &Context) -> anyhow::Result<Ffmpeg> {
    let encode = match args.codec {
        CodecArg::Copy => false,
        CodecArg::H264 => true,
        CodecArg::Jpeg | CodecArg::Png => {
            bail!(
                "--codec {}: what ffmpeg reads goes into the topic as video, copy or h264; /topics/{}/video.mjpeg shows it as JPEGs",
                args.codec.name(),
                args.topic
            )
        }
    };
    if args.fps.is_some() || args.bitrate.is_some() {
        bail!("--fps and --bitrate are for files that weir reads itself");
    }
    let max_pace = match args.pace {
        Pace::Realtime => false,
        Pace::Max => true,
        Pace::Every(_) => bail!("--pace: what ffmpeg reads goes at realtime or max"),
    };
    Ok(Ffmpeg {
        key: args.key,
        encode,
        max_pace,
        repeat: args.repeat,
        from: args.from,
        to: args.to,
        clock: context.clock.clone(),
        ..Ffmpeg::new(Input::new(args.file), args.topic)
    })
}

fn video(args: VideoArgs, context: &Context) -> anyhow::Result<VideoFile> {
    let codec = match args.codec {
        CodecArg::Copy => CodecChoice::Copy,
        CodecArg::H264 => CodecChoice::H264,
        CodecArg::Jpeg => CodecChoice::Jpeg,
        CodecArg::Png => CodecChoice::Png,
    };
    if args.fps.is_some() && codec == CodecChoice::Copy {
        bail!("--fps leaves pictures out, which needs them decoded: add --codec jpeg, png or h264");
    }
    Ok(VideoFile {
        key: args.key,
        codec,
        fps: args.fps,
        pace: args.pace,
        repeat: args.repeat,
        from_us: args.from.map(micros),
        to_us: args.to.map(micros),
        jpeg_quality: args.quality,
        bitrate_bps: args.bitrate,
        sound: !args.no_sound,
        clock: context.clock.clone(),
        ..VideoFile::new(args.file, &args.topic)
    })
}

fn rtsp(args: RtspArgs, context: &Context) -> Rtsp {
    let password = args.password.map(|Secret(text)| text);
    Rtsp {
        key: args.key,
        clock: context.clock.clone(),
        ..Rtsp::new(args.url.sign_in(args.user, password), args.topic)
    }
}

fn testcard(args: &TestcardArgs, context: &Context) -> TestCardSource {
    TestCardSource {
        width: args.size.0,
        height: args.size.1,
        fps: args.fps,
        bitrate_bps: args.bitrate,
        count: args.count,
        clock: context.clock.clone(),
        ..TestCardSource::new(&args.topic)
    }
}

fn sensor(args: SensorArgs, context: &Context) -> Sensors {
    Sensors {
        name: args.name,
        per_second: args.rate.per_second,
        range: args.range,
        arrival: match args.arrival {
            ArrivalArg::Uniform => Arrival::Uniform,
            ArrivalArg::Bursty => Arrival::Bursty,
        },
        producers: args.producers,
        count: args.count,
        clock: context.clock.clone(),
        ..Sensors::new(&args.topic)
    }
}

fn ticker(args: TickerArgs, context: &Context) -> Ticker {
    Ticker {
        symbols: args.symbols,
        per_second: args.rate.per_second,
        count: args.count,
        clock: context.clock.clone(),
        ..Ticker::new(&args.topic)
    }
}

fn lines(args: LinesArgs, context: &Context) -> anyhow::Result<Lines> {
    let input = if args.file.as_os_str() == "-" {
        lines::Input::Stdin
    } else {
        lines::Input::File(args.file)
    };
    if args.follow && input == lines::Input::Stdin {
        bail!("--follow needs a file: standard input is read until it ends anyway");
    }
    let place = match (&input, args.place) {
        (lines::Input::File(path), None) if args.follow => Some(place_name(path)?),
        (_, named) => named,
    };
    Ok(Lines {
        place,
        follow: args.follow,
        from_start: args.from_start || !args.follow,
        key_separator: args.key_separator,
        max_line_bytes: usize::try_from(args.max_line).context("--max-line is too large")?,
        clock: context.clock.clone(),
        ..Lines::new(&args.topic, input)
    })
}

/// Two machines may follow files of the same path into one topic.
fn place_name(path: &std::path::Path) -> anyhow::Result<String> {
    let path = std::path::absolute(path).context("this folder cannot be found")?;
    Ok(format!("{}:{}", machine_name(), path.display()))
}

#[cfg(unix)]
fn machine_name() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn machine_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}

fn report(topic: &str, summary: &Summary, context: &Context) {
    if context.json {
        println!(
            "{}",
            json!({ "topic": topic, "records": summary.records, "bytes": summary.bytes,
                    "passed_over": summary.passed_over, "damage": summary.damage,
                    "took_ms": summary.took.as_millis() as u64, "finished": summary.ended == Ended::Finished })
        );
    } else if !context.quiet {
        eprintln!(
            "weir: {}",
            progress::summary(topic, summary.records, summary.bytes, summary.took)
        );
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn parse_pace(text: &str) -> Result<Pace, String> {
    match text {
        "realtime" => Ok(Pace::Realtime),
        "max" => Ok(Pace::Max),
        seconds => seconds
            .parse()
            .ok()
            .and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok())
            .filter(|pause| !pause.is_zero())
            .map(Pace::Every)
            .ok_or_else(|| {
                "write realtime, max, or the seconds from record to record, such as 0.2".to_owned()
            }),
    }
}

fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let parsed = text
        .split_once('x')
        .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    parsed
        .filter(|&(width, height): &(u32, u32)| width % 2 == 0 && height % 2 == 0)
        .filter(|&(width, height)| (64..=7680).contains(&width) && (64..=4320).contains(&height))
        .ok_or_else(|| {
            "write WIDTHxHEIGHT, even numbers from 64x64 to 7680x4320, such as 1280x720".to_owned()
        })
}

fn parse_range(text: &str) -> Result<(f64, f64), String> {
    let parsed = text
        .split_once("..")
        .and_then(|(min, max)| Some((min.parse().ok()?, max.parse().ok()?)));
    parsed
        .filter(|&(min, max): &(f64, f64)| min.is_finite() && max.is_finite() && min < max)
        .ok_or_else(|| "write MIN..MAX with the least first, such as 0..100 or -5..5".to_owned())
}

fn parse_bitrate(text: &str) -> Result<u32, String> {
    let bits = parse_bytes(text)
        .ok()
        .and_then(|bits| u32::try_from(bits).ok());
    bits.filter(|bits| (10_000..=200_000_000).contains(bits))
        .ok_or_else(|| "write bits a second from 10k to 200M, such as 2M".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_a_word_or_seconds() {
        assert_eq!(parse_pace("realtime"), Ok(Pace::Realtime));
        assert_eq!(parse_pace("max"), Ok(Pace::Max));
        assert_eq!(
            parse_pace("0.2"),
            Ok(Pace::Every(Duration::from_millis(200)))
        );
        for bad in ["", "0", "-1", "fast", "NaN", "inf", "1e40"] {
            assert!(parse_pace(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_size_is_two_even_numbers_within_bounds() {
        assert_eq!(parse_size("1280x720"), Ok((1280, 720)));
        for bad in ["", "1280", "1281x720", "0x0", "99999x2", "x", "-2x4"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_range_has_its_least_value_first() {
        assert_eq!(parse_range("-5..5"), Ok((-5.0, 5.0)));
        for bad in ["", "5", "5..5", "9..1", "NaN..3", "0..inf"] {
            assert!(parse_range(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bitrate_takes_a_unit_and_keeps_within_bounds() {
        assert_eq!(parse_bitrate("2M"), Ok(2_000_000));
        for bad in ["", "1", "9G", "x"] {
            assert!(parse_bitrate(bad).is_err(), "{bad}");
        }
    }
}
