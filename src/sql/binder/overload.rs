//! Choosing among operators and functions of one name: PostgreSQL's rules (chapter 10 of its manual).
//!
//! Exact matches win; then, of the candidates that the arguments can be converted to, those with most exact matches, then those
//! with most preferred types; literals of unknown type prefer strings, or the one category that all candidates share.

use crate::bail;
use crate::catalog::Snapshot;
use crate::catalog::builtin::{OperatorRow, ProcRow, builtin};
use crate::catalog::system::builtin_schema;
use crate::error::Result;
use crate::types::{Oid, SqlType};

use super::coerce::{CoercionContext, can_coerce, find_path, is_polymorphic};

/// One candidate: what it is and the parameter types it would be called with.
#[derive(Clone, Debug)]
pub(super) struct Candidate<T> {
    pub item: T,
    pub args: Vec<Oid>,
}

/// What came of a choice.
pub(super) enum Choice<T> {
    One(Candidate<T>),
    None,
    Ambiguous,
}

/// Keeps the candidates whose count is the highest.
fn keep_best<T>(candidates: Vec<Candidate<T>>, score: impl Fn(&Candidate<T>) -> usize) -> Vec<Candidate<T>> {
    let scores: Vec<usize> = candidates.iter().map(&score).collect();
    let best = scores.iter().copied().max().unwrap_or(0);
    candidates.into_iter().zip(scores).filter(|(_, found)| *found == best).map(|(candidate, _)| candidate).collect()
}

/// Chooses among candidates with the right number of parameters.
pub(super) fn choose<T: Clone>(candidates: Vec<Candidate<T>>, given: &[Oid], snapshot: &Snapshot) -> Choice<T> {
    let accepts = |candidate: &Candidate<T>| {
        given.iter().zip(&candidate.args).all(|(from, to)| can_coerce(*from, *to, CoercionContext::Implicit, snapshot))
            && polymorphic(&candidate.args, given, Oid::VOID, snapshot).is_some()
    };
    let mut left: Vec<Candidate<T>> = candidates.into_iter().filter(accepts).collect();
    if left.len() <= 1 {
        return left.pop().map_or(Choice::None, Choice::One);
    }
    let base: Vec<Oid> = given.iter().map(|oid| snapshot.base_type(SqlType::of(*oid)).oid).collect();
    let known = |at: &usize| base[*at] != Oid::UNKNOWN;
    let exact =
        |candidate: &Candidate<T>| (0..base.len()).filter(known).filter(|at| candidate.args[*at] == base[*at]).count();
    left = keep_best(left, exact);
    if left.len() == 1 {
        return left.pop().map_or(Choice::None, Choice::One);
    }
    let preferred = |candidate: &Candidate<T>| {
        let good = |at: &usize| {
            let (target, (category, _)) = (candidate.args[*at], snapshot.category(base[*at]));
            target == base[*at] || snapshot.category(target) == (category, true)
        };
        (0..base.len()).filter(known).filter(good).count()
    };
    left = keep_best(left, preferred);
    if left.len() == 1 {
        return left.pop().map_or(Choice::None, Choice::One);
    }
    if base.iter().all(|oid| *oid != Oid::UNKNOWN) {
        return Choice::Ambiguous;
    }
    left = settle_unknowns(left, &base, snapshot);
    if left.len() == 1 {
        return left.pop().map_or(Choice::None, Choice::One);
    }
    // If all known arguments have one type, try that type for the unknown ones.
    let mut kinds: Vec<Oid> = base.iter().copied().filter(|oid| *oid != Oid::UNKNOWN).collect();
    kinds.dedup();
    if let [only] = kinds.as_slice() {
        let assumed = vec![*only; base.len()];
        let fits = |candidate: &&Candidate<T>| {
            assumed
                .iter()
                .zip(&candidate.args)
                .all(|(from, to)| can_coerce(*from, *to, CoercionContext::Implicit, snapshot))
                && polymorphic(&candidate.args, &assumed, Oid::VOID, snapshot).is_some()
        };
        let fitting: Vec<Candidate<T>> = left.iter().filter(fits).cloned().collect();
        if fitting.len() == 1 {
            return fitting.into_iter().next().map_or(Choice::None, Choice::One);
        }
    }
    Choice::Ambiguous
}

/// Settles the category of each unknown argument and keeps the candidates that have it.
fn settle_unknowns<T: Clone>(left: Vec<Candidate<T>>, base: &[Oid], snapshot: &Snapshot) -> Vec<Candidate<T>> {
    let mut wanted: Vec<Option<(char, bool)>> = vec![None; base.len()];
    for (at, oid) in base.iter().enumerate() {
        if *oid != Oid::UNKNOWN {
            continue;
        }
        let kinds: Vec<(char, bool)> = left.iter().map(|candidate| snapshot.category(candidate.args[at])).collect();
        let category = if kinds.iter().any(|kind| kind.0 == 'S') {
            'S'
        } else if kinds.iter().all(|kind| kind.0 == kinds[0].0) {
            kinds[0].0
        } else {
            return left;
        };
        wanted[at] = Some((category, kinds.contains(&(category, true))));
    }
    let fits = |candidate: &&Candidate<T>| {
        wanted.iter().enumerate().all(|(at, wanted)| {
            wanted.is_none_or(|(category, preferred)| {
                let found = snapshot.category(candidate.args[at]);
                found.0 == category && (!preferred || found.1)
            })
        })
    };
    let kept: Vec<Candidate<T>> = left.iter().filter(fits).cloned().collect();
    if kept.is_empty() { left } else { kept }
}

/// Resolves polymorphic parameter and result types against the types given; `None` when they do not fit together.
pub(super) fn polymorphic(
    declared: &[Oid],
    given: &[Oid],
    result: Oid,
    snapshot: &Snapshot,
) -> Option<(Vec<Oid>, Oid)> {
    if !declared.iter().chain([&result]).any(|oid| is_polymorphic(*oid)) {
        return Some((declared.to_vec(), result));
    }
    let (mut element, mut array, mut common): (Option<Oid>, Option<Oid>, Vec<Oid>) = (None, None, Vec::new());
    for (want, have) in declared.iter().zip(given) {
        if *have == Oid::UNKNOWN {
            continue;
        }
        let have = match *want {
            Oid::ANYARRAY | Oid::ANYCOMPATIBLEARRAY => snapshot.base_type(SqlType::of(*have)).oid,
            _ => *have,
        };
        match *want {
            Oid::ANYELEMENT | Oid::ANYNONARRAY | Oid::ANYENUM => {
                if element.is_some_and(|seen| seen != have) {
                    return None;
                }
                element = Some(have);
            }
            Oid::ANYARRAY => {
                let item = snapshot.element_type(have)?;
                if array.is_some_and(|seen| seen != have) {
                    return None;
                }
                (array, _) = (Some(have), item);
            }
            Oid::ANYCOMPATIBLE | Oid::ANYCOMPATIBLENONARRAY => common.push(have),
            Oid::ANYCOMPATIBLEARRAY => common.push(snapshot.element_type(have)?),
            Oid::ANYRANGE | Oid::ANYMULTIRANGE | Oid::ANYCOMPATIBLERANGE | Oid::ANYCOMPATIBLEMULTIRANGE => return None,
            _ => {}
        }
    }
    if let Some(array) = array {
        let item = snapshot.element_type(array)?;
        if element.is_some_and(|seen| seen != item) {
            return None;
        }
        element = Some(item);
    }
    let enumeration = declared.contains(&Oid::ANYENUM) && element.is_some_and(|oid| snapshot.category(oid).0 != 'E');
    let not_array =
        declared.contains(&Oid::ANYNONARRAY) && element.is_some_and(|oid| snapshot.element_type(oid).is_some());
    if enumeration || not_array {
        return None;
    }
    let shared = common_of(&common, snapshot)?;
    let uses = |list: &[Oid]| declared.iter().any(|oid| list.contains(oid));
    let element = element.or_else(|| uses(&[Oid::ANYELEMENT, Oid::ANYARRAY, Oid::ANYNONARRAY]).then_some(Oid::TEXT));
    let shared = shared.or_else(|| uses(&[Oid::ANYCOMPATIBLE, Oid::ANYCOMPATIBLEARRAY]).then_some(Oid::TEXT));
    let resolve = |oid: Oid| -> Option<Oid> {
        Some(match oid {
            Oid::ANYELEMENT | Oid::ANYNONARRAY | Oid::ANYENUM => element?,
            Oid::ANYARRAY => array.unwrap_or(snapshot.array_type(element?)),
            Oid::ANYCOMPATIBLE | Oid::ANYCOMPATIBLENONARRAY => shared?,
            Oid::ANYCOMPATIBLEARRAY => snapshot.array_type(shared?),
            other => other,
        })
    };
    let args = declared.iter().map(|oid| resolve(*oid)).collect::<Option<Vec<_>>>()?;
    Some((args, resolve(result)?))
}

/// The common type of arguments declared `anycompatible`; `Some(None)` of none, `None` when there is no common type.
fn common_of(types: &[Oid], snapshot: &Snapshot) -> Option<Option<Oid>> {
    let Some((first, rest)) = types.split_first() else { return Some(None) };
    let mut best = *first;
    for oid in rest {
        if *oid == best || find_path(*oid, best, CoercionContext::Implicit, snapshot).is_some() {
            continue;
        }
        find_path(best, *oid, CoercionContext::Implicit, snapshot)?;
        best = *oid;
    }
    Some(Some(best))
}

/// Whether what is built in under this namespace is there, and in the schema that the name is written with, if it is.
pub(super) fn is_in_schema(snapshot: &Snapshot, namespace: &str, schema: Option<Oid>) -> bool {
    builtin_schema(snapshot, namespace).is_some_and(|own| schema.is_none_or(|wanted| own == wanted))
}

/// Chooses a binary operator (`left` given) or a prefix one.
///
/// # Errors
/// `42883` when there is none, `42725` when several fit equally.
pub(super) fn operator(
    symbol: &str,
    schema: Option<Oid>,
    left: Option<Oid>,
    right: Oid,
    snapshot: &Snapshot,
) -> Result<Option<(&'static OperatorRow, Vec<Oid>)>> {
    let given: Vec<Oid> = left.into_iter().chain([right]).collect();
    let is_there =
        |row: &&OperatorRow| (row.kind == 'l') == left.is_none() && is_in_schema(snapshot, row.namespace, schema);
    let rows: Vec<&'static OperatorRow> = builtin().operators_named(symbol).filter(is_there).collect();
    let args =
        |row: &OperatorRow| -> Vec<Oid> { if row.kind == 'l' { vec![row.right] } else { vec![row.left, row.right] } };
    // An unknown operand is assumed to have the other's type first.
    let assumed: Vec<Oid> = match given.as_slice() {
        [Oid::UNKNOWN, other] if *other != Oid::UNKNOWN => vec![*other, *other],
        [other, Oid::UNKNOWN] if *other != Oid::UNKNOWN => vec![*other, *other],
        same => same.to_vec(),
    };
    let bases: Vec<Oid> = assumed.iter().map(|oid| snapshot.base_type(SqlType::of(*oid)).oid).collect();
    if let Some(row) = rows.iter().find(|row| args(row) == bases) {
        return Ok(Some((row, args(row))));
    }
    let candidates = rows.into_iter().map(|row| Candidate { args: args(row), item: row }).collect();
    match choose(candidates, &given, snapshot) {
        Choice::One(found) => {
            let (args, _) = polymorphic(&found.args, &given, Oid::VOID, snapshot).expect("choose has checked it");
            Ok(Some((found.item, args)))
        }
        Choice::None => Ok(None),
        Choice::Ambiguous => {
            let text = |oid: &Oid| snapshot.type_text(SqlType::of(*oid));
            let signature = match given.as_slice() {
                [only] => format!("{symbol} {}", text(only)),
                [a, b] => format!("{} {symbol} {}", text(a), text(b)),
                _ => symbol.to_owned(),
            };
            bail!(AMBIGUOUS_FUNCTION, "operator is not unique: {signature}")
        }
    }
}

/// A function as it would be called: parameter types after VARIADIC expansion, and how many trailing defaults are used.
#[derive(Clone, Copy, Debug)]
pub(super) struct FunctionChoice {
    pub row: &'static ProcRow,
    /// Arguments from this one on are collected into an array.
    pub variadic_from: Option<usize>,
    /// Trailing parameters that take their defaults.
    pub defaults: usize,
}

/// The ways to call functions of a name with `count` arguments.
pub(super) fn function_candidates(
    rows: impl Iterator<Item = &'static ProcRow>,
    count: usize,
    expand_variadic: bool,
) -> Vec<Candidate<FunctionChoice>> {
    let mut found = Vec::new();
    for row in rows {
        let declared = row.args.len();
        if declared == count {
            found.push(Candidate {
                args: row.args.clone(),
                item: FunctionChoice { row, variadic_from: None, defaults: 0 },
            });
        } else if count < declared && count + row.defaults >= declared {
            let item = FunctionChoice { row, variadic_from: None, defaults: declared - count };
            found.push(Candidate { args: row.args[..count].to_vec(), item });
        }
        if expand_variadic
            && row.variadic.is_some()
            && count + 1 > declared.saturating_sub(0)
            && declared > 0
            && count >= declared
        {
            let mut args = row.args[..declared - 1].to_vec();
            args.resize(count, row.variadic);
            found
                .push(Candidate { args, item: FunctionChoice { row, variadic_from: Some(declared - 1), defaults: 0 } });
        }
    }
    found
}

/// Chooses a function for arguments of these types.
pub(super) fn function(
    candidates: Vec<Candidate<FunctionChoice>>,
    given: &[Oid],
    snapshot: &Snapshot,
) -> Choice<FunctionChoice> {
    if let Some(exact) =
        candidates.iter().find(|candidate| candidate.args == given && candidate.item.variadic_from.is_none())
    {
        return Choice::One(exact.clone());
    }
    // The same parameter types by VARIADIC expansion and without: the plain function wins.
    let mut unique: Vec<Candidate<FunctionChoice>> = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let same = unique
            .iter()
            .position(|other| other.args == candidate.args && other.item.row.name == candidate.item.row.name);
        match same {
            Some(at) if unique[at].item.variadic_from.is_some() && candidate.item.variadic_from.is_none() => {
                unique[at] = candidate
            }
            Some(_) => {}
            None => unique.push(candidate),
        }
    }
    choose(unique, given, snapshot)
}
