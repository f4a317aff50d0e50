//! Function calls: plain functions, casts by type name, aggregates, set-returning functions.

use crate::catalog::builtin::{ProcRow, TypeRow, builtin};
use crate::error::{Error, Result};
use crate::sql::ast::{self, ExprKind};
use crate::sql::expr::{Call, CallForm, Expr};
use crate::sql::logical::{Field, FunctionCall};
use crate::sql::parser;
use crate::types::{Oid, SqlType};

use super::coerce::CoercionContext;
use super::context::{Binder, Place, SET_BASE};
use super::overload::{self, Candidate, Choice, FunctionChoice};

/// Defaults of trailing parameters, by `prosrc`; PostgreSQL keeps them as expression trees that mean nothing here.
const DEFAULTS: &[(&str, &[&str])] = &[
    ("jsonb_set", &["true"]),
    ("jsonb_set_lax", &["true", "'use_json_null'"]),
    ("jsonb_insert", &["false"]),
    ("json_strip_nulls", &["false"]),
    ("jsonb_strip_nulls", &["false"]),
    ("json_populate_record", &["false"]),
    ("json_populate_recordset", &["false"]),
    ("jsonb_path_exists", PATH_DEFAULTS),
    ("jsonb_path_exists_tz", PATH_DEFAULTS),
    ("jsonb_path_match", PATH_DEFAULTS),
    ("jsonb_path_match_tz", PATH_DEFAULTS),
    ("jsonb_path_query", PATH_DEFAULTS),
    ("jsonb_path_query_tz", PATH_DEFAULTS),
    ("jsonb_path_query_array", PATH_DEFAULTS),
    ("jsonb_path_query_array_tz", PATH_DEFAULTS),
    ("jsonb_path_query_first", PATH_DEFAULTS),
    ("jsonb_path_query_first_tz", PATH_DEFAULTS),
    ("parse_ident", &["true"]),
    ("make_interval", &["0", "0", "0", "0", "0", "0", "0.0"]),
    ("drandom_normal", &["0", "1"]),
    ("unicode_normalize_func", &["'NFC'"]),
    ("unicode_is_normalized", &["'NFC'"]),
    ("pg_terminate_backend", &["0"]),
];

/// No variables, errors raised.
const PATH_DEFAULTS: &[&str] = &["'{}'", "false"];

/// A call whose function is chosen and whose arguments are converted.
pub(super) struct ChosenCall {
    pub row: &'static ProcRow,
    pub args: Vec<Expr>,
    pub result: SqlType,
}

impl Binder<'_> {
    /// Calls a built-in function with bound arguments.
    ///
    /// # Errors
    /// `42883` when none fits.
    pub(super) fn call_named(&mut self, name: &str, args: Vec<Expr>, position: u32) -> Result<Expr> {
        let chosen = self.choose_function(&ast::Name::simple(name, position), args, &[], false, position)?;
        Ok(plain_call(chosen, position))
    }

    /// Binds a call as written.
    ///
    /// # Errors
    /// `42883`, `42725`, and what the clause does not allow.
    pub(super) fn call(&mut self, call: &ast::FuncCall, place: Place, position: u32) -> Result<Expr> {
        if let [ast::Expr { kind: ExprKind::Star(None), .. }] = call.args.as_slice() {
            return self.star_call(call, place, position);
        }
        let is_aggregate = builtin().procs_named(call.name.last()).any(|row| row.kind == 'a') && call.over.is_none();
        let argument_place = if is_aggregate { Place::AggregateArgument } else { place };
        let (args, names) = self.arguments(&call.args, argument_place)?;
        if call.within_group.is_empty()
            && let Some(cast) = self.cast_by_name(call, &args, position)?
        {
            return Ok(cast);
        }
        if !call.within_group.is_empty() {
            return self.ordered_set(call, args, place, position);
        }
        let chosen = self.choose_function(&call.name, args, &names, call.variadic, position)?;
        if let Some(over) = &call.over {
            return self.window_call(call, chosen, over, place, position);
        }
        match chosen.row.kind {
            'a' if call.args.is_empty() => {
                let name = call.name.last();
                let message = format!("{name}(*) must be used to call a parameterless aggregate function");
                Err(Error::new(crate::error::SqlState::WRONG_OBJECT_TYPE, message).at(position))
            }
            'a' => self.aggregate(call, chosen, place, position),
            'w' => {
                Err(crate::error!(WRONG_OBJECT_TYPE, "window function {} requires an OVER clause", call.name.last())
                    .at(position))
            }
            _ => {
                self.check_plain(call, position)?;
                if chosen.row.returns_set {
                    return self.set_call(chosen, place, position);
                }
                let takes_apart = call.variadic && chosen.row.variadic == Oid::ANY;
                let mut bound = plain_call(chosen, position);
                if let (Expr::Call(call), true) = (&mut bound, takes_apart) {
                    call.form = CallForm::Variadic;
                }
                Ok(bound)
            }
        }
    }

    fn check_plain(&self, call: &ast::FuncCall, position: u32) -> Result<()> {
        let name = call.name.last();
        if call.distinct {
            return Err(crate::error!(
                WRONG_OBJECT_TYPE,
                "DISTINCT specified, but {name} is not an aggregate function"
            )
            .at(position));
        }
        if !call.order_by.is_empty() {
            return Err(crate::error!(
                WRONG_OBJECT_TYPE,
                "ORDER BY specified, but {name} is not an aggregate function"
            )
            .at(position));
        }
        if call.filter.is_some() {
            return Err(crate::error!(WRONG_OBJECT_TYPE, "FILTER specified, but {name} is not an aggregate function")
                .at(position));
        }
        Ok(())
    }

    /// Bound arguments and the names of the named ones.
    fn arguments(&mut self, args: &[ast::Expr], place: Place) -> Result<(Vec<Expr>, Vec<Option<String>>)> {
        let (mut bound, mut names) = (Vec::with_capacity(args.len()), Vec::new());
        for arg in args {
            match &arg.kind {
                ExprKind::NamedArg { name, value } => {
                    names.resize(bound.len(), None);
                    names.push(Some(name.clone()));
                    bound.push(self.expr(value, place)?);
                }
                _ if names.iter().any(Option::is_some) => {
                    return Err(crate::error!(SYNTAX_ERROR, "positional argument cannot follow named argument")
                        .at(arg.position));
                }
                _ => bound.push(self.expr(arg, place)?),
            }
        }
        Ok((bound, names))
    }

    /// `int4('1')`, `text(x)`: a type's name called like a function is a cast, where PostgreSQL allows that.
    fn cast_by_name(&mut self, call: &ast::FuncCall, args: &[Expr], position: u32) -> Result<Option<Expr>> {
        let [arg] = args else { return Ok(None) };
        let has_function = builtin().procs_named(call.name.last()).any(|row| row.args == [arg.ty().oid]);
        if has_function || call.over.is_some() {
            return Ok(None);
        }
        let snapshot = &self.names().snapshot;
        let schema = self.schema_of_builtin(call.name.schema(), position)?;
        let is_there = |row: &&TypeRow| overload::is_in_schema(snapshot, row.namespace, schema);
        let Some(row) = builtin().types_named(call.name.last()).find(is_there) else { return Ok(None) };
        let source = arg.ty().oid;
        let relabels = matches!(
            super::coerce::find_path(source, row.oid, CoercionContext::Explicit, snapshot),
            Some(super::coerce::Path::Relabel | super::coerce::Path::Io)
        );
        if source == Oid::UNKNOWN || source == row.oid || relabels {
            return self.cast(arg.clone(), SqlType::of(row.oid), position).map(Some);
        }
        Ok(None)
    }

    /// Chooses the function and converts the arguments.
    ///
    /// # Errors
    /// `42883` and `42725` as PostgreSQL words them.
    pub(super) fn choose_function(
        &mut self,
        name: &ast::Name,
        args: Vec<Expr>,
        arg_names: &[Option<String>],
        variadic: bool,
        position: u32,
    ) -> Result<ChosenCall> {
        let given: Vec<Oid> = args.iter().map(|arg| arg.ty().oid).collect();
        let schema = self.schema_of_builtin(name.schema(), position)?;
        let snapshot = &self.names().snapshot;
        let is_there = |row: &&ProcRow| overload::is_in_schema(snapshot, row.namespace, schema);
        let rows = builtin().procs_named(name.last()).filter(is_there);
        let named = arg_names.iter().any(Option::is_some);
        let (candidates, args) = if named {
            let row = rows.into_iter().find(|row| order_named(row, arg_names).is_some());
            let Some(row) = row else { return Err(self.no_function(name, &given, arg_names).at(position)) };
            return self.call_with_names(row, args, arg_names, position);
        } else {
            (overload::function_candidates(rows, given.len(), !variadic), args)
        };
        let snapshot = std::sync::Arc::clone(&self.names().snapshot);
        let found = match overload::function(candidates, &given, &snapshot) {
            Choice::One(found) => found,
            Choice::None => return Err(self.no_function(name, &given, arg_names).at(position)),
            Choice::Ambiguous => {
                let signature = self.signature(name, &given, arg_names);
                return Err(crate::error!(AMBIGUOUS_FUNCTION, "function {signature} is not unique")
                    .hint("Could not choose a best candidate function. You might need to add explicit type casts.")
                    .at(position));
            }
        };
        self.finish_choice(found, args, &given, position)
    }

    /// The schema that the name of a function or operator is written with.
    ///
    /// # Errors
    /// `3F000` when there is none.
    pub(super) fn schema_of_builtin(&self, name: Option<&str>, position: u32) -> Result<Option<Oid>> {
        let Some(name) = name else { return Ok(None) };
        match self.names().snapshot.schema_named(name) {
            Some(schema) => Ok(Some(schema)),
            None => Err(crate::error!(INVALID_SCHEMA_NAME, "schema \"{name}\" does not exist").at(position)),
        }
    }

    fn finish_choice(
        &mut self,
        found: Candidate<FunctionChoice>,
        args: Vec<Expr>,
        given: &[Oid],
        position: u32,
    ) -> Result<ChosenCall> {
        let row = found.item.row;
        self.note_use(row.namespace, position);
        let snapshot = std::sync::Arc::clone(&self.names().snapshot);
        let (wanted, result) = overload::polymorphic(&found.args, given, row.result, &snapshot)
            .ok_or_else(|| undetermined(row).at(position))?;
        let mut converted = Vec::with_capacity(args.len());
        for (arg, want) in args.into_iter().zip(&wanted) {
            // Functions that take "any" value see literals as text.
            let settles = *want == Oid::ANY && arg.ty().oid == Oid::UNKNOWN && row.source != "pg_typeof";
            let want = if settles { Oid::TEXT } else { *want };
            converted.push(if want == Oid::ANY {
                arg
            } else {
                self.coerce(arg, want, CoercionContext::Implicit, position)?
            });
        }
        if let Some(from) = found.item.variadic_from.filter(|_| row.variadic != Oid::ANY) {
            let items = converted.split_off(from);
            let element = wanted[from];
            let ty = SqlType::of(snapshot.array_type(element));
            converted.push(Expr::Array { element, items, nested: false, ty });
        }
        for at in row.args.len() - found.item.defaults..row.args.len() {
            converted.push(self.default_argument(row, at, position)?);
        }
        Ok(ChosenCall { row, args: converted, result: SqlType::of(result) })
    }

    fn call_with_names(
        &mut self,
        row: &'static ProcRow,
        args: Vec<Expr>,
        arg_names: &[Option<String>],
        position: u32,
    ) -> Result<ChosenCall> {
        let order = order_named(row, arg_names).expect("the caller has looked");
        let mut slots: Vec<Option<Expr>> = vec![None; row.args.len()];
        for (arg, at) in args.into_iter().zip(order) {
            slots[at] = Some(self.coerce(arg, row.args[at], CoercionContext::Implicit, position)?);
        }
        let mut converted = Vec::with_capacity(slots.len());
        for (at, slot) in slots.into_iter().enumerate() {
            converted.push(match slot {
                Some(arg) => arg,
                None => self.default_argument(row, at, position)?,
            });
        }
        Ok(ChosenCall { row, args: converted, result: SqlType::of(row.result) })
    }

    fn default_argument(&mut self, row: &ProcRow, at: usize, position: u32) -> Result<Expr> {
        let defaults = DEFAULTS.iter().find(|entry| entry.0 == row.source).map(|entry| entry.1);
        let back = row.args.len() - at;
        let text = defaults.and_then(|list| list.len().checked_sub(back).map(|index| list[index]));
        let Some(text) = text else {
            return Err(
                Error::unsupported(format!("default argument {} of function {}()", at + 1, row.name)).at(position)
            );
        };
        let parsed = parser::parse_expr(text)?;
        let bound = self.expr(&parsed, Place::Other)?;
        self.coerce(bound, row.args[at], CoercionContext::Assignment, position)
    }

    fn signature(&self, name: &ast::Name, given: &[Oid], arg_names: &[Option<String>]) -> String {
        let args: Vec<String> = given
            .iter()
            .enumerate()
            .map(|(at, oid)| match arg_names.get(at) {
                Some(Some(name)) => format!("{name} => {}", self.type_text(*oid)),
                _ => self.type_text(*oid),
            })
            .collect();
        format!("{name}({})", args.join(", "))
    }

    fn no_function(&self, name: &ast::Name, given: &[Oid], arg_names: &[Option<String>]) -> Error {
        let signature = self.signature(name, given, arg_names);
        crate::error!(UNDEFINED_FUNCTION, "function {signature} does not exist")
            .hint("No function matches the given name and argument types. You might need to add explicit type casts.")
    }

    fn set_call(&mut self, chosen: ChosenCall, place: Place, position: u32) -> Result<Expr> {
        if !place.allows_sets() {
            let what =
                if place == Place::FromFunction { "functions in FROM".to_owned() } else { place.name().to_owned() };
            return Err(
                crate::error!(FEATURE_NOT_SUPPORTED, "set-returning functions are not allowed in {what}").at(position)
            );
        }
        let columns = self.function_columns(&chosen, chosen.row.name);
        let ty = if columns.len() == 1 { columns[0].ty } else { SqlType::of(Oid::RECORD) };
        let expr = plain_call(chosen, position);
        let sets = &mut self.level().sets;
        sets.push(FunctionCall { expr, columns });
        Ok(Expr::Column { index: SET_BASE + sets.len() - 1, ty })
    }

    /// The columns of a function's rows: OUT parameters, or one column of its result type.
    pub(super) fn function_columns(&self, chosen: &ChosenCall, name: &str) -> Vec<Field> {
        let row = chosen.row;
        let (Some(types), Some(modes)) = (&row.all_args, &row.modes) else {
            if let Some(fields) = self.names().snapshot.composite_fields(chosen.result.oid) {
                return fields.into_iter().map(|(name, ty)| Field { name, ty, origin: None }).collect();
            }
            return vec![Field { name: name.to_owned(), ty: chosen.result, origin: None }];
        };
        let names = row.arg_names.as_deref().unwrap_or_default();
        let given: Vec<Oid> = chosen.args.iter().map(|arg| arg.ty().oid).collect();
        let mut columns = Vec::new();
        for (at, (oid, mode)) in types.iter().zip(modes).enumerate() {
            if !matches!(mode, 'o' | 'b' | 't') {
                continue;
            }
            let snapshot = &self.names().snapshot;
            let ty = overload::polymorphic(&row.args, &given, *oid, snapshot).map_or(*oid, |found| found.1);
            let name = names
                .get(at)
                .filter(|name| !name.is_empty())
                .map_or_else(|| format!("column{}", at + 1), |name| (*name).to_owned());
            columns.push(Field { name, ty: SqlType::of(ty), origin: None });
        }
        if columns.is_empty() {
            columns.push(Field { name: name.to_owned(), ty: chosen.result, origin: None });
        }
        columns
    }
}

/// A call of a chosen function.
pub(super) fn plain_call(chosen: ChosenCall, position: u32) -> Expr {
    Expr::Call(Call {
        function: chosen.row.oid,
        args: chosen.args,
        ty: chosen.result,
        form: CallForm::Function,
        position,
    })
}

/// Where each argument goes when some are named; `None` when the names do not fit the function.
fn order_named(row: &ProcRow, arg_names: &[Option<String>]) -> Option<Vec<usize>> {
    let names = row.arg_names.as_deref().unwrap_or_default();
    let mut order = Vec::with_capacity(arg_names.len());
    for (at, name) in arg_names.iter().enumerate() {
        order.push(match name {
            None => at,
            Some(name) => names.iter().take(row.args.len()).position(|known| known == name)?,
        });
    }
    let missing = (0..row.args.len()).filter(|at| !order.contains(at));
    let fits =
        order.iter().all(|at| *at < row.args.len()) && missing.clone().all(|at| at + row.defaults >= row.args.len());
    fits.then_some(order)
}

fn undetermined(row: &ProcRow) -> Error {
    let any = row.args.iter().any(|oid| matches!(*oid, Oid::ANYARRAY | Oid::ANYELEMENT | Oid::ANYNONARRAY));
    let family = if any { "anyelement" } else { "anycompatible" };
    crate::error!(DATATYPE_MISMATCH, "could not determine polymorphic type because input has type unknown ({family})")
}
