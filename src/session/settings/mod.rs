//! A session's settings: what SET, SHOW, RESET and `set_config` work on.
//!
//! A value comes from the first of: SET LOCAL, SET, the start of the session (server, role and startup packet), the
//! built-in default. Changes inside a transaction are logged, so ROLLBACK and ROLLBACK TO undo them and the end of the
//! transaction drops SET LOCAL. What the engine asks often is kept ready in [`Typed`], refreshed after each change.
//!
//! * [`mod@registry`]: the settings there are.
//! * [`values`]: numbers with units, enums, booleans.
//! * [`checks`]: settings with rules of their own.

pub mod checks;
pub mod registry;
mod typed;
pub mod values;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::common::ident::quote_ident;
use crate::error::{Error, Result};
use crate::{bail, error};

pub use registry::Context;
use registry::{Definition, Kind, registry};
pub use typed::{IterativeScan, Typed};
use values::Value;

/// Settings that are told to the client when they change, in the order of the start of a session.
const REPORTED: &[&str] = &[
    "in_hot_standby",
    "integer_datetimes",
    "TimeZone",
    "IntervalStyle",
    "search_path",
    "is_superuser",
    "application_name",
    "default_transaction_read_only",
    "scram_iterations",
    "DateStyle",
    "standard_conforming_strings",
    "session_authorization",
    "client_encoding",
    "server_version",
    "server_encoding",
];

/// Settings of the current transaction: SET acts as SET LOCAL, without one the default of the next transaction shows.
const OF_TRANSACTION: &[(&str, &str)] = &[
    ("transaction_isolation", "default_transaction_isolation"),
    ("transaction_read_only", "default_transaction_read_only"),
    ("transaction_deferrable", "default_transaction_deferrable"),
];

/// Prefixes whose settings are all known.
const RESERVED_PREFIXES: &[&str] = &["hnsw", "ivfflat"];

/// The layers of one setting's value; `None` shows the layer below.
#[derive(Clone, Debug, Default)]
struct Layers {
    start: Option<Value>,
    session: Option<Value>,
    local: Option<Value>,
}

#[derive(Clone, Debug)]
struct Undo {
    id: usize,
    session: Option<Value>,
    local: Option<Value>,
}

/// A row of `pg_settings`; also what SHOW ALL prints (`name`, `shown`, `description`).
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct SettingRow {
    pub name: String,
    pub setting: String,
    pub shown: String,
    pub unit: Option<&'static str>,
    pub category: &'static str,
    pub description: &'static str,
    pub context: &'static str,
    pub vartype: &'static str,
    pub source: &'static str,
    pub range: Option<(&'static str, &'static str)>,
    pub enum_values: Option<Vec<&'static str>>,
    pub boot: Option<&'static str>,
    pub reset: String,
}

/// The settings of one session.
#[derive(Clone, Debug)]
pub struct Settings {
    layers: Vec<Layers>,
    /// Names of custom settings; their layers follow those of the registry.
    custom: Vec<String>,
    log: Vec<Undo>,
    savepoints: Vec<usize>,
    in_transaction: bool,
    typed: Typed,
    reported: Vec<Option<String>>,
    report_due: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

impl Settings {
    /// All settings at their defaults.
    #[must_use]
    pub fn new() -> Self {
        let layers = vec![Layers::default(); registry().len()];
        let mut settings = Self {
            layers,
            custom: Vec::new(),
            log: Vec::new(),
            savepoints: Vec::new(),
            in_transaction: false,
            typed: Typed::default(),
            reported: vec![None; REPORTED.len()],
            report_due: true,
        };
        settings.refresh();
        settings
    }

    fn find(&self, name: &str) -> Option<usize> {
        registry().find(name).or_else(|| {
            let at = self.custom.iter().position(|custom| custom.eq_ignore_ascii_case(name))?;
            Some(registry().len() + at)
        })
    }

    fn definition(id: usize) -> Option<&'static Definition> {
        (id < registry().len()).then(|| registry().get(id))
    }

    /// The name with its capitals, as SHOW heads its column.
    ///
    /// # Errors
    /// `42704` when there is no such setting.
    pub fn canonical_name(&self, name: &str) -> Result<String> {
        let id = self.find(name).ok_or_else(|| unknown(name))?;
        Ok(self.name_of(id).to_owned())
    }

    fn name_of(&self, id: usize) -> &str {
        match Self::definition(id) {
            Some(definition) => definition.name,
            None => &self.custom[id - registry().len()],
        }
    }

    fn value(&self, id: usize) -> Value {
        let layers = &self.layers[id];
        if let Some(value) = layers.local.as_ref().or(layers.session.as_ref()).or(layers.start.as_ref()) {
            return value.clone();
        }
        match Self::definition(id) {
            Some(definition) => match OF_TRANSACTION.iter().find(|(name, _)| *name == definition.name) {
                Some((_, default)) => self.get(default).expect("the default of a transaction is a setting"),
                None => definition.default.clone(),
            },
            None => Value::Text("".into()),
        }
    }

    /// The value of a setting; `None` when there is none of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value> {
        self.find(name).map(|id| self.value(id))
    }

    /// The value as SHOW prints it; `None` when there is none of that name.
    #[must_use]
    pub fn try_show(&self, name: &str) -> Option<String> {
        if name.eq_ignore_ascii_case("seed") {
            return Some("unavailable".to_owned());
        }
        self.find(name).map(|id| self.shown(id))
    }

    /// The value as SHOW prints it.
    ///
    /// # Errors
    /// `42704` when there is no such setting.
    pub fn show(&self, name: &str) -> Result<String> {
        self.try_show(name).ok_or_else(|| unknown(name))
    }

    fn shown(&self, id: usize) -> String {
        match Self::definition(id) {
            Some(definition) => values::show(definition, &self.value(id)),
            None => values::plain(&self.value(id)),
        }
    }

    /// What the engine asks often.
    #[must_use]
    pub fn typed(&self) -> &Typed {
        &self.typed
    }

    /// SET: several values are a list, whose items are quoted where the setting is a list of names.
    ///
    /// # Errors
    /// `42704` no such setting, `42602` a malformed custom name, `55P02` not changeable now, `42501` for superusers only,
    /// `22023` a bad value.
    pub fn set(&mut self, name: &str, values: &[String], local: bool) -> Result<()> {
        let text = self.joined(name, values)?;
        self.set_text(name, &text, local)
    }

    /// The items of a SET as one text.
    fn joined(&self, name: &str, values: &[String]) -> Result<String> {
        match (self.find(name).and_then(Self::definition).and_then(|d| checks::list_of_names(d.name)), values) {
            (Some(true), _) => Ok(values.iter().map(|value| quote_ident(value)).collect::<Vec<_>>().join(", ")),
            (Some(false), _) => Ok(values.join(", ")),
            (None, [one]) => Ok(one.clone()),
            (None, _) => {
                let shown = self.find(name).map_or(name, |id| self.name_of(id));
                bail!(INVALID_PARAMETER_VALUE, "SET {shown} takes only one argument");
            }
        }
    }

    /// Refuses what a session could not start with: the value of ALTER ROLE and ALTER DATABASE ... SET.
    ///
    /// # Errors
    /// As [`Settings::set`].
    pub fn check(name: &str, values: &[String]) -> Result<()> {
        let mut trial = Self::new();
        let text = trial.joined(name, values)?;
        trial.set_start(name, &text)
    }

    /// `set_config` and SET of one value: the text is taken as written.
    ///
    /// # Errors
    /// As [`Settings::set`].
    pub fn set_text(&mut self, name: &str, text: &str, local: bool) -> Result<()> {
        let id = self.changeable(name)?;
        let value = self.checked(id, text)?;
        self.assign(id, Some(value), local);
        Ok(())
    }

    /// RESET, and SET ... TO DEFAULT (`local` for SET LOCAL ... TO DEFAULT).
    ///
    /// # Errors
    /// As [`Settings::set`].
    pub fn reset(&mut self, name: &str, local: bool) -> Result<()> {
        if self.find(name).is_none() && !name.contains('.') {
            return Err(unknown(name));
        }
        let id = self.changeable(name)?;
        let value = if local { Some(self.reset_value(id)) } else { None };
        self.assign(id, value, local);
        Ok(())
    }

    fn reset_value(&self, id: usize) -> Value {
        match (&self.layers[id].start, Self::definition(id)) {
            (Some(value), _) => value.clone(),
            (None, Some(definition)) => definition.default.clone(),
            (None, None) => Value::Text("".into()),
        }
    }

    /// RESET ALL: every setting that a user may change goes back to the value of the session's start.
    pub fn reset_all(&mut self) {
        for id in 0..self.layers.len() {
            let skipped = Self::definition(id)
                .is_some_and(|d| d.hidden || OF_TRANSACTION.iter().any(|(name, _)| *name == d.name));
            let layers = &self.layers[id];
            if !skipped && (layers.session.is_some() || layers.local.is_some()) {
                self.assign(id, None, false);
            }
        }
    }

    /// The setting's identity if the session may change it now; makes a custom setting on its first use.
    fn changeable(&mut self, name: &str) -> Result<usize> {
        let id = match self.find(name) {
            Some(id) => id,
            None => self.add_custom(name)?,
        };
        if let Some(definition) = Self::definition(id) {
            let name = definition.name;
            let reason = match definition.context {
                Context::User => return Ok(id),
                Context::Superuser if self.typed.is_superuser => return Ok(id),
                Context::Superuser => {
                    bail!(INSUFFICIENT_PRIVILEGE, "permission denied to set parameter \"{name}\"")
                }
                Context::Internal => "cannot be changed",
                Context::Postmaster => "cannot be changed without restarting the server",
                Context::Sighup => "cannot be changed now",
                Context::Backend | Context::SuperuserBackend => "cannot be set after connection start",
            };
            bail!(CANT_CHANGE_RUNTIME_PARAM, "parameter \"{name}\" {reason}");
        }
        Ok(id)
    }

    fn add_custom(&mut self, name: &str) -> Result<usize> {
        if !name.contains('.') {
            return Err(unknown(name));
        }
        if !checks::is_custom_name(name) {
            return Err(error!(INVALID_NAME, "invalid configuration parameter name \"{name}\"")
                .detail("Custom parameter names must be two or more simple identifiers separated by dots."));
        }
        let prefix = name.split('.').next().unwrap_or(name);
        if RESERVED_PREFIXES.contains(&prefix) {
            return Err(error!(INVALID_NAME, "invalid configuration parameter name \"{name}\"")
                .detail(format!("\"{prefix}\" is a reserved prefix.")));
        }
        if self.custom.len() >= CUSTOM_MAX {
            bail!(CONFIGURATION_LIMIT_EXCEEDED, "a session can have at most {CUSTOM_MAX} custom parameters");
        }
        self.custom.push(name.to_owned());
        self.layers.push(Layers::default());
        Ok(self.layers.len() - 1)
    }

    fn checked(&self, id: usize, text: &str) -> Result<Value> {
        let Some(definition) = Self::definition(id) else { return Ok(Value::Text(text.into())) };
        if matches!(definition.kind, Kind::Text) {
            let current = values::plain(&self.value(id));
            return Ok(Value::Text(checks::check_text(definition.name, text, &current)?.into()));
        }
        values::parse(definition, text)
    }

    fn assign(&mut self, id: usize, value: Option<Value>, local: bool) {
        let of_transaction =
            Self::definition(id).is_some_and(|d| OF_TRANSACTION.iter().any(|(name, _)| *name == d.name));
        if self.in_transaction {
            self.pin_transaction(id);
        }
        let layers = &mut self.layers[id];
        if self.in_transaction {
            self.log.push(Undo { id, session: layers.session.clone(), local: layers.local.clone() });
        }
        if local || of_transaction {
            if self.in_transaction {
                layers.local = value;
            }
        } else {
            layers.session = value;
            layers.local = None;
        }
        self.changed();
    }

    /// Before the default of a transaction's kind changes, the current transaction keeps the kind it has.
    fn pin_transaction(&mut self, id: usize) {
        let name = Self::definition(id).map_or("", |definition| definition.name);
        let Some((of_transaction, _)) = OF_TRANSACTION.iter().find(|(_, default)| *default == name) else { return };
        let current = self.find(of_transaction).expect("the kind of a transaction is a setting");
        if self.layers[current].local.is_none() {
            let value = self.value(current);
            let session = self.layers[current].session.clone();
            self.log.push(Undo { id: current, session, local: None });
            self.layers[current].local = Some(value);
        }
    }

    fn changed(&mut self) {
        self.report_due = true;
        self.refresh();
    }

    /// Sets a value for the whole session below SET, before or at its start: the server's configuration, a role's or a
    /// database's settings. Any setting may be set.
    ///
    /// # Errors
    /// `42704` and `22023`.
    pub fn set_start(&mut self, name: &str, text: &str) -> Result<()> {
        let id = self.find(name).map_or_else(|| self.add_custom(name), Ok)?;
        let value = self.checked(id, text)?;
        self.layers[id].start = Some(value);
        self.changed();
        Ok(())
    }

    /// The same for what a client asks for in its startup packet, which may not be everything.
    ///
    /// # Errors
    /// As [`Settings::set`].
    pub fn set_startup(&mut self, name: &str, text: &str) -> Result<()> {
        let at_start = self.find(name).and_then(Self::definition).is_some_and(|d| match d.context {
            Context::Backend => true,
            Context::SuperuserBackend => self.typed.is_superuser,
            _ => false,
        });
        if !at_start {
            self.changeable(name)?;
        }
        self.set_start(name, text)
    }

    /// Sets what only the session itself knows (`is_superuser`, `role`, `session_authorization`), outside of
    /// transactions' log.
    ///
    /// # Errors
    /// `42704` and `22023`.
    pub fn set_internal(&mut self, name: &str, text: &str) -> Result<()> {
        let id = self.find(name).ok_or_else(|| unknown(name))?;
        let value = self.checked(id, text)?;
        self.layers[id].session = Some(value);
        self.changed();
        Ok(())
    }

    /// A transaction begins, also an implicit one: changes are logged, and what its kind is by default is fixed.
    pub fn begin_transaction(&mut self) {
        self.in_transaction = true;
    }

    /// The transaction is committed: SET LOCAL ends, SET stays.
    pub fn commit(&mut self) {
        self.in_transaction = false;
        self.savepoints.clear();
        if self.log.is_empty() {
            return;
        }
        for undo in std::mem::take(&mut self.log) {
            self.layers[undo.id].local = None;
        }
        self.changed();
    }

    /// The transaction is rolled back: every change in it is undone.
    pub fn rollback(&mut self) {
        self.in_transaction = false;
        self.savepoints.clear();
        self.undo_to(0);
    }

    /// A savepoint is made; savepoints nest, so only their depth matters.
    pub fn savepoint(&mut self) {
        self.savepoints.push(self.log.len());
    }

    /// The savepoint of this depth (0 is the outermost) and those inside are released: changes stay.
    pub fn release(&mut self, depth: usize) {
        self.savepoints.truncate(depth);
    }

    /// Changes since the savepoint of this depth are undone; it stays, those inside go.
    pub fn rollback_to(&mut self, depth: usize) {
        if let Some(mark) = self.savepoints.get(depth).copied() {
            self.savepoints.truncate(depth + 1);
            self.undo_to(mark);
        }
    }

    /// Number of savepoints there are.
    #[must_use]
    pub fn savepoints(&self) -> usize {
        self.savepoints.len()
    }

    fn undo_to(&mut self, mark: usize) {
        if self.log.len() <= mark {
            return;
        }
        while self.log.len() > mark {
            let undo = self.log.pop().expect("the log is longer than the mark");
            self.layers[undo.id].session = undo.session;
            self.layers[undo.id].local = undo.local;
        }
        self.changed();
    }

    /// Reported settings whose value is not what the client was told last; the caller tells it now. The first call
    /// gives all of them.
    pub fn take_reports(&mut self) -> Vec<(String, String)> {
        if !std::mem::take(&mut self.report_due) {
            return Vec::new();
        }
        let mut due = Vec::new();
        for (index, name) in REPORTED.iter().enumerate() {
            let shown = self.try_show(name).expect("reported settings exist");
            if self.reported[index].as_ref() != Some(&shown) {
                due.push(((*name).to_owned(), shown.clone()));
                self.reported[index] = Some(shown);
            }
        }
        due
    }

    /// All settings by name, without the hidden ones.
    #[must_use]
    pub fn all(&self) -> Vec<SettingRow> {
        (0..self.layers.len()).filter_map(|id| self.row(id)).collect()
    }

    fn row(&self, id: usize) -> Option<SettingRow> {
        let definition = Self::definition(id);
        if definition.is_some_and(|d| d.hidden) {
            return None;
        }
        let layers = &self.layers[id];
        let source = match layers {
            Layers { local: Some(_), .. } | Layers { session: Some(_), .. } => "session",
            Layers { start: Some(_), .. } => "client",
            Layers { .. } => "default",
        };
        Some(SettingRow {
            name: self.name_of(id).to_owned(),
            setting: values::plain(&self.value(id)),
            shown: self.shown(id),
            unit: definition.and_then(|d| d.unit_name),
            category: definition.map_or("Customized Options", |d| d.category),
            description: definition.map_or("", |d| d.description),
            context: definition.map_or(Context::User, |d| d.context).as_str(),
            vartype: definition.map_or("string", |d| d.kind.as_str()),
            source,
            range: definition.and_then(|d| d.range),
            enum_values: definition.and_then(|d| match &d.kind {
                Kind::Enum(labels) => Some(labels.clone()),
                _ => None,
            }),
            boot: definition.map(|d| d.boot),
            reset: values::plain(&self.reset_value(id)),
        })
    }

    /// What differs from the start of the session, for parallel work or a pooler: custom and changed settings.
    #[must_use]
    pub fn changed_settings(&self) -> Vec<(String, String)> {
        (0..self.layers.len())
            .filter(|id| self.layers[*id].session.is_some() || self.layers[*id].local.is_some())
            .map(|id| (self.name_of(id).to_owned(), values::plain(&self.value(id))))
            .collect()
    }

    fn refresh(&mut self) {
        let mut typed = std::mem::take(&mut self.typed);
        typed.refresh(self);
        self.typed = typed;
    }

    /// `search_path` as written, for name lookup caches.
    #[must_use]
    pub fn search_path(&self) -> Arc<[String]> {
        Arc::clone(&self.typed.search_path)
    }
}

/// Most custom settings of one session.
const CUSTOM_MAX: usize = 10_000;

fn unknown(name: &str) -> Error {
    error!(UNDEFINED_OBJECT, "unrecognized configuration parameter \"{name}\"")
}
