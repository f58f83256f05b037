//! What a setting's value may be, for server and topic settings alike.

/// The type and range of a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A whole number of 32 bits between two bounds.
    Int(i64, i64),
    /// A whole number of 64 bits between two bounds.
    Long(i64, i64),
    /// A number between two bounds.
    Double(f64, f64),
    /// `true` or `false`.
    Bool,
    /// Any text.
    Text,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Some of these words, with commas between; of none given, any word will do.
    List(&'static [&'static str]),
}

impl Kind {
    /// Whether `value` is one; else a sentence that says why not.
    pub fn check(&self, value: &str) -> Result<(), String> {
        let value = value.trim();
        match self {
            Self::Int(min, max) | Self::Long(min, max) => match value.parse::<i64>() {
                Ok(number) if (*min..=*max).contains(&number) => Ok(()),
                Ok(number) => Err(match *max {
                    i64::MAX => format!("{number} is below {min}"),
                    max => format!("{number} is not between {min} and {max}"),
                }),
                Err(_) => Err(format!("{value:?} is no whole number")),
            },
            Self::Double(min, max) => match value.parse::<f64>() {
                Ok(number) if (*min..=*max).contains(&number) => Ok(()),
                Ok(number) => Err(format!("{number} is not between {min} and {max}")),
                Err(_) => Err(format!("{value:?} is no number")),
            },
            Self::Bool => match value.to_ascii_lowercase().as_str() {
                "true" | "false" => Ok(()),
                _ => Err(format!("{value:?} is neither true nor false")),
            },
            Self::Text => Ok(()),
            Self::OneOf(words) if words.contains(&value) => Ok(()),
            Self::OneOf(words) => Err(format!("{value:?} is none of {}", words.join(", "))),
            Self::List(words) => value
                .split(',')
                .map(str::trim)
                .filter(|word| !word.is_empty())
                .find(|word| !words.is_empty() && !words.contains(word))
                .map_or(Ok(()), |word| {
                    Err(format!("{word:?} is none of {}", words.join(", ")))
                }),
        }
    }

    /// The number `DescribeConfigs` gives the type (`ConfigType` of Kafka's `DescribeConfigsResponse`).
    pub fn number(&self) -> i8 {
        match self {
            Self::Bool => 1,
            Self::Text | Self::OneOf(_) => 2,
            Self::Int(..) => 3,
            Self::Long(..) => 5,
            Self::Double(..) => 6,
            Self::List(_) => 7,
        }
    }

    /// Whether values are lists, which `IncrementalAlterConfigs` may append to.
    pub fn is_list(&self) -> bool {
        matches!(self, Self::List(_))
    }
}
