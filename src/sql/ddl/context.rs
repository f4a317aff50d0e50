//! What a statement of data definition works on, and the look-ups that all of them share.

use std::sync::Arc;

use super::concurrent::Later;
use crate::bail;
use crate::catalog::acl::{self, Rights};
use crate::catalog::descriptor::{RoleDesc, StorageId, TableDesc};
use crate::catalog::privileges::Securable;
use crate::catalog::snapshot::{INFORMATION_SCHEMA, PG_CATALOG, PG_TOAST};
use crate::catalog::{Catalog, Edit, Names, Relation, SearchPath, Snapshot};
use crate::error::{Error, Result, Severity, SqlState};
use crate::sql::ast::Name;
use crate::sql::eval::EvalContext;
use crate::table::Tables;
use crate::txn::{TableLock, Transaction, Wait};
use crate::types::Oid;

/// A statement's surroundings. The caller holds the catalog lock, writes the edit's keys with the transaction's commit and
/// publishes the edit then.
pub struct DdlContext<'a> {
    /// The published catalog, for new OIDs.
    pub catalog: &'a Catalog,
    /// The transaction's copy.
    pub edit: &'a mut Edit,
    /// The session's search path, its temporary schema included once it has one.
    pub path: SearchPath,
    /// The transaction.
    pub txn: &'a Arc<Transaction>,
    /// Run-time state of tables.
    pub tables: &'a Arc<Tables>,
    /// For defaults, checks and casts.
    pub eval: &'a EvalContext,
    /// Shows the session the copy as it is now, so that functions that are evaluated look names up in it.
    pub see: &'a dyn Fn(&Snapshot),
    /// Whether changes of a table wait for the check of a constraint.
    pub waits: &'a dyn Fn(Oid) -> bool,
    /// The current user.
    pub role: Arc<RoleDesc>,
    /// Bytes of memory that building an index may take besides the index.
    pub maintenance_work_mem: usize,
    /// Notices and warnings for the client, in order.
    pub notices: Vec<Error>,
    /// What is to be done in transactions of its own once this one has committed.
    pub later: Vec<Later>,
}

impl DdlContext<'_> {
    /// The catalog as the transaction has made it.
    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.edit.snapshot
    }

    /// Names as the session sees them.
    pub(super) fn names(&self) -> Names {
        Names { snapshot: Arc::new(self.edit.snapshot.clone()), path: self.path.clone() }
    }

    /// Names for expressions stored in the catalog.
    pub(super) fn stored_names(&self) -> Names {
        Names::stored(Arc::new(self.edit.snapshot.clone()))
    }

    /// The statement's evaluation context, on the catalog as it is now.
    pub(super) fn eval_context(&self) -> EvalContext {
        (self.see)(&self.edit.snapshot);
        let mut eval = self.eval.clone();
        eval.lookup = Arc::new(self.names());
        eval
    }

    pub(super) fn notice(&mut self, state: SqlState, message: impl Into<String>) {
        self.notices.push(Error::with_severity(Severity::Notice, state, message));
    }

    pub(super) fn warning(&mut self, state: SqlState, message: impl Into<String>) {
        self.notices.push(Error::with_severity(Severity::Warning, state, message));
    }

    pub(super) fn skip_missing(&mut self, what: &str) {
        self.notice(SqlState::SUCCESSFUL_COMPLETION, format!("{what} does not exist, skipping"));
    }

    pub(super) fn skip_existing(&mut self, state: SqlState, what: &str) {
        self.notice(state, format!("{what} already exists, skipping"));
    }

    /// A schema by name, `pg_temp` included.
    pub(super) fn schema_named(&self, name: &str) -> Option<Oid> {
        if name == "pg_temp" { self.path.temporary } else { self.snapshot().schema_named(name) }
    }

    /// The schema that a qualified name says, or `None` for a bare name.
    pub(super) fn explicit_schema(&self, name: &Name) -> Result<Option<Oid>> {
        if let [database, _, _] = name.parts.as_slice() {
            let own = self.snapshot().shared.databases.get(&self.snapshot().database).map(|d| d.name.as_str());
            if own != Some(database.as_str()) {
                bail!(FEATURE_NOT_SUPPORTED, "cross-database references are not implemented: \"{name}\"");
            }
        }
        if name.parts.len() > 3 {
            bail!(SYNTAX_ERROR, "improper qualified name (too many dotted names): {name}");
        }
        let Some(schema) = name.schema() else { return Ok(None) };
        match self.schema_named(schema) {
            Some(oid) if Some(oid) != self.path.temporary => {
                self.snapshot().check_usage(Some(self.role.oid), oid).map_err(|error| error.at(name.position))?;
                Ok(Some(oid))
            }
            Some(oid) => Ok(Some(oid)),
            None => Err(crate::error!(INVALID_SCHEMA_NAME, "schema \"{schema}\" does not exist").at(name.position)),
        }
    }

    /// Where a new object of this name goes.
    pub(super) fn creation_schema(&self, name: &Name, temporary: bool) -> Result<Oid> {
        let explicit = self.explicit_schema(name)?;
        if temporary {
            let Some(own) = self.path.temporary else { return Err(Error::internal("no temporary schema")) };
            if explicit.is_some_and(|schema| schema != own) {
                bail!(INVALID_TABLE_DEFINITION, "cannot create temporary relation in non-temporary schema");
            }
            let database = self.snapshot().database;
            if self.snapshot().held(self.role.oid, Securable::Database(database)).0 & acl::TEMPORARY == 0 {
                let name = self.snapshot().shared.databases.get(&database).map_or("", |found| found.name.as_str());
                bail!(INSUFFICIENT_PRIVILEGE, "permission denied to create temporary tables in database \"{name}\"");
            }
            return Ok(own);
        }
        let schema = match explicit.or(self.path.creation) {
            Some(schema) => schema,
            None => bail!(INVALID_SCHEMA_NAME, "no schema has been selected to create in"),
        };
        if [PG_CATALOG, INFORMATION_SCHEMA, PG_TOAST].contains(&schema) {
            let text = self.snapshot().schema_name(schema).unwrap_or_default();
            let error = crate::error!(INSUFFICIENT_PRIVILEGE, "permission denied to create \"{text}.{}\"", name.last());
            return Err(error.detail("System catalog modifications are currently disallowed."));
        }
        self.check_right(Securable::Schema(schema), acl::CREATE)?;
        Ok(schema)
    }

    /// The relation that a name means, if there is one.
    pub(super) fn find_relation(&self, name: &Name) -> Result<Option<Relation>> {
        Ok(match self.explicit_schema(name)? {
            Some(schema) => self.snapshot().relation_in(schema, name.last()),
            None => self.snapshot().find_relation(&self.path, name.last()),
        })
    }

    /// The relation that a name means.
    pub(super) fn relation(&self, name: &Name) -> Result<Relation> {
        match self.find_relation(name)? {
            Some(relation) => Ok(relation),
            None => bail!(UNDEFINED_TABLE, "relation \"{name}\" does not exist"),
        }
    }

    /// An ordinary table by name.
    pub(super) fn table(&self, name: &Name) -> Result<Arc<TableDesc>> {
        match self.relation(name)? {
            Relation::Table(table) => Ok(table),
            Relation::System(desc) => {
                bail!(INSUFFICIENT_PRIVILEGE, "permission denied: \"{}\" is a system catalog", desc.name)
            }
            other => bail!(WRONG_OBJECT_TYPE, "\"{}\" is not a table", other.name()),
        }
    }

    /// A table by OID, as the edit has it now.
    pub(super) fn table_by_oid(&self, oid: Oid) -> Arc<TableDesc> {
        Arc::clone(self.snapshot().table(oid).expect("the statement resolved this table"))
    }

    /// Refuses who does not have these rights on an object.
    pub(super) fn check_right(&self, object: Securable, rights: Rights) -> Result<()> {
        self.snapshot().check_right(self.role.oid, object, rights)
    }

    /// Refuses who owns neither the object nor the server.
    pub(super) fn check_owner(&self, owner: Oid, kind: &str, name: &str) -> Result<()> {
        if self.snapshot().owns(&self.role, owner) {
            return Ok(());
        }
        bail!(INSUFFICIENT_PRIVILEGE, "must be owner of {kind} {name}")
    }

    /// [`Self::check_owner`] of a relation.
    pub(super) fn check_relation_owner(&self, relation: &Relation) -> Result<()> {
        let owner = match relation {
            Relation::Table(d) => d.owner,
            Relation::View(d) => d.owner,
            Relation::Sequence(d) => d.owner,
            Relation::Index(d) => self.snapshot().table(d.table).map_or(Oid::NONE, |table| table.owner),
            Relation::System(d) => {
                bail!(INSUFFICIENT_PRIVILEGE, "permission denied: \"{}\" is a system catalog", d.name)
            }
        };
        self.check_owner(owner, relation.kind_name(), relation.name())
    }

    /// How a relation is called in messages about dependencies: qualified when the path does not find it.
    pub(super) fn relation_text(&self, oid: Oid) -> String {
        match self.snapshot().relation(oid) {
            Some(relation) => self.names().relation_text(&relation),
            None => oid.to_string(),
        }
    }

    /// Refuses to `verb` a table whose changes wait for a check.
    pub(super) fn check_not_waiting(&self, table: &TableDesc, verb: &str) -> Result<()> {
        if (self.waits)(table.oid) {
            bail!(OBJECT_IN_USE, "cannot {verb} \"{}\" because it has pending trigger events", table.name);
        }
        Ok(())
    }

    /// Keeps everybody else out of a table until the end of the transaction, and then sees all that was committed before.
    pub(super) fn lock_exclusively(&self, table: Oid) -> Result<()> {
        self.txn.lock_table(table, TableLock::AccessExclusive, Wait::Block, &self.eval.cancel)?;
        self.txn.begin_statement();
        Ok(())
    }

    /// Keeps writers out of a table until the end of the transaction, and then sees all that was committed before.
    pub(super) fn lock_against_writers(&self, table: Oid) -> Result<()> {
        self.txn.lock_table(table, TableLock::Share, Wait::Block, &self.eval.cancel)?;
        self.txn.begin_statement();
        Ok(())
    }

    /// Keeps others from changing what a table is until the end of the transaction, writers not.
    pub(super) fn lock_against_changes(&self, table: Oid) -> Result<()> {
        self.txn.lock_table(table, TableLock::ShareUpdateExclusive, Wait::Block, &self.eval.cancel)?;
        self.txn.begin_statement();
        Ok(())
    }

    /// Has the keys and the state of a table's or index's storage removed when the transaction has committed.
    pub(super) fn discard_storage(&self, storage: StorageId) {
        self.txn.delete_storage(storage);
        let tables = Arc::clone(self.tables);
        self.txn.on_commit(Box::new(move |_| tables.forget(storage)));
    }

    /// A role by name.
    pub(super) fn role_named(&self, name: &str) -> Result<Arc<RoleDesc>> {
        let name = match name {
            "current_user" | "current_role" | "session_user" => return Ok(Arc::clone(&self.role)),
            name => name,
        };
        match self.snapshot().role_named(name) {
            Some(role) => Ok(Arc::clone(role)),
            None => bail!(UNDEFINED_OBJECT, "role \"{name}\" does not exist"),
        }
    }

    /// Whether this name is free for a relation of a schema; what is in the way otherwise.
    pub(super) fn relation_in_the_way(&self, schema: Oid, name: &str) -> Option<Relation> {
        self.snapshot().relation_in(schema, name)
    }
}
