//! Matroska and `WebM` (RFC 9559): the video track's access units, and those of a sound track that lie between them.
//!
//! The file is walked from front to back, as a live recording without index or sizes must be; clusters and blocks may have
//! open sizes. Where the structure is broken, reading goes on at the next cluster. There are no decode times in Matroska:
//! they are derived ([`super::order`]).
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

mod block;
mod ebml;
mod header;
mod sound;
mod source;

use std::{
    collections::VecDeque,
    io::{Read, Seek, SeekFrom},
};

use self::{
    block::BlockHeader,
    ebml::{Header, id},
    header::{Info, Track, damaged},
    sound::Sound,
    source::Source,
};
use super::{Damage, DamageList, Demuxer, MAX_PICTURE_BYTES};
use crate::sound::{SoundTrack, SoundUnit};
use crate::{AccessUnit, MediaError, VideoTrack, order::DecodeTimes};

/// An element of an unknown kind that claims more than this is taken for damage.
const MAX_UNKNOWN_BYTES: u64 = 1024 * 1024;
/// A block of sound has a second of it, not minutes.
const MAX_SOUND_BLOCK_BYTES: u64 = 1024 * 1024;

/// Reads a Matroska file's video track.
#[derive(Debug)]
pub(super) struct Matroska<R: Read + Seek> {
    source: Source<R>,
    track: Track,
    public: VideoTrack,
    info: Info,
    segment: u64,
    first_cluster: u64,
    cues: Vec<(u64, u64)>,
    place: Place,
    /// The pts of the first key frame, in nanoseconds: 0 outside.
    zero_ns: Option<i128>,
    times: DecodeTimes,
    pictures: VecDeque<Picture>,
    pending: Option<AccessUnit>,
    started: bool,
    sound: Option<Sound>,
    sound_left_out: Option<String>,
    /// The first picture's time since the start or the last seek.
    begins_us: Option<i64>,
    damage: DamageList,
}

/// Where reading goes on.
#[derive(Debug, Clone, Copy)]
struct Place {
    position: u64,
    cluster_ticks: u64,
}

/// A picture as the file has it.
#[derive(Debug)]
struct Picture {
    ns: i128,
    duration_ns: Option<u64>,
    key: bool,
    position: u64,
    data: Vec<u8>,
}

/// A block of the video track that was come upon, not read yet.
#[derive(Debug, Clone, Copy)]
struct Found {
    body: u64,
    len_bytes: u64,
    header: BlockHeader,
    key: bool,
    duration_ticks: Option<u64>,
    ticks: i128,
}

impl<R: Read + Seek> Matroska<R> {
    pub(super) fn open(mut reader: R) -> Result<Matroska<R>, MediaError> {
        let file_len = reader.seek(SeekFrom::End(0))?;
        let mut source = Source::new(reader, file_len);
        let head = read_head(&mut source)?;
        let tracks = head
            .tracks
            .ok_or_else(|| damaged("it has no list of tracks: it is cut off"))?;
        let track = Track::choose(&tracks)?;
        let heard = sound::choose(&tracks);
        let cues = head
            .cues
            .map(|cues| header::cues(&cues, track.number))
            .unwrap_or_default();
        let size = track.format.size.unwrap_or(track.size);
        let mut demuxer = Matroska {
            source,
            public: VideoTrack {
                codec: track.format.codec,
                codec_string: String::new(),
                width: size.0,
                height: size.1,
                duration_us: head.info.duration_us,
                pictures: None,
                len_bytes: None,
            },
            times: DecodeTimes::new(0, 0),
            track,
            info: head.info,
            segment: head.segment,
            first_cluster: head.first_cluster,
            cues,
            place: Place {
                position: head.first_cluster,
                cluster_ticks: 0,
            },
            zero_ns: None,
            pictures: VecDeque::new(),
            pending: None,
            started: false,
            sound: heard.sound,
            sound_left_out: heard.left_out,
            begins_us: None,
            damage: DamageList::default(),
        };
        demuxer.times = demuxer.decode_times();
        demuxer.pending = demuxer.read_next()?;
        if demuxer.pending.is_none() {
            return Err(demuxer.damage.nothing_left(header::CONTAINER));
        }
        if let Some(first) = &mut demuxer.pending {
            let depth = demuxer.track.format.reorder_depth;
            demuxer.track.format.learn(&first.data);
            if demuxer.track.format.reorder_depth != depth {
                // The depth was not in the tracks: the first picture's time is derived anew.
                demuxer.times = demuxer.decode_times();
                if let Some(first) = &mut demuxer.pending {
                    first.dts_us = demuxer.times.next(first.pts_us);
                }
            }
        }
        let format = &demuxer.track.format;
        demuxer.public.codec_string = format.codec_string.clone().unwrap_or_default();
        (demuxer.public.width, demuxer.public.height) = format.size.unwrap_or(size);
        Ok(demuxer)
    }

    fn decode_times(&self) -> DecodeTimes {
        let duration_us = self
            .track
            .default_duration_ns
            .map_or(40_000, |ns| (ns / 1000) as i64);
        DecodeTimes::new(self.track.format.reorder_depth, duration_us)
    }

    /// The next block of the video track; its data is not read.
    fn next_block(&mut self) -> Result<Option<Found>, MediaError> {
        loop {
            let position = self.place.position;
            let Some(header) = self.source.header(position)? else {
                if position >= self.source.file_len || !self.find_next_cluster(position + 1)? {
                    return Ok(None);
                }
                continue;
            };
            let body = position + header.own_bytes as u64;
            // What opens into other elements is entered: where it ends does not matter.
            if matches!(header.id, id::CLUSTER | id::SEGMENT) {
                self.place.position = body;
                continue;
            }
            let end = header
                .len_bytes
                .and_then(|len_bytes| body.checked_add(len_bytes));
            let Some(end) = end.filter(|end| *end <= self.source.file_len) else {
                if !self.find_next_cluster(position + 1)? {
                    return Ok(None);
                }
                continue;
            };
            self.place.position = end;
            match header.id {
                id::TIMESTAMP => {
                    if let Some(value) = self.source.small(body, end)? {
                        self.place.cluster_ticks = value;
                    }
                }
                id::SIMPLE_BLOCK => {
                    if let Some(found) = self.look_at(body, end)? {
                        return Ok(Some(Found {
                            key: found.header.is_key(),
                            ..found
                        }));
                    }
                }
                id::BLOCK_GROUP => {
                    if let Some(found) = self.group(body, end)? {
                        return Ok(Some(found));
                    }
                }
                _ if is_known(header.id) || end - body <= MAX_UNKNOWN_BYTES => {}
                _ => {
                    if !self.find_next_cluster(position + 1)? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// A block of the video track at a place, if it is one.
    fn look_at(&mut self, body: u64, end: u64) -> Result<Option<Found>, MediaError> {
        let head = self.source.peek(body, end)?;
        let Some(header) = BlockHeader::parse(&head) else {
            return Ok(None);
        };
        let ticks = i128::from(self.place.cluster_ticks) + i128::from(header.relative);
        if header.track != self.track.number {
            self.hear(header, body, end, ticks)?;
            return Ok(None);
        }
        Ok(Some(Found {
            body,
            len_bytes: end - body,
            header,
            key: false,
            duration_ticks: None,
            ticks,
        }))
    }

    /// Keeps a block if it is the sound track's.
    fn hear(
        &mut self,
        header: BlockHeader,
        body: u64,
        end: u64,
        ticks: i128,
    ) -> Result<(), MediaError> {
        let Some(sound) = &mut self.sound else {
            return Ok(());
        };
        if header.track != sound.number || !sound.listening {
            return Ok(());
        }
        let ns = ticks * i128::from(self.info.tick_ns);
        let heard = if end - body > MAX_SOUND_BLOCK_BYTES {
            Err("sound is missing: it is longer than any is")
        } else {
            let block = self.source.read(body, end - body)?;
            sound.take(header, &block, ns, self.info.tick_ns)
        };
        if let Err(what) = heard {
            let at_us = self.since_zero(ns);
            self.damage.note(at_us, Some(body), what.to_owned());
        }
        Ok(())
    }

    fn group(&mut self, body: u64, end: u64) -> Result<Option<Found>, MediaError> {
        let (mut found, mut duration, mut refers) = (None, None, false);
        let mut at = body;
        while at < end {
            let Some(Header {
                id,
                own_bytes,
                len_bytes: Some(len_bytes),
            }) = self.source.header(at)?
            else {
                break;
            };
            let inner = at + own_bytes as u64;
            let Some(inner_end) = inner
                .checked_add(len_bytes)
                .filter(|inner_end| *inner_end <= end)
            else {
                self.damage.note(
                    None,
                    Some(at),
                    "a picture is longer than what it lies in".to_owned(),
                );
                break;
            };
            match id {
                id::BLOCK => found = self.look_at(inner, inner_end)?,
                id::BLOCK_DURATION => duration = self.source.small(inner, inner_end)?,
                id::REFERENCE_BLOCK => refers = true,
                _ => {}
            }
            at = inner_end;
        }
        Ok(found.map(|found| Found {
            key: !refers,
            duration_ticks: duration,
            ..found
        }))
    }

    /// Goes to the next cluster from a place where the structure is broken. `false` if there is none.
    fn find_next_cluster(&mut self, from: u64) -> Result<bool, MediaError> {
        let found = self.source.find_cluster(from)?;
        let what = match found {
            Some(_) => "the structure is broken here; reading goes on at the next cluster",
            None => "the file is cut off, or broken from here to its end",
        };
        let ns = i128::from(self.place.cluster_ticks) * i128::from(self.info.tick_ns);
        self.damage
            .note(self.since_zero(ns), Some(from - 1), what.to_owned());
        self.place.position = found.unwrap_or(self.source.file_len);
        Ok(found.is_some())
    }

    /// Reads a block's pictures into the queue.
    fn read_block(&mut self, found: Found) -> Result<(), MediaError> {
        let ns = found.ticks * i128::from(self.info.tick_ns);
        if found.len_bytes > MAX_PICTURE_BYTES {
            self.damage.picture(
                self.since_zero(ns),
                Some(found.body),
                "it is larger than any picture is",
            );
            return Ok(());
        }
        let block = self.source.read(found.body, found.len_bytes)?;
        let Some(pictures) = found.header.pictures(&block) else {
            self.damage.picture(
                self.since_zero(ns),
                Some(found.body),
                "the pictures in a block do not fit into it",
            );
            return Ok(());
        };
        let count = pictures.len() as u64;
        let own_ns = found
            .duration_ticks
            .map(|ticks| ticks.saturating_mul(self.info.tick_ns) / count.max(1));
        let duration_ns = own_ns.or(self.track.default_duration_ns);
        for (at, picture) in pictures.into_iter().enumerate() {
            let room = self.track.format.room();
            let mut data = Vec::with_capacity(room + self.track.stripped.len() + picture.len());
            data.resize(room, 0);
            data.extend_from_slice(&self.track.stripped);
            data.extend_from_slice(picture);
            let ns = ns + i128::from(duration_ns.unwrap_or(0)) * at as i128;
            self.pictures.push_back(Picture {
                ns,
                duration_ns,
                key: found.key && at == 0,
                position: found.body,
                data,
            });
        }
        Ok(())
    }

    fn since_zero(&self, ns: i128) -> Option<i64> {
        Some(ns_to_us(ns - self.zero_ns?))
    }

    fn read_next(&mut self) -> Result<Option<AccessUnit>, MediaError> {
        loop {
            let Some(picture) = self.pictures.pop_front() else {
                match self.next_block()? {
                    Some(found) => self.read_block(found)?,
                    None => return Ok(None),
                }
                continue;
            };
            let pts_us = self.since_zero(picture.ns);
            match self.track.format.unit(picture.data, picture.key) {
                Ok((data, found_key)) => {
                    let key = picture.key || found_key;
                    if !key && !self.started {
                        self.damage.picture(
                            pts_us,
                            Some(picture.position),
                            "it comes before the first key frame and cannot be decoded",
                        );
                        continue;
                    }
                    self.started = true;
                    self.damage.sound();
                    let zero_ns = *self.zero_ns.get_or_insert(picture.ns);
                    let pts_us = ns_to_us(picture.ns - zero_ns);
                    self.begins_us.get_or_insert(pts_us);
                    let dts_us = self.times.next(pts_us);
                    let duration_us = (picture.duration_ns.unwrap_or(0) / 1000) as i64;
                    return Ok(Some(AccessUnit {
                        pts_us,
                        dts_us,
                        duration_us,
                        key,
                        data,
                    }));
                }
                Err(what) => self.damage.picture(pts_us, Some(picture.position), what),
            }
        }
    }
}

impl<R: Read + Seek + Send> Demuxer for Matroska<R> {
    fn track(&self) -> &VideoTrack {
        &self.public
    }

    fn next(&mut self) -> Result<Option<AccessUnit>, MediaError> {
        match self.pending.take() {
            Some(unit) => Ok(Some(unit)),
            None => self.read_next(),
        }
    }

    fn seek(&mut self, pts_us: i64) -> Result<(), MediaError> {
        self.pending = None;
        self.pictures.clear();
        self.started = false;
        self.begins_us = None;
        self.times = self.decode_times();
        if let Some(sound) = &mut self.sound {
            sound.forget();
            sound.listening = false;
        }
        let target_ns = i128::from(pts_us) * 1000 + self.zero_ns.unwrap_or(0);
        let tick_ns = i128::from(self.info.tick_ns);
        let cue = self
            .cues
            .iter()
            .rev()
            .find(|(ticks, _)| i128::from(*ticks) * tick_ns <= target_ns);
        let from = cue.and_then(|(_, position)| self.segment.checked_add(*position));
        let start = Place {
            position: from.unwrap_or(self.first_cluster),
            cluster_ticks: 0,
        };
        self.place = start;
        let mut best = start;
        loop {
            let place = self.place;
            let Some(found) = self.next_block()? else {
                break;
            };
            if found.ticks * tick_ns > target_ns {
                // Pictures are shown up to a reorder depth after they stand in the file: a key frame beyond ends it.
                if found.key {
                    break;
                }
            } else if found.key {
                best = Place {
                    position: place.position,
                    cluster_ticks: place.cluster_ticks,
                };
            }
        }
        self.place = best;
        if let Some(sound) = &mut self.sound {
            sound.listening = true;
        }
        Ok(())
    }

    fn damage(&self) -> &[Damage] {
        &self.damage.entries
    }

    fn sound(&self) -> Option<&SoundTrack> {
        self.sound.as_ref().map(|sound| &sound.track)
    }

    fn sound_left_out(&self) -> Option<&str> {
        self.sound_left_out.as_deref()
    }

    fn next_sound(&mut self, until_us: i64) -> Result<Option<SoundUnit>, MediaError> {
        let (Some(sound), Some(zero_ns), Some(begins_us)) =
            (&mut self.sound, self.zero_ns, self.begins_us)
        else {
            return Ok(None);
        };
        Ok(sound.next(zero_ns, begins_us, until_us))
    }
}

/// Elements that may lie between the pictures and are passed over, whatever their size.
fn is_known(id: u32) -> bool {
    const VOID: u32 = 0xec;
    const TAGS: u32 = 0x1254_c367;
    const CHAPTERS: u32 = 0x1043_a770;
    const ATTACHMENTS: u32 = 0x1941_a469;
    let passed_over = [
        id::EBML,
        id::SEEK_HEAD,
        id::INFO,
        id::TRACKS,
        id::CUES,
        VOID,
        TAGS,
        CHAPTERS,
        ATTACHMENTS,
    ];
    passed_over.contains(&id)
}

fn ns_to_us(ns: i128) -> i64 {
    (ns + 500)
        .div_euclid(1000)
        .clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

/// What stands before the first cluster.
struct Head {
    info: Info,
    tracks: Option<Vec<u8>>,
    cues: Option<Vec<u8>>,
    segment: u64,
    first_cluster: u64,
}

fn read_head<R: Read + Seek>(source: &mut Source<R>) -> Result<Head, MediaError> {
    let mut head = Head {
        info: Info::default(),
        tracks: None,
        cues: None,
        segment: 0,
        first_cluster: source.file_len,
    };
    let mut seek_head = None;
    let mut position = 0;
    while let Some(header) = source.header(position)? {
        let body = position + header.own_bytes as u64;
        if header.id == id::SEGMENT {
            head.segment = body;
            position = body;
            continue;
        }
        if header.id == id::CLUSTER {
            head.first_cluster = position;
            break;
        }
        let Some(end) = header
            .len_bytes
            .and_then(|len_bytes| body.checked_add(len_bytes))
            .filter(|end| *end <= source.file_len)
        else {
            break;
        };
        match header.id {
            id::INFO => head.info = Info::parse(&source.element(body, end)?),
            id::TRACKS => head.tracks = Some(source.element(body, end)?),
            id::CUES => head.cues = Some(source.element(body, end)?),
            id::SEEK_HEAD => seek_head = Some(source.element(body, end)?),
            _ => {}
        }
        position = end;
    }
    // What the seek head knows to lie behind the pictures.
    if let Some(seek_head) = seek_head {
        for (wanted, out) in [(id::TRACKS, &mut head.tracks), (id::CUES, &mut head.cues)] {
            let Some(position) = header::seek_entry(&seek_head, wanted).filter(|_| out.is_none())
            else {
                continue;
            };
            let Some(position) = head.segment.checked_add(position) else {
                continue;
            };
            if let Some(Header {
                id,
                own_bytes,
                len_bytes: Some(len_bytes),
            }) = source.header(position)?
            {
                let body = position + own_bytes as u64;
                let end = body
                    .checked_add(len_bytes)
                    .filter(|end| *end <= source.file_len && id == wanted);
                if let Some(end) = end {
                    *out = Some(source.element(body, end)?);
                }
            }
        }
    }
    Ok(head)
}
