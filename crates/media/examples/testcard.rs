//! Writes the test card as fragmented MP4 to standard output, to be looked at with any player:
//! `cargo run --release -p weir-media --example testcard -- 1280 720 250 > card.mp4`. Says on standard error how long
//! drawing and encoding took.

use std::{io::Write as _, time::Instant};

use weir_media::{Codec, MediaError, encode::H264Encoder, fmp4::Muxer, testcard::TestCard};

fn main() -> Result<(), MediaError> {
    let mut args = std::env::args()
        .skip(1)
        .map_while(|arg| arg.parse::<u32>().ok());
    let (width, height) = (args.next().unwrap_or(1280), args.next().unwrap_or(720));
    let pictures = args.next().unwrap_or(250);
    let mut card = TestCard::new(width, height)?;
    let mut encoder = H264Encoder::new(width, height, 25.0, 2_500_000)?;
    let (mut drawing, mut encoding) = (std::time::Duration::ZERO, std::time::Duration::ZERO);
    let mut muxer: Option<Muxer> = None;
    let mut out = std::io::stdout().lock();
    for index in 0..u64::from(pictures) {
        let start = Instant::now();
        let picture = card.draw(index, 1_795_233_600_000 + index as i64 * 40);
        let drawn = Instant::now();
        let unit = encoder.encode(picture, index as i64 * 40_000, false)?;
        drawing += drawn - start;
        encoding += drawn.elapsed();
        if muxer.is_none() {
            let first = Muxer::new(Codec::H264, &unit)?;
            out.write_all(&first.init())?;
            muxer = Some(first);
        }
        if let Some(muxer) = &mut muxer {
            out.write_all(&muxer.fragment(&unit, 40_000))?;
        }
    }
    eprintln!("{pictures} pictures: drawing {drawing:?}, encoding {encoding:?}");
    Ok(())
}
