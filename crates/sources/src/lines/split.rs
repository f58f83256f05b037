//! Bytes in, lines out, holding no more than one line's limit.

use bytes::Bytes;

/// A line, or a part of one too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Without its end.
    pub(super) bytes: Bytes,
    /// More of the same line follows.
    pub(super) cut: bool,
}

/// Cuts what comes into lines.
#[derive(Debug)]
pub(super) struct Splitter {
    max_bytes: usize,
    /// The line begun.
    open: Vec<u8>,
    /// The line begun is the rest of one that was cut: if nothing follows, there is no empty line.
    rest: bool,
}

impl Splitter {
    /// `max_bytes` is at least 4, the longest character.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes: max_bytes.max(4),
            open: Vec::new(),
            rest: false,
        }
    }

    /// Goes on in the middle of a line whose beginning was cut off before.
    pub(super) fn within_line(max_bytes: usize) -> Self {
        Self {
            rest: true,
            ..Self::new(max_bytes)
        }
    }

    pub(super) fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// Bytes taken that are in no line yet: the last ones that came.
    pub(super) fn open_len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn push(&mut self, mut bytes: &[u8], mut out: impl FnMut(Line)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, after) = bytes.split_at(end);
            bytes = after.get(1..).unwrap_or_default();
            self.grow(line, &mut out);
            self.close(&mut out);
        }
        self.grow(bytes, &mut out);
    }

    /// The last line, if it lacks its end.
    pub(super) fn finish(&mut self, mut out: impl FnMut(Line)) {
        if !self.open.is_empty() {
            self.close(&mut out);
        }
        self.rest = false;
    }

    fn close(&mut self, out: &mut impl FnMut(Line)) {
        if self.open.last() == Some(&b'\r') {
            self.open.pop();
        }
        if !(self.rest && self.open.is_empty()) {
            out(Line {
                bytes: Bytes::copy_from_slice(&self.open),
                cut: false,
            });
        }
        self.open.clear();
        self.rest = false;
    }

    fn grow(&mut self, mut more: &[u8], out: &mut impl FnMut(Line)) {
        // One byte over the limit is kept: it may be the CR of the line's end.
        while self.open.len() + more.len() > self.max_bytes + 1 {
            let room = (self.max_bytes + 1).saturating_sub(self.open.len());
            let (now, later) = more.split_at(room.min(more.len()));
            self.open.extend_from_slice(now);
            more = later;
            let end = boundary(&self.open, self.max_bytes);
            let tail = self.open.split_off(end);
            out(Line {
                bytes: Bytes::from(std::mem::replace(&mut self.open, tail)),
                cut: true,
            });
            self.rest = true;
        }
        self.open.extend_from_slice(more);
        if self.open.len() > self.max_bytes && self.open.last() != Some(&b'\r') {
            let end = boundary(&self.open, self.max_bytes);
            let tail = self.open.split_off(end);
            out(Line {
                bytes: Bytes::from(std::mem::replace(&mut self.open, tail)),
                cut: true,
            });
            self.rest = true;
        }
    }
}

/// Where to cut, at `max` or up to three bytes before it, so that no UTF-8 character is cut.
fn boundary(bytes: &[u8], max: usize) -> usize {
    let continues = |at: usize| bytes.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    (0..4)
        .map(|back| max.saturating_sub(back))
        .find(|at| *at > 0 && !continues(*at))
        .unwrap_or(max)
}

/// A line in pieces of `max_bytes` at most, which are at least 4.
pub(super) fn pieces(line: Line, max_bytes: usize) -> Vec<Line> {
    let mut pieces = Vec::new();
    let mut rest = line.bytes;
    while rest.len() > max_bytes {
        let end = boundary(&rest, max_bytes);
        pieces.push(Line {
            bytes: rest.split_to(end),
            cut: true,
        });
    }
    pieces.push(Line {
        bytes: rest,
        cut: line.cut,
    });
    pieces
}

/// What stands before the first separator, and what after it.
pub(super) fn key(line: &Bytes, separator: &[u8]) -> Option<(Bytes, Bytes)> {
    let at = line
        .windows(separator.len())
        .position(|window| window == separator)?;
    Some((line.slice(..at), line.slice(at + separator.len()..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &[u8], max: usize, piece: usize) -> Vec<(String, bool)> {
        let mut splitter = Splitter::new(max);
        let mut out = Vec::new();
        let mut take = |line: Line| {
            assert!(line.bytes.len() <= max);
            out.push((
                String::from_utf8(line.bytes.to_vec()).unwrap_or_else(|_| "?".to_owned()),
                line.cut,
            ));
        };
        for part in input.chunks(piece) {
            splitter.push(part, &mut take);
        }
        splitter.finish(&mut take);
        out
    }

    #[test]
    fn lines_are_the_same_however_their_bytes_arrive() {
        for (input, want) in [
            ("a\nb\n", vec!["a", "b"]),
            ("a\r\nb", vec!["a", "b"]),
            ("\n\na", vec!["", "", "a"]),
            ("", vec![]),
            ("a\rb\n", vec!["a\rb"]),
            ("\r\n", vec![""]),
            ("Grüße\n日本\n", vec!["Grüße", "日本"]),
        ] {
            for piece in 1..=input.len().max(1) {
                let got: Vec<String> = lines(input.as_bytes(), 100, piece)
                    .into_iter()
                    .map(|(line, _)| line)
                    .collect();
                assert_eq!(got, want, "{input:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_line_too_long_becomes_several_that_hold_all_of_it() {
        let input = "0123456789abcdef".repeat(10);
        for piece in [1, 3, 7, 16, 1_000] {
            let got = lines(format!("{input}\nend\n").as_bytes(), 16, piece);
            let (last, long) = got.split_last().unwrap();
            assert_eq!(last.0, "end");
            let joined: String = long.iter().map(|(line, _)| line.as_str()).collect();
            assert_eq!(joined, input);
            assert!(long[0].1, "the first part says that more follows");
        }
    }

    #[test]
    fn a_line_of_exactly_the_limit_is_whole_whatever_its_end() {
        let full = "x".repeat(16);
        for end in ["\n", "\r\n", ""] {
            for piece in [1, 5, 16, 17, 18] {
                let got = lines(format!("{full}{end}").as_bytes(), 16, piece);
                assert_eq!(got, [(full.clone(), false)], "{end:?} in {piece}");
            }
        }
    }

    #[test]
    fn no_character_is_cut() {
        let input = "ü".repeat(50);
        for piece in [1, 2, 3, 100] {
            let got = lines(input.as_bytes(), 17, piece);
            assert!(got.iter().all(|(line, _)| line.chars().all(|c| c == 'ü')));
            let joined: String = got.into_iter().map(|(line, _)| line).collect();
            assert_eq!(joined, input);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_cut_at_the_limit() {
        let got = lines(&[0x80; 64], 16, 64);
        assert_eq!(got.len(), 4);
    }

    #[test]
    fn a_line_is_cut_again_where_records_must_be_smaller() {
        let line = Line {
            bytes: Bytes::from("äöü\r"),
            cut: false,
        };
        let got = pieces(line.clone(), 5);
        assert_eq!(
            got.iter()
                .map(|piece| (&piece.bytes[..], piece.cut))
                .collect::<Vec<_>>(),
            [("äö".as_bytes(), true), ("ü\r".as_bytes(), false)]
        );
        assert_eq!(pieces(line.clone(), 7), [line]);
    }

    #[test]
    fn the_key_is_what_stands_before_the_first_separator() {
        let line = Bytes::from_static(b"k::v::w");
        let (k, v) = key(&line, b"::").unwrap();
        assert_eq!((&k[..], &v[..]), (&b"k"[..], &b"v::w"[..]));
        assert_eq!(key(&line, b"#"), None);
        assert_eq!(key(&Bytes::new(), b"::"), None);
    }
}
