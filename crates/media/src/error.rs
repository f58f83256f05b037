//! What can go wrong with a video file, a picture or a codec, each as a sentence that names cause and remedy.
//!
//! This crate knows no file names: [`MediaError::about`] puts the name the caller knows in front.

use crate::Codec;

/// Why a video could not be read, decoded, encoded or packed.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The bytes are no container this crate reads.
    #[error("the input is not a video ({found}): weir reads MP4, MOV, Matroska and WebM")]
    NotAVideo {
        /// What the first bytes look like.
        found: &'static str,
    },
    /// A container without pictures.
    #[error(
        "the input has no video track: it is {container} with {found}; choose a file with pictures in it"
    )]
    NoVideoTrack {
        /// Which container it is.
        container: &'static str,
        /// Which tracks were found instead.
        found: String,
    },
    /// A video track in a codec this crate does not carry.
    #[error(
        "the input's video is {found}: weir carries H.264, H.265, VP9 and AV1; convert it with `ffmpeg -i IN -c:v libx264 OUT.mp4`"
    )]
    UnsupportedCodec {
        /// The codec's name as the file gives it.
        found: String,
    },
    /// The container's structure cannot be followed.
    #[error(
        "the input is a damaged {container} file: {why}; `ffmpeg -i IN -c copy OUT.mp4` may repair it"
    )]
    Damaged {
        /// Which container it is.
        container: &'static str,
        /// What does not add up.
        why: String,
    },
    /// An MP4 without its index: nothing in it can be found.
    #[error(
        "the input is an MP4 file without its index (`moov`): its end is missing, or its recording did not end; copy it again, \
         and record as Matroska or fragmented MP4, which can be read without an end"
    )]
    NoIndex,
    /// A structure is larger than any honest file's.
    #[error(
        "the input is refused: its {what} says {len_bytes} bytes, and at most {max_bytes} are read"
    )]
    TooLarge {
        /// Which structure.
        what: &'static str,
        /// The length it claims.
        len_bytes: u64,
        /// The most that is accepted.
        max_bytes: u64,
    },
    /// A picture larger than [`crate::MAX_PIXELS`] or without pixels.
    #[error(
        "a picture of {width}x{height} is refused: from 1x1 to {} pixels in all are handled",
        crate::MAX_PIXELS
    )]
    PictureSize {
        /// Width in pixels.
        width: u64,
        /// Height in pixels.
        height: u64,
    },
    /// A film that one file cannot hold.
    #[error("one file cannot hold the film: {what}; export it in parts, with --from and --to")]
    Full {
        /// What there is too much of.
        what: &'static str,
    },
    /// No decoder for this codec is built in.
    #[error("{} cannot be decoded here: weir decodes H.264, JPEG and PNG; publish it as it is with `--codec copy`", codec.name())]
    NoDecoder {
        /// The codec.
        codec: Codec,
    },
    /// An access unit's headers could not be understood.
    #[error("the {} picture's headers are not sound: {why}", codec.name())]
    Headers {
        /// The codec.
        codec: Codec,
        /// What is wrong.
        why: &'static str,
    },
    /// A decoder refused a picture.
    #[error("a {} picture could not be decoded: {why}", codec.name())]
    Decode {
        /// The codec.
        codec: Codec,
        /// What the decoder said.
        why: String,
    },
    /// An encoder refused a picture or its settings.
    #[error("a picture could not be encoded as {}: {why}", codec.name())]
    Encode {
        /// The codec.
        codec: Codec,
        /// What the encoder said.
        why: String,
    },
    /// Reading the file failed.
    #[error("the input cannot be read: {0}")]
    Io(#[from] std::io::Error),
}

impl MediaError {
    /// Whether a program that reads more kinds of video may be able to read the input.
    pub fn others_may_read(&self) -> bool {
        match self {
            MediaError::UnsupportedCodec { .. } => true,
            // ffmpeg takes a text for a picture made of letters.
            MediaError::NotAVideo { found } => !matches!(
                *found,
                "it looks like text"
                    | "it is empty"
                    | "it is a PDF"
                    | "it is a ZIP archive"
                    | "it is a gzip archive"
                    | "it is a program"
                    | "it is a single picture"
            ),
            _ => false,
        }
    }

    /// The sentence with the caller's name for the input in place of “the input”: `notes.txt is not a video (…)`.
    pub fn about(&self, name: &str) -> String {
        let sentence = self.to_string();
        match sentence.strip_prefix("the input") {
            Some(rest) => format!("{name}{rest}"),
            None => format!("{name}: {sentence}"),
        }
    }
}
