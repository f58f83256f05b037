//! Decodes a video file to raw planar YUV on standard output, as `ffmpeg -i FILE -f rawvideo -` does, to be compared
//! with it: `cargo run --release -p weir-media --example decode -- FILE [second] > OUT.yuv`. With `second` the other
//! H.264 decoder is used.

use std::{fs::File, io::Write as _};

use weir_media::{container, decode};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let name = args.next().ok_or("usage: decode FILE [second]")?;
    let mut demuxer = container::open(File::open(&name)?)?;
    let mut decoder = match args.next().as_deref() {
        Some("second") => decode::second_h264_decoder()?,
        _ => decode::decoder_for(demuxer.track().codec)?,
    };
    let mut out = std::io::stdout().lock();
    let mut last = i64::MIN;
    let mut pictures = 0;
    loop {
        let unit = demuxer.next()?;
        let decoded = match &unit {
            Some(unit) => decoder.decode(unit)?,
            None => decoder.flush()?,
        };
        for (pts_us, picture) in decoded {
            assert!(pts_us >= last, "pictures come in the order they are shown");
            last = pts_us;
            pictures += 1;
            for plane in [&picture.y, &picture.u, &picture.v] {
                out.write_all(plane)?;
            }
        }
        if unit.is_none() {
            eprintln!("{pictures} pictures");
            return Ok(());
        }
    }
}
