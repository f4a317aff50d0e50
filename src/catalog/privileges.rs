//! Who may do what: roles with their memberships, objects with their access lists.
//!
//! A role has the rights that an object's list gives to it, to PUBLIC, and to every role whose rights it inherits. A superuser
//! has all. The owner may always grant. Members of `pg_read_all_data`, `pg_write_all_data` and `pg_maintain` have the
//! rights that these names say. The owner of the database is a member of `pg_database_owner`, which owns schema `public`.

use std::collections::BTreeSet;

use crate::bail;
use crate::catalog::acl::{self, Acl, AclKind, Rights};
use crate::catalog::descriptor::{AttNum, RoleDesc};
use crate::catalog::snapshot::{CommentKey, INFORMATION_SCHEMA, PG_CATALOG, PUBLIC, Relation, Snapshot, TypeRef};
use crate::catalog::store::FIRST_ROLE;
use crate::catalog::system::objects::{
    CLASS_DATABASE, CLASS_FUNCTION, CLASS_RELATION, CLASS_SCHEMA, CLASS_TYPE, DATABASE_OWNER, schema_owner,
};
use crate::error::Result;
use crate::types::Oid;

/// `pg_read_all_data`.
const READ_ALL: Oid = Oid(6181);
/// `pg_write_all_data`.
const WRITE_ALL: Oid = Oid(6182);
/// `pg_maintain`.
const MAINTAIN_ALL: Oid = Oid(6337);
/// `pg_language`, as a class.
const CLASS_LANGUAGE: Oid = Oid(2612);

/// The roles that every server has besides its first superuser, and which of them are members of which.
pub const BUILTIN_ROLES: &[(u32, &str, &[u32])] = &[
    (3373, "pg_monitor", &[3374, 3375, 3377]),
    (3374, "pg_read_all_settings", &[]),
    (3375, "pg_read_all_stats", &[]),
    (3377, "pg_stat_scan_tables", &[]),
    (4200, "pg_signal_backend", &[]),
    (4544, "pg_checkpoint", &[]),
    (4550, "pg_use_reserved_connections", &[]),
    (4569, "pg_read_server_files", &[]),
    (4570, "pg_write_server_files", &[]),
    (4571, "pg_execute_server_program", &[]),
    (6171, "pg_database_owner", &[]),
    (6181, "pg_read_all_data", &[]),
    (6182, "pg_write_all_data", &[]),
    (6304, "pg_create_subscription", &[]),
    (6337, "pg_maintain", &[]),
    (6392, "pg_signal_autovacuum_worker", &[]),
];

/// System relations that nobody but superusers reads.
const SECRET: &[&str] = &[
    "pg_authid",
    "pg_config",
    "pg_file_settings",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_largeobject",
    "pg_replication_origin_status",
    "pg_shadow",
    "pg_statistic",
    "pg_statistic_ext_data",
    "pg_subscription",
    "pg_user_mapping",
];

/// Something with an access list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Securable {
    /// A table, view or sequence.
    Relation(Oid),
    /// A column of a table or view.
    Column(Oid, AttNum),
    /// A schema.
    Schema(Oid),
    /// A database.
    Database(Oid),
    /// A function.
    Function(Oid),
    /// A type.
    Type(Oid),
    /// A language.
    Language(Oid),
}

impl Securable {
    /// Under what its list is kept.
    #[must_use]
    pub fn key(self) -> CommentKey {
        match self {
            Self::Relation(oid) => (CLASS_RELATION, oid, 0),
            Self::Column(oid, attnum) => (CLASS_RELATION, oid, i32::from(attnum)),
            Self::Schema(oid) => (CLASS_SCHEMA, oid, 0),
            Self::Database(oid) => (CLASS_DATABASE, oid, 0),
            Self::Function(oid) => (CLASS_FUNCTION, oid, 0),
            Self::Type(oid) => (CLASS_TYPE, oid, 0),
            Self::Language(oid) => (CLASS_LANGUAGE, oid, 0),
        }
    }
}

/// What a statement wants of a relation: checked before each execution, because rights change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// The relation.
    pub relation: Oid,
    /// The owner of the view that names it; `None` for the current user.
    pub role: Option<Oid>,
    /// Rights that the relation or the columns below must give.
    pub rights: Rights,
    /// Columns that are read.
    pub selected: BTreeSet<AttNum>,
    /// Columns that INSERT names.
    pub inserted: BTreeSet<AttNum>,
    /// Columns that UPDATE sets.
    pub updated: BTreeSet<AttNum>,
}

impl Claim {
    /// A claim on a relation as a whole.
    #[must_use]
    pub fn new(relation: Oid, role: Option<Oid>, rights: Rights) -> Self {
        let none = BTreeSet::new;
        Self { relation, role, rights, selected: none(), inserted: none(), updated: none() }
    }
}

impl Snapshot {
    fn closure(&self, role: Oid, follows: impl Fn(&crate::catalog::descriptor::Membership) -> bool) -> Vec<Oid> {
        let mut found = vec![role];
        let mut at = 0;
        while at < found.len() {
            let member = self.shared.roles.get(&found[at]);
            let all = member.iter().flat_map(|role| &role.memberships).filter(|item| follows(item));
            let mut next: Vec<Oid> = all.map(|item| item.role).filter(|role| !found.contains(role)).collect();
            // The order decides who grants where several roles may; PostgreSQL's is that of its index.
            next.sort_unstable();
            next.dedup();
            found.append(&mut next);
            at += 1;
        }
        let owner = self.shared.databases.get(&self.database).map(|database| database.owner);
        if owner.is_some_and(|owner| found.contains(&owner)) && !found.contains(&DATABASE_OWNER) {
            found.push(DATABASE_OWNER);
        }
        found
    }

    /// The roles whose rights a role has, itself first.
    #[must_use]
    pub fn inherited_roles(&self, role: Oid) -> Vec<Oid> {
        self.closure(role, |membership| membership.inherit)
    }

    /// The roles that a role may become by SET ROLE, itself first.
    #[must_use]
    pub fn settable_roles(&self, role: Oid) -> Vec<Oid> {
        self.closure(role, |membership| membership.set)
    }

    /// The roles that a role is a member of in whatever way, itself first.
    #[must_use]
    pub fn member_roles(&self, role: Oid) -> Vec<Oid> {
        self.closure(role, |_| true)
    }

    fn is_superuser(&self, role: Oid) -> bool {
        self.shared.roles.get(&role).is_some_and(|role| role.superuser)
    }

    /// Whether a role may become another: itself, one that it is a member of with SET, any for superusers.
    #[must_use]
    pub fn may_become(&self, role: Oid, other: Oid) -> bool {
        self.is_superuser(role) || self.settable_roles(role).contains(&other)
    }

    /// Whether a role owns what another owns, by inheritance or as a superuser.
    #[must_use]
    pub fn owns(&self, role: &RoleDesc, owner: Oid) -> bool {
        role.superuser || role.oid == owner || self.inherited_roles(role.oid).contains(&owner)
    }

    /// The role through which a role has ADMIN OPTION on another: itself or one that it inherits.
    #[must_use]
    pub fn admin_through(&self, member: Oid, role: Oid) -> Option<Oid> {
        if self.is_superuser(member) {
            return Some(FIRST_ROLE);
        }
        self.inherited_roles(member).into_iter().find(|oid| {
            let found = self.shared.roles.get(oid);
            found.is_some_and(|found| found.memberships.iter().any(|item| item.role == role && item.admin))
        })
    }

    /// Kind, owner and name of something with an access list; `None` when it is not there.
    #[must_use]
    pub fn securable(&self, object: Securable) -> Option<(AclKind, Oid, String)> {
        Some(match object {
            Securable::Relation(oid) | Securable::Column(oid, _) => {
                let relation = self.relation(oid)?;
                let (kind, owner) = match &relation {
                    Relation::Table(d) => (AclKind::Relation, d.owner),
                    Relation::View(d) => (AclKind::Relation, d.owner),
                    Relation::Sequence(d) => (AclKind::Sequence, d.owner),
                    Relation::Index(d) => (AclKind::Relation, self.table(d.table)?.owner),
                    Relation::System(_) => (AclKind::Relation, FIRST_ROLE),
                };
                let column = matches!(object, Securable::Column(..));
                (if column { AclKind::Column } else { kind }, owner, relation.name().to_owned())
            }
            Securable::Schema(oid) => {
                let owner = self.objects.schemas.get(&oid).map_or(FIRST_ROLE, |schema| schema_owner(self, schema));
                (AclKind::Schema, owner, self.schema_name(oid)?.to_owned())
            }
            Securable::Database(oid) => {
                let database = self.shared.databases.get(&oid)?;
                (AclKind::Database, database.owner, database.name.clone())
            }
            Securable::Function(oid) => {
                let row = crate::catalog::builtin().proc_row(oid)?;
                (AclKind::Function, FIRST_ROLE, row.name.to_owned())
            }
            Securable::Type(oid) => match self.type_by_oid(oid)? {
                TypeRef::Builtin(row) => (AclKind::Type, FIRST_ROLE, row.name.to_owned()),
                TypeRef::User(ty) | TypeRef::UserArray(ty) => (AclKind::Type, ty.owner, ty.name.clone()),
                TypeRef::Row(_, name) => (AclKind::Type, FIRST_ROLE, name),
            },
            Securable::Language(_) => (AclKind::Language, FIRST_ROLE, "language".to_owned()),
        })
    }

    /// The list that an object has by itself; `None` while it has its kind's default.
    #[must_use]
    pub fn explicit_acl(&self, object: Securable) -> Option<Acl> {
        if let Securable::Database(oid) = object {
            return self.shared.databases.get(&oid)?.acl.clone();
        }
        self.objects.acls.get(&object.key()).cloned().or_else(|| self.initial_acl(object))
    }

    /// The list that a built-in object starts with where that is not its kind's default.
    #[must_use]
    pub fn initial_acl(&self, object: Securable) -> Option<Acl> {
        let open = |owner: Oid, rights: Rights, kind: AclKind| {
            let mut list = kind.default_acl(owner);
            list.0.push(acl::AclItem { grantee: Oid::NONE, grantor: owner, rights, options: 0 });
            Some(list)
        };
        match object {
            Securable::Schema(PUBLIC) if self.objects.schemas.contains_key(&PUBLIC) => {
                open(schema_owner(self, &self.objects.schemas[&PUBLIC]), acl::USAGE, AclKind::Schema)
            }
            Securable::Schema(PG_CATALOG | INFORMATION_SCHEMA) => open(FIRST_ROLE, acl::USAGE, AclKind::Schema),
            Securable::Relation(oid) => match self.relation(oid)? {
                Relation::System(desc) if SECRET.contains(&desc.name) => {
                    Some(AclKind::Relation.default_acl(FIRST_ROLE))
                }
                Relation::System(_) => open(FIRST_ROLE, acl::SELECT, AclKind::Relation),
                _ => None,
            },
            _ => None,
        }
    }

    /// The list that counts for an object.
    #[must_use]
    pub fn effective_acl(&self, object: Securable) -> Acl {
        self.explicit_acl(object)
            .or_else(|| self.securable(object).map(|(kind, owner, _)| kind.default_acl(owner)))
            .unwrap_or_default()
    }

    /// The rights of a role on an object, and those that it may grant. Nobody has rights on what is not there.
    #[must_use]
    pub fn held(&self, role: Oid, object: Securable) -> (Rights, Rights) {
        let Some((kind, owner, _)) = self.securable(object) else { return (0, 0) };
        if self.is_superuser(role) {
            return (kind.all(), kind.all());
        }
        let roles = self.inherited_roles(role);
        let (mut rights, mut options) = self.effective_acl(object).held(&roles);
        if roles.contains(&owner) {
            options = kind.all();
        }
        if let Securable::Column(relation, _) = object {
            let whole = self.held(role, Securable::Relation(relation));
            rights |= whole.0 & kind.all();
            options |= whole.1 & kind.all();
        }
        rights |= by_name(kind, &roles);
        (rights & kind.all(), options & kind.all())
    }

    /// Whether a role has one of these rights on any column of a relation, or on the relation.
    #[must_use]
    pub fn held_on_any_column(&self, role: Oid, relation: Oid) -> (Rights, Rights) {
        let whole = self.held(role, Securable::Relation(relation));
        let roles = self.inherited_roles(role);
        let lists = self.objects.acls.range((CLASS_RELATION, relation, 1)..=(CLASS_RELATION, relation, i32::MAX));
        lists.fold(whole, |all, (_, list)| {
            let held = list.held(&roles);
            (all.0 | held.0, all.1 | held.1)
        })
    }

    /// Refuses who does not have all of these rights.
    ///
    /// # Errors
    /// `42501`.
    pub fn check_right(&self, role: Oid, object: Securable, rights: Rights) -> Result<()> {
        if self.held(role, object).0 & rights == rights {
            return Ok(());
        }
        Err(self.denied(object))
    }

    /// PostgreSQL's words for a refusal.
    #[must_use]
    pub fn denied(&self, object: Securable) -> crate::error::Error {
        let (kind, _, name) = self.securable(object).unwrap_or((AclKind::Relation, Oid::NONE, String::new()));
        let word = match object {
            Securable::Relation(oid) | Securable::Column(oid, _) => {
                self.relation(oid).map_or("table", |relation| relation.kind_name())
            }
            _ => kind.word(),
        };
        crate::error!(INSUFFICIENT_PRIVILEGE, "permission denied for {word} {name}")
    }

    /// Holds a claim against a role's rights.
    ///
    /// # Errors
    /// `42501`.
    pub fn check_claim(&self, claim: &Claim, current: &RoleDesc) -> Result<()> {
        let role = claim.role.unwrap_or(current.oid);
        if self.is_superuser(role) {
            return Ok(());
        }
        let relation = Securable::Relation(claim.relation);
        let missing = claim.rights & !self.held(role, relation).0;
        if missing == 0 {
            return Ok(());
        }
        let by_columns = |right: Rights, columns: &BTreeSet<AttNum>| {
            let has = |attnum: &AttNum| self.held(role, Securable::Column(claim.relation, *attnum)).0 & right != 0;
            match columns.is_empty() {
                true => self.held_on_any_column(role, claim.relation).0 & right != 0,
                false => columns.iter().all(has),
            }
        };
        for (right, columns) in
            [(acl::SELECT, &claim.selected), (acl::INSERT, &claim.inserted), (acl::UPDATE, &claim.updated)]
        {
            if missing & right != 0 && !by_columns(right, columns) {
                return Err(self.denied(relation));
            }
        }
        if missing & !(acl::SELECT | acl::INSERT | acl::UPDATE) != 0 {
            return Err(self.denied(relation));
        }
        Ok(())
    }

    /// Refuses who may not look into a schema.
    ///
    /// # Errors
    /// `42501`.
    pub fn check_usage(&self, role: Option<Oid>, schema: Oid) -> Result<()> {
        match role {
            Some(role) if !self.may_look_into(role, schema) => {
                let name = self.schema_name(schema).unwrap_or_default();
                bail!(INSUFFICIENT_PRIVILEGE, "permission denied for schema {name}")
            }
            _ => Ok(()),
        }
    }

    /// Whether a role has USAGE on a schema.
    #[must_use]
    pub fn may_look_into(&self, role: Oid, schema: Oid) -> bool {
        schema == PG_CATALOG
            || self.is_superuser(role)
            || self.held(role, Securable::Schema(schema)).0 & acl::USAGE != 0
    }
}

/// What membership in the roles with rights on everything gives.
fn by_name(kind: AclKind, roles: &[Oid]) -> Rights {
    let (read, write) = (roles.contains(&READ_ALL), roles.contains(&WRITE_ALL));
    let mut rights = 0;
    match kind {
        AclKind::Relation | AclKind::Sequence | AclKind::Column => {
            rights |= if read { acl::SELECT } else { 0 };
            rights |= if write { acl::INSERT | acl::UPDATE | acl::DELETE } else { 0 };
            rights |= if roles.contains(&MAINTAIN_ALL) { acl::MAINTAIN } else { 0 };
        }
        AclKind::Schema if read || write => rights |= acl::USAGE,
        _ => {}
    }
    rights & kind.all()
}
