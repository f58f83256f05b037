//! One viewer's queue: bounded, and the place where a viewer that is too slow loses pictures instead of holding up anyone.
//!
//! The rule: beyond [`MAX_PICTURES`] pictures or [`MAX_BYTES`], everything in front of the newest key frame goes; where there is no
//! such key frame, everything goes, and the viewer waits for the next one. Either way it is told how many it misses. What it was
//! given to begin with (the GOP) does not count against it. Sound goes with the pictures it stands between, and is not counted when it is
//! lost: it comes back with them. Of JPEG and PNG pictures each is a key frame, so only the newest stays.

use std::collections::VecDeque;
use std::sync::Arc;

use super::gop::Gop;
use super::picture::{Item, Picture};
use super::sound::Sound;

/// Five seconds of 30 pictures a second.
pub const MAX_PICTURES: usize = 150;
/// Pictures and their fragments together.
pub const MAX_BYTES: usize = 16 << 20;
/// Twenty seconds of AAC: what waits of a viewer that takes nothing while there are no pictures. Of more the oldest goes.
const MAX_SOUNDS: usize = 1_000;

/// What waits for one viewer.
#[derive(Debug, Default)]
pub struct Queue {
    items: VecDeque<Item>,
    pictures: usize,
    sounds: usize,
    len_bytes: usize,
    /// What the viewer was given to begin with.
    granted_pictures: usize,
    granted_sounds: usize,
    granted_bytes: usize,
    /// The pictures missed since it began to wait for a key frame.
    skipping: Option<u64>,
}

impl Queue {
    /// A queue that begins with these pictures.
    pub fn beginning_with(pictures: &[Arc<Picture>]) -> Self {
        let mut queue = Self::default();
        for picture in pictures {
            queue.append(picture);
        }
        queue.granted_pictures = queue.pictures;
        queue.granted_bytes = queue.len_bytes;
        queue
    }

    /// The same with the sound between them.
    pub fn beginning_with_sound(gop: &Gop) -> Self {
        let mut queue = Self::default();
        let mut sounds = gop.sounds().peekable();
        for (at, picture) in (1..).zip(gop.pictures()) {
            queue.append(picture);
            while let Some((_, sound)) = sounds.next_if(|(behind, _)| *behind <= at) {
                queue.append_sound(sound);
            }
        }
        queue.granted_pictures = queue.pictures;
        queue.granted_sounds = queue.sounds;
        queue.granted_bytes = queue.len_bytes;
        queue
    }

    /// Takes the next sound, unless the pictures it belongs to are left out.
    pub fn push_sound(&mut self, sound: &Arc<Sound>) {
        if self.skipping.is_some() {
            return;
        }
        self.append_sound(sound);
        if self.sounds > MAX_SOUNDS + self.granted_sounds {
            let is_sound = |item: &Item| matches!(item, Item::Sound(_));
            let oldest = self.items.iter().position(is_sound);
            if let Some(Item::Sound(oldest)) = oldest.and_then(|at| self.items.remove(at)) {
                self.sounds -= 1;
                self.len_bytes -= oldest.len_bytes();
            }
        }
    }

    /// Takes the next picture; says how many this cost the viewer.
    pub fn push(&mut self, picture: &Arc<Picture>) -> u64 {
        if let Some(missed) = self.skipping {
            if !picture.key {
                self.skipping = Some(missed + 1);
                return 1;
            }
            self.skipping = None;
            self.items.push_back(Item::Skipped(missed));
        }
        self.append(picture);
        let full = self.pictures > MAX_PICTURES + self.granted_pictures
            || self.len_bytes > MAX_BYTES + self.granted_bytes;
        if full && self.pictures > 1 {
            self.jump()
        } else {
            0
        }
    }

    /// Takes a note about the pictures. Of several that the viewer has not seen, the newest counts; `Live` stands
    /// beside `Reconnected`.
    pub fn note(&mut self, note: Item) {
        let live = matches!(note, Item::Live);
        self.items.retain(|item| match item {
            Item::Picture(_) | Item::Sound(_) | Item::Skipped(_) => true,
            Item::Live => false,
            _ => live,
        });
        self.items.push_back(note);
    }

    /// Whether there is nothing to give.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Gives the next item.
    pub fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front();
        match &item {
            Some(Item::Picture(picture)) => {
                self.pictures -= 1;
                self.len_bytes -= picture.len_bytes();
                if self.pictures == 0 {
                    self.granted_pictures = 0;
                    self.granted_bytes = 0;
                }
            }
            Some(Item::Sound(sound)) => {
                self.sounds -= 1;
                self.len_bytes -= sound.len_bytes();
                if self.sounds == 0 {
                    self.granted_sounds = 0;
                }
            }
            _ => {}
        }
        item
    }

    /// Where the record `offset` of `partition` stands here: drops everything up to and with it and gives that picture.
    pub fn go_behind(&mut self, partition: i32, offset: i64) -> Option<Arc<Picture>> {
        let at = self.items.iter().position(|item| {
            matches!(item, Item::Picture(p) if p.partition == partition && p.offset == offset)
        })?;
        let mut found = None;
        for _ in 0..=at {
            if let Some(Item::Picture(picture)) = self.pop() {
                found = Some(picture);
            }
        }
        found
    }

    fn append(&mut self, picture: &Arc<Picture>) {
        self.pictures += 1;
        self.len_bytes += picture.len_bytes();
        self.items.push_back(Item::Picture(picture.clone()));
    }

    fn append_sound(&mut self, sound: &Arc<Sound>) {
        self.sounds += 1;
        self.len_bytes += sound.len_bytes();
        self.items.push_back(Item::Sound(sound.clone()));
    }

    fn jump(&mut self) -> u64 {
        let is_key = |item: &Item| matches!(item, Item::Picture(picture) if picture.key);
        let is_picture = |item: &Item| matches!(item, Item::Picture(_));
        let first = self.items.iter().position(is_picture).unwrap_or(0);
        let newest_key = self.items.iter().rposition(is_key).filter(|&at| at > first);
        let keep_from = newest_key.unwrap_or(self.items.len());
        let (mut missed, mut lost) = (0, 0);
        let mut kept = VecDeque::new();
        for (at, item) in std::mem::take(&mut self.items).into_iter().enumerate() {
            if at == keep_from {
                kept.push_back(Item::Skipped(missed));
            }
            match item {
                Item::Picture(picture) if at < keep_from => {
                    self.pictures -= 1;
                    self.len_bytes -= picture.len_bytes();
                    missed += 1;
                    lost += 1;
                }
                Item::Sound(sound) if at < keep_from => {
                    self.sounds -= 1;
                    self.len_bytes -= sound.len_bytes();
                }
                Item::Skipped(earlier) if at < keep_from => missed += earlier,
                item => kept.push_back(item),
            }
        }
        self.items = kept;
        self.granted_pictures = 0;
        self.granted_sounds = 0;
        self.granted_bytes = 0;
        if newest_key.is_none() {
            self.skipping = Some(missed);
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{picture, sound};
    use super::*;

    fn drain(queue: &mut Queue) -> Vec<String> {
        std::iter::from_fn(|| queue.pop())
            .map(|item| match item {
                Item::Picture(p) => format!("{}{}", if p.key { "k" } else { "d" }, p.offset),
                Item::Sound(sound) => format!("s{}", sound.offset),
                Item::Skipped(n) => format!("skipped {n}"),
                Item::Live => "live".into(),
                Item::Waiting(_) => "waiting".into(),
                Item::Reconnected => "reconnected".into(),
                Item::Ended(_) => "ended".into(),
            })
            .collect()
    }

    #[test]
    fn a_viewer_that_keeps_up_gets_every_picture_in_order() {
        let mut queue = Queue::beginning_with(&[picture(0, true, 5), picture(1, false, 5)]);
        queue.note(Item::Live);
        assert_eq!(queue.push(&picture(2, false, 5)), 0);
        assert_eq!(drain(&mut queue), ["k0", "d1", "live", "d2"]);
    }

    #[test]
    fn one_that_falls_behind_jumps_to_the_newest_key_frame_and_is_told_how_much_it_missed() {
        let mut queue = Queue::default();
        let mut lost = 0;
        for offset in 0..=MAX_PICTURES as i64 {
            lost += queue.push(&picture(offset, offset % 50 == 0, 5));
        }
        assert_eq!(lost, 150);
        assert_eq!(drain(&mut queue), ["skipped 150", "k150"]);
    }

    #[test]
    fn sound_comes_and_goes_with_the_pictures_it_stands_between() {
        let mut gop = Gop::default();
        gop.push_sound(&sound(0));
        gop.push(&picture(1, true, 5));
        gop.push_sound(&sound(2));
        gop.push(&picture(3, false, 5));
        gop.push_sound(&sound(4));
        let mut queue = Queue::beginning_with_sound(&gop);
        queue.push_sound(&sound(5));
        assert_eq!(drain(&mut queue), ["k1", "s2", "d3", "s4", "s5"]);
        assert_eq!(queue.len_bytes, 0);

        for offset in (0..2 * MAX_PICTURES as i64 + 2).step_by(2) {
            queue.push(&picture(offset, offset == 100, 5));
            queue.push_sound(&sound(offset + 1));
        }
        assert_eq!(queue.sounds, queue.pictures);
        assert_eq!(drain(&mut queue)[..3], ["skipped 50", "k100", "s101"]);
        assert_eq!(queue.len_bytes, 0);
        for offset in 0..MAX_PICTURES as i64 + 10 {
            queue.push(&picture(offset, offset == 0, 5));
            queue.push_sound(&sound(offset));
        }
        // Nothing is heard before the next key frame is seen.
        assert!(drain(&mut queue).is_empty());
    }

    #[test]
    fn sound_does_not_pile_up_where_no_pictures_come() {
        let mut queue = Queue::default();
        for offset in 0..5_000 {
            queue.push_sound(&sound(offset));
        }
        assert_eq!(drain(&mut queue).len(), MAX_SOUNDS);
        assert_eq!(queue.len_bytes, 0);
    }

    #[test]
    fn without_a_key_frame_in_the_queue_it_waits_for_the_next_one() {
        let mut queue = Queue::default();
        for offset in 0..MAX_PICTURES as i64 + 10 {
            queue.push(&picture(offset, offset == 0, 5));
        }
        assert!(drain(&mut queue).is_empty());
        queue.push(&picture(200, true, 5));
        queue.push(&picture(201, false, 5));
        assert_eq!(drain(&mut queue), ["skipped 160", "k200", "d201"]);
    }

    #[test]
    fn of_pictures_that_stand_alone_the_newest_wins() {
        let mut queue = Queue::default();
        let large = MAX_BYTES / 4;
        for offset in 0..5 {
            queue.push(&picture(offset, true, large));
        }
        assert_eq!(drain(&mut queue), ["skipped 4", "k4"]);
    }

    #[test]
    fn the_gop_it_began_with_does_not_count_against_it() {
        let gop: Vec<_> = (0..500).map(|n| picture(n, n == 0, 5)).collect();
        let mut queue = Queue::beginning_with(&gop);
        for offset in 500..500 + MAX_PICTURES as i64 {
            assert_eq!(queue.push(&picture(offset, false, 5)), 0);
        }
    }

    #[test]
    fn notes_do_not_pile_up() {
        let mut queue = Queue::default();
        for _ in 0..1_000 {
            queue.note(Item::Waiting("Kafka is away".into()));
            queue.note(Item::Reconnected);
            queue.note(Item::Live);
        }
        assert_eq!(drain(&mut queue), ["reconnected", "live"]);
    }

    #[test]
    fn it_can_be_entered_behind_a_record_it_holds() {
        let mut queue = Queue::beginning_with(&[picture(7, true, 5), picture(8, false, 5)]);
        assert!(queue.go_behind(0, 6).is_none());
        assert_eq!(queue.go_behind(0, 7).unwrap().offset, 7);
        assert_eq!(drain(&mut queue), ["d8"]);
    }

    proptest! {
        #[test]
        fn no_picture_is_lost_untold_and_the_bounds_hold(
            steps in prop::collection::vec((any::<bool>(), 0_u8..4, 1_usize..(MAX_BYTES / 8)), 1..400),
        ) {
            let mut queue = Queue::default();
            let (mut got, mut told) = (0_u64, 0_u64);
            let mut decodable = false;
            for (n, (key, pops, len_bytes)) in steps.iter().enumerate() {
                queue.push(&picture(n as i64, *key || n == 0, *len_bytes));
                prop_assert!(queue.pictures <= MAX_PICTURES);
                prop_assert!(queue.len_bytes <= MAX_BYTES);
                for _ in 0..*pops {
                    match queue.pop() {
                        Some(Item::Picture(p)) => {
                            prop_assert!(p.key || decodable);
                            decodable = true;
                            got += 1;
                        }
                        Some(Item::Skipped(missed)) => {
                            decodable = false;
                            told += missed;
                        }
                        _ => break,
                    }
                }
            }
            while let Some(item) = queue.pop() {
                match item {
                    Item::Picture(_) => got += 1,
                    Item::Skipped(missed) => told += missed,
                    _ => {}
                }
            }
            prop_assert_eq!(got + told + queue.skipping.unwrap_or(0), steps.len() as u64);
        }
    }
}
