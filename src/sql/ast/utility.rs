//! Transactions, settings, cursors, COPY, EXPLAIN as written.

use super::{Expr, Name, Query, Statement};

/// BEGIN and its family.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TransactionStatement {
    Begin(TransactionModes),
    /// START TRANSACTION: BEGIN with a tag of its own.
    Start(TransactionModes),
    Commit {
        chain: bool,
    },
    Rollback {
        chain: bool,
    },
    Savepoint(String),
    Release(String),
    RollbackTo(String),
    /// SET TRANSACTION.
    SetModes(TransactionModes),
    /// SET SESSION CHARACTERISTICS AS TRANSACTION.
    SetSessionModes(TransactionModes),
    Prepare(String),
    CommitPrepared(String),
    RollbackPrepared(String),
}

/// Transaction modes; None is "as default".
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct TransactionModes {
    /// `read committed`, `repeatable read`, `serializable`, `read uncommitted`.
    pub isolation: Option<String>,
    pub read_only: Option<bool>,
    pub deferrable: Option<bool>,
}

/// SET, RESET.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct SetStatement {
    /// The setting, lower case; `all` for RESET ALL.
    pub name: String,
    pub value: SetValue,
    pub local: bool,
    /// RESET, not SET ... TO DEFAULT.
    pub reset: bool,
}

/// What it is set to.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum SetValue {
    Default,
    /// One or more items, as text; joined by `, ` for list settings.
    Values(Vec<String>),
}

/// DISCARD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum DiscardTarget {
    All,
    Plans,
    Sequences,
    Temp,
}

/// EXPLAIN.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Explain {
    pub analyze: bool,
    pub verbose: bool,
    pub costs: bool,
    pub timing: bool,
    pub summary: Option<bool>,
    pub buffers: bool,
    /// text or json.
    pub format: String,
    pub statement: Box<Statement>,
}

/// COPY.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Copy {
    pub source: CopySource,
    /// FROM (true) or TO.
    pub from: bool,
    pub target: CopyTarget,
    /// Options by lower-case name.
    pub options: Vec<(String, CopyValue)>,
    pub filter: Option<Expr>,
}

/// What is copied.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum CopySource {
    Table { name: Name, columns: Vec<String> },
    Query(Box<Statement>),
}

/// Where to or from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum CopyTarget {
    Stdio,
    File(String),
    Program(String),
}

/// The value of a COPY option.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum CopyValue {
    None,
    Text(String),
    Columns(Vec<String>),
    Star,
}

/// DECLARE CURSOR.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct DeclareCursor {
    pub name: String,
    pub binary: bool,
    pub scroll: Option<bool>,
    pub hold: bool,
    pub query: Query,
}

/// FETCH and MOVE.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Fetch {
    pub cursor: String,
    pub direction: FetchDirection,
    pub is_move: bool,
}

/// Where to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum FetchDirection {
    /// Forward by n (negative: backward); i64::MAX is ALL.
    Forward(i64),
    /// Backward by n.
    Backward(i64),
    Absolute(i64),
    Relative(i64),
}
