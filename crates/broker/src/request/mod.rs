//! Checks a request's bytes before the codec allocates for them.
//!
//! The codec makes room for as many elements as an array's count says. Here every count and length is compared with the bytes
//! that are really there, along the request's [shape](shapes), without allocating anything. What passes is decoded by the
//! codec; what does not costs its sender the connection. Values are not judged here.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

pub(crate) mod shapes;

use kafka_protocol::messages::{ApiKey, RequestKind};
use shapes::{Field, Kind};

use crate::server::frame::Header;

/// The most elements that the arrays of one request may hold together. Kafka sets no bound; an element of one byte on the
/// wire is some hundred in memory, so without one a frame of 100 MB would cost 10 GB.
const MAX_ELEMENTS: usize = 200_000;

/// A request that cannot be read. The connection it came by is closed, as Kafka does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

const CUT_OFF: Malformed = Malformed("the request ends in the middle of a field");

/// Whether `body`, a request of API `key` in `version`, holds what its counts and lengths announce.
pub fn check(key: i16, version: i16, body: &[u8]) -> Result<(), Malformed> {
    let shape = shapes::SHAPES
        .iter()
        .find(|shape| shape.key == key)
        .ok_or(Malformed("this API's requests have no known shape"))?;
    let mut walk = Walk {
        rest: body,
        version,
        flexible: version >= shape.flexible_from,
        elements: 0,
        #[cfg(test)]
        counts_at: Vec::new(),
    };
    walk.fields(shape.fields)
}

/// Reads a whole frame as the broker would: header, check, codec. What comes of it is thrown away; fuzzing calls this.
pub fn read_frame(frame: &[u8]) -> Result<(), Malformed> {
    let mut body = bytes::BytesMut::from(frame);
    let header = Header::take(&mut body, |key, version| {
        ApiKey::try_from(key).is_ok_and(|api| api.request_header_version(version) >= 2)
    })?;
    if header.api_key == 0 {
        return crate::handlers::read_produce(body, header.api_version);
    }
    let api = ApiKey::try_from(header.api_key).map_err(|()| Malformed("no such API"))?;
    check(header.api_key, header.api_version, &body)?;
    RequestKind::decode(api, &mut body.freeze(), header.api_version)
        .map_err(|_| Malformed("the codec cannot decode the body"))?;
    Ok(())
}

/// How many bytes the tagged fields (KIP-482) at the front of `bytes` take.
pub(crate) fn tagged_fields_len(bytes: &[u8]) -> Result<usize, Malformed> {
    let mut walk = Walk {
        rest: bytes,
        version: 0,
        flexible: true,
        elements: 0,
        #[cfg(test)]
        counts_at: Vec::new(),
    };
    walk.tagged_fields(&[])?;
    Ok(bytes.len() - walk.rest.len())
}

/// Takes an unsigned variable-length number off the front of `bytes`.
pub(crate) fn take_varint(bytes: &mut bytes::BytesMut) -> Result<u32, Malformed> {
    let mut walk = Walk {
        rest: bytes,
        version: 0,
        flexible: true,
        elements: 0,
        #[cfg(test)]
        counts_at: Vec::new(),
    };
    let value = walk.varint()?;
    let taken = walk.rest.len();
    let taken = bytes.len() - taken;
    bytes::Buf::advance(bytes, taken);
    Ok(value)
}

/// A request of zeros and of the text "a", each array of so many elements.
#[cfg(test)]
pub(crate) fn example(key: i16, version: i16, elements: u8) -> Vec<u8> {
    let shape = shapes::SHAPES
        .iter()
        .find(|shape| shape.key == key)
        .unwrap_or_else(|| panic!("API {key} has no shape"));
    let mut bytes = Vec::new();
    let flexible = version >= shape.flexible_from;
    write_example(&mut bytes, shape.fields, version, flexible, elements);
    bytes
}

#[cfg(test)]
fn write_example(out: &mut Vec<u8>, fields: &[Field], version: i16, flexible: bool, elements: u8) {
    fn value(out: &mut Vec<u8>, kind: &Kind, version: i16, flexible: bool, elements: u8) {
        match kind {
            Kind::Fixed(len) => out.extend(std::iter::repeat_n(0, *len)),
            Kind::Text if flexible => out.extend([2, b'a']),
            Kind::Text => out.extend([0, 1, b'a']),
            Kind::Blob if flexible => out.extend([1]),
            Kind::Blob => out.extend([0; 4]),
            Kind::Array(_) | Kind::ArrayOf(_) => {
                if flexible {
                    out.push(elements + 1);
                } else {
                    out.extend(i32::from(elements).to_be_bytes());
                }
                for _ in 0..elements {
                    match kind {
                        Kind::Array(fields) => {
                            write_example(out, fields, version, flexible, elements);
                        }
                        Kind::ArrayOf(kind) => value(out, kind, version, flexible, elements),
                        _ => {}
                    }
                }
            }
            Kind::Optional(fields) if elements > 0 => {
                out.push(1);
                write_example(out, fields, version, flexible, elements);
            }
            Kind::Optional(_) => out.push(0xff),
            Kind::Struct(fields) => write_example(out, fields, version, flexible, elements),
        }
    }
    for field in fields {
        if (field.from..=field.to).contains(&version) && field.tag.is_none() {
            value(out, &field.kind, version, flexible, elements);
        }
    }
    if flexible {
        // All tagged fields that there are, when there are elements.
        let known: Vec<&Field> = fields
            .iter()
            .filter(|field| field.tag.is_some() && (field.from..=field.to).contains(&version))
            .filter(|_| elements > 0)
            .collect();
        out.push(known.len() as u8);
        for field in known {
            let mut bytes = Vec::new();
            value(&mut bytes, &field.kind, version, flexible, elements);
            out.extend([field.tag.unwrap_or(0) as u8, bytes.len() as u8]);
            out.extend(bytes);
        }
    }
}

/// Where the counts of a request's arrays stand in it, as distances from its end.
#[cfg(test)]
pub(crate) fn counts_from_end(key: i16, version: i16, body: &[u8]) -> Vec<usize> {
    let shape = shapes::SHAPES
        .iter()
        .find(|shape| shape.key == key)
        .unwrap();
    let mut walk = Walk {
        rest: body,
        version,
        flexible: version >= shape.flexible_from,
        elements: 0,
        counts_at: Vec::new(),
    };
    walk.fields(shape.fields).unwrap();
    assert_eq!(
        walk.rest.len(),
        0,
        "the shape of API {key} v{version} is incomplete"
    );
    walk.counts_at
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    elements: usize,
    #[cfg(test)]
    counts_at: Vec<usize>,
}

impl Walk<'_> {
    fn fields(&mut self, fields: &[Field]) -> Result<(), Malformed> {
        for field in fields {
            if (field.from..=field.to).contains(&self.version) && field.tag.is_none() {
                self.value(&field.kind)?;
            }
        }
        if self.flexible {
            self.tagged_fields(fields)?;
        }
        Ok(())
    }

    fn value(&mut self, kind: &Kind) -> Result<(), Malformed> {
        match kind {
            Kind::Fixed(len) => self.skip(*len),
            Kind::Text => {
                let len = if self.flexible {
                    self.compact_len()?
                } else {
                    signed_len(i32::from(i16::from_be_bytes(self.take()?)))?
                };
                self.skip(len.unwrap_or(0))
            }
            Kind::Blob => {
                let len = if self.flexible {
                    self.compact_len()?
                } else {
                    signed_len(i32::from_be_bytes(self.take()?))?
                };
                self.skip(len.unwrap_or(0))
            }
            Kind::Array(fields) => {
                for _ in 0..self.count()? {
                    self.fields(fields)?;
                }
                Ok(())
            }
            Kind::ArrayOf(kind) => {
                for _ in 0..self.count()? {
                    self.value(kind)?;
                }
                Ok(())
            }
            Kind::Optional(fields) => match i8::from_be_bytes(self.take()?) {
                -1 => Ok(()),
                1 => self.fields(fields),
                _ => Err(Malformed("an optional part is neither there nor absent")),
            },
            Kind::Struct(fields) => self.fields(fields),
        }
    }

    /// An array's count, which is never more than the bytes that are left: no element takes less than one.
    fn count(&mut self) -> Result<usize, Malformed> {
        #[cfg(test)]
        self.counts_at.push(self.rest.len());
        let count = if self.flexible {
            self.compact_len()?
        } else {
            signed_len(i32::from_be_bytes(self.take()?))?
        }
        .unwrap_or(0);
        self.elements = self.elements.saturating_add(count);
        if count > self.rest.len() || self.elements > MAX_ELEMENTS {
            return Err(Malformed(
                "an array announces more elements than the request can hold",
            ));
        }
        Ok(count)
    }

    fn tagged_fields(&mut self, known: &[Field]) -> Result<(), Malformed> {
        for _ in 0..self.varint()? {
            self.elements += 1;
            if self.elements > MAX_ELEMENTS {
                return Err(Malformed("a request of too many tagged fields"));
            }
            let tag = self.varint()?;
            let len = self.varint()? as usize;
            let before = self.rest.len();
            let field = known.iter().find(|field| {
                field.tag == Some(tag) && (field.from..=field.to).contains(&self.version)
            });
            match field {
                // The codec reads a tagged field it knows by its type and not by its length; both must agree.
                Some(field) => {
                    self.value(&field.kind)?;
                    if before - self.rest.len() != len {
                        return Err(Malformed(
                            "a tagged field's length is not that of its value",
                        ));
                    }
                }
                None => self.skip(len)?,
            }
        }
        Ok(())
    }

    fn compact_len(&mut self) -> Result<Option<usize>, Malformed> {
        Ok((self.varint()? as usize).checked_sub(1))
    }

    fn varint(&mut self) -> Result<u32, Malformed> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.take()?;
            value |= u32::from(byte & 0x7f)
                .checked_shl(shift)
                .unwrap_or_default();
            if byte < 0x80 {
                if shift == 28 && byte > 0x0f {
                    break;
                }
                return Ok(value);
            }
        }
        Err(Malformed("a variable-length number is longer than 32 bits"))
    }

    fn skip(&mut self, len: usize) -> Result<(), Malformed> {
        self.rest = self.rest.get(len..).ok_or(CUT_OFF)?;
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(CUT_OFF)?;
        self.rest = rest;
        Ok(*head)
    }
}

fn signed_len(len: i32) -> Result<Option<usize>, Malformed> {
    match len {
        -1 => Ok(None),
        len => usize::try_from(len)
            .map(Some)
            .map_err(|_| Malformed("a length is negative")),
    }
}
