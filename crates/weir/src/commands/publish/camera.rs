//! `weir publish camera`: its options, and the list of the cameras there are.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;
use weir_sources::camera::{CameraSource, Format, Mode, Wanted, system};

use super::parse_bitrate;
use crate::context::Context;
use crate::output;

/// Options of `weir publish camera`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "For example: weir publish camera /dev/video0 --topic desk --size 1280x720\n\
    MJPEG and H.264 are passed through as the camera makes them, YUYV is encoded as H.264. It goes on by itself when the camera\n\
    was unplugged."
)]
pub struct CameraArgs {
    /// The device, such as /dev/video0 or a name in /dev/v4l/by-id [default: the first camera there is]
    device: Option<PathBuf>,
    /// The topic; made with settings that fit where there is none
    #[arg(short, long, required_unless_present = "list", value_name = "T")]
    topic: Option<String>,
    /// List the cameras and what they offer, and publish nothing
    #[arg(long)]
    list: bool,
    /// Width and height in pixels, one of those it offers [default: as near to 1280x720 as it has]
    #[arg(long, value_parser = parse_pixels, value_name = "WxH")]
    size: Option<(u32, u32)>,
    /// Pictures a second, at least [default: as near to 30 as it has]
    #[arg(long, value_name = "N")]
    fps: Option<f64>,
    /// How the camera hands its pictures over [default: encoded, where it can]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<FormatArg>,
    /// The key of every record [default: what the camera calls itself]
    #[arg(long, value_name = "TEXT")]
    key: Option<String>,
    /// Bits a second where YUYV is encoded, such as 2M [default: by the picture's size]
    #[arg(long, value_parser = parse_bitrate, value_name = "N")]
    bitrate: Option<u32>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatArg {
    H264,
    Mjpeg,
    Yuyv,
}

impl CameraArgs {
    /// Where it publishes to.
    pub fn topic(&self) -> &str {
        self.topic.as_deref().unwrap_or_default()
    }

    /// Whether it publishes nothing.
    pub fn only_lists(&self) -> bool {
        self.list
    }
}

/// The source that the options describe.
pub fn source(args: CameraArgs, context: &Context) -> CameraSource {
    CameraSource {
        device: args.device,
        key: args.key,
        wanted: Wanted {
            format: args.format.map(|format| match format {
                FormatArg::H264 => Format::H264,
                FormatArg::Mjpeg => Format::Mjpeg,
                FormatArg::Yuyv => Format::Yuyv,
            }),
            size: args.size,
            fps: args.fps,
        },
        bitrate_bps: args.bitrate,
        clock: context.clock.clone(),
        ..CameraSource::new(args.topic.unwrap_or_default())
    }
}

/// The cameras there are, each with what it offers.
pub fn list(context: &Context) -> anyhow::Result<()> {
    let found = system().found();
    if context.json {
        for camera in &found {
            let modes = camera.modes.as_ref().map_or_else(
                |why| json!({ "why": why }),
                |modes| {
                    let of = |mode: &Mode| {
                        json!({ "format": mode.format.name(), "width": mode.width, "height": mode.height, "fps": mode.fps })
                    };
                    modes.iter().map(of).collect()
                },
            );
            println!(
                "{}",
                json!({ "device": camera.path, "name": camera.name, "modes": modes })
            );
        }
        return Ok(());
    }
    if found.is_empty() {
        eprintln!("weir: there is no camera here: no /dev/video0 or other that captures video");
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .flat_map(|camera| {
            let (path, name) = (camera.path.display().to_string(), camera.name.clone());
            let offers = match &camera.modes {
                Ok(modes) => modes.iter().map(ToString::to_string).collect(),
                Err(why) => vec![why.clone()],
            };
            offers
                .into_iter()
                .map(move |offer| vec![path.clone(), name.clone(), offer])
        })
        .collect();
    if !rows.is_empty() {
        output::write_stdout(output::table(&["DEVICE", "NAME", "OFFERS"], &rows).as_bytes())?;
    }
    Ok(())
}

/// The size of a camera's pictures, which may be odd.
fn parse_pixels(text: &str) -> Result<(u32, u32), String> {
    text.split_once('x')
        .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)))
        .ok_or_else(|| "write WIDTHxHEIGHT, such as 1280x720; --list says what there is".to_owned())
}
