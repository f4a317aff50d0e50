//! Coercion: from the type that an expression has to the type that its place wants.
//!
//! PostgreSQL's rules (chapter 10 of its manual): literals of unknown type are read as the wanted type at once;
//! parameters of unknown type take the wanted type; other values go through pg_cast as far as the context allows, through text
//! where PostgreSQL has I/O conversion casts, or element by element for arrays.

use std::sync::Arc;

use crate::catalog::builtin::builtin;
use crate::catalog::descriptor::TypeKind;
use crate::catalog::{Names, Snapshot};
use crate::error::{Error, Result};
use crate::sql::expr::{Call, CallForm, Expr};
use crate::types::{Datum, Oid, SqlType, io, typmod};

use super::context::{Binder, Place};
use super::table_expr;

/// How far a conversion may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CoercionContext {
    /// Operands and arguments.
    Implicit,
    /// INSERT, UPDATE, defaults.
    Assignment,
    /// CAST.
    Explicit,
}

/// How one type becomes another.
#[derive(Clone, Debug)]
pub(super) enum Path {
    Same,
    Relabel,
    Function(Oid),
    Io,
    /// Element by element.
    Array(Oid, Oid, Box<Path>),
}

/// Whether a type is polymorphic.
pub(super) fn is_polymorphic(oid: Oid) -> bool {
    matches!(
        oid,
        Oid::ANYELEMENT
            | Oid::ANYARRAY
            | Oid::ANYNONARRAY
            | Oid::ANYENUM
            | Oid::ANYRANGE
            | Oid::ANYMULTIRANGE
            | Oid::ANYCOMPATIBLE
            | Oid::ANYCOMPATIBLEARRAY
            | Oid::ANYCOMPATIBLENONARRAY
            | Oid::ANYCOMPATIBLERANGE
            | Oid::ANYCOMPATIBLEMULTIRANGE
    )
}

/// The way from one type to another, if the context allows it.
pub(super) fn find_path(source: Oid, target: Oid, context: CoercionContext, snapshot: &Snapshot) -> Option<Path> {
    if source == target || target == Oid::ANY {
        return Some(Path::Same);
    }
    let base = snapshot.base_type(SqlType::of(source)).oid;
    if base == target {
        return Some(Path::Relabel);
    }
    let target_base = snapshot.base_type(SqlType::of(target)).oid;
    if let Some(cast) = builtin().cast(base, target_base) {
        let allowed = match cast.context {
            'i' => true,
            'a' => context >= CoercionContext::Assignment,
            _ => context >= CoercionContext::Explicit,
        };
        return allowed.then_some(match cast.method {
            'f' => Path::Function(cast.function),
            'b' => Path::Relabel,
            _ => Path::Io,
        });
    }
    if base == target_base {
        return Some(Path::Relabel);
    }
    if target == Oid::RECORD && snapshot.composite_fields(base).is_some() {
        return Some(Path::Relabel);
    }
    if target == Oid::RECORD_ARRAY {
        return None;
    }
    if let (Some(from), Some(to)) = (snapshot.element_type(base), snapshot.element_type(target_base))
        && !matches!(target_base, Oid::INT2VECTOR | Oid::OIDVECTOR)
    {
        let inner = find_path(from, to, context, snapshot)?;
        return Some(Path::Array(from, to, Box::new(inner)));
    }
    // Conversions through text: to strings by assignment, from strings explicitly.
    let is_string = |oid: Oid| snapshot.category(oid).0 == 'S';
    if (is_string(target_base) && context >= CoercionContext::Assignment)
        || (is_string(base) && context >= CoercionContext::Explicit)
    {
        return Some(Path::Io);
    }
    None
}

/// Whether values of `source` can become `target` in a context. Unknown literals can become anything.
pub(super) fn can_coerce(source: Oid, target: Oid, context: CoercionContext, snapshot: &Snapshot) -> bool {
    source == Oid::UNKNOWN
        || is_polymorphic(target)
        || (source == Oid::RECORD && snapshot.composite_fields(target).is_some())
        || find_path(source, target, context, snapshot).is_some()
}

impl Binder<'_> {
    /// Converts an expression; `None` when the context does not allow it.
    ///
    /// # Errors
    /// Errors of reading a literal, with its position.
    pub(super) fn try_coerce(
        &mut self,
        expr: Expr,
        target: SqlType,
        context: CoercionContext,
        position: u32,
    ) -> Result<Option<Expr>> {
        let source = expr.ty().oid;
        if source == target.oid && (target.typmod < 0 || expr.ty().typmod == target.typmod) {
            return Ok(Some(self.finish_domain(expr, target)?));
        }
        if source == Oid::UNKNOWN && target.oid != Oid::UNKNOWN {
            return self.coerce_unknown(expr, target, context, position).map(Some);
        }
        if let Expr::Row { fields, .. } = &expr
            && source == Oid::RECORD
            && let Some(wanted) = self.names().snapshot.composite_fields(target.oid)
        {
            return self.coerce_row(fields.clone(), &wanted, target, context, position);
        }
        let snapshot = &self.names().snapshot;
        let Some(path) = find_path(source, target.oid, context, snapshot) else { return Ok(None) };
        let base = snapshot.base_type(target);
        let explicit = context == CoercionContext::Explicit;
        let source_typmod = expr.ty().typmod;
        let converted = apply_path(expr, base, &path, explicit, position);
        let same_kind = matches!(path, Path::Same | Path::Relabel);
        let typed = if base.typmod >= 0 && !(same_kind && source_typmod == base.typmod) {
            fold(Expr::Typmod { arg: Box::new(converted), ty: base, explicit })?
        } else {
            converted
        };
        Ok(Some(self.finish_domain(typed, target)?))
    }

    /// [`Binder::try_coerce`] for arguments and operands, which resolution has found convertible.
    ///
    /// # Errors
    /// `42804` when it is not; errors of reading a literal.
    pub(super) fn coerce(&mut self, expr: Expr, target: Oid, context: CoercionContext, position: u32) -> Result<Expr> {
        let source = expr.ty().oid;
        match self.try_coerce(expr, SqlType::of(target), context, position)? {
            Some(expr) => Ok(expr),
            None => Err(self.cannot_coerce(source, target).at(position)),
        }
    }

    fn cannot_coerce(&self, source: Oid, target: Oid) -> Error {
        crate::error!(CANNOT_COERCE, "cannot cast type {} to {}", self.type_text(source), self.type_text(target))
    }

    /// CAST.
    ///
    /// # Errors
    /// `42846` when there is no such cast.
    pub(super) fn cast(&mut self, expr: Expr, target: SqlType, position: u32) -> Result<Expr> {
        let source = expr.ty().oid;
        match self.try_coerce(expr, target, CoercionContext::Explicit, position)? {
            Some(expr) => Ok(expr),
            None => Err(self.cannot_coerce(source, target.oid).at(position)),
        }
    }

    /// Converts a value that is assigned to a column.
    ///
    /// # Errors
    /// `42804` with PostgreSQL's hint when there is no assignment cast.
    pub(super) fn assign(&mut self, expr: Expr, target: SqlType, column: &str, position: u32) -> Result<Expr> {
        let source = expr.ty().oid;
        match self.try_coerce(expr, target, CoercionContext::Assignment, position)? {
            Some(expr) => Ok(expr),
            None => {
                let (wanted, found) = (self.type_text(target.oid), self.type_text(source));
                let error = crate::error!(
                    DATATYPE_MISMATCH,
                    "column \"{column}\" is of type {wanted} but expression is of type {found}"
                );
                Err(error.hint("You will need to rewrite or cast the expression.").at(position))
            }
        }
    }

    /// A condition: boolean or an error that names the clause.
    ///
    /// # Errors
    /// `42804`.
    pub(super) fn to_bool(&mut self, expr: Expr, what: &str, position: u32) -> Result<Expr> {
        let source = expr.ty().oid;
        match self.try_coerce(expr, SqlType::of(Oid::BOOL), CoercionContext::Assignment, position)? {
            Some(expr) => Ok(expr),
            None => Err(crate::error!(
                DATATYPE_MISMATCH,
                "argument of {what} must be type boolean, not type {}",
                self.type_text(source)
            )
            .at(position)),
        }
    }

    fn coerce_unknown(&mut self, expr: Expr, target: SqlType, context: CoercionContext, position: u32) -> Result<Expr> {
        let base = self.names().snapshot.base_type(target);
        let explicit = context == CoercionContext::Explicit;
        let typed = match expr {
            Expr::Const(Datum::Null, _) => Expr::Const(Datum::Null, base),
            Expr::Const(Datum::Text(text), _) => {
                let datum = io::input(&text, base, &self.env.io()).map_err(|error| error.at(position))?;
                let datum = typmod::coerce(datum, base, explicit)?;
                Expr::Const(datum, base)
            }
            Expr::Param { index, .. } => {
                let slot = &mut self.params.types[index - 1];
                let ty = *slot.get_or_insert(SqlType::of(base.oid));
                let param = Expr::Param { index, ty };
                if ty.oid != base.oid || base.typmod >= 0 {
                    return match self.try_coerce(param, target, context, position)? {
                        Some(expr) => Ok(expr),
                        None => {
                            Err(crate::error!(DATATYPE_MISMATCH, "inconsistent types deduced for parameter ${index}")
                                .detail(format!("{} versus {}", self.type_text(ty.oid), self.type_text(base.oid)))
                                .at(position))
                        }
                    };
                }
                param
            }
            // Unknown columns of subqueries (`select 'a' as x`) have become text; anything else converts through text.
            other => Expr::ViaIo { arg: Box::new(other), ty: base },
        };
        self.finish_domain(typed, target)
    }

    fn coerce_row(
        &mut self,
        fields: Vec<Expr>,
        wanted: &[(String, SqlType)],
        target: SqlType,
        context: CoercionContext,
        position: u32,
    ) -> Result<Option<Expr>> {
        if fields.len() != wanted.len() {
            let error = self.cannot_coerce(Oid::RECORD, target.oid);
            let detail =
                if fields.len() < wanted.len() { "Input has too few columns." } else { "Input has too many columns." };
            return Err(error.detail(detail).at(position));
        }
        let mut converted = Vec::with_capacity(fields.len());
        for (field, (_, ty)) in fields.into_iter().zip(wanted) {
            match self.try_coerce(field, *ty, context, position)? {
                Some(field) => converted.push(field),
                None => return Ok(None),
            }
        }
        Ok(Some(Expr::Row { fields: converted, names: None, ty: target }))
    }

    /// Wraps a value of a domain's base type in the domain's checks.
    fn finish_domain(&mut self, expr: Expr, target: SqlType) -> Result<Expr> {
        if expr.ty().oid == target.oid && !matches!(expr, Expr::Const(..)) {
            return Ok(expr);
        }
        let names = self.names();
        let Some(found) = names.snapshot.user_type(target.oid) else { return Ok(expr) };
        let TypeKind::Domain { .. } = &found.kind else { return Ok(expr) };
        let (not_null, checks) = domain_checks(names, target.oid)?;
        let ty = names.snapshot.base_type(target);
        Ok(Expr::Domain { arg: Box::new(expr), ty, domain: target.oid, not_null, checks: Arc::new(checks) })
    }

    /// The one type that several expressions can share: for CASE, COALESCE, UNION, arrays, VALUES.
    ///
    /// # Errors
    /// `42804` when they have no common type.
    pub(super) fn common_type(&self, types: &[(Oid, u32)], what: &str) -> Result<Oid> {
        let snapshot = &self.names().snapshot;
        let known: Vec<(Oid, u32)> = types.iter().copied().filter(|(oid, _)| *oid != Oid::UNKNOWN).collect();
        let Some((first, _)) = known.first().copied() else { return Ok(Oid::TEXT) };
        if known.iter().all(|(oid, _)| *oid == first) {
            return Ok(first);
        }
        let mut best = snapshot.base_type(SqlType::of(first)).oid;
        for (oid, position) in &known[1..] {
            let oid = snapshot.base_type(SqlType::of(*oid)).oid;
            if oid == best {
                continue;
            }
            let ((category, preferred), (other, _)) = (snapshot.category(best), snapshot.category(oid));
            if category != other {
                let (a, b) = (self.type_text(best), self.type_text(oid));
                return Err(
                    crate::error!(DATATYPE_MISMATCH, "{what} types {a} and {b} cannot be matched").at(*position)
                );
            }
            if !preferred
                && can_coerce(best, oid, CoercionContext::Implicit, snapshot)
                && !can_coerce(oid, best, CoercionContext::Implicit, snapshot)
            {
                best = oid;
            }
        }
        Ok(best)
    }

    /// Converts a member of a list to the list's common type.
    ///
    /// # Errors
    /// `42846` when it cannot be.
    pub(super) fn to_common(&mut self, expr: Expr, target: Oid, what: &str, position: u32) -> Result<Expr> {
        let source = expr.ty().oid;
        match self.try_coerce(expr, SqlType::of(target), CoercionContext::Implicit, position)? {
            Some(expr) => Ok(expr),
            None => Err(crate::error!(
                CANNOT_COERCE,
                "{what} could not convert type {} to {}",
                self.type_text(source),
                self.type_text(target)
            )
            .at(position)),
        }
    }
}

/// NOT NULL and the checks of a domain and the domains under it.
///
/// # Errors
/// When a stored check does not bind any more.
pub(super) fn domain_checks(names: &Names, oid: Oid) -> Result<(bool, Vec<(String, Expr)>)> {
    let (mut not_null, mut found) = (false, Vec::new());
    let mut at = oid;
    while let Some(TypeKind::Domain { base, not_null: required, checks, .. }) =
        names.snapshot.user_type(at).map(|ty| &ty.kind)
    {
        not_null |= *required;
        for (name, text) in checks {
            let base = names.snapshot.base_type(*base);
            let columns = [("value".to_owned(), base)];
            let expr = table_expr::bind_stored(text, &columns, Some(SqlType::of(Oid::BOOL)), names, Place::Check)?;
            found.push((name.clone(), expr));
        }
        at = base.oid;
    }
    Ok((not_null, found))
}

/// Converts along a path. The result has no modifier yet; only cast functions that make a value of a length see the
/// target's.
fn apply_path(expr: Expr, wanted: SqlType, path: &Path, explicit: bool, position: u32) -> Expr {
    let target = SqlType::of(wanted.oid);
    match path {
        Path::Same => expr,
        Path::Relabel => Expr::Relabel { arg: Box::new(expr), ty: target },
        Path::Io => Expr::ViaIo { arg: Box::new(expr), ty: target },
        Path::Function(function) => {
            // Some casts borrow a function with a result of the same form: smallint to oid goes through integer.
            let result = builtin().proc_row(*function).map_or(target.oid, |row| row.result);
            if result == target.oid || is_polymorphic(result) {
                return cast_call(expr, *function, wanted, explicit, position);
            }
            let call = cast_call(expr, *function, SqlType::with(result, wanted.typmod), explicit, position);
            Expr::Relabel { arg: Box::new(call), ty: target }
        }
        Path::Array(from, to, inner) => {
            if matches!(**inner, Path::Same | Path::Relabel)
                && !matches!((*from, *to), (Oid::BPCHAR, _) | (_, Oid::BPCHAR))
            {
                return Expr::Relabel { arg: Box::new(expr), ty: target };
            }
            let column = Expr::Column { index: 0, ty: SqlType::of(*from) };
            let element = apply_path(column, SqlType::with(*to, wanted.typmod), inner, explicit, position);
            Expr::ArrayMap { array: Box::new(expr), element: Box::new(element), ty: target }
        }
    }
}

/// Cast functions take the value, and some the typmod and whether the cast is explicit.
fn cast_call(expr: Expr, function: Oid, wanted: SqlType, explicit: bool, position: u32) -> Expr {
    let declared = builtin().proc_row(function).map_or(1, |row| row.args.len());
    let mut args = vec![expr];
    if declared >= 2 {
        args.push(Expr::Const(Datum::Int4(wanted.typmod), SqlType::of(Oid::INT4)));
    }
    if declared >= 3 {
        args.push(Expr::Const(Datum::Bool(explicit), SqlType::of(Oid::BOOL)));
    }
    let form = if explicit { CallForm::ExplicitCast } else { CallForm::ImplicitCast };
    Expr::Call(Call { function, args, ty: SqlType::of(wanted.oid), form, position })
}

/// Applies a modifier to a constant at once.
fn fold(expr: Expr) -> Result<Expr> {
    if let Expr::Typmod { arg, ty, explicit } = &expr
        && let Expr::Const(datum, _) = &**arg
    {
        let datum = typmod::coerce(datum.clone(), *ty, *explicit)?;
        return Ok(Expr::Const(datum, *ty));
    }
    Ok(expr)
}
