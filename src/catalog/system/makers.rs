//! Which function makes the rows of which relation.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::catalog::descriptor::RelationDesc;
use crate::catalog::lookup::Names;
use crate::catalog::snapshot::{PG_CATALOG, Snapshot};
use crate::catalog::system::live::LiveState;
use crate::catalog::system::{
    activity, attributes, builtin_rows, classes, constraints, dependencies, indexes, overviews, privileges, roles,
    standard, typing,
};
use crate::error::Result;
use crate::types::Datum;

/// What rows are made from.
#[derive(Clone, Copy)]
pub struct SystemContext<'a> {
    /// The catalog of the statement, and the session's path.
    pub names: &'a Names,
    /// `pg_backend_pid()`.
    pub session_pid: i32,
    /// What only the running server knows.
    pub live: &'a dyn LiveState,
}

impl<'a> SystemContext<'a> {
    /// The catalog.
    #[must_use]
    pub fn snapshot(&self) -> &'a Snapshot {
        &self.names.snapshot
    }
}

/// Makes all rows of a relation, each of the relation's columns in order.
pub type Maker = fn(&RelationDesc, &SystemContext<'_>) -> Vec<Vec<Datum>>;

/// Relations of `pg_catalog` that can have rows; all others are empty.
const PG_MAKERS: &[(&str, Maker)] = &[
    ("pg_aggregate", builtin_rows::pg_aggregate),
    ("pg_am", builtin_rows::pg_am),
    ("pg_amop", builtin_rows::pg_amop),
    ("pg_amproc", builtin_rows::pg_amproc),
    ("pg_attrdef", attributes::pg_attrdef),
    ("pg_attribute", attributes::pg_attribute),
    ("pg_auth_members", privileges::pg_auth_members),
    ("pg_authid", roles::pg_authid),
    ("pg_available_extension_versions", roles::pg_available_extension_versions),
    ("pg_available_extensions", roles::pg_available_extensions),
    ("pg_cast", builtin_rows::pg_cast),
    ("pg_class", classes::pg_class),
    ("pg_collation", builtin_rows::pg_collation),
    ("pg_constraint", constraints::pg_constraint),
    ("pg_cursors", activity::pg_cursors),
    ("pg_database", roles::pg_database),
    ("pg_db_role_setting", roles::pg_db_role_setting),
    ("pg_default_acl", privileges::pg_default_acl),
    ("pg_depend", dependencies::pg_depend),
    ("pg_description", dependencies::pg_description),
    ("pg_enum", typing::pg_enum),
    ("pg_extension", roles::pg_extension),
    ("pg_group", privileges::pg_group),
    ("pg_index", indexes::pg_index),
    ("pg_indexes", overviews::pg_indexes),
    ("pg_init_privs", privileges::pg_init_privs),
    ("pg_language", builtin_rows::pg_language),
    ("pg_locks", activity::pg_locks),
    ("pg_namespace", classes::pg_namespace),
    ("pg_opclass", builtin_rows::pg_opclass),
    ("pg_operator", builtin_rows::pg_operator),
    ("pg_opfamily", builtin_rows::pg_opfamily),
    ("pg_prepared_statements", activity::pg_prepared_statements),
    ("pg_proc", builtin_rows::pg_proc),
    ("pg_range", builtin_rows::pg_range),
    ("pg_rewrite", classes::pg_rewrite),
    ("pg_roles", roles::pg_roles),
    ("pg_sequence", classes::pg_sequence),
    ("pg_sequences", overviews::pg_sequences),
    ("pg_settings", activity::pg_settings),
    ("pg_shadow", roles::pg_shadow),
    ("pg_shdescription", dependencies::pg_shdescription),
    ("pg_stat_activity", activity::pg_stat_activity),
    ("pg_stat_all_indexes", overviews::pg_stat_all_indexes),
    ("pg_stat_all_tables", overviews::pg_stat_all_tables),
    ("pg_stat_archiver", activity::one_row),
    ("pg_stat_bgwriter", activity::one_row),
    ("pg_stat_checkpointer", activity::one_row),
    ("pg_stat_database", activity::pg_stat_database),
    ("pg_stat_progress_create_index", activity::pg_stat_progress_create_index),
    ("pg_stat_ssl", activity::pg_stat_ssl),
    ("pg_stat_sys_indexes", overviews::pg_stat_sys_indexes),
    ("pg_stat_sys_tables", overviews::pg_stat_sys_tables),
    ("pg_stat_user_indexes", overviews::pg_stat_user_indexes),
    ("pg_stat_user_tables", overviews::pg_stat_user_tables),
    ("pg_stat_wal", activity::one_row),
    ("pg_stat_xact_all_tables", overviews::pg_stat_all_tables),
    ("pg_stat_xact_sys_tables", overviews::pg_stat_sys_tables),
    ("pg_stat_xact_user_tables", overviews::pg_stat_user_tables),
    ("pg_statio_all_indexes", overviews::pg_stat_all_indexes),
    ("pg_statio_all_sequences", overviews::pg_statio_sequences),
    ("pg_statio_all_tables", overviews::pg_stat_all_tables),
    ("pg_statio_sys_indexes", overviews::pg_stat_sys_indexes),
    ("pg_statio_sys_tables", overviews::pg_stat_sys_tables),
    ("pg_statio_user_indexes", overviews::pg_stat_user_indexes),
    ("pg_statio_user_sequences", overviews::pg_statio_sequences),
    ("pg_statio_user_tables", overviews::pg_stat_user_tables),
    ("pg_tables", overviews::pg_tables),
    ("pg_tablespace", roles::pg_tablespace),
    ("pg_timezone_abbrevs", activity::pg_timezone_abbrevs),
    ("pg_timezone_names", activity::pg_timezone_names),
    ("pg_type", typing::pg_type),
    ("pg_user", roles::pg_user),
    ("pg_views", overviews::pg_views),
];

static MAKERS: LazyLock<HashMap<&'static str, Maker>> = LazyLock::new(|| PG_MAKERS.iter().copied().collect());

/// The rows of a system relation, each with one value per column of `desc`.
///
/// # Errors
/// None today; a live relation may come to fail.
pub fn rows(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Result<Vec<Vec<Datum>>> {
    let maker = if desc.schema == PG_CATALOG { MAKERS.get(desc.name).copied() } else { standard::maker(desc.name) };
    let mut rows = maker.map_or_else(Vec::new, |make| make(desc, ctx));
    privileges::fill(desc, ctx.snapshot(), &mut rows);
    Ok(rows)
}
