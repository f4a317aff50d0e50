//! The syntax tree, PostgreSQL-shaped: what the parser makes and the binder reads.
//!
//! Nothing here is resolved: names are as written (folded to lower case unless quoted). Every `position` is the 1-based
//! character position in the statement text, 0 when unknown, and ends up in the error report's position field.

mod ddl;
mod expr;
mod query;
mod utility;

pub use ddl::*;
pub use expr::*;
pub use query::*;
pub use utility::*;

/// One statement of a query string.
#[derive(Clone, Debug, PartialEq)]
pub struct ParsedStatement {
    /// The statement.
    pub statement: Statement,
    /// Its text, without the semicolon.
    pub text: String,
}

/// A possibly qualified name, as written: `a`, `s.a`, `d.s.a`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The parts, outermost first; at least one.
    pub parts: Vec<String>,
    /// Where it stands.
    pub position: u32,
}

impl Name {
    /// An unqualified name.
    #[must_use]
    pub fn simple(name: impl Into<String>, position: u32) -> Self {
        Self { parts: vec![name.into()], position }
    }

    /// The last part: the object's own name.
    #[must_use]
    pub fn last(&self) -> &str {
        self.parts.last().expect("a name has a part")
    }

    /// The part before the last: the schema, if written.
    #[must_use]
    pub fn schema(&self) -> Option<&str> {
        self.parts.len().checked_sub(2).map(|at| self.parts[at].as_str())
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.parts.join("."))
    }
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Statement {
    Empty,
    Query(Box<Query>),
    Insert(Box<Insert>),
    Update(Box<Update>),
    Delete(Box<Delete>),
    Explain(Explain),
    Copy(Box<Copy>),
    CreateTable(Box<CreateTable>),
    CreateTableAs(Box<CreateTableAs>),
    AlterTable(Box<AlterTable>),
    CreateIndex(Box<CreateIndex>),
    CreateSchema(CreateSchema),
    CreateSequence(Box<CreateSequence>),
    AlterSequence(Box<AlterSequence>),
    CreateType(CreateType),
    AlterType(AlterType),
    CreateDomain(CreateDomain),
    CreateView(Box<CreateView>),
    CreateExtension(CreateExtension),
    AlterExtension(AlterExtension),
    CreateDatabase {
        name: String,
        options: Vec<(String, String)>,
    },
    CreateRole(CreateRole),
    AlterRole(CreateRole),
    /// ALTER ROLE/DATABASE name SET/RESET.
    AlterSetting {
        role: Option<String>,
        database: Option<String>,
        setting: SetStatement,
    },
    Rename(Rename),
    Drop(Drop),
    Truncate(Truncate),
    Comment(Comment),
    Grant(Box<Grant>),
    DefaultPrivileges(Box<DefaultPrivileges>),
    Belongings(Belongings),
    /// ALTER SCHEMA and ALTER DATABASE ... OWNER TO.
    ChangeOwner {
        kind: ObjectKind,
        name: Name,
        owner: String,
    },
    Transaction(TransactionStatement),
    Set(SetStatement),
    Show {
        name: String,
    },
    Discard(DiscardTarget),
    Prepare {
        name: String,
        types: Vec<TypeName>,
        statement: Box<Statement>,
    },
    Execute {
        name: String,
        args: Vec<Expr>,
    },
    Deallocate {
        name: Option<String>,
    },
    DeclareCursor(Box<DeclareCursor>),
    Fetch(Fetch),
    CloseCursor {
        name: Option<String>,
    },
    LockTable {
        tables: Vec<Name>,
        mode: String,
        nowait: bool,
    },
    Listen {
        channel: String,
    },
    Unlisten {
        channel: Option<String>,
    },
    Notify {
        channel: String,
        payload: String,
    },
    Vacuum {
        tables: Vec<Name>,
        analyze_only: bool,
    },
    Reindex(Reindex),
    Checkpoint,
    /// LOAD of a shared library.
    Load {
        library: String,
    },
    Cluster {
        table: Option<Name>,
        index: Option<String>,
    },
    /// Understood as PostgreSQL, not done by OmenDB: the name of the feature.
    Unsupported {
        feature: String,
    },
}
