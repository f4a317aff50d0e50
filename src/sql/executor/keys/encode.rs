//! Encoding a batch's key columns.

use std::cmp::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, UInt32Type};
use arrow_array::{Array, ArrayRef, BinaryViewArray, StringViewArray};
use arrow_buffer::NullBuffer;
use std::hash::BuildHasher;

use crate::error::Result;
use crate::sql::eval::eval_batch;
use crate::sql::executor::ExecContext;
use crate::sql::expr::{Expr, SortKey};
use crate::types::column::{Batch, Physical, datum_at, physical_of};
use crate::types::keycode::{self, NULL_FIRST, NULL_LAST, VALUE, word_of_f64, word_of_i64};
use crate::types::{Oid, SqlType};

/// Bytes of a key in [`Keys::head`].
const HEAD_BYTES: usize = 12;
/// Bytes of a key in [`Keys::long_head`].
const LONG_HEAD_BYTES: usize = 28;

/// One column of a key.
#[derive(Clone, Copy, Debug)]
struct KeyColumn {
    oid: Oid,
    descending: bool,
    nulls_first: bool,
}

/// The columns of a key and their order.
#[derive(Clone, Debug)]
pub(in crate::sql::executor) struct KeyShape {
    columns: Vec<KeyColumn>,
    words: bool,
}

/// The keys of a batch, one per row.
pub(in crate::sql::executor) enum Keys {
    /// One column of at most eight bytes: numbers of the column's order, and which rows are NULL.
    Words { images: Vec<u64>, nulls: Option<NullBuffer>, null_tag: u8 },
    /// Anything else: all keys one after the other, and where each ends.
    Bytes { arena: Vec<u8>, ends: Ends },
}

/// Where keys end in their arena.
pub(in crate::sql::executor) enum Ends {
    /// All have one width, which may be 0.
    Every(usize, usize),
    /// Each its own end.
    At(Vec<u32>),
}

/// Whether values of a type are told apart and ordered by eight bytes.
fn is_word(oid: Oid) -> bool {
    !matches!(physical_of(oid), Physical::Text | Physical::Bytes)
}

impl KeyShape {
    fn new(columns: Vec<KeyColumn>) -> Self {
        let words = matches!(columns.as_slice(), [only] if is_word(only.oid));
        Self { columns, words }
    }

    /// Keys that order as ORDER BY says.
    pub(in crate::sql::executor) fn of_order(keys: &[SortKey]) -> Self {
        let column = |key: &SortKey| KeyColumn {
            oid: key.expr.ty().oid,
            descending: key.descending,
            nulls_first: key.nulls_first,
        };
        Self::new(keys.iter().map(column).collect())
    }

    /// Keys of expressions, ascending with NULLs last.
    pub(in crate::sql::executor) fn of_exprs(exprs: &[Expr]) -> Self {
        Self::of_types(exprs.iter().map(|expr| expr.ty().oid))
    }

    /// Keys of columns of these types, ascending with NULLs last.
    pub(in crate::sql::executor) fn of_types(types: impl Iterator<Item = Oid>) -> Self {
        Self::new(types.map(|oid| KeyColumn { oid, descending: false, nulls_first: false }).collect())
    }

    /// This key before another.
    pub(in crate::sql::executor) fn then(&self, other: &Self) -> Self {
        Self::new(self.columns.iter().chain(&other.columns).copied().collect())
    }

    /// Whether keys are numbers.
    pub(in crate::sql::executor) fn is_words(&self) -> bool {
        self.words
    }

    /// This shape with keys as bytes in any case, to be compared with keys that cannot be numbers.
    pub(in crate::sql::executor) fn as_bytes(mut self) -> Self {
        self.words = false;
        self
    }

    /// The keys of `rows` rows; `arrays` has the columns in order.
    pub(in crate::sql::executor) fn encode(&self, arrays: &[ArrayRef], rows: usize) -> Keys {
        debug_assert_eq!(arrays.len(), self.columns.len(), "one array per key column");
        if self.words {
            let (array, column) = (&arrays[0], self.columns[0]);
            let null_tag = if column.nulls_first { NULL_FIRST } else { NULL_LAST };
            let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0).cloned();
            return Keys::Words { images: images(array, column), nulls, null_tag };
        }
        let parts: Vec<Part<'_>> =
            self.columns.iter().zip(arrays).map(|(column, array)| Part::of(*column, array)).collect();
        if parts.iter().all(|part| part.width().is_some()) {
            let width: usize = parts.iter().filter_map(Part::width).sum();
            let mut arena = vec![0; width * rows];
            let mut at: Vec<u32> = (0..rows).map(|row| place(row * width)).collect();
            parts.iter().for_each(|part| part.write(&mut arena, &mut at));
            return Keys::Bytes { arena, ends: Ends::Every(width, rows) };
        }
        let mut ends = vec![0_u32; rows];
        parts.iter().for_each(|part| part.add_lengths(&mut ends));
        let (mut total, mut at) = (0_u32, Vec::with_capacity(rows));
        for end in &mut ends {
            at.push(total);
            total = total.checked_add(*end).expect("the keys of a batch have fewer than 2^32 bytes");
            *end = total;
        }
        let mut arena = vec![0; total as usize];
        parts.iter().for_each(|part| part.write(&mut arena, &mut at));
        Keys::Bytes { arena, ends: Ends::At(ends) }
    }
}

/// The values of expressions for a batch.
///
/// # Errors
/// Those of the expressions.
pub(in crate::sql::executor) fn columns_of<'a>(
    exprs: impl Iterator<Item = &'a Expr>,
    batch: &Batch,
    ctx: &ExecContext,
) -> Result<Vec<ArrayRef>> {
    exprs.map(|expr| eval_batch(expr, batch, &ctx.eval)).collect()
}

fn place(at: usize) -> u32 {
    u32::try_from(at).expect("the keys of a batch have fewer than 2^32 bytes")
}

/// Numbers that order as the values of a column do; NULL has any.
fn images(array: &ArrayRef, column: KeyColumn) -> Vec<u64> {
    let flip = if column.descending { u64::MAX } else { 0 };
    macro_rules! integers {
        ($ty:ty) => {
            array.as_primitive::<$ty>().values().iter().map(|value| word_of_i64(i64::from(*value)) ^ flip).collect()
        };
    }
    match physical_of(column.oid) {
        Physical::Bool => array.as_boolean().values().iter().map(|value| u64::from(value) ^ flip).collect(),
        Physical::Int16 => integers!(Int16Type),
        Physical::Int32 => integers!(Int32Type),
        Physical::Int64 => integers!(Int64Type),
        Physical::UInt32 => integers!(UInt32Type),
        Physical::Float32 => {
            let values = array.as_primitive::<Float32Type>().values();
            values.iter().map(|value| word_of_f64(f64::from(*value)) ^ flip).collect()
        }
        Physical::Float64 => {
            let values = array.as_primitive::<Float64Type>().values();
            values.iter().map(|value| word_of_f64(*value) ^ flip).collect()
        }
        Physical::Text | Physical::Bytes => panic!("strings have no image"),
    }
}

/// How a column's bytes are written.
enum Body<'a> {
    /// Eight bytes.
    Words(Vec<u64>),
    /// Sixteen bytes as they are: uuid.
    Wide(&'a BinaryViewArray),
    /// Text; `character(n)` without its trailing blanks.
    Text(&'a StringViewArray, bool),
    /// bytea.
    Raw(&'a BinaryViewArray),
    /// Encoded value by value, tags and direction included.
    Made(Vec<u8>, Vec<u32>),
}

struct Part<'a> {
    body: Body<'a>,
    nulls: Option<&'a NullBuffer>,
    null_tag: u8,
    flip: u8,
}

impl<'a> Part<'a> {
    fn of(column: KeyColumn, array: &'a ArrayRef) -> Self {
        let body = match (physical_of(column.oid), column.oid) {
            (Physical::Text, oid) => Body::Text(array.as_string_view(), oid == Oid::BPCHAR),
            (Physical::Bytes, Oid::UUID) => Body::Wide(array.as_binary_view()),
            (Physical::Bytes, Oid::BYTEA) => Body::Raw(array.as_binary_view()),
            (Physical::Bytes, oid) => {
                let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(array.len()));
                for row in 0..array.len() {
                    let datum = datum_at(array, oid, row);
                    keycode::encode_key_typed(oid, &datum, column.descending, column.nulls_first, &mut bytes);
                    ends.push(place(bytes.len()));
                }
                Body::Made(bytes, ends)
            }
            _ => Body::Words(images(array, column)),
        };
        Self {
            body,
            nulls: array.nulls().filter(|nulls| nulls.null_count() > 0),
            null_tag: if column.nulls_first { NULL_FIRST } else { NULL_LAST },
            flip: if column.descending { 0xff } else { 0 },
        }
    }

    fn width(&self) -> Option<usize> {
        match self.body {
            Body::Words(_) => Some(9),
            Body::Wide(_) => Some(17),
            _ => None,
        }
    }

    #[inline]
    fn is_null(&self, row: usize) -> bool {
        self.nulls.is_some_and(|nulls| nulls.is_null(row))
    }

    /// What a row of strings holds; `None` for NULL.
    #[inline]
    fn string(&self, row: usize) -> Option<&'a [u8]> {
        if self.is_null(row) {
            return None;
        }
        match self.body {
            Body::Text(array, true) => Some(array.value(row).trim_end_matches(' ').as_bytes()),
            Body::Text(array, false) => Some(array.value(row).as_bytes()),
            Body::Raw(array) => Some(array.value(row)),
            _ => None,
        }
    }

    fn add_lengths(&self, lengths: &mut [u32]) {
        match &self.body {
            Body::Words(_) => lengths.iter_mut().for_each(|length| *length += 9),
            Body::Wide(_) => lengths.iter_mut().for_each(|length| *length += 17),
            Body::Text(..) | Body::Raw(_) => {
                for (row, length) in lengths.iter_mut().enumerate() {
                    *length += self
                        .string(row)
                        .map_or(1, |bytes| place(bytes.len() + 3 + memchr::memchr_iter(0, bytes).count()));
                }
            }
            Body::Made(_, ends) => {
                let mut start = 0;
                for (length, end) in lengths.iter_mut().zip(ends) {
                    *length += end - start;
                    start = *end;
                }
            }
        }
    }

    /// Writes each row's bytes where `at` says and moves it behind them.
    fn write(&self, arena: &mut [u8], at: &mut [u32]) {
        match &self.body {
            Body::Words(images) => {
                for (row, (at, image)) in at.iter_mut().zip(images).enumerate() {
                    let room = arena[*at as usize..].first_chunk_mut::<9>().expect("room was counted");
                    if self.is_null(row) {
                        room[0] = self.null_tag;
                    } else {
                        room[0] = VALUE;
                        room[1..].copy_from_slice(&image.to_be_bytes());
                    }
                    *at += 9;
                }
            }
            Body::Wide(array) => {
                for (row, at) in at.iter_mut().enumerate() {
                    let room = &mut arena[*at as usize..*at as usize + 17];
                    if self.is_null(row) {
                        room[0] = self.null_tag;
                    } else {
                        room[0] = VALUE;
                        room[1..].copy_from_slice(array.value(row));
                        room[1..].iter_mut().for_each(|byte| *byte ^= self.flip);
                    }
                    *at += 17;
                }
            }
            Body::Text(..) | Body::Raw(_) => {
                for (row, at) in at.iter_mut().enumerate() {
                    let start = *at as usize;
                    let Some(bytes) = self.string(row) else {
                        arena[start] = self.null_tag;
                        *at += 1;
                        continue;
                    };
                    arena[start] = VALUE;
                    let used = put_string(bytes, &mut arena[start + 1..]);
                    if self.flip != 0 {
                        arena[start + 1..start + 1 + used].iter_mut().for_each(|byte| *byte = !*byte);
                    }
                    *at += place(used + 1);
                }
            }
            Body::Made(bytes, ends) => {
                let mut start = 0;
                for (at, end) in at.iter_mut().zip(ends) {
                    let own = &bytes[start..*end as usize];
                    arena[*at as usize..*at as usize + own.len()].copy_from_slice(own);
                    *at += place(own.len());
                    start = *end as usize;
                }
            }
        }
    }
}

/// [`keycode::put_bytes`] into room that is there; the bytes written.
#[inline]
fn put_string(bytes: &[u8], room: &mut [u8]) -> usize {
    let mut used = 0;
    if memchr::memchr(0, bytes).is_none() {
        room[..bytes.len()].copy_from_slice(bytes);
        used = bytes.len();
    } else {
        for byte in bytes {
            room[used] = *byte;
            used += 1;
            if *byte == 0 {
                room[used] = 0xff;
                used += 1;
            }
        }
    }
    room[used] = 0x00;
    room[used + 1] = 0x01;
    used + 2
}

impl Keys {
    /// Number of keys.
    pub(in crate::sql::executor) fn len(&self) -> usize {
        match self {
            Self::Words { images, .. } => images.len(),
            Self::Bytes { ends: Ends::Every(_, rows), .. } => *rows,
            Self::Bytes { ends: Ends::At(ends), .. } => ends.len(),
        }
    }

    /// The bytes of a key.
    ///
    /// # Panics
    /// On keys that are numbers.
    #[inline]
    pub(in crate::sql::executor) fn bytes(&self, row: usize) -> &[u8] {
        match self {
            Self::Words { .. } => panic!("these keys are numbers"),
            Self::Bytes { arena, ends: Ends::Every(width, _) } => &arena[row * width..(row + 1) * width],
            Self::Bytes { arena, ends: Ends::At(ends) } => {
                let start = if row == 0 { 0 } else { ends[row - 1] };
                &arena[start as usize..ends[row] as usize]
            }
        }
    }

    /// The first 12 bytes of a key as a number below 2^96 of the same order: keys with different heads order as their heads.
    #[inline]
    pub(in crate::sql::executor) fn head(&self, row: usize) -> u128 {
        match self {
            Self::Words { images, nulls, null_tag } => {
                if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                    return u128::from(*null_tag) << 88;
                }
                (u128::from(VALUE) << 88) | (u128::from(images[row]) << 24)
            }
            Self::Bytes { .. } => {
                let bytes = self.bytes(row);
                let mut image = [0; 16];
                match bytes.first_chunk::<HEAD_BYTES>() {
                    Some(head) => image[4..].copy_from_slice(head),
                    None => image[4..4 + bytes.len()].copy_from_slice(bytes),
                }
                u128::from_be_bytes(image)
            }
        }
    }

    /// Whether heads alone decide the order of all keys of this shape.
    pub(in crate::sql::executor) fn heads_decide(&self) -> bool {
        match self {
            Self::Words { .. } => true,
            Self::Bytes { ends: Ends::Every(width, _), .. } => *width <= HEAD_BYTES,
            Self::Bytes { .. } => false,
        }
    }

    /// The first 28 bytes of a key as numbers of the same order, with 32 bits of room at the end.
    #[inline]
    pub(in crate::sql::executor) fn long_head(&self, row: usize) -> [u64; 4] {
        let bytes = self.bytes(row);
        let mut image = [0; 32];
        match bytes.first_chunk::<LONG_HEAD_BYTES>() {
            Some(head) => image[..LONG_HEAD_BYTES].copy_from_slice(head),
            None => image[..bytes.len()].copy_from_slice(bytes),
        }
        let words = image.as_chunks::<8>().0;
        [0, 1, 2, 3].map(|at| u64::from_be_bytes(words[at]))
    }

    /// Whether long heads alone decide the order of all keys of this shape.
    pub(in crate::sql::executor) fn long_heads_decide(&self) -> bool {
        matches!(self, Self::Bytes { ends: Ends::Every(width, _), .. } if *width <= LONG_HEAD_BYTES)
    }

    /// What of a key follows its long head.
    #[inline]
    pub(in crate::sql::executor) fn long_rest(&self, row: usize) -> &[u8] {
        self.bytes(row).get(LONG_HEAD_BYTES..).unwrap_or_default()
    }

    /// What of a key follows its head.
    #[inline]
    pub(in crate::sql::executor) fn rest(&self, row: usize) -> &[u8] {
        match self {
            Self::Words { .. } => &[],
            Self::Bytes { .. } => self.bytes(row).get(HEAD_BYTES..).unwrap_or_default(),
        }
    }

    /// Compares two keys of one shape.
    #[inline]
    pub(in crate::sql::executor) fn compare(&self, row: usize, other: &Self, at: usize) -> Ordering {
        match self {
            Self::Words { .. } => self.head(row).cmp(&other.head(at)),
            Self::Bytes { .. } => self.bytes(row).cmp(other.bytes(at)),
        }
    }

    /// The hash of every key.
    pub(in crate::sql::executor) fn hashes(&self, hasher: &impl BuildHasher) -> Vec<u64> {
        match self {
            Self::Words { images, nulls: None, .. } => images.iter().map(|image| hasher.hash_one(image)).collect(),
            Self::Words { images, nulls: Some(nulls), .. } => images
                .iter()
                .enumerate()
                .map(|(row, image)| if nulls.is_null(row) { 0 } else { hasher.hash_one(image) })
                .collect(),
            Self::Bytes { .. } => (0..self.len()).map(|row| hasher.hash_one(self.bytes(row))).collect(),
        }
    }

    /// A key by itself.
    pub(in crate::sql::executor) fn one(&self, row: usize) -> Self {
        match self {
            Self::Words { images, nulls, null_tag } => Self::Words {
                images: vec![images[row]],
                nulls: nulls.as_ref().map(|nulls| nulls.slice(row, 1)),
                null_tag: *null_tag,
            },
            Self::Bytes { .. } => {
                let bytes = self.bytes(row);
                Self::Bytes { arena: bytes.to_vec(), ends: Ends::Every(bytes.len(), 1) }
            }
        }
    }

    /// Whether each row begins a run of equal keys, `last` being the key before and afterwards the last of these.
    pub(in crate::sql::executor) fn starts(&self, last: &mut Option<Self>) -> Vec<bool> {
        let mut starts = Vec::with_capacity(self.len());
        for row in 0..self.len() {
            let same = match (row, &*last) {
                (0, None) => false,
                (0, Some(last)) => self.compare(row, last, 0).is_eq(),
                _ => self.compare(row, self, row - 1).is_eq(),
            };
            starts.push(!same);
        }
        if let Some(row) = self.len().checked_sub(1) {
            *last = Some(self.one(row));
        }
        starts
    }

    /// Bytes held.
    pub(in crate::sql::executor) fn memory(&self) -> usize {
        match self {
            Self::Words { images, .. } => images.len() * 8,
            Self::Bytes { arena, ends: Ends::Every(..) } => arena.len(),
            Self::Bytes { arena, ends: Ends::At(ends) } => arena.len() + ends.len() * 4,
        }
    }
}

/// References to all columns of a row of these types.
pub(in crate::sql::executor) fn all_columns(types: &[Oid]) -> Vec<Expr> {
    types.iter().enumerate().map(|(index, oid)| Expr::Column { index, ty: SqlType::of(*oid) }).collect()
}

#[cfg(test)]
mod tests;
