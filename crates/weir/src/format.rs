//! How a record is printed: kcat's `%` formats, and JSON.

use std::io::{self, Write};

use anyhow::bail;
use serde_json::{Value, json};
use weir_client::Record;

/// A format, parsed.
#[derive(Debug, PartialEq, Eq)]
pub struct Format(Vec<Piece>);

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Literal(Vec<u8>),
    Value,
    ValueLen,
    Key,
    KeyLen,
    Topic,
    Partition,
    Offset,
    Timestamp,
    Headers,
}

impl Format {
    /// Reads kcat's format: `%s %S %k %K %t %p %o %T %h %%`, `\n \r \t \\ \xHH`.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut chars = text.chars();
        while let Some(char) = chars.next() {
            let piece = match char {
                '%' => match chars.next() {
                    Some('s') => Piece::Value,
                    Some('S') => Piece::ValueLen,
                    Some('k') => Piece::Key,
                    Some('K') => Piece::KeyLen,
                    Some('t') => Piece::Topic,
                    Some('p') => Piece::Partition,
                    Some('o') => Piece::Offset,
                    Some('T') => Piece::Timestamp,
                    Some('h') => Piece::Headers,
                    Some('%') => {
                        literal.push(b'%');
                        continue;
                    }
                    Some(other) => bail!(
                        "--format: %{other} means nothing here; there are %s %S %k %K %t %p %o %T %h %%"
                    ),
                    None => bail!("--format ends in a single %: write %% for a percent sign"),
                },
                '\\' => {
                    literal.push(escape(&mut chars)?);
                    continue;
                }
                other => {
                    literal.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
            };
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(piece);
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self(pieces))
    }

    /// Prints one record. As in kcat, a missing key or value prints as nothing and has the length -1.
    pub fn write(&self, record: &Record, out: &mut impl Write) -> io::Result<()> {
        let len = |bytes: Option<&bytes::Bytes>| {
            bytes.map_or_else(|| "-1".to_owned(), |bytes| bytes.len().to_string())
        };
        for piece in &self.0 {
            match piece {
                Piece::Literal(bytes) => out.write_all(bytes)?,
                Piece::Value => out.write_all(record.value.as_deref().unwrap_or_default())?,
                Piece::ValueLen => out.write_all(len(record.value.as_ref()).as_bytes())?,
                Piece::Key => out.write_all(record.key.as_deref().unwrap_or_default())?,
                Piece::KeyLen => out.write_all(len(record.key.as_ref()).as_bytes())?,
                Piece::Topic => out.write_all(record.topic.as_bytes())?,
                Piece::Partition => write!(out, "{}", record.partition)?,
                Piece::Offset => write!(out, "{}", record.offset)?,
                Piece::Timestamp => write!(out, "{}", record.timestamp.map_or(-1, |at| at.0))?,
                Piece::Headers => headers(record, out)?,
            }
        }
        Ok(())
    }
}

fn escape(chars: &mut std::str::Chars<'_>) -> anyhow::Result<u8> {
    Ok(match chars.next() {
        Some('n') => b'\n',
        Some('r') => b'\r',
        Some('t') => b'\t',
        Some('\\') => b'\\',
        Some('x') => {
            let digits: String = chars.by_ref().take(2).collect();
            match u8::from_str_radix(&digits, 16) {
                Ok(byte) if digits.len() == 2 => byte,
                _ => bail!(
                    "--format: \\x{digits} is no byte: write two hexadecimal digits, such as \\x1f"
                ),
            }
        }
        Some(other) => {
            bail!("--format: \\{other} means nothing here; there are \\n \\r \\t \\\\ \\xHH")
        }
        None => bail!("--format ends in a single \\: write \\\\ for a backslash"),
    })
}

fn headers(record: &Record, out: &mut impl Write) -> io::Result<()> {
    for (i, (name, value)) in record.headers.iter().enumerate() {
        if i > 0 {
            out.write_all(b",")?;
        }
        out.write_all(name.as_bytes())?;
        out.write_all(b"=")?;
        out.write_all(value.as_deref().unwrap_or(b"NULL"))?;
    }
    Ok(())
}

/// A record as one JSON object. Bytes that are no UTF-8 stand as hex under a name that says so.
pub fn json(record: &Record) -> Value {
    let mut object = json!({
        "topic": &*record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp_ms": record.timestamp.map(|at| at.0),
        "headers": record
            .headers
            .iter()
            .map(|(name, value)| {
                let mut header = json!({ "name": name });
                insert(&mut header, "value", value.as_deref());
                header
            })
            .collect::<Vec<_>>(),
    });
    insert(&mut object, "key", record.key.as_deref());
    insert(&mut object, "value", record.value.as_deref());
    object
}

fn insert(object: &mut Value, name: &str, bytes: Option<&[u8]>) {
    let Value::Object(object) = object else {
        return;
    };
    match bytes.map(|bytes| (std::str::from_utf8(bytes), bytes)) {
        None => object.insert(name.to_owned(), Value::Null),
        Some((Ok(text), _)) => object.insert(name.to_owned(), text.into()),
        Some((Err(_), bytes)) => object.insert(format!("{name}_hex"), hex(bytes).into()),
    };
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use weir_base::time::Timestamp;

    use super::*;

    fn record() -> Record {
        Record {
            topic: "t".into(),
            partition: 2,
            offset: 7,
            timestamp: Some(Timestamp(1_000)),
            key: Some("k".into()),
            value: Some("hello".into()),
            headers: vec![("a".into(), Some("1".into())), ("b".into(), None)],
        }
    }

    fn printed(format: &str, record: &Record) -> String {
        let mut out = Vec::new();
        Format::parse(format)
            .unwrap()
            .write(record, &mut out)
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_piece_of_kcats_format_prints_what_it_names() {
        assert_eq!(
            printed(r"%t %p %o %T %k %K %s %S %h 100%%\n", &record()),
            "t 2 7 1000 k 1 hello 5 a=1,b=NULL 100%\n"
        );
        assert_eq!(printed(r"\x41\t%s", &record()), "A\thello");
    }

    #[test]
    fn a_missing_key_prints_as_nothing_with_length_minus_one() {
        assert_eq!(
            printed(
                "[%k]%K",
                &Record {
                    key: None,
                    ..record()
                }
            ),
            "[]-1"
        );
    }

    #[test]
    fn a_wrong_format_is_refused_with_what_there_is() {
        for bad in ["%q", "%", r"\", r"\q", r"\x4", r"\xzz"] {
            let refusal = Format::parse(bad).unwrap_err().to_string();
            assert!(refusal.starts_with("--format"), "{bad}: {refusal}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_stand_as_hex_in_json() {
        let value = json(&Record {
            value: Some(vec![0xff, 0x00].into()),
            ..record()
        });
        assert_eq!(value["value_hex"], "ff00");
        assert_eq!(value["key"], "k");
        assert!(value.get("value").is_none());
    }
}
