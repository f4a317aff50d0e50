//! Ordered keys: bytes sort as values compare, ascending and descending, alone and in company, and images agree.

use std::cmp::Ordering;
use std::hash::Hasher;

use super::lookup;
use super::source::Source;
use crate::index::image::{ImageKind, Imager};
use crate::types::compare::{compare, compare_typed, hash};
use crate::types::io::FormatSettings;
use crate::types::keycode::{encode_key_typed, successor};
use crate::types::{Datum, Oid};

/// A type, flags, and two values.
pub(super) fn run(data: &[u8]) {
    let mut source = Source(data);
    let format = FormatSettings::default();
    let ctx = lookup::context(&format);
    let (chosen, flags) = (source.oid(), source.byte());
    let oid = lookup::stored(chosen);
    let (descending, nulls_first) = (flags & 1 != 0, flags & 2 != 0);
    let mut value = || source.datum(chosen, &ctx).unwrap_or(Datum::Null);
    let (a, b) = (value(), value());
    let key = |datum: &Datum| {
        let mut out = Vec::new();
        encode_key_typed(oid, datum, descending, nulls_first, &mut out);
        out
    };
    let (key_a, key_b) = (key(&a), key(&b));
    let expected = order(oid, &a, &b, descending, nulls_first);
    assert_eq!(key_a.cmp(&key_b), expected, "{a:?} and {b:?} of type {oid}");
    assert_eq!(order(oid, &b, &a, descending, nulls_first), expected.reverse(), "{b:?} and {a:?} of type {oid}");
    if expected.is_ne() {
        // Otherwise the next column of a longer key would decide.
        assert!(!key_a.starts_with(&key_b) && !key_b.starts_with(&key_a), "{a:?} and {b:?}: one key begins the other");
        let next = successor(&key_a).expect("a key does not begin with ff");
        assert!(next > key_a && (key_b < key_a || next <= key_b), "{a:?}: its successor is beyond {b:?}");
    } else if oid != Oid::BPCHAR && oid != Oid::BPCHAR_ARRAY && compare(&a, &b).is_eq() {
        assert_eq!(hashed(&a), hashed(&b), "{a:?} and {b:?} are equal");
    }
    if !a.is_null() && !b.is_null() {
        images(oid, &a, &b);
    }
}

/// The order of two values in an index.
fn order(oid: Oid, a: &Datum, b: &Datum, descending: bool, nulls_first: bool) -> Ordering {
    match (a.is_null(), b.is_null()) {
        (true, true) => Ordering::Equal,
        (false, false) if descending => compare_typed(oid, b, a),
        (false, false) => compare_typed(oid, a, b),
        (a_null, _) => {
            if a_null == nulls_first {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
    }
}

fn hashed(datum: &Datum) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    hash(datum, &mut hasher);
    hasher.finish()
}

fn images(oid: Oid, a: &Datum, b: &Datum) {
    let kind = ImageKind::of(&[oid]);
    let imager = Imager::new(kind, 7);
    let image = |datum: &Datum| imager.image(&[oid], std::slice::from_ref(datum)).expect("only NULL has none");
    let (images, values) = (image(a).cmp(&image(b)), compare_typed(oid, a, b));
    if values.is_eq() {
        assert!(images.is_eq(), "{a:?} and {b:?} are equal and their images are not");
    }
    if kind.exact() || (kind.ordered() && images.is_ne()) {
        assert_eq!(images, values, "images of {a:?} and {b:?}");
    }
}
