//! Keys of whole batches: for sorting, grouping, distinctness, joining and partitioning alike.
//!
//! A key is the concatenation of its columns' encodings ([`crate::types::keycode`]): comparing bytes compares the rows, and
//! equal bytes mean SQL equality. Encoding goes column by column over the Arrow arrays into one arena per batch, so that no
//! row becomes values and nothing is allocated per row:
//!
//! ```text
//!   int4 column  7 | NULL | 9           arena   [02 80..07][02 'a' 00 01][03 00..00][02 'b' 00 01] ...
//!   text column 'a'| 'b'  | 'c'                  ^row 0                   ^row 1
//! ```
//!
//! * A fixed-width column takes the same room with NULL as without: the tag decides the order, zeros follow it.
//! * A key of one column that fits in eight bytes is a number per row ([`Keys::Words`]) and never becomes bytes.
//! * [`KeyTable`] numbers distinct keys in order of appearance.

mod encode;
mod table;

pub(super) use encode::{KeyShape, Keys, all_columns, columns_of};
pub(super) use table::{KeyTable, NO_ENTRY};
