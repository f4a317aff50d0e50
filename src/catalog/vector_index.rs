//! What a vector index is: an index descriptor of method `hnsw` or `ivfflat` read as options of the engine.
//!
//! Everything follows from three things in the descriptor: the operator class says which operator's order the index
//! serves (and so the distance) and what its vectors are; the key's type modifier says how many dimensions they have; the
//! `WITH (...)` options say how to build. Both methods are served by the same engine; `lists` is kept and shown, and only
//! `hnsw` has `m` and `ef_construction`.
//!
//! [`check`] refuses, with pgvector 0.8.5's words, what cannot be built; [`options`] reads a descriptor that was checked.
//! `ALTER INDEX ... SET` may leave options that do not go together until the next REINDEX, as in pgvector, so [`options`]
//! never fails for those: it reads them as the nearest that do.

use std::sync::LazyLock;

use hashbrown::HashMap;

use crate::bail;
use crate::catalog::builtin::builtin;
use crate::catalog::descriptor::IndexDesc;
use crate::catalog::reloptions;
use crate::error::{Error, Result};
use crate::index::hnsw::{Kind, Memory, Metric, Options, Quantization};
use crate::types::Oid;

/// pg_am OID of `hnsw`.
pub const HNSW: Oid = Oid(16449);
/// pg_am OID of `ivfflat`.
pub const IVFFLAT: Oid = Oid(16447);

/// The form of an index's vectors: the base type of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// `vector(n)`.
    Vector,
    /// `halfvec(n)`.
    Half,
    /// `sparsevec(n)`.
    Sparse,
    /// `bit(n)`.
    Bit,
}

/// What an operator class of a vector index stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Class {
    form: Form,
    metric: Metric,
    operator: Oid,
}

static CLASSES: LazyLock<HashMap<Oid, Class>> = LazyLock::new(|| {
    let rows = builtin().opclasses.iter().filter(|row| is_vector(row.method));
    rows.map(|row| {
        let order = builtin().amops.iter().find(|amop| amop.family == row.family && amop.purpose == 'o');
        let operator = order.expect("a class of vectors has an ordering operator").operator;
        let symbol = builtin().operator_row(operator).expect("amop rows name operators").name;
        let metric = match symbol {
            "<->" => Metric::L2,
            "<#>" => Metric::InnerProduct,
            "<=>" => Metric::Cosine,
            "<+>" => Metric::L1,
            "<~>" => Metric::Hamming,
            "<%>" => Metric::Jaccard,
            other => panic!("{other} is no distance"),
        };
        let form = match row.input {
            Oid::VECTOR => Form::Vector,
            Oid::HALFVEC => Form::Half,
            Oid::SPARSEVEC => Form::Sparse,
            _ => Form::Bit,
        };
        (row.oid, Class { form, metric, operator })
    })
    .collect()
});

/// Whether a method is one of the two that keep vectors.
#[must_use]
pub fn is_vector(method: Oid) -> bool {
    method == HNSW || method == IVFFLAT
}

/// The pg_operator OID whose `ORDER BY` an operator class serves; `None` for classes of other methods.
#[must_use]
pub fn distance_operator(opclass: Oid) -> Option<Oid> {
    CLASSES.get(&opclass).map(|class| class.operator)
}

/// The distance of an operator class; `None` for classes of other methods.
#[must_use]
pub fn metric(opclass: Oid) -> Option<Metric> {
    CLASSES.get(&opclass).map(|class| class.metric)
}

/// The form of an index's vectors.
///
/// # Panics
/// When the index is of another method.
#[must_use]
pub fn form(index: &IndexDesc) -> Form {
    class(index).form
}

/// `lists` of an `ivfflat` index, given or default.
#[must_use]
pub fn lists(index: &IndexDesc) -> u32 {
    reloptions::int(&index.options, "lists", reloptions::LISTS)
}

fn class(index: &IndexDesc) -> Class {
    let opclass = index.keys.first().map_or(Oid::NONE, |key| key.opclass);
    *CLASSES.get(&opclass).expect("a vector index has one key with a class of its method")
}

/// What the engine makes an index with.
///
/// # Errors
/// Those of [`check`] about the type of the key; never for a descriptor that was checked.
pub fn options(index: &IndexDesc) -> Result<Options> {
    let class = class(index);
    let mut options = Options::new(class.metric, class.form.kind(), dimensions(index, class)?);
    if index.method == HNSW {
        options.m = reloptions::int(&index.options, "m", reloptions::M);
        let ef = reloptions::int(&index.options, "ef_construction", reloptions::EF_CONSTRUCTION);
        options.ef_construction = ef.max(2 * options.m);
    }
    let coded = unfit(index).is_none();
    options.quantization = match reloptions::word(&index.options, "quantization", reloptions::QUANTIZATION) {
        _ if !coded => Quantization::Auto,
        1 => Quantization::None,
        2 => Quantization::Int8,
        3 => Quantization::Rabitq1,
        4 => Quantization::Rabitq2,
        5 => Quantization::Rabitq4,
        _ => Quantization::Auto,
    };
    options.memory = match reloptions::word(&index.options, "memory", reloptions::MEMORY) {
        _ if !coded => options.memory,
        1 => Memory::Fast,
        2 => Memory::Budget,
        _ => Memory::Auto,
    };
    Ok(options)
}

/// Refuses an index that cannot be built: pgvector's checks in its order, and combinations of options that say nothing.
///
/// # Errors
/// `0A000` for `varbit` and options that do not go together, `22023` for a key without dimensions or too small an
/// `ef_construction`, `54000` for too many dimensions.
pub fn check(index: &IndexDesc) -> Result<()> {
    let class = class(index);
    let dims = dimensions(index, class)?;
    if index.method == HNSW {
        let m = reloptions::int(&index.options, "m", reloptions::M);
        if reloptions::int(&index.options, "ef_construction", reloptions::EF_CONSTRUCTION) < 2 * m {
            bail!(INVALID_PARAMETER_VALUE, "ef_construction must be greater than or equal to 2 * m");
        }
    }
    if index.method == IVFFLAT && dims == 1 && matches!(class.metric, Metric::InnerProduct | Metric::Cosine) {
        bail!(INVALID_PARAMETER_VALUE, "dimensions must be greater than one for this opclass");
    }
    match unfit(index) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Options of an index that contradict each other or its operator class.
fn unfit(index: &IndexDesc) -> Option<Error> {
    let class = class(index);
    let quantization = reloptions::text(&index.options, "quantization").unwrap_or("auto").to_ascii_lowercase();
    let budget = reloptions::word(&index.options, "memory", reloptions::MEMORY) == 2;
    let coded = matches!(class.form, Form::Vector | Form::Half) && class.metric != Metric::L1;
    let opclass = || {
        let rows = &builtin().opclasses;
        rows.iter().find(|row| row.oid == index.keys[0].opclass).map_or("", |row| row.name)
    };
    if !coded && !["auto", "none"].contains(&quantization.as_str()) {
        let name = opclass();
        return Some(crate::error!(
            FEATURE_NOT_SUPPORTED,
            "quantization \"{quantization}\" is not supported for operator class \"{name}\""
        ));
    }
    if budget && !coded {
        let name = opclass();
        return Some(crate::error!(
            FEATURE_NOT_SUPPORTED,
            "memory \"budget\" is not supported for operator class \"{name}\""
        ));
    }
    if budget && quantization == "none" {
        return Some(crate::error!(
            FEATURE_NOT_SUPPORTED,
            "memory \"budget\" is not supported with quantization \"none\""
        ));
    }
    None
}

/// Dimensions of an index's key.
fn dimensions(index: &IndexDesc, class: Class) -> Result<u32> {
    let key = &index.keys[0];
    let method = if index.method == HNSW { "hnsw" } else { "ivfflat" };
    if key.ty.oid == Oid::VARBIT {
        bail!(FEATURE_NOT_SUPPORTED, "type not supported for {method} index");
    }
    let Ok(dims @ 1..) = u32::try_from(key.ty.typmod) else {
        bail!(INVALID_PARAMETER_VALUE, "column does not have dimensions")
    };
    let most = class.form.dimensions_max();
    if dims > most {
        bail!(PROGRAM_LIMIT_EXCEEDED, "column cannot have more than {most} dimensions for {method} index");
    }
    Ok(dims)
}

impl Form {
    /// The engine's word for it.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::Vector | Self::Half => Kind::Dense,
            Self::Sparse => Kind::Sparse,
            Self::Bit => Kind::Bits,
        }
    }

    /// Most dimensions that can be indexed. pgvector stops at 2,000 and 4,000 of `vector` and `halfvec`, because an entry
    /// must fit its page; here there are no pages.
    #[must_use]
    pub fn dimensions_max(self) -> u32 {
        match self {
            Self::Vector | Self::Half => 16_000,
            Self::Sparse => 1_000_000_000,
            Self::Bit => 64_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::descriptor::{IndexKey, IndexTarget, StorageId};
    use crate::types::SqlType;

    fn index(method: Oid, class: &str, ty: SqlType, options: &[(&str, &str)]) -> IndexDesc {
        let row = builtin().opclasses.iter().find(|row| row.method == method && row.name == class);
        let opclass = row.unwrap_or_else(|| panic!("no class {class}")).oid;
        let key = IndexKey {
            target: IndexTarget::Column(1),
            ty,
            opclass,
            collation: Oid::NONE,
            descending: false,
            nulls_first: false,
        };
        IndexDesc {
            oid: Oid(1),
            name: "i".into(),
            table: Oid(2),
            storage: StorageId(3),
            method,
            keys: vec![key],
            include: Vec::new(),
            unique: false,
            primary: false,
            nulls_not_distinct: false,
            predicate: None,
            options: options.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            valid: true,
            constraint: Oid::NONE,
        }
    }

    fn ty(oid: Oid, typmod: i32) -> SqlType {
        SqlType { typmod, ..SqlType::of(oid) }
    }

    #[test]
    fn classes_say_distance_and_form() {
        for (method, class, column, metric, form, symbol) in [
            (HNSW, "vector_l2_ops", Oid::VECTOR, Metric::L2, Form::Vector, "<->"),
            (HNSW, "vector_ip_ops", Oid::VECTOR, Metric::InnerProduct, Form::Vector, "<#>"),
            (HNSW, "vector_l1_ops", Oid::VECTOR, Metric::L1, Form::Vector, "<+>"),
            (IVFFLAT, "vector_cosine_ops", Oid::VECTOR, Metric::Cosine, Form::Vector, "<=>"),
            (IVFFLAT, "halfvec_l2_ops", Oid::HALFVEC, Metric::L2, Form::Half, "<->"),
            (HNSW, "halfvec_cosine_ops", Oid::HALFVEC, Metric::Cosine, Form::Half, "<=>"),
            (HNSW, "sparsevec_ip_ops", Oid::SPARSEVEC, Metric::InnerProduct, Form::Sparse, "<#>"),
            (HNSW, "bit_hamming_ops", Oid::BIT, Metric::Hamming, Form::Bit, "<~>"),
            (HNSW, "bit_jaccard_ops", Oid::BIT, Metric::Jaccard, Form::Bit, "<%>"),
        ] {
            let index = index(method, class, ty(column, 64), &[]);
            check(&index).expect(class);
            let options = options(&index).expect(class);
            assert_eq!((options.metric, options.kind, options.dims), (metric, form.kind(), 64), "{class}");
            assert_eq!(super::form(&index), form, "{class}");
            let operator = distance_operator(index.keys[0].opclass).expect(class);
            let row = builtin().operator_row(operator).expect("an operator");
            assert_eq!((row.name, row.left), (symbol, column), "{class}");
        }
    }

    #[test]
    fn options_become_the_engines() {
        let with = [("m", "24"), ("ef_construction", "200"), ("quantization", "RaBitQ2"), ("memory", "budget")];
        let made = options(&index(HNSW, "vector_l2_ops", ty(Oid::VECTOR, 3), &with)).expect("options");
        assert_eq!((made.m, made.ef_construction), (24, 200));
        assert_eq!((made.quantization, made.memory), (Quantization::Rabitq2, Memory::Budget));
        let plain = index(IVFFLAT, "vector_l2_ops", ty(Oid::VECTOR, 3), &[("lists", "7")]);
        assert_eq!(lists(&plain), 7);
        assert_eq!(options(&plain).expect("options"), Options::new(Metric::L2, Kind::Dense, 3));
        // Left so by ALTER INDEX SET: read as the nearest that can be built.
        let odd = [("m", "64"), ("quantization", "int8")];
        let made = options(&index(HNSW, "vector_l1_ops", ty(Oid::VECTOR, 3), &odd)).expect("options");
        assert_eq!((made.m, made.ef_construction, made.quantization), (64, 128, Quantization::Auto));
    }

    #[test]
    fn what_cannot_be_built_is_refused() {
        let too_many = "column cannot have more than 16000 dimensions for hnsw index";
        for (method, class, column, options, state, message) in [
            (HNSW, "bit_hamming_ops", ty(Oid::VARBIT, 3), vec![], "0A000", "type not supported for hnsw index"),
            (IVFFLAT, "bit_hamming_ops", ty(Oid::VARBIT, 3), vec![], "0A000", "type not supported for ivfflat index"),
            (HNSW, "vector_l2_ops", ty(Oid::VECTOR, -1), vec![], "22023", "column does not have dimensions"),
            (HNSW, "vector_l2_ops", ty(Oid::VECTOR, 16_001), vec![], "54000", too_many),
            (
                IVFFLAT,
                "bit_hamming_ops",
                ty(Oid::BIT, 64_001),
                vec![],
                "54000",
                "column cannot have more than 64000 dimensions for ivfflat index",
            ),
            (
                HNSW,
                "vector_l2_ops",
                ty(Oid::VECTOR, 3),
                vec![("ef_construction", "31")],
                "22023",
                "ef_construction must be greater than or equal to 2 * m",
            ),
            (
                IVFFLAT,
                "vector_ip_ops",
                ty(Oid::VECTOR, 1),
                vec![],
                "22023",
                "dimensions must be greater than one for this opclass",
            ),
            (
                HNSW,
                "vector_l1_ops",
                ty(Oid::VECTOR, 3),
                vec![("quantization", "int8")],
                "0A000",
                "quantization \"int8\" is not supported for operator class \"vector_l1_ops\"",
            ),
            (
                HNSW,
                "sparsevec_l2_ops",
                ty(Oid::SPARSEVEC, 3),
                vec![("memory", "budget")],
                "0A000",
                "memory \"budget\" is not supported for operator class \"sparsevec_l2_ops\"",
            ),
            (
                HNSW,
                "vector_l2_ops",
                ty(Oid::VECTOR, 3),
                vec![("memory", "budget"), ("quantization", "none")],
                "0A000",
                "memory \"budget\" is not supported with quantization \"none\"",
            ),
        ] {
            let error = check(&index(method, class, column, &options)).expect_err(message);
            assert_eq!((error.sqlstate().as_str(), error.report().message.as_str()), (state, message));
        }
        check(&index(IVFFLAT, "vector_l2_ops", ty(Oid::VECTOR, 1), &[])).expect("one dimension is enough for L2");
        check(&index(HNSW, "vector_ip_ops", ty(Oid::VECTOR, 16_000), &[])).expect("16,000 dimensions");
        check(&index(HNSW, "vector_l1_ops", ty(Oid::VECTOR, 3), &[("quantization", "NONE")])).expect("none is fine");
    }
}
