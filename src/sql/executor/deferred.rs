//! Constraints whose check waits: until the end of the statement (a deferrable UNIQUE), or until COMMIT or SET CONSTRAINTS.
//!
//! What waits is a key, not a row: at the end the question is asked anew of the rows as they are then. A foreign key holds when
//! the key has a referenced row or no referencing row is left; a unique key when one row has it. So a key that many rows
//! owe is kept once, and rows that were changed again meanwhile need no bookkeeping.
//!
//! Every savepoint opens a [`Level`]; rolling back to it drops the level with what it owes, and what was checked and paid
//! since then is owed again. A level that holds too many keys of a constraint forgets them and owes the check of the
//! whole table instead, so that memory stays bounded.
//!
//! The order of checks is that in which keys were first owed, as PostgreSQL's queue of trigger events has it.

use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;

use crate::catalog::Snapshot;
use crate::catalog::descriptor::{ConstraintDesc, IndexDesc, TableDesc};
use crate::error::Result;
use crate::table::Duplicates;
use crate::types::{Datum, Oid, codec};

/// Bytes of keys that wait at one savepoint level before whole tables are checked instead.
const WAITING_BYTES_MAX: usize = 32 << 20;

/// Which row owes the check: messages tell them apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Side {
    /// The referencing row, or a row of a unique key.
    Own,
    /// The referenced row, which is gone or has another key.
    Referenced,
}

/// A check that waits.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Waiting {
    /// The table with the constraint.
    pub table: Oid,
    pub constraint: Oid,
    /// The table whose change owes the check.
    pub changed: Oid,
    pub side: Side,
    /// The key's values, encoded one after the other with a mark for NULL; `None` for all keys of the table.
    pub key: Option<Box<[u8]>>,
}

/// Which constraints are deferred, as SET CONSTRAINTS has said.
#[derive(Clone, Default)]
struct Modes {
    all: Option<bool>,
    named: HashMap<Oid, bool>,
}

/// What waits since a savepoint.
#[derive(Default)]
struct Level {
    waiting: HashMap<Waiting, u64>,
    bytes: usize,
    /// Constraints whose checks of the levels below have been made.
    settled: HashSet<Oid>,
    modes: Modes,
}

struct State {
    /// The transaction's own level, then one for each savepoint.
    levels: Vec<Level>,
    next: u64,
}

/// The checks that a transaction owes.
pub struct DeferredChecks(Mutex<State>);

impl Default for DeferredChecks {
    fn default() -> Self {
        Self(Mutex::new(State { levels: vec![Level::default()], next: 0 }))
    }
}

impl Level {
    fn add(&mut self, item: Waiting, order: u64) {
        let whole = Waiting { key: None, ..item.clone() };
        if self.waiting.contains_key(&item) || self.waiting.contains_key(&whole) {
            return;
        }
        self.bytes += size_of::<(Waiting, u64)>() + item.key.as_ref().map_or(0, |key| key.len());
        if self.bytes > WAITING_BYTES_MAX && item.key.is_some() {
            self.forget_keys(&whole, order);
        } else {
            self.waiting.insert(item, order);
        }
    }

    /// Owes the check of a whole table instead of that of single keys.
    fn forget_keys(&mut self, whole: &Waiting, order: u64) {
        let same = |item: &Waiting| item.constraint == whole.constraint && item.side == whole.side;
        self.waiting.retain(|item, _| !same(item));
        self.waiting.insert(whole.clone(), order);
        let key_bytes = |item: &Waiting| item.key.as_ref().map_or(0, |key| key.len());
        self.bytes = self.waiting.keys().map(|item| size_of::<(Waiting, u64)>() + key_bytes(item)).sum();
    }

    fn remove(&mut self, constraint: Oid) {
        self.waiting.retain(|item, _| item.constraint != constraint);
    }
}

impl DeferredChecks {
    /// Whether nothing has been owed, said or begun since it was made: as good as another one.
    pub fn is_new(&self) -> bool {
        let state = self.0.lock();
        let [level] = &state.levels[..] else { return false };
        state.next == 0 && level.settled.is_empty() && level.modes.all.is_none() && level.modes.named.is_empty()
    }

    /// Whether a constraint's check waits beyond the statement.
    pub(super) fn is_deferred(&self, constraint: &ConstraintDesc) -> bool {
        if !constraint.deferrable {
            return false;
        }
        let state = self.0.lock();
        let modes = &state.levels.last().expect("there is always a level").modes;
        modes.named.get(&constraint.oid).copied().or(modes.all).unwrap_or(constraint.initially_deferred)
    }

    /// Owes a check.
    pub(super) fn add(&self, item: Waiting) {
        let mut state = self.0.lock();
        state.next += 1;
        let order = state.next;
        state.levels.last_mut().expect("there is always a level").add(item, order);
    }

    /// SET CONSTRAINTS: `None` for ALL.
    pub fn set_modes(&self, constraints: Option<&[Oid]>, deferred: bool) {
        let mut state = self.0.lock();
        let modes = &mut state.levels.last_mut().expect("there is always a level").modes;
        match constraints {
            None => *modes = Modes { all: Some(deferred), named: HashMap::new() },
            Some(list) => modes.named.extend(list.iter().map(|oid| (*oid, deferred))),
        }
    }

    /// A savepoint begins.
    pub fn savepoint(&self) {
        let mut state = self.0.lock();
        let modes = state.levels.last().expect("there is always a level").modes.clone();
        state.levels.push(Level { modes, ..Level::default() });
    }

    /// Undoes what came after savepoint number `at`, which stays.
    pub fn rollback_to(&self, at: usize) {
        let mut state = self.0.lock();
        state.levels.truncate(at + 1);
        drop(state);
        self.savepoint();
    }

    /// Releases savepoint number `at` and those after it.
    pub fn release(&self, at: usize) {
        let mut state = self.0.lock();
        while state.levels.len() > at + 1 {
            let Some(upper) = state.levels.pop() else { return };
            let base = state.levels.len() == 1;
            let lower = state.levels.last_mut().expect("the transaction's own level stays");
            for constraint in upper.settled {
                lower.remove(constraint);
                if !base {
                    lower.settled.insert(constraint);
                }
            }
            let mut items: Vec<(Waiting, u64)> = upper.waiting.into_iter().collect();
            items.sort_unstable_by_key(|item| item.1);
            items.into_iter().for_each(|(item, order)| lower.add(item, order));
            lower.modes = upper.modes;
        }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.0.lock().levels.iter().all(|level| level.waiting.is_empty())
    }

    /// Whether a change of this table waits for its check.
    pub fn concerns(&self, table: Oid) -> bool {
        self.due(None).iter().any(|item| item.changed == table)
    }

    /// The checks that wait, of these constraints or of all, oldest first.
    pub(super) fn due(&self, constraints: Option<&[Oid]>) -> Vec<Waiting> {
        let state = self.0.lock();
        let mut settled: HashSet<Oid> = HashSet::new();
        let mut found: HashMap<&Waiting, u64> = HashMap::new();
        for level in state.levels.iter().rev() {
            for (item, order) in &level.waiting {
                let wanted = constraints.is_none_or(|list| list.contains(&item.constraint));
                if wanted && !settled.contains(&item.constraint) {
                    let first = found.entry(item).or_insert(*order);
                    *first = (*first).min(*order);
                }
            }
            settled.extend(&level.settled);
        }
        let mut found: Vec<(&Waiting, u64)> = found.into_iter().collect();
        found.sort_unstable_by_key(|item| item.1);
        found.into_iter().map(|(item, _)| item.clone()).collect()
    }

    /// Says that the checks of these constraints, or of all, have been made.
    pub(super) fn settled(&self, checked: &[Waiting]) {
        let mut state = self.0.lock();
        let base = state.levels.len() == 1;
        let level = state.levels.last_mut().expect("there is always a level");
        for constraint in checked.iter().map(|item| item.constraint).collect::<HashSet<_>>() {
            level.remove(constraint);
            if !base {
                level.settled.insert(constraint);
            }
        }
        if level.waiting.is_empty() {
            level.bytes = 0;
        }
    }
}

/// The bytes of a key that waits.
pub(super) fn encode(key: &[Datum]) -> Box<[u8]> {
    let mut bytes = Vec::new();
    for value in key {
        bytes.push(u8::from(!value.is_null()));
        if !value.is_null() {
            codec::encode(value, &mut bytes);
        }
    }
    bytes.into_boxed_slice()
}

/// Reads [`encode`]'s bytes back.
///
/// # Errors
/// `XX001` when the types are not those of the values.
pub(super) fn decode(types: &[Oid], mut bytes: &[u8]) -> Result<Vec<Datum>> {
    let mut key = Vec::with_capacity(types.len());
    for oid in types {
        let Some((present, rest)) = bytes.split_first() else {
            return Err(crate::error::Error::corrupt("a deferred key is too short"));
        };
        bytes = rest;
        if *present == 0 {
            key.push(Datum::Null);
            continue;
        }
        let (value, length) = codec::decode(*oid, bytes)?;
        key.push(value);
        bytes = &bytes[length..];
    }
    Ok(key)
}

/// Table, index and encoded key.
type SharedKey = (Oid, Oid, Box<[u8]>);

/// Keys of deferrable unique constraints that rows of the running statement share with others.
#[derive(Default)]
pub struct SharedKeys(Mutex<Vec<SharedKey>>);

impl Duplicates for SharedKeys {
    fn note(&self, table: &TableDesc, index: &IndexDesc, key: &[Datum]) {
        self.0.lock().push((table.oid, index.oid, encode(key)));
    }
}

impl SharedKeys {
    /// What was noted, as checks: of the statement, and those that wait longer have been handed on.
    pub(super) fn take(&self, snapshot: &Snapshot, deferred: &DeferredChecks) -> Vec<Waiting> {
        let noted = std::mem::take(&mut *self.0.lock());
        let mut now = Vec::new();
        for (table, index, key) in noted {
            let Some(desc) = snapshot.table(table) else { continue };
            let Some(index) = desc.indexes.iter().find(|found| found.oid == index) else { continue };
            let Some(constraint) = desc.constraints.iter().find(|found| found.oid == index.constraint) else {
                continue;
            };
            let item = Waiting { table, constraint: constraint.oid, changed: table, side: Side::Own, key: Some(key) };
            if deferred.is_deferred(constraint) { deferred.add(item) } else { now.push(item) }
        }
        now
    }
}

#[cfg(test)]
mod tests {
    use super::{DeferredChecks, Side, WAITING_BYTES_MAX, Waiting, decode, encode};
    use crate::types::{Datum, Oid};

    fn item(constraint: u32, key: i32) -> Waiting {
        let key = Some(encode(&[Datum::Int4(key)]));
        Waiting { table: Oid(1), constraint: Oid(constraint), changed: Oid(1), side: Side::Own, key }
    }

    fn keys(checks: &DeferredChecks) -> Vec<i32> {
        let read = |item: Waiting| match decode(&[Oid::INT4], &item.key.expect("single keys")).expect("reads")[..] {
            [Datum::Int4(value)] => value,
            ref other => panic!("expected an integer, found {other:?}"),
        };
        checks.due(None).into_iter().map(read).collect()
    }

    #[test]
    fn savepoints_take_back_what_is_owed_and_what_was_settled() {
        let checks = DeferredChecks::default();
        checks.add(item(7, 1));
        checks.savepoint();
        checks.add(item(7, 2));
        checks.add(item(8, 3));
        assert_eq!(keys(&checks), [1, 2, 3]);
        checks.settled(&checks.due(Some(&[Oid(7)])));
        assert_eq!(keys(&checks), [3]);
        checks.rollback_to(0);
        assert_eq!(keys(&checks), [1], "what was settled since the savepoint is owed again");
        checks.add(item(8, 4));
        checks.settled(&checks.due(Some(&[Oid(7)])));
        checks.release(0);
        assert_eq!(keys(&checks), [4]);
        assert!(!checks.is_empty());
        checks.settled(&checks.due(None));
        assert!(checks.is_empty());
    }

    #[test]
    fn many_keys_become_the_check_of_the_table() {
        let checks = DeferredChecks::default();
        let count = i32::try_from(WAITING_BYTES_MAX / size_of::<(Waiting, u64)>()).expect("fits") + 1;
        (0..count).for_each(|key| checks.add(item(7, key)));
        let due = checks.due(None);
        assert_eq!((due.len(), due[0].key.is_none()), (1, true));
        checks.add(item(7, 5));
        assert_eq!(checks.due(None).len(), 1);
        assert!(checks.concerns(Oid(1)));
        assert!(!checks.concerns(Oid(2)));
    }
}
