//! The JSON of results, as people and programs read it: whole numbers without a point, times in milliseconds.

use std::fmt::Write as _;
use std::ops::Range;

/// The times that, as a number of milliseconds, are told apart from one of seconds or microseconds
/// (`weir_media::numbers`): 1973 to 5138.
const TOLD_APART_MS: Range<f64> = 1e11..1e14;

/// A JSON object in the making.
pub(crate) struct Object(String);

impl Object {
    /// Begins with the member `t`: milliseconds since 1970, or RFC 3339 where a number would be taken for another unit.
    pub(crate) fn at(t_ms: f64) -> Self {
        let mut object = Self("{\"t\":".to_owned());
        if TOLD_APART_MS.contains(&t_ms) {
            object.value(t_ms);
        } else {
            let time = jiff::Timestamp::from_millisecond(t_ms.floor() as i64)
                .unwrap_or(jiff::Timestamp::MAX);
            // A string formats without fail.
            let _ = write!(object.0, "\"{time:.3}\"");
        }
        object
    }

    pub(crate) fn number(mut self, name: &str, value: f64) -> Self {
        self.name(name);
        self.value(value);
        self
    }

    pub(crate) fn count(mut self, name: &str, count: u64) -> Self {
        self.name(name);
        let _ = write!(self.0, "{count}");
        self
    }

    pub(crate) fn names(mut self, name: &str, names: &[&str]) -> Self {
        self.name(name);
        self.0.push('[');
        for (at, name) in names.iter().enumerate() {
            if at > 0 {
                self.0.push(',');
            }
            self.text(name);
        }
        self.0.push(']');
        self
    }

    pub(crate) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }

    fn name(&mut self, name: &str) {
        self.0.push(',');
        self.text(name);
        self.0.push(':');
    }

    fn text(&mut self, text: &str) {
        self.0.push_str(&serde_json::Value::from(text).to_string());
    }

    fn value(&mut self, value: f64) {
        // Up to 2⁵³ every whole number is itself.
        if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 {
            let _ = write!(self.0, "{}", value as i64);
        } else {
            // Never null: what is not finite was passed over, and means of what is finite are.
            self.0.push_str(&serde_json::Value::from(value).to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_media::numbers;

    use super::*;

    #[test]
    fn results_are_numbers_as_records_are() {
        let text = Object::at(1_769_860_800_123.0)
            .number("average", 21.5)
            .number("whole", 20.0)
            .number("great", 1e300)
            .count("count", 5)
            .names("missing", &["a\"b", "c"])
            .end();
        assert_eq!(
            text,
            r#"{"t":1769860800123,"average":21.5,"whole":20,"great":1e+300,"count":5,"missing":["a\"b","c"]}"#
        );
    }

    #[test]
    fn every_time_there_can_be_comes_back() {
        for ms in [
            0.0,
            1.0,
            99_999_999_999.0,
            1e11,
            1_769_860_800_123.25,
            99_999_999_999_999.0,
            1e14,
            253_402_200_000_000.0,
        ] {
            let text = Object::at(ms).number("a", 1.0).end();
            let back = numbers::parse(text.as_bytes()).unwrap();
            assert_eq!(back.created_ms(None), Ok(Some(ms)), "{text}");
        }
    }
}
