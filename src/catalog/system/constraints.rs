//! `pg_constraint`, and the list of a snapshot's constraints that other relations and descriptions are made from.
//!
//! PostgreSQL 18 has a row for every NOT NULL, named `table_column_not_null`; here they have no descriptor, their OID and
//! name are computed.

use crate::catalog::descriptor::{
    AttNum, ConstraintKind, ForeignKey, ReferentialAction, RelationDesc, TableDesc, TypeDesc, TypeKind,
};
use crate::catalog::snapshot::Snapshot;
use crate::catalog::system::makers::SystemContext;
use crate::catalog::system::objects::column_constraint_oid;
use crate::catalog::system::rowset::{RowSet, array, flag, letter, oid, smallints, text, text_or_null};
use crate::types::{Datum, Oid};

type Rows = Vec<Vec<Datum>>;

/// What a constraint stands on.
#[derive(Clone, Copy)]
pub enum Owner<'a> {
    Table(&'a TableDesc),
    Domain(&'a TypeDesc),
}

/// What a constraint demands.
#[derive(Clone, Copy)]
pub enum Demand<'a> {
    PrimaryKey { columns: &'a [AttNum], index: Oid },
    Unique { columns: &'a [AttNum], index: Oid },
    Check { expr: &'a str, columns: &'a [AttNum] },
    ForeignKey(&'a ForeignKey),
    NotNull(AttNum),
}

impl Demand<'_> {
    /// pg_constraint.contype.
    pub fn letter(&self) -> char {
        match self {
            Self::PrimaryKey { .. } => 'p',
            Self::Unique { .. } => 'u',
            Self::Check { .. } => 'c',
            Self::ForeignKey(_) => 'f',
            Self::NotNull(_) => 'n',
        }
    }

    /// pg_constraint.conkey.
    pub fn columns(&self) -> Vec<AttNum> {
        match self {
            Self::PrimaryKey { columns, .. } | Self::Unique { columns, .. } | Self::Check { columns, .. } => {
                columns.to_vec()
            }
            Self::ForeignKey(key) => key.columns.clone(),
            Self::NotNull(column) => vec![*column],
        }
    }
}

/// A constraint of a table or domain.
pub struct Constraint<'a> {
    pub oid: Oid,
    pub name: String,
    pub owner: Owner<'a>,
    pub demand: Demand<'a>,
    pub deferrable: bool,
    pub deferred: bool,
    pub validated: bool,
}

impl Constraint<'_> {
    /// The schema it is in.
    pub fn schema(&self) -> Oid {
        match self.owner {
            Owner::Table(table) => table.schema,
            Owner::Domain(ty) => ty.schema,
        }
    }
}

/// Bytes of the longest name.
const NAME_BYTES_MAX: usize = 63;

/// `table_column_not_null`, shortened as PostgreSQL shortens made-up names: the longer part first.
fn not_null_name(table: &str, column: &str) -> String {
    const SUFFIX: &str = "_not_null";
    let room = NAME_BYTES_MAX - SUFFIX.len() - 1;
    let (mut first, mut second) = (table.len(), column.len());
    while first + second > room {
        if first > second {
            first -= 1;
        } else {
            second -= 1;
        }
    }
    let clip = |text: &str, mut length: usize| {
        while !text.is_char_boundary(length) {
            length -= 1;
        }
        text[..length].to_owned()
    };
    format!("{}_{}{SUFFIX}", clip(table, first), clip(column, second))
}

/// The constraints of a table, NOT NULLs last.
pub fn of_table(table: &TableDesc) -> Vec<Constraint<'_>> {
    let mut all: Vec<Constraint<'_>> = table
        .constraints
        .iter()
        .map(|found| Constraint {
            oid: found.oid,
            name: found.name.clone(),
            owner: Owner::Table(table),
            demand: match &found.kind {
                ConstraintKind::PrimaryKey { columns, index } => Demand::PrimaryKey { columns, index: *index },
                ConstraintKind::Unique { columns, index } => Demand::Unique { columns, index: *index },
                ConstraintKind::Check { expr, columns } => Demand::Check { expr, columns },
                ConstraintKind::ForeignKey(key) => Demand::ForeignKey(key),
            },
            deferrable: found.deferrable,
            deferred: found.initially_deferred,
            validated: found.validated,
        })
        .collect();
    for column in table.columns.iter().filter(|column| column.not_null) {
        let mut name = not_null_name(&table.name, &column.name);
        for number in 1.. {
            if all.iter().all(|other| other.name != name) {
                break;
            }
            name = format!("{}{number}", not_null_name(&table.name, &column.name));
        }
        all.push(Constraint {
            oid: column_constraint_oid(table.oid, column.attnum),
            name,
            owner: Owner::Table(table),
            demand: Demand::NotNull(column.attnum),
            deferrable: false,
            deferred: false,
            validated: true,
        });
    }
    all
}

/// The constraints of a domain.
pub fn of_domain(ty: &TypeDesc) -> Vec<Constraint<'_>> {
    let TypeKind::Domain { not_null, checks, .. } = &ty.kind else { return Vec::new() };
    let plain = |number: AttNum, name: String, demand| Constraint {
        oid: column_constraint_oid(ty.oid, number),
        name,
        owner: Owner::Domain(ty),
        demand,
        deferrable: false,
        deferred: false,
        validated: true,
    };
    let mut all = Vec::new();
    if *not_null {
        all.push(plain(0, format!("{}_not_null", ty.name), Demand::NotNull(0)));
    }
    for ((name, expr), number) in checks.iter().zip(1..) {
        all.push(plain(number, name.clone(), Demand::Check { expr, columns: &[] }));
    }
    all
}

/// All constraints of a database.
pub fn all(snapshot: &Snapshot) -> Vec<Constraint<'_>> {
    let tables = snapshot.objects.tables.values().flat_map(|table| of_table(table));
    let domains = snapshot.objects.types.values().flat_map(|ty| of_domain(ty));
    tables.chain(domains).collect()
}

/// confupdtype and confdeltype.
fn action(action: ReferentialAction) -> char {
    match action {
        ReferentialAction::NoAction => 'a',
        ReferentialAction::Restrict => 'r',
        ReferentialAction::Cascade => 'c',
        ReferentialAction::SetNull => 'n',
        ReferentialAction::SetDefault => 'd',
    }
}

const COLUMNS: &[&str] = &[
    "oid",
    "conname",
    "connamespace",
    "contype",
    "condeferrable",
    "condeferred",
    "conenforced",
    "convalidated",
    "conrelid",
    "contypid",
    "conindid",
    "confrelid",
    "confupdtype",
    "confdeltype",
    "confmatchtype",
    "conislocal",
    "connoinherit",
    "conkey",
    "confkey",
    "conpfeqop",
    "conppeqop",
    "conffeqop",
    "confdelsetcols",
    "conbin",
];

/// The B-tree equality operator of each referenced column's type.
fn equality_operators(snapshot: &Snapshot, key: &ForeignKey) -> Datum {
    let operator = |attnum: &AttNum| {
        let ty = snapshot.table(key.referenced_table)?;
        let column = &ty.columns[ty.position_of(*attnum)?];
        let base = snapshot.base_type(column.ty).oid;
        let mut found = crate::catalog::builtin::builtin().operators_named("=");
        found.find(|row| row.left == base && row.right == base).map(|row| row.oid)
    };
    array(Oid::OID, key.referenced_columns.iter().map(|column| oid(operator(column).unwrap_or(Oid(96)))).collect())
}

fn row(snapshot: &Snapshot, found: &Constraint<'_>) -> Vec<Datum> {
    let (relation, domain) = match found.owner {
        Owner::Table(table) => (table.oid, Oid::NONE),
        Owner::Domain(ty) => (Oid::NONE, ty.oid),
    };
    let key = match found.demand {
        Demand::ForeignKey(key) => Some(key),
        _ => None,
    };
    let index = match found.demand {
        Demand::PrimaryKey { index, .. } | Demand::Unique { index, .. } => index,
        Demand::ForeignKey(key) => key.referenced_index,
        Demand::Check { .. } | Demand::NotNull(_) => Oid::NONE,
    };
    let columns = found.demand.columns();
    let operators = || key.map_or(Datum::Null, |key| equality_operators(snapshot, key));
    vec![
        oid(found.oid),
        text(&found.name),
        oid(found.schema()),
        letter(found.demand.letter()),
        flag(found.deferrable),
        flag(found.deferred),
        flag(true),
        flag(found.validated),
        oid(relation),
        oid(domain),
        oid(index),
        oid(key.map_or(Oid::NONE, |key| key.referenced_table)),
        letter(key.map_or(' ', |key| action(key.on_update))),
        letter(key.map_or(' ', |key| action(key.on_delete))),
        letter(key.map_or(' ', |key| if key.match_full { 'f' } else { 's' })),
        flag(true),
        flag(matches!(found.demand, Demand::PrimaryKey { .. } | Demand::Unique { .. } | Demand::ForeignKey(_))),
        if columns.is_empty() || relation == Oid::NONE { Datum::Null } else { smallints(columns) },
        key.map_or(Datum::Null, |key| smallints(key.referenced_columns.iter().copied())),
        operators(),
        operators(),
        operators(),
        match key {
            Some(key) if !key.on_delete_columns.is_empty() => smallints(key.on_delete_columns.iter().copied()),
            _ => Datum::Null,
        },
        text_or_null(match found.demand {
            Demand::Check { expr, .. } => Some(expr),
            _ => None,
        }),
    ]
}

pub fn pg_constraint(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let mut set = RowSet::new(desc, COLUMNS);
    for found in all(ctx.snapshot()) {
        set.push_vec(row(ctx.snapshot(), &found));
    }
    set.finish()
}
