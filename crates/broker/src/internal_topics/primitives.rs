//! Reading and writing the primitive types of Kafka's record schemas, big-endian, with every length checked.
//!
//! Bytes in, values out (and back). A length is compared with what is left before anything is taken or allocated, because
//! what lies in a log may have been written by another program or torn by a disk.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used
)]

use bytes::{BufMut, Bytes, BytesMut};

/// Why bytes could not be read as the schema they should have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The bytes end before the value does.
    #[error("the bytes end inside {what}: {needed} more were announced, {left} are left")]
    Short {
        /// Which value was being read.
        what: &'static str,
        /// How many bytes it needs.
        needed: usize,
        /// How many there are.
        left: usize,
    },
    /// A value that the schema does not allow.
    #[error("{what} holds a value that its schema does not allow")]
    Invalid {
        /// Which value.
        what: &'static str,
    },
    /// A schema version written by a newer program.
    #[error("{what} has version {version}, which this program does not know")]
    Version {
        /// Which schema.
        what: &'static str,
        /// The version found.
        version: i16,
    },
}

/// Takes values off the front of some bytes.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

macro_rules! integer {
    ($name:ident, $type:ty) => {
        /// Takes one big-endian integer.
        pub fn $name(&mut self, what: &'static str) -> Result<$type, Malformed> {
            let bytes = self.take(size_of::<$type>(), what)?;
            let mut array = [0; size_of::<$type>()];
            array.copy_from_slice(bytes);
            Ok(<$type>::from_be_bytes(array))
        }
    };
}

impl<'a> Reader<'a> {
    /// Reads from the first of `bytes` on.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been taken yet.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// Takes `len_bytes` bytes.
    pub fn take(&mut self, len_bytes: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        let Some((taken, rest)) = self.rest.split_at_checked(len_bytes) else {
            return Err(Malformed::Short {
                what,
                needed: len_bytes,
                left: self.rest.len(),
            });
        };
        self.rest = rest;
        Ok(taken)
    }

    integer!(i8, i8);
    integer!(i16, i16);
    integer!(i32, i32);
    integer!(u32, u32);
    integer!(i64, i64);

    /// Takes an unsigned variable-length integer of at most 32 bits.
    pub fn unsigned_varint(&mut self, what: &'static str) -> Result<u32, Malformed> {
        let long = self.unsigned_varlong(what)?;
        u32::try_from(long).map_err(|_| Malformed::Invalid { what })
    }

    /// Takes a zigzag variable-length integer of at most 32 bits.
    pub fn varint(&mut self, what: &'static str) -> Result<i32, Malformed> {
        let long = self.varlong(what)?;
        i32::try_from(long).map_err(|_| Malformed::Invalid { what })
    }

    /// Takes a zigzag variable-length integer.
    pub fn varlong(&mut self, what: &'static str) -> Result<i64, Malformed> {
        let raw = self.unsigned_varlong(what)?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    fn unsigned_varlong(&mut self, what: &'static str) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.i8(what)? as u8;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed::Invalid { what })
    }

    /// Takes a string with a 16-bit length; -1 is null.
    pub fn nullable_string(&mut self, what: &'static str) -> Result<Option<String>, Malformed> {
        let len = self.i16(what)?;
        if len == -1 {
            return Ok(None);
        }
        self.text(usize::try_from(len), what).map(Some)
    }

    /// Takes a string with a 16-bit length.
    pub fn string(&mut self, what: &'static str) -> Result<String, Malformed> {
        self.nullable_string(what)?
            .ok_or(Malformed::Invalid { what })
    }

    /// Takes a string with a variable-length length, as flexible versions have it; 0 is null.
    pub fn compact_nullable_string(
        &mut self,
        what: &'static str,
    ) -> Result<Option<String>, Malformed> {
        match self.unsigned_varint(what)? {
            0 => Ok(None),
            more => self.text(usize::try_from(more - 1), what).map(Some),
        }
    }

    /// Takes a string with a variable-length length.
    pub fn compact_string(&mut self, what: &'static str) -> Result<String, Malformed> {
        self.compact_nullable_string(what)?
            .ok_or(Malformed::Invalid { what })
    }

    fn text<E>(&mut self, len: Result<usize, E>, what: &'static str) -> Result<String, Malformed> {
        let len = len.map_err(|_| Malformed::Invalid { what })?;
        std::str::from_utf8(self.take(len, what)?)
            .map(str::to_owned)
            .map_err(|_| Malformed::Invalid { what })
    }

    /// Takes bytes with a 32-bit length.
    pub fn bytes(&mut self, what: &'static str) -> Result<Bytes, Malformed> {
        let len = usize::try_from(self.i32(what)?).map_err(|_| Malformed::Invalid { what })?;
        self.take(len, what).map(Bytes::copy_from_slice)
    }

    /// Takes bytes with a variable-length length.
    pub fn compact_bytes(&mut self, what: &'static str) -> Result<Bytes, Malformed> {
        match self.unsigned_varint(what)? {
            0 => Err(Malformed::Invalid { what }),
            more => self
                .take(more as usize - 1, what)
                .map(Bytes::copy_from_slice),
        }
    }

    /// Takes a 32-bit count of things that are at least `least_len_bytes` long each, so that a count that cannot be true
    /// is refused before room is made for it.
    pub fn count(
        &mut self,
        least_len_bytes: usize,
        what: &'static str,
    ) -> Result<usize, Malformed> {
        let count = usize::try_from(self.i32(what)?).map_err(|_| Malformed::Invalid { what })?;
        self.check_count(count, least_len_bytes, what)
    }

    /// The same with a variable-length count, as flexible versions have it; null is refused.
    pub fn compact_count(
        &mut self,
        least_len_bytes: usize,
        what: &'static str,
    ) -> Result<usize, Malformed> {
        match self.unsigned_varint(what)? {
            0 => Err(Malformed::Invalid { what }),
            more => self.check_count(more as usize - 1, least_len_bytes, what),
        }
    }

    fn check_count(
        &self,
        count: usize,
        least_len_bytes: usize,
        what: &'static str,
    ) -> Result<usize, Malformed> {
        let needed = count.saturating_mul(least_len_bytes.max(1));
        if needed > self.rest.len() {
            return Err(Malformed::Short {
                what,
                needed,
                left: self.rest.len(),
            });
        }
        Ok(count)
    }

    /// Takes the tagged fields at a structure's end, each handed to `each` as (tag, bytes).
    pub fn tagged_fields(
        &mut self,
        mut each: impl FnMut(u32, &'a [u8]) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        for _ in 0..self.unsigned_varint("tagged fields")? {
            let tag = self.unsigned_varint("tag")?;
            let len = self.unsigned_varint("tagged field's length")?;
            each(tag, self.take(len as usize, "tagged field")?)?;
        }
        Ok(())
    }
}

/// Appends values to some bytes. Strings longer than their length field can say are cut at a character's boundary, which
/// no schema of ours reaches: the wire protocol's own strings have the same bound.
pub trait Write {
    /// A string with a 16-bit length.
    fn put_string(&mut self, text: &str);
    /// A string with a 16-bit length, or null.
    fn put_nullable_string(&mut self, text: Option<&str>);
    /// Bytes with a 32-bit length.
    fn put_sized_bytes(&mut self, bytes: &[u8]);
    /// An unsigned variable-length integer.
    fn put_unsigned_varint(&mut self, value: u64);
    /// A zigzag variable-length integer.
    fn put_varlong(&mut self, value: i64);
}

impl Write for BytesMut {
    fn put_string(&mut self, text: &str) {
        let end = text.floor_char_boundary(i16::MAX as usize);
        let cut = text.get(..end).unwrap_or_default();
        self.put_i16(cut.len() as i16);
        self.put_slice(cut.as_bytes());
    }

    fn put_nullable_string(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.put_string(text),
            None => self.put_i16(-1),
        }
    }

    fn put_sized_bytes(&mut self, bytes: &[u8]) {
        self.put_i32(bytes.len() as i32);
        self.put_slice(bytes);
    }

    fn put_unsigned_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.put_u8(value as u8);
    }

    fn put_varlong(&mut self, value: i64) {
        self.put_unsigned_varint(((value << 1) ^ (value >> 63)) as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::{Malformed, Reader, Write};
    use bytes::BytesMut;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_variable_length_integer_comes_back_as_it_went_in(value: i64) {
            let mut bytes = BytesMut::new();
            bytes.put_varlong(value);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.varlong("n"), Ok(value));
            prop_assert_eq!(reader.left(), 0);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Reader::new(&bytes).compact_string("s");
            let _ = Reader::new(&bytes).nullable_string("s");
            let _ = Reader::new(&bytes).compact_bytes("b");
            let _ = Reader::new(&bytes).tagged_fields(|_, _| Ok(()));
        }
    }

    #[test]
    fn a_count_that_cannot_be_true_is_refused_before_room_is_made() {
        let bytes = i32::MAX.to_be_bytes();
        assert!(matches!(
            Reader::new(&bytes).count(8, "things"),
            Err(Malformed::Short { .. })
        ));
        assert_eq!(
            Reader::new(&(-1_i32).to_be_bytes()).count(8, "things"),
            Err(Malformed::Invalid { what: "things" })
        );
    }

    #[test]
    fn an_endless_variable_length_integer_is_refused() {
        assert_eq!(
            Reader::new(&[0xff; 32]).varlong("n"),
            Err(Malformed::Invalid { what: "n" })
        );
    }
}
