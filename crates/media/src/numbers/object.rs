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

use super::python;

/// A member's value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Member {
    Number(f64),
    /// NaN, an infinity, or a number too large for one here.
    NotFinite,
    Text(String),
    /// Milliseconds since 1970.
    Time(f64),
    /// A time zone, in minutes ahead of UTC.
    Zone(i64),
    Other,
}

/// What is in the brackets behind a name, in order; each with the name before its `=`, where there is one.
pub(super) type Arguments = Vec<(Option<String>, Member)>;

/// More arguments than this no call here has.
const MAX_ARGUMENTS: usize = 16;
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

/// The content of a text that is one JSON string and nothing else.
pub(super) fn whole_string(text: &str) -> Option<String> {
    let mut reader = Reader {
        text,
        chars: text.char_indices().peekable(),
    };
    let content = reader.string()?;
    reader.chars.next().is_none().then_some(content)
}

/// The names that JSON's extensions, JavaScript and Python have for what is no finite number.
pub(super) fn is_not_finite(text: &str) -> bool {
    matches!(
        text,
        "NaN" | "nan" | "Infinity" | "+Infinity" | "-Infinity" | "inf" | "+inf" | "-inf"
    )
}

enum Argument {
    Member(Member),
    Name(String),
}

struct Reader<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
}

impl<'a> Reader<'a> {
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
            _ => self.word(depth),
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

    /// A number, one of the names that JSON, JavaScript and Python have, or a call as Python's `repr` writes objects.
    fn word(&mut self, depth: usize) -> Option<Member> {
        let word = self.bare()?;
        if self.chars.peek().is_some_and(|(_, c)| *c == '(') {
            let arguments = self.arguments(depth)?;
            return Some(python::call(word, &arguments));
        }
        match word {
            "true" | "false" | "null" | "True" | "False" | "None" => Some(Member::Other),
            _ if is_not_finite(word) => Some(Member::NotFinite),
            _ => {
                let begins_like_number = word
                    .trim_start_matches(['-', '+', '.'])
                    .starts_with(|c: char| c.is_ascii_digit());
                let value: f64 = word.parse().ok().filter(|_| begins_like_number)?;
                // Too large for a number here is none, as infinity is none.
                Some(if value.is_finite() {
                    Member::Number(value)
                } else {
                    Member::NotFinite
                })
            }
        }
    }

    /// What stands up to the next space, bracket, comma or quote.
    fn bare(&mut self) -> Option<&'a str> {
        let start = self.chars.peek()?.0;
        let mut end = start;
        while let Some((at, c)) = self
            .chars
            .next_if(|(_, c)| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_'))
        {
            end = at + c.len_utf8();
        }
        self.text.get(start..end)
    }

    /// `(2026, 1, 31, tzinfo=datetime.timezone.utc)`.
    fn arguments(&mut self, depth: usize) -> Option<Arguments> {
        if depth >= MAX_DEPTH {
            return None;
        }
        self.expect('(')?;
        let mut arguments = Vec::new();
        while !self.accept(')') {
            if arguments.len() == MAX_ARGUMENTS {
                return None;
            }
            self.skip_space();
            let (mut name, mut argument) = (None, self.argument(depth + 1)?);
            if self.accept('=') {
                name = Some(match argument {
                    Argument::Name(name) => name,
                    Argument::Member(_) => return None,
                });
                self.skip_space();
                argument = self.argument(depth + 1)?;
            }
            let member = match argument {
                Argument::Member(member) => member,
                Argument::Name(name) => python::named(&name),
            };
            arguments.push((name, member));
            if !self.accept(',') {
                self.expect(')')?;
                break;
            }
        }
        Some(arguments)
    }

    /// In a call's brackets a bare name may be anything: a keyword, a constant of some module.
    fn argument(&mut self, depth: usize) -> Option<Argument> {
        let begins = self.chars.peek()?.1;
        if !begins.is_ascii_alphabetic() {
            return self.value(depth).map(Argument::Member);
        }
        let mark = self.chars.clone();
        let name = self.bare()?.to_owned();
        if self.chars.peek().is_some_and(|(_, c)| *c == '(') || is_not_finite(&name) {
            self.chars = mark;
            return self.word(depth).map(Argument::Member);
        }
        Some(Argument::Name(name))
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
