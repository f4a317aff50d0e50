//! The rows of `information_schema`: the SQL standard's view of the same objects.
//!
//! Everything belongs to the one catalog (database) of the session, and the asker is taken to own or administer all of it.
//!
//! * [`relations`]: tables, views, columns, sequences, schemata.
//! * [`rules`] shows constraints.
//! * [`others`]: types, privileges, routines, roles, character sets.
//! * [`facts`]: how the standard describes a type.

mod facts;
mod others;
mod relations;
mod rules;

use crate::catalog::system::makers::Maker;
use crate::catalog::system::privileges;

/// Relations that can have rows; all others are empty.
const MAKERS: &[(&str, Maker)] = &[
    ("administrable_role_authorizations", privileges::applicable_roles),
    ("applicable_roles", privileges::applicable_roles),
    ("attributes", others::attributes),
    ("character_sets", others::character_sets),
    ("check_constraints", rules::check_constraints),
    ("collations", others::collations),
    ("column_privileges", privileges::column_privileges),
    ("column_udt_usage", others::column_udt_usage),
    ("columns", relations::columns),
    ("constraint_column_usage", rules::constraint_column_usage),
    ("constraint_table_usage", rules::constraint_table_usage),
    ("domain_constraints", rules::domain_constraints),
    ("domains", others::domains),
    ("element_types", others::element_types),
    ("enabled_roles", privileges::enabled_roles),
    ("information_schema_catalog_name", others::catalog_name),
    ("key_column_usage", rules::key_column_usage),
    ("parameters", others::parameters),
    ("referential_constraints", rules::referential_constraints),
    ("role_column_grants", privileges::column_privileges),
    ("role_table_grants", privileges::table_privileges),
    ("routines", others::routines),
    ("schemata", relations::schemata),
    ("sequences", relations::sequences),
    ("role_routine_grants", privileges::routine_privileges),
    ("role_usage_grants", privileges::usage_privileges),
    ("routine_privileges", privileges::routine_privileges),
    ("usage_privileges", privileges::usage_privileges),
    ("table_constraints", rules::table_constraints),
    ("table_privileges", privileges::table_privileges),
    ("tables", relations::tables),
    ("user_defined_types", others::user_defined_types),
    ("view_table_usage", relations::view_table_usage),
    ("views", relations::views),
];

/// What makes the rows of a relation; none for one that is always empty.
pub fn maker(name: &str) -> Option<Maker> {
    MAKERS.iter().find(|(relation, _)| *relation == name).map(|(_, make)| *make)
}
