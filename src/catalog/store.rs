//! The catalog on disk and the way it changes.
//!
//! Every object is one JSON value under `C`, database (0 for shared objects), kind, OID. An [`Edit`] is a private copy with a
//! log of changes; its keys go into the transaction's own commit batch, and when that is durable [`Catalog::publish`]
//! makes the copy the catalog. OIDs are handed out from a counter that is kept ahead on disk, so none is used twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::catalog::acl::Acl;
use crate::catalog::descriptor::{
    DatabaseDesc, ExtensionDesc, Membership, RoleDesc, SchemaDesc, SequenceDesc, StorageId, TableDesc, TypeDesc,
    ViewDesc,
};
use crate::catalog::privileges::BUILTIN_ROLES;
use crate::catalog::progress::Builds;
use crate::catalog::snapshot::{CommentKey, DefaultAclKey, Objects, PG_CATALOG, PUBLIC, Shared, Snapshot};
use crate::error::{Error, Result};
use crate::storage::keyspace::mark_key;
use crate::storage::{Cf, Kv, WriteBatch};
use crate::types::Oid;

/// OIDs are reserved on disk in runs of this many.
const OID_RUN: u32 = 256;
/// The database every server starts with.
pub const FIRST_DATABASE: Oid = Oid(5);
/// The role that owns it.
pub const FIRST_ROLE: Oid = Oid(10);

/// One key of the default family and its new value.
pub type KeyChange = (Vec<u8>, Option<Vec<u8>>);

/// The catalog of the whole cluster.
pub struct Catalog {
    kv: Arc<dyn Kv>,
    state: RwLock<State>,
    version: AtomicU64,
    next_oid: AtomicU32,
    reserved: Mutex<u32>,
    builds: Arc<Builds>,
}

struct State {
    databases: HashMap<Oid, Arc<Objects>>,
    shared: Arc<Shared>,
}

/// A private copy of the catalog with its changes.
#[derive(Clone)]
pub struct Edit {
    /// The catalog as this transaction sees it.
    pub snapshot: Snapshot,
    /// Whether objects of this database changed.
    pub touched: bool,
    /// Whether roles or databases changed.
    pub touched_shared: bool,
    changes: Vec<KeyChange>,
    new_databases: Vec<(Oid, Arc<Objects>)>,
    dropped_databases: Vec<Oid>,
}

fn object_key(database: Oid, kind: u8, parts: &[u8]) -> Vec<u8> {
    let mut key = vec![b'C'];
    key.extend_from_slice(&database.0.to_be_bytes());
    key.push(kind);
    key.extend_from_slice(parts);
    key
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("descriptors are plain data")
}

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|e| Error::corrupt(format!("catalog entry does not decode: {e}")))
}

fn comment_parts(key: &CommentKey) -> Vec<u8> {
    [key.0.0.to_be_bytes(), key.1.0.to_be_bytes(), key.2.to_be_bytes()].concat()
}

fn default_acl_parts(key: &DefaultAclKey) -> Vec<u8> {
    [&key.0.0.to_be_bytes()[..], &key.1.0.to_be_bytes()[..], &[key.2]].concat()
}

fn number_at(key: &[u8], at: usize) -> Option<u32> {
    key.get(at..at + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()).map(u32::from_be_bytes)
}

macro_rules! edits {
    ($($(#[$doc:meta])* $put:ident, $drop:ident, $field:ident, $ty:ty, $kind:literal;)*) => {
        impl Edit {
            $(
                $(#[$doc])*
                pub fn $put(&mut self, object: $ty) {
                    let key = object_key(self.snapshot.database, $kind, &object.oid.0.to_be_bytes());
                    self.changes.push((key, Some(json(&object))));
                    self.change(|objects| { objects.$field.insert(object.oid, Arc::new(object)); });
                }

                /// Removes it.
                pub fn $drop(&mut self, oid: Oid) {
                    let key = object_key(self.snapshot.database, $kind, &oid.0.to_be_bytes());
                    self.changes.push((key, None));
                    self.change(|objects| { objects.$field.remove(&oid); });
                }
            )*
        }

        fn load_object(objects: &mut Objects, kind: u8, key: &[u8], value: &[u8]) -> Result<()> {
            match kind {
                $($kind => {
                    let object: $ty = from_json(value)?;
                    objects.$field.insert(object.oid, Arc::new(object));
                })*
                b'c' => {
                    let (Some(class), Some(object), Some(sub)) = (number_at(key, 6), number_at(key, 10), number_at(key, 14))
                    else {
                        return Err(Error::corrupt("invalid comment key"));
                    };
                    objects.comments.insert((Oid(class), Oid(object), sub as i32), from_json(value)?);
                }
                b'a' => {
                    let (Some(class), Some(object), Some(sub)) = (number_at(key, 6), number_at(key, 10), number_at(key, 14))
                    else {
                        return Err(Error::corrupt("invalid access list key"));
                    };
                    objects.acls.insert((Oid(class), Oid(object), sub as i32), from_json(value)?);
                }
                b'e' => {
                    let (Some(role), Some(schema), Some(kind)) = (number_at(key, 6), number_at(key, 10), key.get(14)) else {
                        return Err(Error::corrupt("invalid default access list key"));
                    };
                    objects.default_acls.insert((Oid(role), Oid(schema), *kind), from_json(value)?);
                }
                other => return Err(Error::corrupt(format!("unknown catalog entry kind {other}"))),
            }
            Ok(())
        }
    };
}

edits! {
    /// Adds or replaces a schema.
    put_schema, drop_schema, schemas, SchemaDesc, b's';
    /// Adds or replaces a table.
    put_table, drop_table, tables, TableDesc, b't';
    /// Adds or replaces a view.
    put_view, drop_view, views, ViewDesc, b'v';
    /// Adds or replaces a sequence.
    put_sequence, drop_sequence, sequences, SequenceDesc, b'q';
    /// Adds or replaces a type.
    put_type, drop_type, types, TypeDesc, b'y';
    /// Adds or replaces an extension.
    put_extension, drop_extension, extensions, ExtensionDesc, b'x';
}

impl Edit {
    fn change(&mut self, f: impl FnOnce(&mut Objects)) {
        let objects = Arc::make_mut(&mut self.snapshot.objects);
        f(objects);
        objects.reindex();
        self.touched = true;
        self.snapshot.version += 1;
    }

    /// Sets or removes a comment.
    pub fn set_comment(&mut self, key: CommentKey, text: Option<String>) {
        let disk = object_key(self.snapshot.database, b'c', &comment_parts(&key));
        self.changes.push((disk, text.as_ref().map(json)));
        self.change(|objects| {
            match text {
                Some(text) => objects.comments.insert(key, text),
                None => objects.comments.remove(&key),
            };
        });
    }

    /// Sets or removes an access list.
    pub fn set_acl(&mut self, key: CommentKey, list: Option<Acl>) {
        let disk = object_key(self.snapshot.database, b'a', &comment_parts(&key));
        self.changes.push((disk, list.as_ref().map(json)));
        self.change(|objects| {
            match list {
                Some(list) => objects.acls.insert(key, list),
                None => objects.acls.remove(&key),
            };
        });
    }

    /// Sets or removes what new objects start with.
    pub fn set_default_acl(&mut self, key: DefaultAclKey, list: Option<Acl>) {
        let disk = object_key(self.snapshot.database, b'e', &default_acl_parts(&key));
        self.changes.push((disk, list.as_ref().map(json)));
        self.change(|objects| {
            match list {
                Some(list) => objects.default_acls.insert(key, list),
                None => objects.default_acls.remove(&key),
            };
        });
    }

    /// Adds or replaces a role.
    pub fn put_role(&mut self, role: RoleDesc) {
        self.changes.push((object_key(Oid::NONE, b'r', &role.oid.0.to_be_bytes()), Some(json(&role))));
        Arc::make_mut(&mut self.snapshot.shared).roles.insert(role.oid, Arc::new(role));
        self.touch_shared();
    }

    /// Removes a role.
    pub fn drop_role(&mut self, oid: Oid) {
        self.changes.push((object_key(Oid::NONE, b'r', &oid.0.to_be_bytes()), None));
        Arc::make_mut(&mut self.snapshot.shared).roles.remove(&oid);
        self.touch_shared();
    }

    /// Adds or replaces a database; a new one starts with schema `public`.
    pub fn put_database(&mut self, database: DatabaseDesc) {
        let fresh = !self.snapshot.shared.databases.contains_key(&database.oid);
        self.changes.push((object_key(Oid::NONE, b'd', &database.oid.0.to_be_bytes()), Some(json(&database))));
        if fresh {
            let schema = public_schema(database.owner);
            self.changes.push((object_key(database.oid, b's', &schema.oid.0.to_be_bytes()), Some(json(&schema))));
            let extension = plpgsql();
            self.changes.push((object_key(database.oid, b'x', &extension.oid.0.to_be_bytes()), Some(json(&extension))));
            let mut objects = Objects::default();
            objects.schemas.insert(schema.oid, Arc::new(schema));
            objects.extensions.insert(extension.oid, Arc::new(extension));
            objects.reindex();
            self.new_databases.push((database.oid, Arc::new(objects)));
        }
        Arc::make_mut(&mut self.snapshot.shared).databases.insert(database.oid, Arc::new(database));
        self.touch_shared();
    }

    /// Removes a database; `objects` are what it held, whose keys go too.
    pub fn drop_database(&mut self, oid: Oid, objects: &Objects) {
        self.changes.push((object_key(Oid::NONE, b'd', &oid.0.to_be_bytes()), None));
        let keys = [(b's', objects.schemas.keys().collect::<Vec<_>>()), (b't', objects.tables.keys().collect())]
            .into_iter()
            .chain([(b'v', objects.views.keys().collect()), (b'q', objects.sequences.keys().collect())])
            .chain([(b'y', objects.types.keys().collect()), (b'x', objects.extensions.keys().collect())]);
        for (kind, oids) in keys {
            for object in oids {
                self.changes.push((object_key(oid, kind, &object.0.to_be_bytes()), None));
            }
        }
        for key in objects.comments.keys() {
            self.changes.push((object_key(oid, b'c', &comment_parts(key)), None));
        }
        for key in objects.acls.keys() {
            self.changes.push((object_key(oid, b'a', &comment_parts(key)), None));
        }
        for key in objects.default_acls.keys() {
            self.changes.push((object_key(oid, b'e', &default_acl_parts(key)), None));
        }
        Arc::make_mut(&mut self.snapshot.shared).databases.remove(&oid);
        self.dropped_databases.push(oid);
        self.touch_shared();
    }

    fn touch_shared(&mut self) {
        self.touched_shared = true;
        self.snapshot.version += 1;
    }

    /// The keys to write with the transaction's commit.
    #[must_use]
    pub fn key_changes(&self) -> &[KeyChange] {
        &self.changes
    }
}

/// The extension that PostgreSQL puts into every database; clients and dumps expect to find it.
fn plpgsql() -> ExtensionDesc {
    ExtensionDesc {
        oid: Oid(13_563),
        name: "plpgsql".to_owned(),
        schema: PG_CATALOG,
        owner: FIRST_ROLE,
        version: "1.0".to_owned(),
    }
}

/// Roles that are there without being stored; one that was changed is stored from then on.
fn builtin_roles() -> impl Iterator<Item = RoleDesc> {
    BUILTIN_ROLES.iter().map(|(oid, name, groups)| RoleDesc {
        oid: Oid(*oid),
        name: (*name).to_owned(),
        superuser: false,
        create_role: false,
        create_db: false,
        login: false,
        inherit: true,
        replication: false,
        bypass_rls: false,
        connection_limit: -1,
        valid_until: None,
        settings: Vec::new(),
        memberships: groups
            .iter()
            .map(|group| Membership {
                oid: Oid(*group + 10_000),
                role: Oid(*group),
                grantor: FIRST_ROLE,
                admin: false,
                inherit: true,
                set: true,
            })
            .collect(),
    })
}

fn public_schema(owner: Oid) -> SchemaDesc {
    SchemaDesc { oid: PUBLIC, name: "public".to_owned(), owner }
}

impl Catalog {
    /// Reads the catalog, making the first database and role in an empty store.
    ///
    /// # Errors
    /// `XX001` when an entry does not decode; storage errors.
    pub fn open(kv: Arc<dyn Kv>, admin: &str) -> Result<Self> {
        Self::open_with(kv, admin, || None)
    }

    /// As [`Catalog::open`]; the first role's password verifier is written together with it, so that no crash leaves
    /// a role without its password.
    ///
    /// # Errors
    /// As [`Catalog::open`].
    pub fn open_with(kv: Arc<dyn Kv>, admin: &str, verifier: impl FnOnce() -> Option<String>) -> Result<Self> {
        let mut databases: HashMap<Oid, Objects> = HashMap::new();
        let mut shared = Shared::default();
        kv.scan(Cf::Default, b"C", b"D", &mut |key, value| {
            let (Some(database), Some(kind)) = (key.get(1..5), key.get(5)) else {
                return Err(Error::corrupt("invalid catalog key"));
            };
            let database = Oid(u32::from_be_bytes(database.try_into().expect("four bytes")));
            match (database, *kind) {
                (Oid::NONE, b'r') => {
                    let role: RoleDesc = from_json(value)?;
                    shared.roles.insert(role.oid, Arc::new(role));
                }
                (Oid::NONE, b'd') => {
                    let found: DatabaseDesc = from_json(value)?;
                    databases.entry(found.oid).or_default();
                    shared.databases.insert(found.oid, Arc::new(found));
                }
                (database, kind) => load_object(databases.entry(database).or_default(), kind, key, value)?,
            }
            Ok(true)
        })?;
        let next = match kv.get(Cf::Default, &mark_key("next_oid"))? {
            Some(bytes) => u32::from_be_bytes(bytes.try_into().map_err(|_| Error::corrupt("invalid OID mark"))?),
            None => Oid::FIRST_USER.0,
        };
        for role in builtin_roles() {
            shared.roles.entry(role.oid).or_insert_with(|| Arc::new(role));
        }
        databases.values_mut().for_each(Objects::reindex);
        let databases = databases.into_iter().map(|(oid, objects)| (oid, Arc::new(objects))).collect();
        let catalog = Self {
            kv,
            state: RwLock::new(State { databases, shared: Arc::new(shared) }),
            version: AtomicU64::new(1),
            next_oid: AtomicU32::new(next),
            reserved: Mutex::new(next),
            builds: Arc::default(),
        };
        if catalog.state.read().shared.databases.is_empty() {
            catalog.create_first(admin, verifier());
        }
        Ok(catalog)
    }

    fn create_first(&self, admin: &str, verifier: Option<String>) {
        let mut edit = self.edit(FIRST_DATABASE, true);
        edit.put_role(RoleDesc {
            oid: FIRST_ROLE,
            name: admin.to_owned(),
            superuser: true,
            create_role: true,
            create_db: true,
            login: true,
            inherit: true,
            replication: true,
            bypass_rls: true,
            connection_limit: -1,
            valid_until: None,
            settings: Vec::new(),
            memberships: Vec::new(),
        });
        let database = |oid: u32, name: &str, is_template: bool| DatabaseDesc {
            oid: Oid(oid),
            name: name.to_owned(),
            owner: FIRST_ROLE,
            allow_connections: name != "template0",
            connection_limit: -1,
            is_template,
            settings: Vec::new(),
            acl: None,
        };
        edit.put_database(database(1, "template1", true));
        edit.put_database(database(4, "template0", true));
        edit.put_database(database(FIRST_DATABASE.0, "postgres", false));
        if admin != "postgres" {
            edit.put_database(database(6, admin, false));
        }
        let mut batch = WriteBatch::default();
        for (key, value) in edit.key_changes() {
            match value {
                Some(value) => batch.put(Cf::Default, key.clone(), value.clone()),
                None => batch.delete(Cf::Default, key.clone()),
            }
        }
        if let Some(verifier) = verifier {
            batch.put(Cf::Users, admin.as_bytes(), verifier.into_bytes());
        }
        self.kv.write(batch);
        self.kv.sync();
        self.publish(&edit);
    }

    /// The published catalog for a database; `None` when there is no such database.
    #[must_use]
    pub fn snapshot(&self, database: Oid) -> Option<Snapshot> {
        let state = self.state.read();
        let objects = Arc::clone(state.databases.get(&database)?);
        let version = self.version.load(Ordering::Acquire);
        Some(Snapshot { database, version, objects, shared: Arc::clone(&state.shared) })
    }

    /// Grows with every publication; a plan made at another version is stale.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Index builds under way.
    #[must_use]
    pub fn builds(&self) -> &Arc<Builds> {
        &self.builds
    }

    /// Roles and databases.
    #[must_use]
    pub fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.state.read().shared)
    }

    /// The objects of any database.
    #[must_use]
    pub fn objects(&self, database: Oid) -> Option<Arc<Objects>> {
        self.state.read().databases.get(&database).cloned()
    }

    /// A private copy to change. `fresh` starts from nothing when the database is not there yet.
    ///
    /// # Panics
    /// When the database does not exist and `fresh` is false: sessions hold theirs open.
    #[must_use]
    pub fn edit(&self, database: Oid, fresh: bool) -> Edit {
        let snapshot = self.snapshot(database).unwrap_or_else(|| {
            assert!(fresh, "database {database} is gone while a session uses it");
            Snapshot { database, version: 0, objects: Arc::default(), shared: self.shared() }
        });
        Edit {
            snapshot,
            touched: false,
            touched_shared: false,
            changes: Vec::new(),
            new_databases: Vec::new(),
            dropped_databases: Vec::new(),
        }
    }

    /// Makes an edit the catalog. Call when its keys are durable; DDL transactions are serialised by the caller.
    pub fn publish(&self, edit: &Edit) {
        let mut state = self.state.write();
        if edit.touched {
            state.databases.insert(edit.snapshot.database, Arc::clone(&edit.snapshot.objects));
        }
        if edit.touched_shared {
            state.shared = Arc::clone(&edit.snapshot.shared);
        }
        for (oid, objects) in &edit.new_databases {
            state.databases.insert(*oid, Arc::clone(objects));
        }
        for oid in &edit.dropped_databases {
            state.databases.remove(oid);
        }
        self.version.fetch_add(1 << 20, Ordering::AcqRel);
    }

    /// The committed password verifier of a role, by the role's name.
    ///
    /// # Errors
    /// Storage errors.
    pub fn verifier(&self, role: &str) -> Result<Option<Vec<u8>>> {
        self.kv.get(Cf::Users, role.as_bytes())
    }

    /// A new OID, never handed out before.
    pub fn allocate_oid(&self) -> Oid {
        let oid = self.next_oid.fetch_add(1, Ordering::AcqRel);
        let mut reserved = self.reserved.lock();
        if oid >= *reserved {
            *reserved = oid + OID_RUN;
            let mut batch = WriteBatch::default();
            batch.put(Cf::Default, mark_key("next_oid"), reserved.to_be_bytes());
            self.kv.write(batch);
            self.kv.sync();
        }
        Oid(oid)
    }

    /// A new storage id, from the same counter.
    pub fn allocate_storage(&self) -> StorageId {
        StorageId(self.allocate_oid().0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Catalog, FIRST_DATABASE};
    use crate::catalog::descriptor::SchemaDesc;
    use crate::storage::{Cf, Kv, MemoryKv, WriteBatch};
    use crate::types::Oid;

    #[test]
    fn edits_are_published_and_read_back() {
        let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
        let catalog = Catalog::open(Arc::clone(&kv), "omendb").expect("opens");
        let mut edit = catalog.edit(FIRST_DATABASE, false);
        let oid = catalog.allocate_oid();
        edit.put_schema(SchemaDesc { oid, name: "s".to_owned(), owner: Oid(10) });
        edit.set_comment((Oid(2615), oid, 0), Some("mine".to_owned()));
        let mut batch = WriteBatch::default();
        for (key, value) in edit.key_changes() {
            batch.put(Cf::Default, key.clone(), value.clone().expect("only puts"));
        }
        kv.write(batch);
        kv.sync();
        catalog.publish(&edit);
        assert_eq!(catalog.snapshot(FIRST_DATABASE).expect("there").schema_named("s"), Some(oid));
        let again = Catalog::open(kv, "omendb").expect("opens");
        let snapshot = again.snapshot(FIRST_DATABASE).expect("there");
        assert_eq!(snapshot.schema_named("s"), Some(oid));
        assert_eq!(snapshot.objects.comments[&(Oid(2615), oid, 0)], "mine");
        assert!(again.allocate_oid() > oid);
    }
}
