//! What binding carries along: the catalog, parameters, and one [`Level`] of names per enclosing query.
//!
//! Names are looked up from the innermost level out; a name found `d` levels out becomes [`Expr::Outer`] of depth `d`.

use std::sync::Arc;

use crate::bail;
use crate::catalog::Names;
use crate::catalog::acl::{self, Rights};
use crate::catalog::descriptor::TableDesc;
use crate::catalog::privileges::Claim;
use crate::error::{Error, Result};
use crate::sql::ast;
use crate::sql::expr::{AggregateCall, Expr, WindowCall};
use crate::sql::logical::{Field, FunctionCall};
use crate::types::io::{FormatSettings, IoContext};
use crate::types::{Oid, SqlType};

use super::window::BoundWindow;

/// Column numbers from here on are placeholders for aggregates while a query level is bound.
pub(super) const AGGREGATE_BASE: usize = 1 << 40;
/// Column numbers from here on are placeholders for window functions.
pub(super) const WINDOW_BASE: usize = 1 << 41;
/// Column numbers from here on are placeholders for set-returning functions.
pub(super) const SET_BASE: usize = 1 << 42;
/// Expressions and queries nest at most this deep.
const DEPTH_MAX: usize = 400;

/// Types of the statement's parameters, known or found while binding.
#[derive(Clone, Debug, Default)]
pub struct Params {
    /// Type of each parameter; `None` is not known yet.
    pub types: Vec<Option<SqlType>>,
    /// Whether `$n` may occur at all.
    pub allowed: bool,
}

/// What a statement is bound against.
pub struct BindEnv<'a> {
    /// The catalog with the session's search path.
    pub names: &'a Names,
    /// How literals are read.
    pub format: &'a FormatSettings,
    /// What `'now'` means: start of the transaction, microseconds since 2000-01-01 UTC.
    pub now_micros: i64,
}

impl BindEnv<'_> {
    /// For reading literals.
    #[must_use]
    pub fn io(&self) -> IoContext<'_> {
        IoContext { format: self.format, now_micros: self.now_micros, lookup: self.names }
    }
}

/// The clause an expression stands in: decides what it may contain, and is named when it may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Place {
    Targets,
    Where,
    JoinOn,
    GroupBy,
    Having,
    OrderBy,
    Limit,
    Offset,
    Values,
    Returning,
    Update,
    FromFunction,
    Filter,
    Window,
    AggregateArgument,
    Default,
    Check,
    IndexExpression,
    IndexPredicate,
    Generated,
    Transform,
    ExecuteParameter,
    Other,
}

impl Place {
    /// As PostgreSQL names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Targets => "SELECT",
            Self::Where => "WHERE",
            Self::JoinOn => "JOIN conditions",
            Self::GroupBy => "GROUP BY",
            Self::Having => "HAVING",
            Self::OrderBy => "ORDER BY",
            Self::Limit => "LIMIT",
            Self::Offset => "OFFSET",
            Self::Values => "VALUES",
            Self::Returning => "RETURNING",
            Self::Update => "UPDATE",
            Self::FromFunction => "functions in FROM",
            Self::Filter => "FILTER",
            Self::Window => "window definitions",
            Self::AggregateArgument => "aggregate arguments",
            Self::Default => "DEFAULT expressions",
            Self::Check => "check constraints",
            Self::IndexExpression => "index expressions",
            Self::IndexPredicate => "index predicates",
            Self::Generated => "column generation expressions",
            Self::Transform => "transform expressions",
            Self::ExecuteParameter => "EXECUTE parameters",
            Self::Other => "this place",
        }
    }

    pub(super) fn allows_aggregates(self) -> bool {
        matches!(self, Self::Targets | Self::Having | Self::OrderBy | Self::Window)
    }

    pub(super) fn allows_windows(self) -> bool {
        matches!(self, Self::Targets | Self::OrderBy)
    }

    pub(super) fn allows_sets(self) -> bool {
        matches!(self, Self::Targets | Self::OrderBy | Self::GroupBy)
    }

    /// Constraint-like places see one row and nothing else.
    pub(super) fn allows_subqueries(self) -> bool {
        !matches!(
            self,
            Self::Default
                | Self::Check
                | Self::IndexExpression
                | Self::IndexPredicate
                | Self::Generated
                | Self::Transform
                | Self::ExecuteParameter
        )
    }
}

/// A column that names can reach.
#[derive(Clone, Debug)]
pub(super) struct ScopeColumn {
    pub name: String,
    pub ty: SqlType,
    /// Position in the level's row.
    pub index: usize,
    /// The relation it belongs to; merged USING columns belong to none.
    pub rel: Option<usize>,
    pub origin: Option<(Oid, i16)>,
    /// Found with a qualifier only: the parts of a merged column, and system columns are found but not in `*`.
    pub qualified_only: bool,
    /// Left out of `*`.
    pub system: bool,
}

/// A relation that names can reach.
#[derive(Clone, Debug)]
pub(super) struct ScopeRel {
    pub alias: String,
    pub schema: Option<String>,
    pub table: Option<Arc<TableDesc>>,
    /// The scan's tag, for FOR UPDATE.
    pub tag: Option<usize>,
    /// The row type when the relation is used as a value.
    pub row_type: Oid,
    /// A relation that a join alias hides, or the target before its clause.
    pub hidden: bool,
}

/// The names of one FROM clause.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub rels: Vec<ScopeRel>,
    pub columns: Vec<ScopeColumn>,
    /// Indices into `columns` that an unqualified `*` expands to.
    pub star: Vec<usize>,
    /// Number of columns of the row.
    pub width: usize,
}

/// One query level while it is bound.
#[derive(Default)]
pub(super) struct Level {
    pub scope: Scope,
    pub aggregates: Vec<AggregateCall>,
    pub windows: Vec<(BoundWindow, WindowCall)>,
    pub sets: Vec<FunctionCall>,
    pub groupings: Vec<Vec<Expr>>,
    /// WINDOW clause.
    pub named_windows: Vec<(String, ast::WindowSpec)>,
    /// Where the subquery stands that is being bound, and the first number of WITH queries in it; none in FROM.
    pub subquery: Option<(Place, usize)>,
    /// Set by references from inside.
    pub referenced: bool,
}

/// A CTE that FROM can name.
#[derive(Clone, Debug)]
pub(super) struct CteEntry {
    pub name: String,
    pub id: usize,
    pub fields: Vec<Field>,
}

/// Binds one statement.
pub struct Binder<'a> {
    pub(super) env: &'a BindEnv<'a>,
    pub(super) params: &'a mut Params,
    pub(super) levels: Vec<Level>,
    pub(super) ctes: Vec<CteEntry>,
    pub(super) next_tag: usize,
    pub(super) next_cte: usize,
    pub(super) depth: usize,
    /// Views being expanded, to stop endless recursion.
    pub(super) views: Vec<Oid>,
    /// What the statement wants of relations.
    pub(super) claims: Vec<Claim>,
    /// The owner of the view being expanded: its rights count inside.
    pub(super) claims_of: Option<Oid>,
    /// Where the statement's own text uses functions and operators of the extension, for texts that name its schema.
    pub(super) extension_uses: Vec<u32>,
}

impl<'a> Binder<'a> {
    /// A binder for one statement.
    pub fn new(env: &'a BindEnv<'a>, params: &'a mut Params) -> Self {
        Self {
            env,
            params,
            levels: Vec::new(),
            ctes: Vec::new(),
            next_tag: 1,
            next_cte: 1,
            depth: 0,
            views: Vec::new(),
            claims: Vec::new(),
            claims_of: None,
            extension_uses: Vec::new(),
        }
    }

    /// Remembers that the text uses something built in at this position.
    pub(super) fn note_use(&mut self, namespace: &str, position: u32) {
        if namespace == "public" && self.views.is_empty() {
            self.extension_uses.push(position);
        }
    }

    /// What is wanted of a relation so far.
    pub(super) fn claim(&mut self, relation: Oid, rights: Rights) -> &mut Claim {
        let role = self.claims_of;
        let found = self.claims.iter().position(|claim| claim.relation == relation && claim.role == role);
        let at = found.unwrap_or_else(|| {
            self.claims.push(Claim::new(relation, role, 0));
            self.claims.len() - 1
        });
        self.claims[at].rights |= rights;
        &mut self.claims[at]
    }

    /// Notes that a column is read.
    pub(super) fn reads(&mut self, column: &ScopeColumn) {
        if let Some((relation, attnum)) = column.origin {
            self.claim(relation, acl::SELECT).selected.insert(attnum);
        }
    }

    /// Runs `f` one nesting level deeper.
    pub(super) fn nested<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= DEPTH_MAX {
            return Err(crate::error!(STATEMENT_TOO_COMPLEX, "stack depth limit exceeded")
                .hint("Simplify the statement: its expressions or subqueries nest too deeply."));
        }
        self.depth += 1;
        let result = f(self);
        self.depth -= 1;
        result
    }

    pub(super) fn level(&mut self) -> &mut Level {
        self.levels.last_mut().expect("an expression is bound at some level")
    }

    pub(super) fn names(&self) -> &'a Names {
        self.env.names
    }

    pub(super) fn tag(&mut self) -> usize {
        self.next_tag += 1;
        self.next_tag - 1
    }

    /// The text of a type, for messages.
    pub(super) fn type_text(&self, oid: Oid) -> String {
        // Without a modifier in sight, messages do not tell `bpchar` from `character`.
        match oid {
            Oid::UNKNOWN => "unknown".to_owned(),
            Oid::BPCHAR => "character".to_owned(),
            Oid::BPCHAR_ARRAY => "character[]".to_owned(),
            Oid::BIT => "bit".to_owned(),
            Oid::BIT_ARRAY => "bit[]".to_owned(),
            oid => self.names().snapshot.type_text(SqlType::of(oid)),
        }
    }

    /// A reference to a column at a level, from the innermost one.
    pub(super) fn reference(&mut self, level: usize, column: &ScopeColumn) -> Expr {
        self.reads(column);
        let depth = self.levels.len() - 1 - level;
        if depth == 0 {
            return Expr::Column { index: column.index, ty: column.ty };
        }
        self.levels[level].referenced = true;
        Expr::Outer { depth, index: column.index, ty: column.ty }
    }

    /// Resolves `name`, `rel.name` or `schema.rel.name`; `None` when nothing has it.
    ///
    /// # Errors
    /// `42702` when several columns have it, `42P01` when there is no such relation.
    pub(super) fn find_column(&mut self, name: &ast::Name) -> Result<Option<Expr>> {
        if name.parts.len() > 4 {
            return Err(crate::error!(SYNTAX_ERROR, "improper qualified name (too many dotted names): {name}")
                .at(name.position));
        }
        if let [database, _, _, _] = name.parts.as_slice() {
            let own = self.names().snapshot.shared.databases.get(&self.names().snapshot.database);
            if own.is_none_or(|own| own.name != *database) {
                return Err(crate::error!(
                    FEATURE_NOT_SUPPORTED,
                    "cross-database references are not implemented: {name}"
                )
                .at(name.position));
            }
        }
        for level in (0..self.levels.len()).rev() {
            let scope = &self.levels[level].scope;
            let found = match name.parts.as_slice() {
                [column] => scope.unqualified(column, name.position)?,
                [rel, column] => scope.qualified(None, rel, column, name)?,
                [.., schema, rel, column] => scope.qualified(Some(schema), rel, column, name)?,
                [] => None,
            };
            if let Some(column) = found {
                let column = column.clone();
                return Ok(Some(self.reference(level, &column)));
            }
        }
        Ok(None)
    }

    /// A relation by alias: level and number.
    pub(super) fn find_rel(&self, schema: Option<&str>, alias: &str) -> Option<(usize, usize)> {
        (0..self.levels.len())
            .rev()
            .find_map(|level| self.levels[level].scope.rel(schema, alias).map(|rel| (level, rel)))
    }

    /// The error for a name that nothing has.
    pub(super) fn missing_column(&self, name: &ast::Name) -> Error {
        let text = name.to_string();
        let error = match name.parts.as_slice() {
            [_] => crate::error!(UNDEFINED_COLUMN, "column \"{text}\" does not exist"),
            [.., rel, _] if self.find_rel(None, rel).is_none() => {
                crate::error!(UNDEFINED_TABLE, "missing FROM-clause entry for table \"{rel}\"")
            }
            _ => crate::error!(UNDEFINED_COLUMN, "column {text} does not exist"),
        };
        error.at(name.position)
    }
}

impl Scope {
    /// A relation by alias.
    pub(super) fn rel(&self, schema: Option<&str>, alias: &str) -> Option<usize> {
        self.rels.iter().position(|rel| {
            !rel.hidden && rel.alias == alias && schema.is_none_or(|schema| rel.schema.as_deref() == Some(schema))
        })
    }

    fn unqualified(&self, name: &str, position: u32) -> Result<Option<&ScopeColumn>> {
        let mut matches = self.columns.iter().filter(|column| {
            !column.qualified_only && column.name == name && column.rel.is_none_or(|rel| !self.rels[rel].hidden)
        });
        let first = matches.next();
        if matches.next().is_some() && !first.is_some_and(|column| column.system) {
            return Err(crate::error!(AMBIGUOUS_COLUMN, "column reference \"{name}\" is ambiguous").at(position));
        }
        Ok(first)
    }

    fn qualified(
        &self,
        schema: Option<&str>,
        rel: &str,
        column: &str,
        name: &ast::Name,
    ) -> Result<Option<&ScopeColumn>> {
        let Some(rel) = self.rel(schema, rel) else { return Ok(None) };
        let mut matches = self.columns.iter().filter(|item| item.rel == Some(rel) && item.name == column);
        let first = matches.next();
        match (first, matches.next()) {
            (Some(_), Some(_)) if !first.is_some_and(|column| column.system) => {
                Err(crate::error!(AMBIGUOUS_COLUMN, "column reference \"{column}\" is ambiguous").at(name.position))
            }
            (None, _) => Ok(None),
            _ => Ok(first),
        }
    }

    /// Appends the names of the right side of a join.
    ///
    /// # Errors
    /// `42712` when both sides have a relation of one name.
    pub(super) fn append(&mut self, right: Self, position: u32) -> Result<()> {
        for rel in &right.rels {
            let same = |other: &&ScopeRel| {
                let alike = other.table.is_none() == rel.table.is_none() || other.schema == rel.schema;
                !other.hidden && !rel.hidden && other.alias == rel.alias && alike
            };
            if let Some(clash) = self.rels.iter().find(same)
                && !clash.alias.is_empty()
            {
                let name = &rel.alias;
                return Err(
                    crate::error!(DUPLICATE_ALIAS, "table name \"{name}\" specified more than once").at(position)
                );
            }
        }
        let (rels, columns, width) = (self.rels.len(), self.columns.len(), self.width);
        self.rels.extend(right.rels);
        self.columns.extend(right.columns.into_iter().map(|mut column| {
            column.index += width;
            column.rel = column.rel.map(|rel| rel + rels);
            column
        }));
        self.star.extend(right.star.into_iter().map(|at| at + columns));
        self.width += right.width;
        Ok(())
    }

    /// The columns that `rel.*` expands to.
    pub(super) fn columns_of(&self, rel: usize) -> Vec<ScopeColumn> {
        self.columns.iter().filter(|column| column.rel == Some(rel) && !column.system).cloned().collect()
    }
}

impl Params {
    /// Parameters whose types were declared (0 is not known).
    #[must_use]
    pub fn declared(types: &[Oid]) -> Self {
        let types =
            types.iter().map(|oid| (oid.is_some() && *oid != Oid::UNKNOWN).then_some(SqlType::of(*oid))).collect();
        Self { types, allowed: true }
    }

    /// The type of `$index`, entering it when it is new.
    ///
    /// # Errors
    /// `42P02` where there are no parameters.
    pub(super) fn reference(&mut self, index: usize) -> Result<Option<SqlType>> {
        if !self.allowed || index == 0 || index > 65_535 {
            bail!(UNDEFINED_PARAMETER, "there is no parameter ${index}");
        }
        if self.types.len() < index {
            self.types.resize(index, None);
        }
        Ok(self.types[index - 1])
    }

    /// All types.
    ///
    /// # Errors
    /// `42P18` when one was not found out.
    pub fn resolved(&self) -> Result<Vec<SqlType>> {
        let mut types = Vec::with_capacity(self.types.len());
        for (at, ty) in self.types.iter().enumerate() {
            match ty {
                Some(ty) => types.push(*ty),
                None => bail!(INDETERMINATE_DATATYPE, "could not determine data type of parameter ${}", at + 1),
            }
        }
        Ok(types)
    }
}
