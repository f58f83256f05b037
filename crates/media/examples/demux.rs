//! Prints a video file's access units as `ffprobe -show_packets -of csv` does, to be compared with it:
//! `cargo run -p weir-media --example demux -- FILE`. Columns: pts, dts (µs), bytes, K for a key frame.
//! Sound stands between them, with S in front: pts, bytes of the record's value.
//! With a second argument the access units are also written there, as the elementary stream they are.

use std::{fs::File, io::Write as _};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let name = args.next().ok_or("usage: demux FILE [OUT]")?;
    let mut out = args.next().map(File::create).transpose()?;
    let mut demuxer =
        weir_media::container::open(File::open(&name)?).map_err(|error| error.about(&name))?;
    eprintln!("{:?}", demuxer.track());
    eprintln!("{:?} {:?}", demuxer.sound(), demuxer.sound_left_out());
    let mut lines = std::io::stdout().lock();
    loop {
        let unit = demuxer.next()?;
        let until_us = unit.as_ref().map_or(i64::MAX, |unit| unit.dts_us);
        while let Some(sound) = demuxer.next_sound(until_us)? {
            writeln!(lines, "S,{},{}", sound.pts_us, sound.data.len())?;
        }
        let Some(unit) = unit else { break };
        let key = if unit.key { "K" } else { "_" };
        writeln!(
            lines,
            "{},{},{},{key}",
            unit.pts_us,
            unit.dts_us,
            unit.data.len()
        )?;
        if let Some(out) = &mut out {
            out.write_all(&unit.data)?;
        }
    }
    for damage in demuxer.damage() {
        eprintln!("{damage:?}");
    }
    Ok(())
}
