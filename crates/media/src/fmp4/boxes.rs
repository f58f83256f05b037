//! Boxes of ISO/IEC 14496-12 written into one buffer: a box's length is filled in when it is complete.

/// A buffer of boxes.
#[derive(Debug, Default)]
pub(crate) struct Boxes {
    pub(crate) out: Vec<u8>,
}

impl Boxes {
    pub(crate) fn with_capacity(len_bytes: usize) -> Boxes {
        Boxes {
            out: Vec::with_capacity(len_bytes),
        }
    }

    /// A box whose content `body` writes.
    pub(crate) fn wrap(&mut self, kind: [u8; 4], body: impl FnOnce(&mut Boxes)) {
        let start = self.out.len();
        self.u32(0).bytes(&kind);
        body(self);
        let len_bytes = (self.out.len() - start) as u32;
        self.out[start..start + 4].copy_from_slice(&len_bytes.to_be_bytes());
    }

    /// A box with version and flags in front.
    pub(crate) fn full(
        &mut self,
        kind: [u8; 4],
        version: u8,
        flags: u32,
        body: impl FnOnce(&mut Boxes),
    ) {
        self.wrap(kind, |boxes| {
            boxes.u32(u32::from(version) << 24 | flags);
            body(boxes);
        });
    }

    pub(crate) fn u16(&mut self, value: u16) -> &mut Boxes {
        self.bytes(&value.to_be_bytes())
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Boxes {
        self.bytes(&value.to_be_bytes())
    }

    pub(crate) fn i32(&mut self, value: i32) -> &mut Boxes {
        self.bytes(&value.to_be_bytes())
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Boxes {
        self.bytes(&value.to_be_bytes())
    }

    pub(crate) fn zeros(&mut self, count: usize) -> &mut Boxes {
        self.out.resize(self.out.len() + count, 0);
        self
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Boxes {
        self.out.extend_from_slice(bytes);
        self
    }
}
