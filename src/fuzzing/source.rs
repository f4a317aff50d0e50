//! Structured input from bytes: small numbers from the front, the rest as payload. Bytes that are missing read as zero,
//! so every input means something.

use super::lookup;
use crate::types::io::{self, IoContext};
use crate::types::{Datum, Oid, SqlType, wire};

/// The unread rest of an input.
pub(super) struct Source<'a>(pub(super) &'a [u8]);

impl<'a> Source<'a> {
    /// One byte.
    pub(super) fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().map_or((0, self.0), |(first, rest)| (*first, rest));
        self.0 = rest;
        first
    }

    /// A number below `limit`.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit
    }

    /// Up to 65,535 bytes behind their length.
    pub(super) fn piece(&mut self) -> &'a [u8] {
        let length = usize::from(u16::from_be_bytes([self.byte(), self.byte()]));
        let (piece, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        piece
    }

    /// A type of the list.
    pub(super) fn oid(&mut self) -> Oid {
        lookup::TYPES[self.below(lookup::TYPES.len())]
    }

    /// A value of a type: a byte that says whether text or binary follows, and a piece. `None` for NULL and for bytes that
    /// are no such value.
    pub(super) fn datum(&mut self, oid: Oid, ctx: &IoContext<'_>) -> Option<Datum> {
        let kind = self.below(3);
        let piece = self.piece();
        match kind {
            0 => io::input(wire::text_from(piece).ok()?, SqlType::of(oid), ctx).ok(),
            1 => wire::recv(piece, SqlType::of(oid), ctx).ok(),
            _ => None,
        }
    }
}

/// Calls `take` with the pieces of `data`, each of 1 to `most` bytes.
pub(super) fn in_pieces(data: &[u8], most: usize, mut take: impl FnMut(&[u8])) {
    let mut length = 1;
    let mut rest = data;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(length.min(rest.len()));
        take(piece);
        rest = after;
        length = length % most + 1;
    }
}
