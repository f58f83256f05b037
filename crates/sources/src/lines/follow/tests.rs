//! A follower against real files that are written to, rotated, cut back and replaced, with and without it looking.

use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

const MAX_LINE: usize = 100_000;

/// A folder with a log in it, and a follower that may come and go.
struct Bench {
    folder: TempDir,
    follower: Option<Follower>,
    place: Option<Place>,
    now: Duration,
    notes: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            follower: None,
            place: None,
            now: Duration::ZERO,
            notes: Vec::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Appends to the log as a program that opens it anew each time.
    fn write(&self, text: &str) {
        self.write_to("log", text);
    }

    fn write_to(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path(name))
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// As logrotate does: the numbers go up by one.
    fn shift(&self) {
        for number in (1..20).rev() {
            let from = format!("log.{number}");
            if self.path(&from).exists() {
                self.rename(&from, &format!("log.{}", number + 1));
            }
        }
    }

    fn rotate(&self) {
        self.shift();
        self.rename("log", "log.1");
        tick();
    }

    fn copytruncate(&self) {
        self.shift();
        fs::copy(self.path("log"), self.path("log.1")).unwrap();
        OpenOptions::new()
            .write(true)
            .open(self.path("log"))
            .unwrap()
            .set_len(0)
            .unwrap();
        tick();
    }

    fn start_from(&mut self, from_start: bool) {
        let path = self.path("log");
        self.follower = Some(match &self.place {
            Some(place) => Follower::resume(&path, place, MAX_LINE).unwrap(),
            None => Follower::begin(&path, from_start, MAX_LINE).unwrap(),
        });
        let place = self.follower.as_ref().unwrap().place();
        self.place.get_or_insert(place);
    }

    fn start(&mut self) {
        self.start_from(true);
    }

    /// Ends the follower as a kill would: what is left is the place of the last lines.
    fn kill(&mut self) {
        self.follower = None;
    }

    /// All lines there are now.
    fn lines(&mut self) -> Vec<String> {
        let follower = self.follower.as_mut().unwrap();
        let mut all = Vec::new();
        loop {
            let gathered = follower.gather(self.now).unwrap();
            let place = Place::parse(&gathered.place.to_json()).unwrap();
            self.notes.extend(gathered.notes);
            if gathered.lines.is_empty() {
                return all;
            }
            self.place = Some(place);
            all.extend(
                gathered
                    .lines
                    .into_iter()
                    .map(|line| String::from_utf8_lossy(&line.bytes).into_owned()),
            );
        }
    }

    fn expect(&mut self, want: &[&str]) {
        let got = self.lines();
        assert_eq!(got, want, "notes: {:?}", self.notes);
    }
}

/// The lines with these numbers.
fn numbered(from: u64, to: u64) -> String {
    let lines: Vec<String> = (from..to)
        .map(|number| format!("line {number}\n"))
        .collect();
    lines.concat()
}

/// File systems count time in steps of some milliseconds: two files made in one step cannot be told apart by age.
fn tick() {
    let folder = tempfile::tempdir().unwrap();
    let stamp = |name: &str| {
        let path = folder.path().join(name);
        fs::write(&path, "").unwrap();
        touched_ns(&fs::metadata(path).unwrap())
    };
    let first = stamp("first");
    let mut number = 0;
    while stamp(&number.to_string()) == first {
        number += 1;
    }
}

#[test]
fn what_is_appended_comes_line_by_line_and_half_a_line_waits_for_its_end() {
    let mut bench = Bench::new();
    bench.write("one\n");
    bench.start();
    bench.expect(&["one"]);
    bench.write("two\nthr");
    bench.expect(&["two"]);
    bench.now += Duration::from_hours(1);
    bench.expect(&[]);
    bench.write("ee\r\n\nfive\n");
    bench.expect(&["three", "", "five"]);
}

#[test]
fn without_a_place_it_starts_at_the_end_and_with_the_line_that_has_none_yet() {
    let mut bench = Bench::new();
    bench.write("old\nhalf");
    bench.start_from(false);
    bench.expect(&[]);
    bench.write(" a line\nnew\n");
    bench.expect(&["half a line", "new"]);
}

#[test]
fn a_file_that_is_not_there_yet_is_waited_for_and_read_from_its_start() {
    let mut bench = Bench::new();
    bench.start_from(false);
    bench.expect(&[]);
    assert!(bench.notes[0].ends_with("log is not there yet; waiting for it"));
    bench.write("one\n");
    bench.expect(&["one"]);

    let mut bench = Bench::new();
    bench.start_from(false);
    bench.expect(&[]);
    bench.kill();
    bench.write("written while nobody looked\n");
    bench.start_from(false);
    bench.expect(&["written while nobody looked"]);
}

#[test]
fn a_folder_that_is_not_there_and_a_file_that_is_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no-such-folder/log");
    let error = Follower::begin(&missing, true, MAX_LINE).err().unwrap();
    assert!(error.to_string().contains("there is no folder"), "{error}");
    let error = Follower::begin(folder.path(), true, MAX_LINE)
        .err()
        .unwrap();
    assert!(error.to_string().contains("regular file"), "{error}");
    assert!(Follower::begin(Path::new("no-such-file-here"), true, MAX_LINE).is_ok());
}

#[test]
fn after_a_stop_it_goes_on_behind_the_last_line() {
    let mut bench = Bench::new();
    bench.write("one\ntwo\nhal");
    bench.start();
    bench.expect(&["one", "two"]);
    bench.kill();
    bench.write("f\nfour\n");
    bench.start();
    bench.expect(&["half", "four"]);
    bench.kill();
    bench.start();
    bench.expect(&[]);
}

#[test]
fn a_file_renamed_and_made_anew_is_read_to_its_end_first() {
    let mut bench = Bench::new();
    bench.write("one\n");
    bench.start();
    bench.expect(&["one"]);
    bench.write("two\n");
    bench.rotate();
    bench.expect(&["two"]);
    bench.write("three\n");
    bench.expect(&["three"]);
}

#[test]
fn what_a_program_writes_to_its_old_file_after_the_rotation_is_not_lost() {
    let mut bench = Bench::new();
    bench.write("one\n");
    bench.start();
    bench.expect(&["one"]);
    bench.rotate();
    bench.write("three\n");
    bench.expect(&["three"]);
    bench.write_to("log.1", "two\n");
    bench.expect(&["two"]);
    bench.kill();
    bench.write_to("log.1", "two and a half\n");
    bench.write("four\n");
    bench.start();
    bench.expect(&["two and a half", "four"]);
}

#[test]
fn the_last_line_of_a_rotated_file_may_lack_its_end() {
    let mut bench = Bench::new();
    bench.write("one\ntw");
    bench.start();
    bench.expect(&["one"]);
    bench.rotate();
    bench.write("three\n");
    bench.expect(&["three"]);
    bench.write_to("log.1", "o");
    bench.expect(&[]);
    bench.now += LAST_LINE_WAIT;
    bench.expect(&["two"]);
    bench.kill();
    bench.now += LAST_LINE_WAIT;
    bench.start();
    bench.expect(&[]);
    bench.now += LAST_LINE_WAIT;
    bench.expect(&[]);
}

#[test]
fn rotations_that_nobody_saw_are_made_up_for_oldest_first() {
    for running in [false, true] {
        let mut bench = Bench::new();
        bench.write("one\n");
        bench.start();
        bench.expect(&["one"]);
        if !running {
            bench.kill();
        }
        bench.write("two\n");
        bench.rotate();
        for text in ["three\n", "four\n", "five\n"] {
            bench.write(text);
            bench.rotate();
        }
        bench.write("six\n");
        if !running {
            bench.start();
        }
        bench.expect(&["two", "three", "four", "five", "six"]);
    }
}

#[test]
fn more_rotations_than_are_remembered_come_once() {
    let mut bench = Bench::new();
    bench.write("0\n");
    bench.start();
    let mut got = bench.lines();
    for number in 1..15 {
        bench.rotate();
        bench.write(&format!("{number}\n"));
        if number % 4 == 0 {
            got.extend(bench.lines());
            bench.kill();
            bench.start();
        }
    }
    got.extend(bench.lines());
    let want: Vec<String> = (0..15).map(|number| number.to_string()).collect();
    assert_eq!(got, want);
    assert!(bench.place.unwrap().files.len() <= MAX_EARLIER + 1);
}

#[test]
fn rotated_files_that_were_there_before_it_first_came_are_not_read() {
    let mut bench = Bench::new();
    bench.write("old\n");
    bench.rotate();
    bench.write("one\n");
    fs::write(bench.path("log.9"), "a copy\n").unwrap();
    tick();
    bench.start();
    bench.expect(&["one"]);
    bench.rotate();
    bench.write("two\n");
    bench.expect(&["two"]);
}

#[test]
fn files_with_names_of_their_own_are_never_read() {
    let mut bench = Bench::new();
    bench.write("one\n");
    bench.start();
    bench.expect(&["one"]);
    bench.rotate();
    for name in ["log-errors", "log.old", "log2", "other.1"] {
        bench.write_to(name, "foreign\n");
    }
    tick();
    bench.write("two\n");
    bench.expect(&["two"]);
}

#[test]
fn a_file_cut_back_is_read_from_its_start_however_long_it_is_by_then() {
    for (first, then) in [
        ("one\ntwo\n", "1\n"),
        ("one\n", "ONE\n"),
        ("one\n", "1\n2\n3\n4\n"),
    ] {
        let mut bench = Bench::new();
        bench.write(first);
        bench.start();
        bench.lines();
        fs::write(bench.path("log"), then).unwrap();
        let want: Vec<&str> = then.lines().collect();
        bench.expect(&want);
        bench.kill();
        bench.write("next\n");
        bench.start();
        bench.expect(&["next"]);
    }
}

#[test]
fn of_a_file_copied_and_cut_back_the_rest_is_read_from_the_copy() {
    for running in [false, true] {
        let mut bench = Bench::new();
        bench.write("one\n");
        bench.start();
        bench.expect(&["one"]);
        if !running {
            bench.kill();
        }
        for text in ["two\n", "three\n", "four\n"] {
            bench.write(text);
            bench.copytruncate();
        }
        bench.write("five\nsix\n");
        if !running {
            bench.start();
        }
        bench.expect(&["two", "three", "four", "five", "six"]);
        bench.copytruncate();
        bench.write("seven\n");
        bench.expect(&["seven"]);
    }
}

#[test]
fn a_whole_file_that_came_and_was_cut_back_before_a_line_of_it_was_read_is_read_from_its_copy() {
    for running in [false, true] {
        let mut bench = Bench::new();
        bench.write("one\n");
        bench.start();
        bench.expect(&["one"]);
        bench.copytruncate();
        bench.expect(&[]);
        if !running {
            bench.kill();
        }
        bench.write("two\n");
        bench.copytruncate();
        bench.write("three\n");
        if !running {
            bench.start();
        }
        bench.expect(&["two", "three"]);
    }
}

#[test]
fn a_file_copied_and_cut_back_and_then_renamed_before_it_was_read_is_read_after_its_copy() {
    let mut bench = Bench::new();
    bench.write("one\n");
    bench.start();
    bench.expect(&["one"]);
    bench.kill();
    bench.rotate();
    bench.write("two\n");
    bench.copytruncate();
    bench.start();
    bench.expect(&["two"]);
    bench.kill();
    bench.write("three\n");
    bench.rotate();
    bench.write("four\n");
    bench.start();
    bench.expect(&["three", "four"]);
}

#[test]
fn a_hole_that_a_program_leaves_that_does_not_append_is_passed_over() {
    let mut bench = Bench::new();
    let mut file = fs::File::create(bench.path("log")).unwrap();
    file.write_all(&b"some line\n".repeat(300_000)).unwrap();
    bench.start();
    assert_eq!(bench.lines().len(), 300_000);
    bench.copytruncate();
    file.write_all(b"at the old position\n").unwrap();
    bench.expect(&["at the old position"]);
    bench.kill();
    file.write_all(b"and on\n").unwrap();
    bench.start();
    bench.expect(&["and on"]);
}

#[test]
fn room_made_for_later_lines_is_no_line() {
    let mut bench = Bench::new();
    let mut file = fs::File::create(bench.path("log")).unwrap();
    file.set_len(4_096).unwrap();
    bench.start();
    bench.expect(&[]);
    file.write_all(b"one\ntwo").unwrap();
    bench.expect(&["one"]);
    file.write_all(b"\nthree\n").unwrap();
    bench.expect(&["two", "three"]);
    // NUL bytes between lines are bytes of a line like others.
    file.seek(SeekFrom::Start(100)).unwrap();
    file.write_all(b"x\n").unwrap();
    let line = bench.lines().pop().unwrap();
    assert_eq!((line.len(), line.ends_with("\0x")), (87, true));
}

#[cfg(unix)]
#[test]
fn a_link_that_is_switched_is_followed_after_the_old_file_is_finished() {
    use std::os::unix::fs::symlink;
    for running in [false, true] {
        let mut bench = Bench::new();
        bench.write_to("app-1", "one\n");
        symlink(bench.path("app-1"), bench.path("log")).unwrap();
        bench.start();
        bench.expect(&["one"]);
        if !running {
            bench.kill();
        }
        bench.write_to("app-1", "two\n");
        bench.write_to("app-2", "three\n");
        symlink(bench.path("app-2"), bench.path("next")).unwrap();
        bench.rename("next", "log");
        if !running {
            bench.start();
        }
        bench.expect(&["two", "three"]);
    }
}

#[test]
fn a_file_put_in_place_of_another_with_the_same_and_more_in_it_goes_on() {
    for running in [false, true] {
        let mut bench = Bench::new();
        let old: String = numbered(0, 500);
        bench.write(&old);
        bench.start();
        assert_eq!(bench.lines().len(), 500);
        if !running {
            bench.kill();
        }
        bench.write_to("log.new", &format!("{old}one more\n"));
        bench.rename("log.new", "log");
        if !running {
            bench.start();
        }
        bench.expect(&["one more"]);
    }
}

#[test]
fn a_new_file_with_the_number_of_the_old_one_is_not_taken_for_it() {
    let mut bench = Bench::new();
    bench.write("one\ntwo\n");
    bench.start();
    bench.expect(&["one", "two"]);
    bench.kill();
    fs::write(bench.path("log"), "ONE\nTWO\nTHREE\n").unwrap();
    bench.start();
    bench.expect(&["ONE", "TWO", "THREE"]);
    assert!(
        bench.notes[0].contains("not there any more") && bench.notes[0].contains("byte 8"),
        "{:?}",
        bench.notes
    );
}

#[test]
fn a_file_moved_away_and_back_goes_on_where_it_was() {
    let mut bench = Bench::new();
    bench.write("one\n");
    bench.start();
    bench.expect(&["one"]);
    bench.rename("log", "aside");
    bench.expect(&[]);
    bench.write_to("aside", "two\n");
    bench.expect(&["two"]);
    bench.rename("aside", "log");
    bench.write("three\n");
    bench.expect(&["three"]);

    bench.rename("log", "aside");
    bench.write("of another file\n");
    bench.expect(&["of another file"]);
    bench.rename("aside", "log");
    bench.write("four\n");
    bench.expect(&["four"]);
}

#[test]
fn a_line_longer_than_the_limit_is_cut_and_a_stop_within_it_loses_and_doubles_nothing() {
    let mut bench = Bench::new();
    let long = "ab".repeat(MAX_LINE);
    bench.write(&long);
    bench.start();
    let first = bench.lines();
    assert!(!first.is_empty() && first.iter().all(|part| part.len() <= MAX_LINE));
    bench.kill();
    bench.write("\nnext\n");
    bench.start();
    let mut all = first;
    all.extend(bench.lines());
    assert_eq!(all.pop().unwrap(), "next");
    assert_eq!(all.concat(), long);
}

#[test]
fn many_lines_come_a_bounded_number_at_a_time() {
    let mut bench = Bench::new();
    bench.write(&"\n".repeat(1_000_000));
    bench.start();
    let mut total = 0;
    loop {
        let gathered = bench.follower.as_mut().unwrap().gather(bench.now).unwrap();
        if gathered.lines.is_empty() {
            break;
        }
        assert!(gathered.lines.len() < GATHER_LINES + (128 << 10) + 1);
        total += gathered.lines.len();
    }
    assert_eq!(total, 1_000_000);
}

#[cfg(unix)]
#[test]
fn a_file_this_user_may_not_read_is_told_once_and_waited_for() {
    use std::os::unix::fs::PermissionsExt;
    let mut bench = Bench::new();
    bench.write("one\n");
    bench.start();
    bench.expect(&["one"]);
    bench.rotate();
    bench.write("two\n");
    let closed = fs::Permissions::from_mode(0o000);
    fs::set_permissions(bench.path("log"), closed).unwrap();
    if fs::File::open(bench.path("log")).is_ok() {
        eprintln!("SKIPPED: this user may read every file");
        return;
    }
    bench.expect(&[]);
    bench.expect(&[]);
    assert_eq!(bench.notes.len(), 1, "{:?}", bench.notes);
    let open = fs::Permissions::from_mode(0o600);
    fs::set_permissions(bench.path("log"), open).unwrap();
    bench.expect(&["two"]);
}

/// Any order of writing, rotating, cutting back, looking and being killed: each line comes once, in order.
#[test]
fn whatever_happens_to_the_file_each_line_comes_once() {
    for seed in 0..60_u64 {
        let mut random = crate::random::Random::new(seed);
        let mut bench = Bench::new();
        bench.write("");
        bench.start();
        let by_copy = seed % 2 == 0;
        let (mut written, mut got) = (0, Vec::new());
        for _ in 0..60 {
            match random.between(0, 9) {
                0..=3 => {
                    let lines = numbered(written, written + random.between(1, 40));
                    written += lines.lines().count() as u64;
                    bench.write(&lines);
                }
                4 if by_copy => bench.copytruncate(),
                4 => {
                    bench.rotate();
                    bench.write("");
                }
                5 => {
                    bench.kill();
                    bench.start();
                }
                // A look whose lines were taken and then not published.
                6 => {
                    bench.follower.as_mut().unwrap().gather(bench.now).unwrap();
                    bench.kill();
                    bench.start();
                }
                _ => got.extend(bench.lines()),
            }
        }
        got.extend(bench.lines());
        let want: Vec<String> = (0..written)
            .map(|number| format!("line {number}"))
            .collect();
        assert_eq!(got, want, "seed {seed}; notes: {:?}", bench.notes);
    }
}
