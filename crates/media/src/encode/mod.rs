//! Pictures in, H.264 access units out (`OpenH264`).
//!
//! Set up for live pictures: no B-frames, so each access unit can be shown as soon as it is made; no picture is
//! skipped; a key frame every two seconds, so that a viewer who joins has little to catch up.

mod quiet;

use bytes::Bytes;
use openh264::{
    OpenH264API, Timestamp,
    encoder::{
        BitRate, Complexity, Encoder, EncoderConfig, FrameRate, FrameType, IntraFramePeriod,
        Profile, RateControlMode, UsageType, VuiConfig,
    },
    formats::YUVSource,
};

use crate::{AccessUnit, Codec, MediaError, Yuv420};

/// How far apart key frames are.
const KEY_FRAME_INTERVAL_S: f64 = 2.0;

/// Encodes pictures as H.264 without B-frames.
pub struct H264Encoder {
    encoder: Encoder,
    width: u32,
    height: u32,
    duration_us: i64,
}

impl std::fmt::Debug for H264Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "H264Encoder {}x{}", self.width, self.height)
    }
}

impl H264Encoder {
    /// An encoder for pictures of one size: 16x16 to 3840x2160 (upright too), what `OpenH264` takes. Of an odd size the last
    /// column or row is left out: 4:2:0 has no half chroma sample.
    pub fn new(
        width: u32,
        height: u32,
        fps: f64,
        bitrate_bps: u32,
    ) -> Result<H264Encoder, MediaError> {
        let (longer, shorter) = (width.max(height), width.min(height));
        if longer > 3840 || !(16..=2160).contains(&shorter) {
            return Err(error(format!(
                "{width}x{height} is outside the 16x16 to 3840x2160 of the built-in encoder"
            )));
        }
        if !(0.1..=240.0).contains(&fps) {
            return Err(error(format!(
                "{fps} pictures a second is outside 0.1 to 240"
            )));
        }
        let config = EncoderConfig::new()
            .bitrate(BitRate::from_bps(bitrate_bps.clamp(10_000, 200_000_000)))
            .max_frame_rate(FrameRate::from_hz(fps as f32))
            .rate_control_mode(RateControlMode::Bitrate)
            .skip_frames(false)
            .usage_type(UsageType::CameraVideoRealTime)
            .complexity(Complexity::Low)
            .scene_change_detect(false)
            .background_detection(true)
            .adaptive_quantization(false)
            .intra_frame_period(IntraFramePeriod::from_num_frames(
                (fps * KEY_FRAME_INTERVAL_S).round().max(1.0) as u32,
            ))
            .num_threads(1)
            .profile(Profile::Baseline)
            .vui(VuiConfig::bt601());
        let mut encoder = Encoder::with_api_config(OpenH264API::from_source(), config)
            .map_err(|cause| error(cause.to_string()))?;
        quiet::silence(&mut encoder);
        Ok(H264Encoder {
            encoder,
            width,
            height,
            duration_us: (1e6 / fps).round() as i64,
        })
    }

    /// Encodes the next picture. `force_key` makes it a key frame; the first one and one every two seconds are anyway.
    pub fn encode(
        &mut self,
        picture: &Yuv420,
        pts_us: i64,
        force_key: bool,
    ) -> Result<AccessUnit, MediaError> {
        if (picture.width, picture.height) != (self.width, self.height) {
            return Err(error(format!(
                "it is {}x{}, and the encoder was made for {}x{}",
                picture.width, picture.height, self.width, self.height
            )));
        }
        // The encoder is C++ and takes bare pointers.
        if !picture.planes_fit() {
            return Err(error(
                "its planes are not as long as its size says".to_owned(),
            ));
        }
        if force_key {
            self.encoder.force_intra_frame();
        }
        let timestamp = Timestamp::from_millis((pts_us / 1000).max(0) as u64);
        let encoded = self
            .encoder
            .encode_at(&Source(picture), timestamp)
            .map_err(|cause| error(cause.to_string()))?;
        let key = encoded.frame_type() == FrameType::IDR;
        let data = encoded.to_vec();
        if data.is_empty() {
            return Err(error("the encoder gave nothing for it".to_owned()));
        }
        Ok(AccessUnit {
            pts_us,
            dts_us: pts_us,
            duration_us: self.duration_us,
            key,
            data: Bytes::from(data),
        })
    }
}

fn error(why: String) -> MediaError {
    MediaError::Encode {
        codec: Codec::H264,
        why,
    }
}

/// A picture as `OpenH264` wants it: even sizes.
struct Source<'a>(&'a Yuv420);

impl YUVSource for Source<'_> {
    fn dimensions(&self) -> (usize, usize) {
        (self.0.width as usize & !1, self.0.height as usize & !1)
    }

    fn strides(&self) -> (usize, usize, usize) {
        (
            self.0.width as usize,
            self.0.chroma_width(),
            self.0.chroma_width(),
        )
    }

    fn y(&self) -> &[u8] {
        &self.0.y
    }

    fn u(&self) -> &[u8] {
        &self.0.u
    }

    fn v(&self) -> &[u8] {
        &self.0.v
    }
}
