//! Object identifiers and the built-in types that code names.
//!
//! The numbers are PostgreSQL's own for built-in types, because drivers hard-wire them; pgvector's types, which have
//! no fixed number there, get stable ones above 16383. The catalog data in `catalog/data/pg_type.tsv` is the complete
//! list; a constant stands here only for a type that code must name. OIDs of user objects start at [`Oid::FIRST_USER`].

use std::fmt;

use serde::{Deserialize, Serialize};

/// A PostgreSQL object identifier; 0 means "none".
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Oid(pub u32);

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Oid({})", self.0)
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Oid {
    /// No object.
    pub const NONE: Self = Self(0);
    /// The first OID given to an object that a user creates; everything built in is below.
    pub const FIRST_USER: Self = Self(20_000);

    /// Whether this names an object at all.
    #[must_use]
    pub fn is_some(self) -> bool {
        self.0 != 0
    }
}

/// A data type as an expression or column has it: the type and its modifier.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct SqlType {
    /// The row in pg_type.
    pub oid: Oid,
    /// PostgreSQL's encoding of the modifier (`varchar(10)` is 14, `vector(3)` is 3); -1 when there is none.
    pub typmod: i32,
}

impl SqlType {
    /// The type without a modifier.
    #[must_use]
    pub const fn of(oid: Oid) -> Self {
        Self { oid, typmod: -1 }
    }

    /// The type with a modifier.
    #[must_use]
    pub const fn with(oid: Oid, typmod: i32) -> Self {
        Self { oid, typmod }
    }
}

/// Constants of pg_type OIDs, by PostgreSQL's own (upper-cased) type names; `_ARRAY` for the array type.
#[allow(missing_docs)]
impl Oid {
    pub const BOOL: Self = Self(16);
    pub const BOOL_ARRAY: Self = Self(1000);
    pub const BYTEA: Self = Self(17);
    pub const BYTEA_ARRAY: Self = Self(1001);
    pub const INTERNAL_CHAR: Self = Self(18);
    pub const INTERNAL_CHAR_ARRAY: Self = Self(1002);
    pub const NAME: Self = Self(19);
    pub const NAME_ARRAY: Self = Self(1003);
    pub const INT8: Self = Self(20);
    pub const INT8_ARRAY: Self = Self(1016);
    pub const INT2: Self = Self(21);
    pub const INT2_ARRAY: Self = Self(1005);
    pub const INT2VECTOR: Self = Self(22);
    pub const INT2VECTOR_ARRAY: Self = Self(1006);
    pub const INT4: Self = Self(23);
    pub const INT4_ARRAY: Self = Self(1007);
    pub const REGPROC: Self = Self(24);
    pub const REGPROC_ARRAY: Self = Self(1008);
    pub const TEXT: Self = Self(25);
    pub const TEXT_ARRAY: Self = Self(1009);
    pub const OID: Self = Self(26);
    pub const OID_ARRAY: Self = Self(1028);
    pub const TID: Self = Self(27);
    pub const TID_ARRAY: Self = Self(1010);
    pub const XID: Self = Self(28);
    pub const XID_ARRAY: Self = Self(1011);
    pub const CID: Self = Self(29);
    pub const CID_ARRAY: Self = Self(1012);
    pub const OIDVECTOR: Self = Self(30);
    pub const OIDVECTOR_ARRAY: Self = Self(1013);
    pub const JSON: Self = Self(114);
    pub const JSON_ARRAY: Self = Self(199);
    pub const XML: Self = Self(142);
    pub const XML_ARRAY: Self = Self(143);
    pub const PG_NODE_TREE: Self = Self(194);
    pub const POINT: Self = Self(600);
    pub const POINT_ARRAY: Self = Self(1017);
    pub const FLOAT4: Self = Self(700);
    pub const FLOAT4_ARRAY: Self = Self(1021);
    pub const FLOAT8: Self = Self(701);
    pub const FLOAT8_ARRAY: Self = Self(1022);
    pub const UNKNOWN: Self = Self(705);
    pub const MONEY: Self = Self(790);
    pub const MONEY_ARRAY: Self = Self(791);
    pub const INET: Self = Self(869);
    pub const INET_ARRAY: Self = Self(1041);
    pub const CIDR: Self = Self(650);
    pub const CIDR_ARRAY: Self = Self(651);
    pub const MACADDR: Self = Self(829);
    pub const MACADDR_ARRAY: Self = Self(1040);
    pub const ACLITEM: Self = Self(1033);
    pub const ACLITEM_ARRAY: Self = Self(1034);
    pub const BPCHAR: Self = Self(1042);
    pub const BPCHAR_ARRAY: Self = Self(1014);
    pub const VARCHAR: Self = Self(1043);
    pub const VARCHAR_ARRAY: Self = Self(1015);
    pub const DATE: Self = Self(1082);
    pub const DATE_ARRAY: Self = Self(1182);
    pub const TIME: Self = Self(1083);
    pub const TIME_ARRAY: Self = Self(1183);
    pub const TIMESTAMP: Self = Self(1114);
    pub const TIMESTAMP_ARRAY: Self = Self(1115);
    pub const TIMESTAMPTZ: Self = Self(1184);
    pub const TIMESTAMPTZ_ARRAY: Self = Self(1185);
    pub const INTERVAL: Self = Self(1186);
    pub const INTERVAL_ARRAY: Self = Self(1187);
    pub const TIMETZ: Self = Self(1266);
    pub const TIMETZ_ARRAY: Self = Self(1270);
    pub const BIT: Self = Self(1560);
    pub const BIT_ARRAY: Self = Self(1561);
    pub const VARBIT: Self = Self(1562);
    pub const VARBIT_ARRAY: Self = Self(1563);
    pub const NUMERIC: Self = Self(1700);
    pub const NUMERIC_ARRAY: Self = Self(1231);
    pub const REFCURSOR: Self = Self(1790);
    pub const REFCURSOR_ARRAY: Self = Self(2201);
    pub const REGPROCEDURE: Self = Self(2202);
    pub const REGPROCEDURE_ARRAY: Self = Self(2207);
    pub const REGOPER: Self = Self(2203);
    pub const REGOPER_ARRAY: Self = Self(2208);
    pub const REGOPERATOR: Self = Self(2204);
    pub const REGOPERATOR_ARRAY: Self = Self(2209);
    pub const REGCLASS: Self = Self(2205);
    pub const REGCLASS_ARRAY: Self = Self(2210);
    pub const REGTYPE: Self = Self(2206);
    pub const REGTYPE_ARRAY: Self = Self(2211);
    pub const RECORD: Self = Self(2249);
    pub const RECORD_ARRAY: Self = Self(2287);
    pub const CSTRING: Self = Self(2275);
    pub const CSTRING_ARRAY: Self = Self(1263);
    pub const ANY: Self = Self(2276);
    pub const ANYARRAY: Self = Self(2277);
    pub const VOID: Self = Self(2278);
    pub const TRIGGER: Self = Self(2279);
    pub const INTERNAL: Self = Self(2281);
    pub const ANYELEMENT: Self = Self(2283);
    pub const ANYNONARRAY: Self = Self(2776);
    pub const UUID: Self = Self(2950);
    pub const UUID_ARRAY: Self = Self(2951);
    pub const ANYENUM: Self = Self(3500);
    pub const TSVECTOR: Self = Self(3614);
    pub const TSVECTOR_ARRAY: Self = Self(3643);
    pub const TSQUERY: Self = Self(3615);
    pub const TSQUERY_ARRAY: Self = Self(3645);
    pub const REGCONFIG: Self = Self(3734);
    pub const REGCONFIG_ARRAY: Self = Self(3735);
    pub const REGDICTIONARY: Self = Self(3769);
    pub const REGDICTIONARY_ARRAY: Self = Self(3770);
    pub const JSONB: Self = Self(3802);
    pub const JSONB_ARRAY: Self = Self(3807);
    pub const ANYRANGE: Self = Self(3831);
    pub const JSONPATH: Self = Self(4072);
    pub const JSONPATH_ARRAY: Self = Self(4073);
    pub const REGNAMESPACE: Self = Self(4089);
    pub const REGNAMESPACE_ARRAY: Self = Self(4090);
    pub const REGROLE: Self = Self(4096);
    pub const REGROLE_ARRAY: Self = Self(4097);
    pub const REGCOLLATION: Self = Self(4191);
    pub const REGCOLLATION_ARRAY: Self = Self(4192);
    pub const ANYCOMPATIBLE: Self = Self(5077);
    pub const ANYCOMPATIBLEARRAY: Self = Self(5078);
    pub const ANYCOMPATIBLENONARRAY: Self = Self(5079);
    pub const ANYCOMPATIBLERANGE: Self = Self(5080);
    pub const PG_LSN: Self = Self(3220);
    pub const PG_LSN_ARRAY: Self = Self(3221);
    pub const XID8: Self = Self(5069);
    pub const XID8_ARRAY: Self = Self(271);
    pub const VECTOR: Self = Self(16385);
    pub const VECTOR_ARRAY: Self = Self(16391);
    pub const HALFVEC: Self = Self(16498);
    pub const HALFVEC_ARRAY: Self = Self(16504);
    pub const SPARSEVEC: Self = Self(16633);
    pub const SPARSEVEC_ARRAY: Self = Self(16639);
    pub const INT4RANGE: Self = Self(3904);
    pub const INT4RANGE_ARRAY: Self = Self(3905);
    pub const INT8RANGE: Self = Self(3926);
    pub const INT8RANGE_ARRAY: Self = Self(3927);
    pub const NUMRANGE: Self = Self(3906);
    pub const NUMRANGE_ARRAY: Self = Self(3907);
    pub const TSRANGE: Self = Self(3908);
    pub const TSRANGE_ARRAY: Self = Self(3909);
    pub const TSTZRANGE: Self = Self(3910);
    pub const TSTZRANGE_ARRAY: Self = Self(3911);
    pub const DATERANGE: Self = Self(3912);
    pub const DATERANGE_ARRAY: Self = Self(3913);
    pub const ANYMULTIRANGE: Self = Self(4537);
    pub const ANYCOMPATIBLEMULTIRANGE: Self = Self(4538);
}
