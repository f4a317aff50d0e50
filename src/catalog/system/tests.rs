//! Rows fit their shapes, and say of hand-made objects what PostgreSQL 18 says of the same ones.

use std::sync::Arc;

use crate::catalog::descriptor::{
    ColumnDesc, ConstraintDesc, ConstraintKind, EnumLabel, ExtensionDesc, ForeignKey, Identity, IndexDesc, IndexKey,
    IndexTarget, ReferentialAction, SchemaDesc, SequenceDesc, StorageId, TableDesc, TypeDesc, TypeKind, ViewDesc,
};
use crate::catalog::lookup::Names;
use crate::catalog::snapshot::{PUBLIC, Snapshot};
use crate::catalog::store::{Catalog, Edit, FIRST_DATABASE, FIRST_ROLE};
use crate::catalog::system::live::NoLiveState;
use crate::catalog::system::objects::plain_column;
use crate::catalog::system::{SystemContext, relations, rows};
use crate::catalog::{describe, system};
use crate::storage::MemoryKv;
use crate::types::column::Batch;
use crate::types::{Datum, Oid, SqlType};

const APP: Oid = Oid(20_100);
const ITEM: Oid = Oid(20_110);
const LINK: Oid = Oid(20_130);
const COLOR: Oid = Oid(20_150);
const DOMAIN: Oid = Oid(20_160);
const PAIR: Oid = Oid(20_170);
const VIEW: Oid = Oid(20_180);
const SEQUENCE: Oid = Oid(20_111);
const IDENTITY: Oid = Oid(20_139);
const BTREE: Oid = Oid(403);
const HNSW: Oid = Oid(16_449);

fn opclass(method: Oid, name: &str) -> Oid {
    let rows = &crate::catalog::builtin::builtin().opclasses;
    rows.iter().find(|row| row.method == method && row.name == name).expect("there is such a class").oid
}

fn key(target: IndexTarget, ty: Oid, opclass: Oid) -> IndexKey {
    let collation = if ty == Oid::TEXT || ty == Oid::VARCHAR { Oid(100) } else { Oid::NONE };
    IndexKey { target, ty: SqlType::of(ty), opclass, collation, descending: false, nulls_first: false }
}

fn index(oid: u32, name: &str, table: Oid, keys: Vec<IndexKey>) -> IndexDesc {
    IndexDesc {
        oid: Oid(oid),
        name: name.to_owned(),
        table,
        storage: StorageId(oid),
        method: BTREE,
        keys,
        include: Vec::new(),
        unique: false,
        primary: false,
        nulls_not_distinct: false,
        predicate: None,
        options: Vec::new(),
        valid: true,
        constraint: Oid::NONE,
    }
}

fn constraint(oid: u32, name: &str, kind: ConstraintKind) -> ConstraintDesc {
    ConstraintDesc {
        oid: Oid(oid),
        name: name.to_owned(),
        kind,
        deferrable: false,
        initially_deferred: false,
        validated: true,
    }
}

fn sequence(oid: Oid, name: &str, owned_by: (Oid, i16), internal: bool) -> SequenceDesc {
    SequenceDesc {
        oid,
        schema: APP,
        name: name.to_owned(),
        owner: FIRST_ROLE,
        ty: Oid::INT8,
        start: 1,
        increment: 1,
        min: 1,
        max: i64::MAX,
        cache: 1,
        cycle: false,
        owned_by: Some(owned_by),
        internal,
        temporary: false,
    }
}

fn table(oid: Oid, name: &str, columns: Vec<ColumnDesc>) -> TableDesc {
    let next_attnum = columns.last().map_or(1, |column| column.attnum + 1);
    TableDesc {
        oid,
        row_type: Oid(oid.0 + 1_000),
        schema: APP,
        name: name.to_owned(),
        owner: FIRST_ROLE,
        storage: StorageId(oid.0),
        columns,
        next_attnum,
        constraints: Vec::new(),
        indexes: Vec::new(),
        temporary: false,
        unlogged: false,
        options: Vec::new(),
    }
}

/// `app.item` of the SQL tests, with more indexes.
fn item() -> TableDesc {
    let text =
        |attnum, name, ty, not_null| ColumnDesc { collation: Oid(100), ..plain_column(attnum, name, ty, not_null) };
    let columns = vec![
        ColumnDesc {
            default: Some("nextval('app.item_id_seq'::regclass)".to_owned()),
            ..plain_column(1, "id", SqlType::of(Oid::INT8), true)
        },
        ColumnDesc {
            default: Some("'x'::character varying".to_owned()),
            ..text(2, "name", SqlType::with(Oid::VARCHAR, 44), true)
        },
        plain_column(3, "price", SqlType::with(Oid::NUMERIC, (8 << 16 | 2) + 4), false),
        ColumnDesc { collation: Oid(100), ..plain_column(4, "tags", SqlType::of(Oid::TEXT_ARRAY), false) },
        plain_column(6, "emb", SqlType::with(Oid::VECTOR, 3), false),
    ];
    let mut item = table(ITEM, "item", columns);
    let mut primary =
        index(20_112, "item_pkey", ITEM, vec![key(IndexTarget::Column(1), Oid::INT8, opclass(BTREE, "int8_ops"))]);
    (primary.unique, primary.primary, primary.constraint) = (true, true, Oid(20_113));
    let lower = IndexTarget::Expr("lower((name)::text)".to_owned());
    let name = index(20_114, "item_name", ITEM, vec![key(lower, Oid::TEXT, opclass(BTREE, "text_ops"))]);
    let l2 = opclass(HNSW, "vector_cosine_ops");
    let mut emb = index(20_115, "item_emb", ITEM, vec![key(IndexTarget::Column(6), Oid::VECTOR, l2)]);
    emb.method = HNSW;
    emb.options = vec![("m".to_owned(), "8".to_owned()), ("ef_construction".to_owned(), "32".to_owned())];
    let mut some = index(
        20_116,
        "item_some",
        ITEM,
        vec![
            IndexKey {
                descending: true,
                nulls_first: true,
                ..key(IndexTarget::Column(2), Oid::VARCHAR, opclass(BTREE, "text_pattern_ops"))
            },
            IndexKey {
                collation: Oid(950),
                nulls_first: true,
                ..key(IndexTarget::Column(2), Oid::VARCHAR, opclass(BTREE, "text_ops"))
            },
        ],
    );
    (some.unique, some.nulls_not_distinct) = (true, true);
    some.include = vec![3];
    some.predicate = Some("(price > (0)::numeric)".to_owned());
    item.indexes = [primary, name, emb, some].map(Arc::new).into();
    item.constraints = vec![
        constraint(20_113, "item_pkey", ConstraintKind::PrimaryKey { columns: vec![1], index: Oid(20_112) }),
        constraint(
            20_117,
            "item_price_check",
            ConstraintKind::Check { expr: "(price >= (0)::numeric)".to_owned(), columns: vec![3] },
        ),
    ];
    item
}

fn link() -> TableDesc {
    let mut link = table(
        LINK,
        "link",
        vec![
            plain_column(1, "a", SqlType::of(Oid::INT8), false),
            ColumnDesc {
                identity: Some(Identity { always: true, sequence: IDENTITY }),
                ..plain_column(2, "b", SqlType::of(Oid::INT4), true)
            },
            ColumnDesc { generated: Some("(b * 2)".to_owned()), ..plain_column(3, "c", SqlType::of(Oid::INT4), false) },
            plain_column(4, "color", SqlType::of(COLOR), false),
            plain_column(5, "size", SqlType::of(DOMAIN), false),
        ],
    );
    let mut foreign = constraint(
        20_131,
        "link_a_fkey",
        ConstraintKind::ForeignKey(ForeignKey {
            columns: vec![1],
            referenced_table: ITEM,
            referenced_columns: vec![1],
            referenced_index: Oid(20_112),
            on_delete: ReferentialAction::SetNull,
            on_delete_columns: vec![1],
            on_update: ReferentialAction::Cascade,
            match_full: true,
        }),
    );
    (foreign.deferrable, foreign.initially_deferred, foreign.validated) = (true, true, false);
    let ops = |attnum, ty, name| key(IndexTarget::Column(attnum), ty, opclass(BTREE, name));
    let mut unique =
        index(20_132, "link_a_b_key", LINK, vec![ops(1, Oid::INT8, "int8_ops"), ops(2, Oid::INT4, "int4_ops")]);
    (unique.unique, unique.constraint) = (true, Oid(20_133));
    link.indexes = vec![Arc::new(unique)];
    link.constraints = vec![
        foreign,
        constraint(20_133, "link_a_b_key", ConstraintKind::Unique { columns: vec![1, 2], index: Oid(20_132) }),
    ];
    link
}

fn user_types(edit: &mut Edit) {
    let ty = |oid: Oid, name: &str, kind| TypeDesc {
        oid,
        array_oid: Oid(oid.0 + 1),
        schema: APP,
        name: name.to_owned(),
        owner: FIRST_ROLE,
        kind,
    };
    let labels = [("red", 1.0), ("green", 2.0)];
    let label = |(label, sort_order): (&str, f32)| EnumLabel {
        oid: Oid(COLOR.0 + 2 + sort_order as u32),
        sort_order,
        label: label.to_owned(),
    };
    edit.put_type(ty(COLOR, "color", TypeKind::Enum { labels: labels.map(label).into() }));
    let checks = vec![("positive_check".to_owned(), "(VALUE > 0)".to_owned())];
    let base = SqlType::of(Oid::INT4);
    edit.put_type(ty(DOMAIN, "positive", TypeKind::Domain { base, not_null: true, default: None, checks }));
    let fields = vec![("x".to_owned(), SqlType::of(Oid::INT4)), ("y".to_owned(), SqlType::of(Oid::TEXT))];
    edit.put_type(ty(PAIR, "pair", TypeKind::Composite { fields }));
}

/// A database with one of everything.
pub(crate) fn names() -> Names {
    let catalog = Catalog::open(Arc::new(MemoryKv::new()), "postgres").expect("opens");
    let mut edit = catalog.edit(FIRST_DATABASE, false);
    edit.put_schema(SchemaDesc { oid: APP, name: "app".to_owned(), owner: FIRST_ROLE });
    edit.put_extension(ExtensionDesc {
        oid: Oid(20_101),
        name: "vector".to_owned(),
        schema: PUBLIC,
        owner: FIRST_ROLE,
        version: "0.8.5".to_owned(),
    });
    edit.put_table(item());
    edit.put_table(link());
    edit.put_sequence(sequence(SEQUENCE, "item_id_seq", (ITEM, 1), false));
    edit.put_sequence(sequence(IDENTITY, "link_b_seq", (LINK, 2), true));
    user_types(&mut edit);
    edit.put_view(ViewDesc {
        oid: VIEW,
        row_type: Oid(20_181),
        schema: APP,
        name: "v".to_owned(),
        owner: FIRST_ROLE,
        columns: vec![plain_column(1, "id", SqlType::of(Oid::INT8), false)],
        query: "SELECT id\n   FROM app.item".to_owned(),
        depends_on: vec![ITEM],
        temporary: false,
    });
    edit.set_comment((Oid(1259), ITEM, 2), Some("the name".to_owned()));
    let snapshot: Snapshot = edit.snapshot;
    let path = snapshot.search_path(&["public".to_owned()], "postgres", None);
    Names { snapshot: Arc::new(snapshot), path }
}

fn all_rows(names: &Names, relation: &str) -> (Vec<String>, Vec<Vec<Datum>>) {
    let desc = relations().find(|desc| desc.name == relation).expect("there is such a relation");
    let ctx = SystemContext { names, session_pid: 1, live: &NoLiveState };
    let columns = desc.columns.iter().map(|column| column.name.clone()).collect();
    (columns, rows(desc, &ctx).expect("rows"))
}

/// Some columns of the rows for which one column has a value, as debug text.
fn select(names: &Names, relation: &str, filter: (&str, &Datum), columns: &[&str]) -> Vec<String> {
    let (all, rows) = all_rows(names, relation);
    let at = |name: &str| all.iter().position(|column| column == name).expect("there is such a column");
    let wanted = format!("{:?}", filter.1);
    let matching = rows.iter().filter(|row| format!("{:?}", row[at(filter.0)]) == wanted);
    matching.map(|row| columns.iter().map(|name| show(&row[at(name)])).collect::<Vec<_>>().join("|")).collect()
}

fn show(datum: &Datum) -> String {
    match datum {
        Datum::Null => String::new(),
        Datum::Text(value) => value.to_string(),
        Datum::Oid(value) => value.to_string(),
        Datum::Bool(value) => if *value { "t" } else { "f" }.to_owned(),
        Datum::Char(0) => String::new(),
        Datum::Char(value) => char::from(*value).to_string(),
        Datum::Int2(value) => value.to_string(),
        Datum::Int4(value) => value.to_string(),
        Datum::Int8(value) => value.to_string(),
        Datum::Float4(value) => value.to_string(),
        Datum::Array(value) => format!("{{{}}}", value.items.iter().map(show).collect::<Vec<_>>().join(",")),
        other => format!("{other:?}"),
    }
}

#[test]
fn rows_fit_their_shapes() {
    let names = names();
    let ctx = SystemContext { names: &names, session_pid: 1, live: &NoLiveState };
    for desc in relations() {
        let types: Vec<Oid> = desc.columns.iter().map(|column| column.ty.oid).collect();
        let rows = rows(desc, &ctx).expect("rows");
        for row in &rows {
            for (column, value) in desc.columns.iter().zip(row) {
                assert!(!(column.not_null && value.is_null()), "{}.{} is NULL", desc.name, column.name);
            }
        }
        let batch = Batch::from_rows(&types, &rows);
        for at in 0..batch.rows.min(3) {
            assert_eq!(batch.row(&types, at).len(), types.len());
        }
    }
}

#[test]
fn oids_are_unique() {
    let names = names();
    for desc in relations().filter(|desc| desc.columns.first().is_some_and(|column| column.name == "oid")) {
        let (_, rows) = all_rows(&names, desc.name);
        let mut seen = std::collections::HashSet::new();
        for row in rows {
            let Datum::Oid(own) = row[0] else { panic!("{} has an oid that is none", desc.name) };
            assert!(seen.insert(own), "{} has OID {own} twice", desc.name);
        }
    }
}

#[test]
fn classes_and_attributes() {
    let names = names();
    let class = |oid: Oid| {
        let columns = ["relname", "relkind", "relnatts", "relchecks", "relhasindex", "relhastriggers", "relreplident"];
        select(&names, "pg_class", ("oid", &Datum::Oid(oid)), &columns).join("\n")
    };
    assert_eq!(class(ITEM), "item|r|6|1|t|t|d");
    assert_eq!(class(VIEW), "v|v|1|0|f|f|n");
    assert_eq!(class(SEQUENCE), "item_id_seq|S|3|0|f|f|n");
    assert_eq!(class(Oid(20_116)), "item_some|i|3|0|f|f|n");
    assert_eq!(class(PAIR), "pair|c|2|0|f|f|n");
    assert_eq!(class(Oid(1259)), "pg_class|r|34|0|f|f|n");
    let attributes = |oid: Oid| {
        let columns = ["attnum", "attname", "atttypid", "attlen", "atttypmod", "attnotnull", "atthasdef", "attndims"];
        let mut rows = select(&names, "pg_attribute", ("attrelid", &Datum::Oid(oid)), &columns);
        rows.retain(|row| !row.starts_with('-'));
        rows
    };
    assert_eq!(
        attributes(ITEM),
        [
            "1|id|20|8|-1|t|t|0",
            "2|name|1043|-1|44|t|t|0",
            "3|price|1700|-1|524294|f|f|0",
            "4|tags|1009|-1|-1|f|f|1",
            "6|emb|16385|-1|3|f|f|0",
            "5|........pg.dropped.5........|0|0|-1|f|f|0",
        ]
    );
    assert_eq!(attributes(Oid(20_114)), ["1|lower|25|-1|-1|f|f|0"]);
    assert_eq!(
        attributes(Oid(20_116)),
        ["1|name|1043|-1|-1|f|f|0", "2|name1|1043|-1|-1|f|f|0", "3|price|1700|-1|524294|f|f|0"]
    );
}

#[test]
fn indexes_and_constraints() {
    let names = names();
    let columns = ["indnatts", "indnkeyatts", "indisunique", "indisprimary", "indimmediate", "indkey", "indoption"];
    let index = |oid: u32| select(&names, "pg_index", ("indexrelid", &Datum::Oid(Oid(oid))), &columns).join("\n");
    assert_eq!(index(20_112), "1|1|t|t|t|{1}|{0}");
    assert_eq!(index(20_114), "1|1|f|f|t|{0}|{0}");
    assert_eq!(index(20_116), "3|2|t|f|t|{2,2,3}|{3,2}");
    let columns = ["conname", "contype", "conindid", "confrelid", "confupdtype", "confdeltype", "confmatchtype"];
    let constraints = |oid: Oid| select(&names, "pg_constraint", ("conrelid", &Datum::Oid(oid)), &columns);
    assert_eq!(
        constraints(ITEM),
        [
            "item_pkey|p|20112|0| | | ",
            "item_price_check|c|0|0| | | ",
            "item_id_not_null|n|0|0| | | ",
            "item_name_not_null|n|0|0| | | "
        ]
    );
    assert_eq!(
        constraints(LINK),
        ["link_a_fkey|f|20112|20110|c|n|f", "link_a_b_key|u|20132|0| | | ", "link_b_not_null|n|0|0| | | "]
    );
}

#[test]
fn descriptions_read_as_postgresql_writes_them() {
    let names = names();
    let index = |oid: u32| describe::index_def(&names, Oid(oid), 0, false, &describe::as_stored).expect("is an index");
    assert_eq!(index(20_112), "CREATE UNIQUE INDEX item_pkey ON app.item USING btree (id)");
    assert_eq!(index(20_114), "CREATE INDEX item_name ON app.item USING btree (lower((name)::text))");
    assert_eq!(
        index(20_115),
        "CREATE INDEX item_emb ON app.item USING hnsw (emb vector_cosine_ops) WITH (m='8', ef_construction='32')"
    );
    assert_eq!(
        index(20_116),
        "CREATE UNIQUE INDEX item_some ON app.item USING btree (name text_pattern_ops DESC, name COLLATE \"C\" NULLS \
         FIRST) INCLUDE (price) NULLS NOT DISTINCT WHERE (price > (0)::numeric)"
    );
    assert_eq!(describe::index_def(&names, Oid(20_116), 3, false, &describe::as_stored).as_deref(), Some("price"));
    assert_eq!(describe::index_def(&names, Oid(20_116), 4, false, &describe::as_stored).as_deref(), Some(""));
    assert_eq!(describe::index_def(&names, ITEM, 0, false, &describe::as_stored), None);
    let not_null = system::column_constraint_oid(ITEM, 2);
    let domain = system::column_constraint_oid(DOMAIN, 1);
    for (oid, text) in [
        (Oid(20_113), "PRIMARY KEY (id)"),
        (Oid(20_117), "CHECK ((price >= (0)::numeric))"),
        (
            Oid(20_131),
            "FOREIGN KEY (a) REFERENCES app.item(id) MATCH FULL ON UPDATE CASCADE ON DELETE SET NULL (a) DEFERRABLE \
             INITIALLY DEFERRED NOT VALID",
        ),
        (Oid(20_133), "UNIQUE (a, b)"),
        (not_null, "NOT NULL name"),
        (domain, "CHECK ((VALUE > 0))"),
    ] {
        assert_eq!(describe::constraint_def(&names, oid, &describe::as_stored).as_deref(), Some(text));
    }
    assert_eq!(describe::view_def(&names, VIEW).as_deref(), Some(" SELECT id\n   FROM app.item;"));
    assert_eq!(
        describe::serial_sequence(&names, "app.item", "id").expect("has one").as_deref(),
        Some("app.item_id_seq")
    );
    assert!(describe::serial_sequence(&names, "app.item", "nope").is_err());
}

#[test]
fn dependencies_of_sequences_and_extension_members() {
    let names = names();
    let columns = ["classid", "refclassid", "refobjid", "refobjsubid", "deptype"];
    let of = |oid: Oid| {
        let mut rows = select(&names, "pg_depend", ("objid", &Datum::Oid(oid)), &columns);
        rows.retain(|row| row.starts_with("1259|1259") || row.contains("|3079|"));
        rows
    };
    assert_eq!(of(SEQUENCE), ["1259|1259|20110|1|a"]);
    assert_eq!(of(IDENTITY), ["1259|1259|20130|2|i"]);
    assert_eq!(of(Oid::VECTOR), ["1247|3079|20101|0|e"]);
}

#[test]
fn the_standard_describes_columns() {
    let names = names();
    let columns = [
        "column_name",
        "data_type",
        "is_nullable",
        "character_maximum_length",
        "character_octet_length",
        "numeric_precision",
        "numeric_scale",
        "udt_schema",
        "udt_name",
        "domain_name",
        "identity_generation",
        "generation_expression",
    ];
    let of = |table: &str| select(&names, "columns", ("table_name", &Datum::text(table)), &columns);
    assert_eq!(
        of("item"),
        [
            "id|bigint|NO|||64|0|pg_catalog|int8|||",
            "name|character varying|NO|40|160|||pg_catalog|varchar|||",
            "price|numeric|YES|||8|2|pg_catalog|numeric|||",
            "tags|ARRAY|YES|||||pg_catalog|_text|||",
            "emb|USER-DEFINED|YES|||||public|vector|||",
        ]
    );
    assert_eq!(
        of("link"),
        [
            "a|bigint|YES|||64|0|pg_catalog|int8|||",
            "b|integer|NO|||32|0|pg_catalog|int4||ALWAYS|",
            "c|integer|YES|||32|0|pg_catalog|int4|||(b * 2)",
            "color|USER-DEFINED|YES|||||app|color|||",
            "size|integer|NO|||32|0|pg_catalog|int4|positive||",
        ]
    );
}

#[test]
fn extension_rows_show_only_where_it_is_installed() {
    let with = names();
    assert_eq!(select(&with, "pg_type", ("typname", &Datum::text("vector")), &["typnamespace"]), ["2200"]);
    let catalog = Catalog::open(Arc::new(MemoryKv::new()), "postgres").expect("opens");
    let snapshot = catalog.snapshot(FIRST_DATABASE).expect("there");
    let path = snapshot.search_path(&["public".to_owned()], "postgres", None);
    let without = Names { snapshot: Arc::new(snapshot), path };
    assert!(select(&without, "pg_type", ("typname", &Datum::text("vector")), &["oid"]).is_empty());
    assert!(select(&without, "pg_am", ("amname", &Datum::text("hnsw")), &["oid"]).is_empty());
}
