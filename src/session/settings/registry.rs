//! The settings that exist: PostgreSQL's (from the catalog's data), pgvector's, and a few that PostgreSQL hides.
//!
//! Built once from `catalog/data/{pg,vector}_settings.tsv`, whose rows are what PostgreSQL 18 with pgvector reports; where that server's own
//! circumstances show (its port, its files), the value here is OmenDB's. An index into the list is a setting's identity.

use std::sync::LazyLock;

use hashbrown::HashMap;

use super::values::{Unit, Value};
use crate::catalog::builtin::{PG_SETTINGS, VECTOR_SETTINGS};

/// Who may change a setting, and when: PostgreSQL's contexts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Context {
    Internal,
    Postmaster,
    Sighup,
    SuperuserBackend,
    Backend,
    Superuser,
    User,
}

/// What a setting's values are.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Kind {
    Bool,
    Int { min: i64, max: i64, unit: Unit },
    Real { min: f64, max: f64, unit: Unit },
    Enum(Vec<&'static str>),
    Text,
}

/// A setting as declared.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The name, with PostgreSQL's capitals (`TimeZone`).
    pub name: &'static str,
    /// The unit as `pg_settings` shows it.
    pub unit_name: Option<&'static str>,
    /// The group it belongs to.
    pub category: &'static str,
    /// One sentence.
    pub description: &'static str,
    /// Who may change it.
    pub context: Context,
    /// Its values.
    pub kind: Kind,
    /// `min_val` and `max_val` as `pg_settings` shows them.
    pub range: Option<(&'static str, &'static str)>,
    /// The built-in default as `pg_settings` shows it.
    pub boot: &'static str,
    /// The value when nobody has set it.
    pub default: Value,
    /// Not shown by `SHOW ALL` and `pg_settings`, not touched by `RESET ALL`.
    pub hidden: bool,
}

/// All settings.
pub struct Registry {
    definitions: Vec<Definition>,
    by_name: HashMap<String, usize>,
}

/// Settings that stand in no `pg_settings` row: the hidden ones. Same columns.
static EXTRA: &str = "\
is_superuser\toff\t\\N\tReporting and Logging / Process Title\tShows whether the current user is a superuser.\tinternal\tbool\t\\N\t\\N\t\\N\toff
role\tnone\t\\N\tUngrouped\tSets the current role.\tuser\tstring\t\\N\t\\N\t\\N\tnone
seed\t0\t\\N\tUngrouped\tSets the seed for random-number generation.\tuser\treal\t-1\t1\t\\N\t0
session_authorization\t\t\\N\tUngrouped\tSets the session user name.\tuser\tstring\t\\N\t\\N\t\\N\t
";

/// Names of [`EXTRA`] that are hidden, and those that `RESET ALL` leaves alone.
const HIDDEN: &[&str] = &["is_superuser", "role", "seed", "session_authorization"];

/// Values that differ from the recorded server's because they were that server's own.
const OWN: &[(&str, &str)] = &[
    ("application_name", ""),
    ("config_file", ""),
    ("data_directory", ""),
    ("external_pid_file", ""),
    ("hba_file", ""),
    ("ident_file", ""),
    ("listen_addresses", "127.0.0.1"),
    ("port", "5433"),
    ("log_timezone", "UTC"),
    ("num_os_semaphores", "0"),
    ("shared_memory_size", "0"),
    ("shared_memory_size_in_huge_pages", "-1"),
    ("archive_command", ""),
];

/// Old names that PostgreSQL still knows.
const RENAMED: &[(&str, &str)] =
    &[("sort_mem", "work_mem"), ("vacuum_mem", "maintenance_work_mem"), ("ssl_ecdh_curve", "ssl_groups")];

/// Integers that are shown in octal and so are kept as text.
const OCTAL: &[&str] = &["data_directory_mode", "log_file_mode", "unix_socket_permissions"];

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let mut definitions: Vec<Definition> = PG_SETTINGS
        .lines()
        .skip(1)
        .chain(VECTOR_SETTINGS.lines().skip(1))
        .chain(EXTRA.lines())
        .filter_map(definition)
        .collect();
    definitions.sort_by_key(|definition| definition.name.to_ascii_lowercase());
    let mut by_name: HashMap<String, usize> = definitions
        .iter()
        .enumerate()
        .map(|(index, definition)| (definition.name.to_ascii_lowercase(), index))
        .collect();
    for (old, new) in RENAMED {
        let index = by_name[*new];
        by_name.insert((*old).to_owned(), index);
    }
    Registry { definitions, by_name }
});

fn null(field: &'static str) -> Option<&'static str> {
    (field != "\\N").then_some(field)
}

fn definition(line: &'static str) -> Option<Definition> {
    let fields: Vec<&'static str> = line.split('\t').collect();
    let [name, setting, unit, category, description, context, vartype, min, max, enums, boot] = fields[..] else {
        return None;
    };
    let setting = OWN.iter().find(|(own, _)| *own == name).map_or(setting, |(_, value)| value);
    let unit_name = null(unit);
    let unit = unit_name.map_or(Unit::None, Unit::named);
    let octal = OCTAL.contains(&name);
    let kind = match vartype {
        "bool" => Kind::Bool,
        "integer" if !octal => Kind::Int { min: min.parse().ok()?, max: max.parse().ok()?, unit },
        "real" => Kind::Real { min: min.parse().ok()?, max: max.parse().ok()?, unit },
        "enum" => Kind::Enum(enum_words(null(enums)?)),
        _ => Kind::Text,
    };
    let default = match &kind {
        Kind::Bool => Value::Bool(setting == "on"),
        Kind::Int { .. } => Value::Int(setting.parse().ok()?),
        Kind::Real { .. } => Value::Real(setting.parse().ok()?),
        Kind::Enum(_) | Kind::Text => Value::Text(null(setting).unwrap_or("").into()),
    };
    Some(Definition {
        name,
        unit_name,
        category,
        description,
        context: context_of(context),
        range: null(min).zip(null(max)),
        boot: null(boot).unwrap_or(""),
        kind,
        default,
        hidden: HIDDEN.contains(&name),
    })
}

fn context_of(word: &str) -> Context {
    match word {
        "internal" => Context::Internal,
        "postmaster" => Context::Postmaster,
        "sighup" => Context::Sighup,
        "superuser-backend" => Context::SuperuserBackend,
        "backend" => Context::Backend,
        "superuser" => Context::Superuser,
        _ => Context::User,
    }
}

/// The labels of an array literal such as `{off,"repeatable read"}`; labels contain neither commas nor quotes.
fn enum_words(array: &'static str) -> Vec<&'static str> {
    array.trim_matches(['{', '}']).split(',').map(|word| word.trim_matches('"')).collect()
}

impl Context {
    /// The word in `pg_settings`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Postmaster => "postmaster",
            Self::Sighup => "sighup",
            Self::SuperuserBackend => "superuser-backend",
            Self::Backend => "backend",
            Self::Superuser => "superuser",
            Self::User => "user",
        }
    }
}

impl Kind {
    /// The word in `pg_settings.vartype`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int { .. } => "integer",
            Self::Real { .. } => "real",
            Self::Enum(_) => "enum",
            Self::Text => "string",
        }
    }
}

/// The registry.
#[must_use]
pub fn registry() -> &'static Registry {
    &REGISTRY
}

impl Registry {
    /// The setting of this name in any case; `None` when there is none.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        match self.by_name.get(name) {
            Some(index) => Some(*index),
            None => self.by_name.get(name.to_ascii_lowercase().as_str()).copied(),
        }
    }

    /// The setting of an index from [`Registry::find`].
    #[must_use]
    pub fn get(&self, index: usize) -> &Definition {
        &self.definitions[index]
    }

    /// Number of settings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.definitions.len()
    }

    /// Whether there are no settings; there always are.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.definitions.is_empty()
    }
}
