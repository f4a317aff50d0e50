//! Evaluating `jsonpath` over `jsonb`.
//!
//! Results are pushed as they are found, so that what came before a suppressed error stays. Predicates have three
//! values; an error inside one makes it unknown. In lax mode arrays are unwrapped and scalars wrapped where a step wants
//! the other, and a member that is missing is no error.

use super::args::{boolean, text};
use super::jsonb::{jsonb, make};
use super::jsonpath_methods::method;
use super::{are, jsonb as tree};
use crate::bail;
use crate::error::{Error, Result, SqlState};
use crate::sql::eval::{FnContext, ScalarFn, SetFn, SetRows};
use crate::types::Datum;
use crate::types::json::JsonValue;
use crate::types::jsonpath::{JsonPath, Node, Operator, Step, parse};
use crate::types::numeric::Numeric;

const MEMBER_NOT_FOUND: SqlState = SqlState::new("2203A");
const OBJECT_NOT_FOUND: SqlState = SqlState::new("2203C");
const ARRAY_NOT_FOUND: SqlState = SqlState::new("22039");
const INVALID_SUBSCRIPT: SqlState = SqlState::new("22033");
const SINGLETON_REQUIRED: SqlState = SqlState::new("22038");
const NUMBER_NOT_FOUND: SqlState = SqlState::new("2203B");

/// Whether an error is about the data, so that predicates and silent calls swallow it.
fn suppressible(error: &Error) -> bool {
    let state = error.sqlstate();
    state.as_str().starts_with("22") && state != SqlState::INVALID_PARAMETER_VALUE
}

/// What an expression is evaluated over.
struct Scope<'a> {
    root: &'a JsonValue,
    vars: &'a JsonValue,
    strict: bool,
}

/// What `@` and `last` mean at a place.
#[derive(Clone, Copy)]
struct Place<'a> {
    current: &'a JsonValue,
    last: usize,
}

type Truth = Option<bool>;

impl Scope<'_> {
    /// Pushes the items of an expression; a predicate's is true, false or null.
    fn eval(&self, node: &Node, place: Place<'_>, out: &mut Vec<JsonValue>) -> Result<()> {
        if node.is_predicate() {
            out.push(self.truth(node, place)?.map_or(JsonValue::Null, JsonValue::Bool));
            return Ok(());
        }
        match node {
            Node::Null => out.push(JsonValue::Null),
            Node::Bool(value) => out.push(JsonValue::Bool(*value)),
            Node::Number(value) => out.push(JsonValue::Number(value.clone())),
            Node::String(value) => out.push(JsonValue::String(value.clone())),
            Node::Root => out.push(self.root.clone()),
            Node::Current => out.push(place.current.clone()),
            Node::Last => out.push(JsonValue::Number(Numeric::from_i64(place.last as i64 - 1))),
            Node::Variable(name) => match self.vars.get(name) {
                Some(value) => out.push(value.clone()),
                None => bail!(UNDEFINED_OBJECT, "could not find jsonpath variable \"{name}\""),
            },
            Node::Access(base, steps) => {
                match &**base {
                    // The usual bases are walked in place.
                    Node::Root => return self.walk(steps, self.root, place, out),
                    Node::Current => return self.walk(steps, place.current, place, out),
                    _ => {}
                }
                for item in self.items(base, place, false)? {
                    self.walk(steps, &item, place, out)?;
                }
            }
            Node::Arithmetic(operator, left, right) => {
                let left = self.number(left, "left", *operator, place)?;
                let right = self.number(right, "right", *operator, place)?;
                out.push(JsonValue::Number(match operator {
                    Operator::Add => left.add(&right)?,
                    Operator::Sub => left.sub(&right)?,
                    Operator::Mul => left.mul(&right)?,
                    Operator::Div => left.div(&right)?,
                    _ => left.rem(&right)?,
                }));
            }
            Node::Sign(negative, operand) => {
                for item in self.items(operand, place, true)? {
                    let JsonValue::Number(value) = item else {
                        let sign = if *negative { '-' } else { '+' };
                        return Err(Error::new(
                            NUMBER_NOT_FOUND,
                            format!("operand of unary jsonpath operator {sign} is not a numeric value"),
                        ));
                    };
                    out.push(JsonValue::Number(if *negative { value.negated() } else { value }));
                }
            }
            other => panic!("{other:?} is a predicate"),
        }
        Ok(())
    }

    /// The items of an expression; in lax mode with arrays replaced by their elements when `unwrap`.
    fn items(&self, node: &Node, place: Place<'_>, unwrap: bool) -> Result<Vec<JsonValue>> {
        let mut found = Vec::new();
        self.eval(node, place, &mut found)?;
        if !unwrap || self.strict || !found.iter().any(|item| matches!(item, JsonValue::Array(_))) {
            return Ok(found);
        }
        let flatten = |item| match item {
            JsonValue::Array(items) => items,
            other => vec![other],
        };
        Ok(found.into_iter().flat_map(flatten).collect())
    }

    fn number(&self, node: &Node, side: &str, operator: Operator, place: Place<'_>) -> Result<Numeric> {
        match self.items(node, place, true)?.as_slice() {
            [JsonValue::Number(value)] => Ok(value.clone()),
            _ => Err(Error::new(
                SINGLETON_REQUIRED,
                format!("{side} operand of jsonpath operator {} is not a single numeric value", operator.symbol()),
            )),
        }
    }

    /// Applies the steps to one item.
    fn walk(&self, steps: &[Step], value: &JsonValue, place: Place<'_>, out: &mut Vec<JsonValue>) -> Result<()> {
        let Some((step, rest)) = steps.split_first() else {
            out.push(value.clone());
            return Ok(());
        };
        let keeps_arrays = match step {
            Step::AnyElement | Step::Elements(_) | Step::Descend(..) => true,
            Step::Method(name, _) => matches!(name.as_str(), "type" | "size"),
            _ => false,
        };
        if let (JsonValue::Array(items), false, false) = (value, self.strict, keeps_arrays) {
            return items.iter().try_for_each(|item| self.step(step, rest, item, place, out));
        }
        self.step(step, rest, value, place, out)
    }

    /// Applies one step to one item, and the others to what it yields.
    fn step(
        &self,
        step: &Step,
        rest: &[Step],
        value: &JsonValue,
        place: Place<'_>,
        out: &mut Vec<JsonValue>,
    ) -> Result<()> {
        match step {
            Step::Member(name) => match value {
                JsonValue::Object(_) => match value.get(name) {
                    Some(found) => self.walk(rest, found, place, out),
                    None if self.strict => {
                        Err(Error::new(MEMBER_NOT_FOUND, format!("JSON object does not contain key \"{name}\"")))
                    }
                    None => Ok(()),
                },
                _ => self.structural(MEMBER_NOT_FOUND, "jsonpath member accessor can only be applied to an object"),
            },
            Step::AnyMember => match value {
                JsonValue::Object(members) => {
                    members.iter().try_for_each(|(_, found)| self.walk(rest, found, place, out))
                }
                _ => self
                    .structural(OBJECT_NOT_FOUND, "jsonpath wildcard member accessor can only be applied to an object"),
            },
            Step::AnyElement => match value {
                JsonValue::Array(items) => items.iter().try_for_each(|item| self.walk(rest, item, place, out)),
                _ if self.strict => {
                    self.structural(ARRAY_NOT_FOUND, "jsonpath wildcard array accessor can only be applied to an array")
                }
                _ => self.walk(rest, value, place, out),
            },
            Step::Elements(ranges) => {
                let items = match value {
                    JsonValue::Array(items) => items.as_slice(),
                    _ if self.strict => {
                        return self
                            .structural(ARRAY_NOT_FOUND, "jsonpath array accessor can only be applied to an array");
                    }
                    other => std::slice::from_ref(other),
                };
                for range in ranges {
                    for index in self.range(range, items.len(), place)? {
                        self.walk(rest, &items[index], place, out)?;
                    }
                }
                Ok(())
            }
            Step::Descend(from, to) => self.descend((*from, *to), 0, rest, value, place, out),
            Step::Filter(condition) => {
                if self.truth(condition, Place { current: value, ..place })? == Some(true) {
                    self.walk(rest, value, place, out)?;
                }
                Ok(())
            }
            Step::Method(name, args) => {
                let numbers = args.iter().map(|arg| self.items(arg, place, true)).collect::<Result<Vec<_>>>()?;
                for item in method(name, value, &numbers.concat(), self.strict)? {
                    self.walk(rest, &item, place, out)?;
                }
                Ok(())
            }
        }
    }

    fn structural(&self, state: SqlState, message: &str) -> Result<()> {
        if self.strict { Err(Error::new(state, message)) } else { Ok(()) }
    }

    /// The places that one subscript names.
    fn range(
        &self,
        (from, to): &(Node, Option<Node>),
        length: usize,
        place: Place<'_>,
    ) -> Result<std::ops::Range<usize>> {
        let place = Place { last: length, ..place };
        let index = |node: &Node| match self.items(node, place, true)?.as_slice() {
            [JsonValue::Number(value)] => value
                .trunc(0)
                .to_integer::<i32>("integer")
                .map(i64::from)
                .map_err(|_| Error::new(INVALID_SUBSCRIPT, "jsonpath array subscript is out of integer range")),
            _ => Err(Error::new(INVALID_SUBSCRIPT, "jsonpath array subscript is not a single numeric value")),
        };
        let first = index(from)?;
        let last = to.as_ref().map_or(Ok(first), index)?;
        if self.strict && (first < 0 || first > last || last >= length as i64) {
            return Err(Error::new(INVALID_SUBSCRIPT, "jsonpath array subscript is out of bounds"));
        }
        let (first, last) = (first.max(0), last.min(length as i64 - 1));
        Ok(if first > last { 0..0 } else { first as usize..last as usize + 1 })
    }

    /// `.**`: the item itself and everything inside, as far as the levels allow; `None` means leaves.
    fn descend(
        &self,
        levels: (Option<u32>, Option<u32>),
        depth: u32,
        rest: &[Step],
        value: &JsonValue,
        place: Place<'_>,
        out: &mut Vec<JsonValue>,
    ) -> Result<()> {
        let children: Vec<&JsonValue> = match value {
            JsonValue::Array(items) => items.iter().collect(),
            JsonValue::Object(members) => members.iter().map(|(_, value)| value).collect(),
            _ => Vec::new(),
        };
        let wanted = match levels.0 {
            Some(from) => depth >= from && levels.1.is_none_or(|to| depth <= to),
            None => !value.is_container(),
        };
        if wanted {
            self.walk(rest, value, place, out)?;
        }
        if levels.1.is_none_or(|to| depth < to) {
            for child in children {
                self.descend(levels, depth + 1, rest, child, place, out)?;
            }
        }
        Ok(())
    }

    /// The value of a predicate.
    fn truth(&self, node: &Node, place: Place<'_>) -> Result<Truth> {
        Ok(match node {
            Node::And(left, right) => match self.truth(left, place)? {
                Some(false) => Some(false),
                first => match (first, self.truth(right, place)?) {
                    (_, Some(false)) => Some(false),
                    (Some(true), second) => second,
                    _ => None,
                },
            },
            Node::Or(left, right) => match self.truth(left, place)? {
                Some(true) => Some(true),
                first => match (first, self.truth(right, place)?) {
                    (_, Some(true)) => Some(true),
                    (Some(false), second) => second,
                    _ => None,
                },
            },
            Node::Not(operand) => self.truth(operand, place)?.map(|value| !value),
            Node::IsUnknown(operand) => Some(self.truth(operand, place)?.is_none()),
            Node::Exists(operand) => self.swallow(self.items(operand, place, false))?.map(|items| !items.is_empty()),
            Node::Compare(operator, left, right) => {
                let Some(left) = self.swallow(self.items(left, place, true))? else { return Ok(None) };
                let Some(right) = self.swallow(self.items(right, place, true))? else { return Ok(None) };
                let pairs = left.iter().flat_map(|a| right.iter().map(move |b| (a, b)));
                self.any(pairs.map(|(a, b)| Ok(compare(*operator, a, b))))?
            }
            Node::StartsWith(left, prefix) => {
                let Some(left) = self.swallow(self.items(left, place, true))? else { return Ok(None) };
                let prefix = self.items(prefix, place, false)?;
                self.any(left.iter().map(|item| {
                    Ok(match (item, prefix.first()) {
                        (JsonValue::String(text), Some(JsonValue::String(prefix))) => Some(text.starts_with(prefix)),
                        _ => None,
                    })
                }))?
            }
            Node::LikeRegex(left, pattern, flags) => {
                let Some(left) = self.swallow(self.items(left, place, true))? else { return Ok(None) };
                let literal = flags.contains('q');
                let options = are::Options {
                    fold: flags.contains('i'),
                    line_classes: !literal && !flags.contains('s'),
                    line_anchors: !literal && flags.contains('m'),
                    literal,
                    expanded: false,
                };
                let pattern = are::compile(pattern, options)?;
                self.any(left.iter().map(|item| match item {
                    JsonValue::String(text) => pattern.is_match(text).map(Some),
                    _ => Ok(None),
                }))?
            }
            other => panic!("{other:?} is not a predicate"),
        })
    }

    /// True when one is; otherwise unknown when one is. Strict mode lets one unknown decide.
    fn any(&self, cases: impl Iterator<Item = Result<Truth>>) -> Result<Truth> {
        let (mut found, mut unknown) = (false, false);
        for case in cases {
            match case? {
                None if self.strict => return Ok(None),
                None => unknown = true,
                Some(true) if !self.strict => return Ok(Some(true)),
                Some(value) => found |= value,
            }
        }
        Ok(if found {
            Some(true)
        } else if unknown {
            None
        } else {
            Some(false)
        })
    }

    /// Errors about the data become `None`.
    fn swallow<T>(&self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if suppressible(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn compare(operator: Operator, a: &JsonValue, b: &JsonValue) -> Truth {
    use std::cmp::Ordering;
    let order = match (a, b) {
        (JsonValue::Null, JsonValue::Null) => Ordering::Equal,
        (JsonValue::Null, _) | (_, JsonValue::Null) => return Some(operator == Operator::Ne),
        (JsonValue::Bool(a), JsonValue::Bool(b)) => a.cmp(b),
        (JsonValue::Number(a), JsonValue::Number(b)) => a.compare(b),
        (JsonValue::String(a), JsonValue::String(b)) => a.cmp(b),
        _ => return None,
    };
    Some(match operator {
        Operator::Eq => order.is_eq(),
        Operator::Ne => order.is_ne(),
        Operator::Lt => order.is_lt(),
        Operator::Le => order.is_le(),
        Operator::Gt => order.is_gt(),
        _ => order.is_ge(),
    })
}

/// Runs a path; what was found, and whether an error was swallowed.
fn run(args: &[Datum], silent: bool) -> Result<(Vec<JsonValue>, bool)> {
    static NO_VARS: JsonValue = JsonValue::Object(Vec::new());
    let vars = args.get(2).map_or(&NO_VARS, jsonb);
    if !matches!(vars, JsonValue::Object(_)) {
        return Err(crate::error!(INVALID_PARAMETER_VALUE, "\"vars\" argument is not an object")
            .detail("Jsonpath parameters should be encoded as key-value pairs of \"vars\" object."));
    }
    let JsonPath { strict, root } = parse(text(&args[1]))?;
    let document = jsonb(&args[0]);
    let silent = silent || args.get(3).is_some_and(boolean);
    let mut found = Vec::new();
    let scope = Scope { root: document, vars, strict };
    match scope.eval(&root, Place { current: document, last: 0 }, &mut found) {
        Err(error) if silent && suppressible(&error) => Ok((found, true)),
        result => result.map(|()| (found, false)),
    }
}

fn exists(args: &[Datum], silent: bool) -> Result<Datum> {
    let (found, failed) = run(args, silent)?;
    Ok(if failed { Datum::Null } else { Datum::Bool(!found.is_empty()) })
}

fn matches(args: &[Datum], silent: bool) -> Result<Datum> {
    let (found, _) = run(args, silent)?;
    match found.as_slice() {
        [JsonValue::Bool(value)] => Ok(Datum::Bool(*value)),
        [JsonValue::Null] => Ok(Datum::Null),
        _ if silent || args.get(3).is_some_and(boolean) => Ok(Datum::Null),
        _ => Err(Error::new(SINGLETON_REQUIRED, "single boolean result is expected")),
    }
}

fn query(_: &FnContext<'_>, args: &[Datum]) -> Result<SetRows> {
    let (found, _) = run(args, false)?;
    Ok(SetRows::column(found.into_iter().map(tree::make).collect::<Result<_>>()?))
}

fn query_array(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    make(JsonValue::Array(run(args, false)?.0))
}

fn query_first(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    run(args, false)?.0.into_iter().next().map_or(Ok(Datum::Null), make)
}

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("jsonb_path_exists", |_, args| exists(args, false)),
    ("jsonb_path_exists_tz", |_, args| exists(args, false)),
    ("jsonb_path_exists_opr", |_, args| exists(args, true)),
    ("jsonb_path_match", |_, args| matches(args, false)),
    ("jsonb_path_match_tz", |_, args| matches(args, false)),
    ("jsonb_path_match_opr", |_, args| matches(args, true)),
    ("jsonb_path_query_array", query_array),
    ("jsonb_path_query_array_tz", query_array),
    ("jsonb_path_query_first", query_first),
    ("jsonb_path_query_first_tz", query_first),
];

/// Set-returning functions by `prosrc`.
pub const SET_FUNCTIONS: &[(&str, SetFn)] = &[("jsonb_path_query", query), ("jsonb_path_query_tz", query)];
