//! The members of a JSON object, or of the `str` of a Python dict, one level deep.
//!
//! Nested lists and objects are passed over, to a bounded depth. No tree is built.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use std::{iter::Peekable, str::CharIndices};

/// A member's value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Member {
    Number(f64),
    Text(String),
    Other,
}

const MAX_DEPTH: usize = 64;

/// Calls `each` with every member of the object `text` is; `each` says whether to go on. `None` if the object is not
/// sound to its end, or `each` ended it.
pub(super) fn members(text: &str, mut each: impl FnMut(String, Member) -> bool) -> Option<()> {
    let mut reader = Reader {
        text,
        chars: text.char_indices().peekable(),
    };
    reader.expect('{')?;
    if !reader.accept('}') {
        loop {
            reader.skip_space();
            let name = reader.string()?;
            reader.expect(':')?;
            let member = reader.value(0)?;
            if !each(name, member) {
                return None;
            }
            if reader.accept('}') {
                break;
            }
            reader.expect(',')?;
            // A Python dict may end in a comma.
            if reader.accept('}') {
                break;
            }
        }
    }
    reader.skip_space();
    reader.chars.next().is_none().then_some(())
}

struct Reader<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
}

impl Reader<'_> {
    fn skip_space(&mut self) {
        while self
            .chars
            .next_if(|(_, c)| c.is_ascii_whitespace())
            .is_some()
        {}
    }

    fn accept(&mut self, wanted: char) -> bool {
        self.skip_space();
        self.chars.next_if(|(_, c)| *c == wanted).is_some()
    }

    fn expect(&mut self, wanted: char) -> Option<()> {
        self.accept(wanted).then_some(())
    }

    fn value(&mut self, depth: usize) -> Option<Member> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.skip_space();
        match self.chars.peek()?.1 {
            '"' | '\'' => self.string().map(Member::Text),
            '{' => self.nested('{', '}', depth),
            '[' => self.nested('[', ']', depth),
            '(' => self.nested('(', ')', depth),
            _ => self.word(),
        }
    }

    fn nested(&mut self, open: char, close: char, depth: usize) -> Option<Member> {
        self.expect(open)?;
        while !self.accept(close) {
            self.value(depth + 1)?;
            if open == '{' {
                self.expect(':')?;
                self.value(depth + 1)?;
            }
            if !self.accept(',') {
                self.expect(close)?;
                break;
            }
        }
        Some(Member::Other)
    }

    /// A number, or one of the names that JSON, JavaScript and Python have.
    fn word(&mut self) -> Option<Member> {
        let start = self.chars.peek()?.0;
        let mut end = start;
        while let Some((at, c)) = self
            .chars
            .next_if(|(_, c)| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        {
            end = at + c.len_utf8();
        }
        match self.text.get(start..end)? {
            "true" | "false" | "null" | "True" | "False" | "None" | "NaN" | "nan" | "Infinity"
            | "-Infinity" | "inf" | "-inf" => Some(Member::Other),
            word => {
                let begins_like_number = word
                    .trim_start_matches(['-', '+', '.'])
                    .starts_with(|c: char| c.is_ascii_digit());
                let value: f64 = word.parse().ok().filter(|_| begins_like_number)?;
                // Too large for a number here is none, as infinity is none.
                Some(if value.is_finite() {
                    Member::Number(value)
                } else {
                    Member::Other
                })
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        let quote = self.chars.next_if(|(_, c)| matches!(c, '"' | '\''))?.1;
        let mut out = String::new();
        loop {
            match self.chars.next()?.1 {
                c if c == quote => return Some(out),
                '\\' => out.push(self.escape()?),
                c => out.push(c),
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        Some(match self.chars.next()?.1 {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'x' => char::from_u32(self.hex(2)?)?,
            'u' => {
                let unit = self.hex(4)?;
                // A name with a surrogate pair is shown with one replacement character a half.
                char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            c => c,
        })
    }

    fn hex(&mut self, digits: usize) -> Option<u32> {
        let mut value = 0;
        for _ in 0..digits {
            value = value << 4 | self.chars.next()?.1.to_digit(16)?;
        }
        Some(value)
    }
}
