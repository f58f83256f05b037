//! `text`: each value as it is, and a line feed. A record without a value is an empty line, so that lines can be counted.

use bytes::{BufMut, Bytes, BytesMut};
use weir_client::Record;

use super::{EncodeError, Encoder};

#[derive(Default)]
pub(super) struct Text(BytesMut);

impl Encoder for Text {
    fn push(&mut self, record: &Record) {
        if let Some(value) = &record.value {
            self.0.put_slice(value);
        }
        self.0.put_u8(b'\n');
    }

    fn ready_bytes(&self) -> usize {
        self.0.len()
    }

    fn held_bytes(&self) -> usize {
        self.0.len()
    }

    fn take(&mut self) -> Bytes {
        self.0.split().freeze()
    }

    fn finish(&mut self) -> Result<Bytes, EncodeError> {
        Ok(self.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::tests::{encode, record};

    #[test]
    fn each_value_is_a_line_and_no_value_an_empty_one() {
        let records = [
            record(0, b"to be"),
            Record {
                value: None,
                ..record(1, b"")
            },
            record(2, b"\xff\0"),
        ];
        assert_eq!(
            encode(Box::<Text>::default(), &records),
            b"to be\n\n\xff\0\n"
        );
    }
}
