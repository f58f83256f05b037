//! Packs a video file's pictures anew as fragmented MP4 on standard output, as the web server sends them:
//! `cargo run -p weir-media --example remux -- FILE > OUT.mp4`, then `ffprobe` or any player.

use std::{fs::File, io::Write as _};

use weir_media::{container, fmp4::Muxer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).ok_or("usage: remux FILE")?;
    let mut demuxer = container::open(File::open(&name)?).map_err(|error| error.about(&name))?;
    let codec = demuxer.track().codec;
    let mut out = std::io::stdout().lock();
    let mut next = demuxer.next()?;
    let first = next.as_ref().ok_or("there is no picture in it")?;
    let mut muxer = Muxer::new(codec, first)?;
    out.write_all(&muxer.init())?;
    while let Some(unit) = next {
        next = demuxer.next()?;
        if muxer.changed_by(&unit) {
            return Err("the parameter sets change within the file".into());
        }
        // A fragment lasts until the next one's dts.
        let duration_us = next
            .as_ref()
            .map_or(unit.duration_us, |next| next.dts_us - unit.dts_us);
        out.write_all(&muxer.fragment(&unit, duration_us))?;
    }
    eprintln!("{} {:?}", muxer.codec_string(), muxer.size());
    Ok(())
}
