//! What evaluation may read: parameters, settings, times, the catalog, the session, and the rows of enclosing queries.
//!
//! An [`EvalContext`] is cheap to clone (shared pointers), so that a subquery or a thread gets its own. Evaluation changes
//! nothing itself; functions with effects (sequences, settings, locks) go through [`SessionFacade`], which the session
//! implements. Subqueries go through [`SubqueryRunner`], which the executor implements, because it is above this floor.

use std::sync::Arc;

use crate::common::CancelFlag;
use crate::error::{Error, Result};
use crate::sql::eval::registry::Function;
use crate::sql::eval::row::Row;
use crate::sql::expr::{Expr, Subquery};
use crate::sql::logical::Field;
use crate::types::io::{FormatSettings, IoContext, NoLookup, TypeLookup};
use crate::types::{Datum, Oid, SqlType};

/// The row of an enclosing query, and that query's own enclosing rows.
#[derive(Debug)]
pub struct OuterRow {
    /// The values of the row.
    pub row: Vec<Datum>,
    /// One level further out.
    pub parent: Option<Arc<OuterRow>>,
}

/// Everything an expression can depend on besides its input row.
#[derive(Clone)]
pub struct EvalContext {
    /// Statement parameters; `$1` is the first.
    pub params: Arc<[Datum]>,
    /// Settings of text input and output.
    pub format: Arc<FormatSettings>,
    /// Names and types, for text input and output.
    pub lookup: Arc<dyn TypeLookup + Send + Sync>,
    /// Session facts and effects.
    pub session: Arc<dyn SessionFacade>,
    /// Runs subqueries.
    pub subqueries: Arc<dyn SubqueryRunner>,
    /// Polled by long-running functions.
    pub cancel: CancelFlag,
    /// Start of the transaction, microseconds since 2000-01-01 UTC: `now()`.
    pub transaction_micros: i64,
    /// Arrival of the statement, same unit: `statement_timestamp()`.
    pub statement_micros: i64,
    /// Rows of enclosing queries, innermost first.
    pub outer: Option<Arc<OuterRow>>,
}

impl EvalContext {
    /// A context without parameters, session or catalog: for constant expressions of built-in types, and tests.
    #[must_use]
    pub fn detached() -> Self {
        Self {
            params: Arc::from([]),
            format: Arc::new(FormatSettings::default()),
            lookup: Arc::new(NoLookup),
            session: Arc::new(NoSession),
            subqueries: Arc::new(NoSubqueries),
            cancel: CancelFlag::new(),
            transaction_micros: 0,
            statement_micros: 0,
            outer: None,
        }
    }

    /// The settings for text input and output.
    #[must_use]
    pub fn io(&self) -> IoContext<'_> {
        let lookup: &dyn TypeLookup = self.lookup.as_ref();
        IoContext { format: &self.format, now_micros: self.transaction_micros, lookup }
    }

    /// The value of column `index` of the row `depth` >= 1 queries out.
    ///
    /// # Panics
    /// When there is no such row: the binder counted the levels.
    #[must_use]
    pub fn outer_value(&self, depth: usize, index: usize) -> &Datum {
        let mut row = self.outer.as_ref().expect("an outer reference stands inside a subquery");
        for _ in 1..depth {
            row = row.parent.as_ref().expect("an outer reference stands inside that many subqueries");
        }
        &row.row[index]
    }

    /// This context inside a subquery (or the right side of a lateral join) of `row`.
    #[must_use]
    pub fn inside(&self, row: Vec<Datum>) -> Self {
        let mut inner = self.clone();
        inner.outer = Some(Arc::new(OuterRow { row, parent: self.outer.clone() }));
        inner
    }
}

/// What a function can ask about its call.
pub struct FnContext<'a> {
    /// The statement's context.
    pub eval: &'a EvalContext,
    /// The function.
    pub function: &'a Function,
    /// The type of the result, polymorphic types resolved.
    pub result: SqlType,
    /// The types of the arguments.
    pub args: ArgTypes<'a>,
}

/// Argument types, without collecting them for every call.
#[derive(Clone, Copy)]
pub enum ArgTypes<'a> {
    /// The types of these expressions.
    Exprs(&'a [Expr]),
    /// These types.
    Types(&'a [SqlType]),
    /// The types of these expressions, of a call in FROM with these output columns: what functions that return
    /// `record` need.
    Call {
        /// The arguments.
        exprs: &'a [Expr],
        /// The columns of the result, by a column definition list or the result type.
        columns: &'a [Field],
    },
    /// As pg_proc declares them.
    Declared,
}

impl FnContext<'_> {
    /// The type of argument `index`, 0-based; `unknown` when there is no such argument.
    #[must_use]
    pub fn arg_type(&self, index: usize) -> SqlType {
        match self.args {
            ArgTypes::Exprs(exprs) | ArgTypes::Call { exprs, .. } => exprs.get(index).map(Expr::ty),
            ArgTypes::Types(types) => types.get(index).copied(),
            ArgTypes::Declared => self.function.args.get(index).copied().map(SqlType::of),
        }
        .unwrap_or(SqlType::of(Oid::UNKNOWN))
    }

    /// The settings for text input and output.
    #[must_use]
    pub fn io(&self) -> IoContext<'_> {
        self.eval.io()
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> &dyn SessionFacade {
        self.eval.session.as_ref()
    }
}

/// Runs subqueries in expressions. The executor implements it; `row` is the row around the subquery.
pub trait SubqueryRunner: Send + Sync {
    /// The value of the subquery: scalar, EXISTS, quantified or ARRAY, by its kind.
    ///
    /// # Errors
    /// `21000` for a scalar subquery with several rows; whatever the query raises.
    fn value(&self, subquery: &Subquery, row: Row<'_>, ctx: &EvalContext) -> Result<Datum>;
}

/// Refuses subqueries: where none can occur (CHECK constraints, index expressions, defaults).
pub struct NoSubqueries;

impl SubqueryRunner for NoSubqueries {
    fn value(&self, _: &Subquery, _: Row<'_>, _: &EvalContext) -> Result<Datum> {
        Err(Error::unsupported("a subquery in this place"))
    }
}

/// An advisory lock's key; the two forms never meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AdvisoryKey {
    /// One bigint.
    One(i64),
    /// Two integers.
    Two(i32, i32),
}

/// Kinds of object that a privilege question or a visibility question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ObjectClass {
    Relation,
    Type,
    Function,
    Operator,
    OperatorClass,
    Collation,
    Schema,
    Database,
    Role,
    Index,
    Constraint,
    Expression,
}

/// What a question about rights is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Privileged {
    Relation(Oid),
    /// A column by attribute number.
    Column(Oid, i16),
    /// Any column of a relation.
    AnyColumn(Oid),
    Schema(Oid),
    /// A database; 0 is the session's.
    Database(Oid),
    Function(Oid),
    Type(Oid),
    Role(Oid),
}

/// Something that does not agree in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckFinding {
    /// The table, with its schema, quoted as needed.
    pub relation: String,
    /// The index, when it is about one.
    pub index: Option<String>,
    /// The row's internal number; 0 when it is not about one row.
    pub row: i64,
    /// What is wrong, as one sentence without a period.
    pub problem: String,
}

impl CheckFinding {
    /// The finding as one line.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{}: row {}: {}", self.relation, self.row, self.problem)
    }
}

/// What SQL functions ask of, and do to, the session, its transaction and the server. Methods have answers for a session
/// that can do nothing, so that an implementation grows method by method.
#[allow(unused_variables)]
pub trait SessionFacade: Send + Sync {
    /// `current_user`.
    fn current_user(&self) -> String {
        "postgres".to_owned()
    }
    /// `session_user`.
    fn session_user(&self) -> String {
        self.current_user()
    }
    /// `current_database()`.
    fn current_database(&self) -> String {
        "postgres".to_owned()
    }
    /// Existing schemas of the search path in order; with the implicit ones (`pg_catalog`, temp) when asked for.
    fn current_schemas(&self, implicit: bool) -> Vec<String> {
        if implicit { vec!["pg_catalog".to_owned(), "public".to_owned()] } else { vec!["public".to_owned()] }
    }
    /// `pg_backend_pid()`.
    fn backend_pid(&self) -> i32 {
        0
    }
    /// Text of the running statement: `current_query()`.
    fn current_query(&self) -> Option<String> {
        None
    }
    /// Client address and port; none for a Unix socket.
    fn client_address(&self) -> Option<(String, i32)> {
        None
    }
    /// Server address and port that the client has reached; none for a Unix socket.
    fn server_address(&self) -> Option<(String, i32)> {
        None
    }
    /// Start of the server, microseconds since 2000-01-01 UTC.
    fn server_start_micros(&self) -> i64 {
        0
    }
    /// A setting as SHOW prints it; `None` when there is no such setting.
    fn setting(&self, name: &str) -> Option<String> {
        None
    }
    /// `SET [LOCAL]`; returns the new value as SHOW prints it.
    ///
    /// # Errors
    /// `22023`, `42704`, `55P02` as for SET.
    fn set_setting(&self, name: &str, value: &str, local: bool) -> Result<String> {
        Err(Error::unsupported("set_config"))
    }
    /// `nextval` of a sequence by OID.
    ///
    /// # Errors
    /// `42P01`/`42809` when it is no sequence, `2200H` at its end, `25006` in a read-only transaction.
    fn nextval(&self, sequence: Oid) -> Result<i64> {
        Err(Error::unsupported("nextval"))
    }
    /// `currval`.
    ///
    /// # Errors
    /// `55000` before the first `nextval` of the session.
    fn currval(&self, sequence: Oid) -> Result<i64> {
        Err(Error::unsupported("currval"))
    }
    /// `lastval`.
    ///
    /// # Errors
    /// `55000` before the first `nextval` of the session.
    fn lastval(&self) -> Result<i64> {
        Err(Error::unsupported("lastval"))
    }
    /// `setval`; returns `value`.
    ///
    /// # Errors
    /// `22003` when out of the sequence's bounds.
    fn setval(&self, sequence: Oid, value: i64, is_called: bool) -> Result<i64> {
        Err(Error::unsupported("setval"))
    }
    /// `pg_sequence_last_value`: NULL before the first use.
    ///
    /// # Errors
    /// When there is no such sequence.
    fn sequence_last_value(&self, sequence: Oid) -> Result<Option<i64>> {
        Ok(None)
    }
    /// Takes an advisory lock, to the end of the transaction or of the session; false when `wait` is false and it is taken.
    ///
    /// # Errors
    /// `40P01`, `55P03`, `57014`.
    fn advisory_lock(&self, key: AdvisoryKey, shared: bool, transaction: bool, wait: bool) -> Result<bool> {
        Err(Error::unsupported("advisory locks"))
    }
    /// Releases a session-level advisory lock; false (and the caller warns) when it was not held.
    fn advisory_unlock(&self, key: AdvisoryKey, shared: bool) -> bool {
        false
    }
    /// Releases all session-level advisory locks.
    fn advisory_unlock_all(&self) {}
    /// `pg_notify`, delivered at commit.
    ///
    /// # Errors
    /// `22023` for a bad channel name or a payload that is too long.
    fn notify(&self, channel: &str, payload: &str) -> Result<()> {
        Err(Error::unsupported("pg_notify"))
    }
    /// Channels listened to.
    fn listening_channels(&self) -> Vec<String> {
        Vec::new()
    }
    /// `pg_cancel_backend` / `pg_terminate_backend`; false when there is no such backend.
    ///
    /// # Errors
    /// `42501` without the right to.
    fn signal_backend(&self, pid: i32, terminate: bool) -> Result<bool> {
        Ok(false)
    }
    /// The backends that a backend waits for.
    fn blocking_pids(&self, pid: i32) -> Vec<i32> {
        Vec::new()
    }
    /// The current transaction's number, assigned when asked for first.
    ///
    /// # Errors
    /// When no number can be assigned.
    fn transaction_id(&self) -> Result<i64> {
        Ok(1)
    }
    /// The current transaction's number if it has one.
    fn transaction_id_if_assigned(&self) -> Option<i64> {
        None
    }
    /// The statement snapshot as `xmin:xmax:xip_list`.
    fn snapshot_text(&self) -> String {
        "1:1:".to_owned()
    }
    /// Sends a notice or warning to the client.
    fn notice(&self, report: Error) {}
    /// Bytes of a table or index on disk (`indexes`: with its indexes); `None` when there is no such relation.
    fn relation_size(&self, relation: Oid, indexes: bool) -> Option<i64> {
        None
    }
    /// Bytes of a database on disk.
    fn database_size(&self) -> i64 {
        0
    }
    /// Whether the current user (or `role`, 0 for PUBLIC) holds a right on an object, or with `option` may grant it;
    /// `None` when there is no such object.
    ///
    /// # Errors
    /// PostgreSQL's error when there is no such object or role.
    fn has_privilege(&self, role: Option<Oid>, object: Privileged, right: &str, option: bool) -> Result<Option<bool>> {
        Ok(Some(true))
    }
    /// Answers of the catalog that need more than names: see [`CatalogQuestion`]. `None` is SQL NULL.
    ///
    /// # Errors
    /// PostgreSQL's own for the question.
    fn catalog_answer(&self, question: &CatalogQuestion<'_>) -> Result<Option<Datum>> {
        Ok(None)
    }
    /// Compares rows, indexes and constraints of the current database: `omendb_check()`. `eval` is the context of the call.
    ///
    /// # Errors
    /// `42501` for anyone but a superuser; storage errors.
    fn check_database(&self, eval: &EvalContext) -> Result<Vec<CheckFinding>> {
        Err(Error::unsupported("omendb_check"))
    }
    /// A random number in [0, 1), from the session's generator.
    fn random(&self) -> f64 {
        0.5
    }
    /// `setseed`.
    fn set_seed(&self, seed: f64) {}
}

/// Questions about objects, answered from the catalog snapshot of the statement.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum CatalogQuestion<'a> {
    /// Is the object found by its bare name on the search path? boolean, NULL when there is none.
    IsVisible { class: ObjectClass, object: Oid },
    /// `pg_get_userbyid`: name.
    RoleName(Oid),
    /// The number of a column: smallint, NULL when there is none.
    ColumnNumber { relation: Oid, name: &'a str },
    /// `acldefault`: aclitem[].
    AclDefault { kind: char, owner: Oid },
    /// `pg_get_indexdef(index, column, pretty)`: text.
    IndexDef { index: Oid, column: i32, pretty: bool },
    /// `pg_get_constraintdef`: text.
    ConstraintDef { constraint: Oid, pretty: bool },
    /// `pg_get_expr`: text.
    Expression { text: &'a str, relation: Oid, pretty: bool },
    /// `pg_get_viewdef`: text.
    ViewDef { view: Oid, pretty: bool },
    /// `pg_get_serial_sequence(table, column)`: text.
    SerialSequence { table: &'a str, column: &'a str },
    /// `obj_description(object, catalog)` and `col_description` (class `pg_class`, sub > 0): text.
    Description { object: Oid, catalog: &'a str, sub: i32 },
    /// `to_regclass` and its kin: the OID of a name as a `reg*` type reads it, NULL when there is none.
    Lookup { kind: Oid, name: &'a str },
    /// The OID of a database by name, NULL when there is none.
    DatabaseNamed(&'a str),
    /// `pg_get_function_result`, `pg_get_function_arguments`, `pg_get_function_identity_arguments`: text.
    FunctionText { function: Oid, part: FunctionPart },
    /// `pg_index_column_has_property(index, column, property)`, `column` 0 for the index: boolean.
    IndexProperty { index: Oid, column: i32, property: &'a str },
    /// `pg_describe_object(class, object, column)`: text.
    Describe { class: Oid, object: Oid, sub: i32 },
    /// `pg_sequence_parameters`: record (start, min, max, increment, cycle, cache, type).
    SequenceParameters(Oid),
    /// Labels of an enum type in order: text array.
    EnumLabels(Oid),
}

/// Parts of a function's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum FunctionPart {
    Definition,
    Result,
    Arguments,
    IdentityArguments,
    Sql,
}

/// A session that knows nothing and can do nothing.
pub struct NoSession;

impl SessionFacade for NoSession {}
