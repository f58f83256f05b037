//! What a word is.
//!
//! A run of Unicode letters and digits with combining marks and, between two of its characters, an apostrophe (`'` or `’`,
//! written `'`). Everything else parts words, the hyphen too. It is put in lower case as a whole, since a Greek sigma looks
//! different at a word's end. A run of more than [`MAX_WORD_CHARS`] characters is no word: it is a key, a number or text in a
//! script without spaces, and not counted.

/// The longest word, in characters.
pub const MAX_WORD_CHARS: usize = 64;

/// The words of a text, in its order.
pub fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    let mut rest = text.char_indices().peekable();
    std::iter::from_fn(move || {
        loop {
            while rest.next_if(|(_, c)| !c.is_alphanumeric()).is_some() {}
            rest.peek()?;
            let mut word = String::new();
            let mut chars = 0;
            while let Some((at, c)) = rest.next_if(|(at, c)| {
                c.is_alphanumeric() || is_mark(*c) || (is_apostrophe(*c) && letter_after(text, *at))
            }) {
                debug_assert!(text.is_char_boundary(at));
                chars += 1;
                if chars <= MAX_WORD_CHARS {
                    word.push(if is_apostrophe(c) { '\'' } else { c });
                }
            }
            if chars <= MAX_WORD_CHARS {
                return Some(word.to_lowercase());
            }
        }
    })
}

/// A combining mark written after its letter (Unicode's block U+0300): text in decomposed form has them.
fn is_mark(c: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&c)
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}')
}

fn letter_after(text: &str, at: usize) -> bool {
    text.get(at..)
        .and_then(|rest| rest.chars().nth(1))
        .is_some_and(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters_and_digits_in_lower_case() {
        for (text, want) in [
            ("The ferry; THE tug.", vec!["the", "ferry", "the", "tug"]),
            ("", vec![]),
            (" \t\n—…", vec![]),
            ("north-west 3.5", vec!["north", "west", "3", "5"]),
            (
                "don't 'quoted' rock’n’roll",
                vec!["don't", "quoted", "rock'n'roll"],
            ),
            ("dogs' ends '", vec!["dogs", "ends"]),
            (
                "ÄRGER Straße Σίσυφος ΣΊΣΥΦΟΣ",
                vec!["ärger", "straße", "σίσυφος", "σίσυφος"],
            ),
            ("e\u{301}te\u{301}", vec!["e\u{301}te\u{301}"]),
            ("\u{301}x", vec!["x"]),
            ("日本 語", vec!["日本", "語"]),
            ("a\0b", vec!["a", "b"]),
        ] {
            assert_eq!(words(text).collect::<Vec<_>>(), want, "{text:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_no_word_and_ends_where_it_ends() {
        let longest = "x".repeat(MAX_WORD_CHARS);
        let text = format!("a {longest} {longest}y b");
        assert_eq!(words(&text).collect::<Vec<_>>(), ["a", &longest, "b"]);
    }
}
