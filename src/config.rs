//! The server's configuration: one table of settings, filled from a file, the environment and the command line.
//!
//! [`SETTINGS`] says of every setting its name, unit, default, range and meaning; `omendb config` prints it and the
//! documentation is made from it. Later sources win: default, TOML file (`--config`), environment (`OMENDB_NAME`), command
//! line. An unknown name or a value out of range stops the start; nothing is guessed. What a session may change are SQL
//! settings, not these.

use std::net::ToSocketAddrs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::bail;
use crate::common::machine::memory_bytes;
use crate::error::{Error, Result, SqlState};

/// One setting as documented.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its key in the TOML file; `OMENDB_` and the name in capitals is its environment variable.
    pub name: &'static str,
    /// What its value is.
    pub kind: SettingKind,
    /// Its default as written.
    pub default: &'static str,
    /// What it does.
    pub about: &'static str,
}

/// What a setting's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Bool,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number with its unit, smallest and largest value.
    Number(&'static str, u64, u64),
    /// Bytes, as a number or with kB, MB, GB or TB; smallest and largest value.
    Size(u64, u64),
    /// Bytes likewise, or `auto`: a part of the machine's memory.
    Part(PartOfMemory, u64, u64),
}

/// A sixteenth of the memory that the process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartOfMemory {
    /// Bytes that it is at least and at most.
    pub least: u64,
    /// See above.
    pub most: u64,
}

use SettingKind::{Bool, Choice, Number, Part, Size, Text};

const MB: u64 = 1 << 20;
const GB: u64 = 1 << 30;

const BLOCKS: PartOfMemory = PartOfMemory { least: 32 * MB, most: 512 * MB };
const ROWS: PartOfMemory = PartOfMemory { least: 32 * MB, most: 8 * GB };

/// All settings.
pub const SETTINGS: &[Setting] = &[
    Setting { name: "data", kind: Text, default: "data", about: "directory of the database; made when missing" },
    Setting {
        name: "listen",
        kind: Text,
        default: "127.0.0.1:5433",
        about: "addresses to listen on, separated by commas; 0.0.0.0:5433 is every IPv4 interface",
    },
    Setting {
        name: "max_connections",
        kind: Number("connections", 1, 10_000),
        default: "100",
        about: "most client sessions at a time; more are refused with 53300",
    },
    Setting {
        name: "authentication_timeout",
        kind: Number("seconds", 1, 600),
        default: "60",
        about: "time from connecting to being logged in",
    },
    Setting {
        name: "tls",
        kind: Choice(&["off", "prefer", "require"]),
        default: "prefer",
        about: "prefer offers TLS, require refuses connections without it",
    },
    Setting {
        name: "tls_cert",
        kind: Text,
        default: "",
        about: "PEM file of the certificate chain; empty: a self-signed one is made and kept in the data directory",
    },
    Setting { name: "tls_key", kind: Text, default: "", about: "PEM file of the certificate's private key" },
    Setting {
        name: "trust_loopback",
        kind: Bool,
        default: "false",
        about: "lets clients on 127.0.0.1 and ::1 log in as any role without a password; for tests only",
    },
    Setting {
        name: "admin_user",
        kind: Text,
        default: "omendb",
        about: "the superuser that the first start makes; later starts leave roles alone",
    },
    Setting {
        name: "admin_password",
        kind: Text,
        default: "",
        about: "its password; empty: the first start makes one and prints it",
    },
    Setting {
        name: "log_format",
        kind: Choice(&["human", "json"]),
        default: "human",
        about: "log lines on standard error for people or for machines",
    },
    Setting {
        name: "log_level",
        kind: Text,
        default: "info",
        about: "error, warn, info, debug or trace, or a filter such as info,omendb::txn=debug",
    },
    Setting {
        name: "block_cache",
        kind: Part(BLOCKS, 8 * MB, 1024 * GB),
        default: "auto",
        about: "bytes of storage blocks kept in memory, index and filter blocks included",
    },
    Setting {
        name: "memtable",
        kind: Size(MB, 4 * GB),
        default: "64MB",
        about: "bytes that one in-memory table of the storage may grow to before it is written out",
    },
    Setting {
        name: "row_cache",
        kind: Part(ROWS, 0, 1024 * GB),
        default: "auto",
        about: "bytes of decoded rows kept in memory; 0 switches the cache off",
    },
    Setting {
        name: "scan_cache",
        kind: Size(0, 1024 * GB),
        default: "256MB",
        about: "bytes of tables kept in memory as columns for whole scans; 0 switches the cache off",
    },
    Setting {
        name: "transaction_memory",
        kind: Size(MB, 64 * GB),
        default: "64MB",
        about: "bytes of changes that one transaction keeps in memory; more go to disk before it commits",
    },
    Setting {
        name: "work_mem",
        kind: Size(64 << 10, 2048 * GB - 1024),
        default: "4MB",
        about: "start value of the SQL setting: bytes that one sort or hash may use before it goes to disk",
    },
    Setting {
        name: "maintenance_work_mem",
        kind: Size(64 << 10, 2048 * GB - 1024),
        default: "64MB",
        about: "start value of the SQL setting: bytes that building a vector index may take besides the index; more lie in a temporary file",
    },
    Setting {
        name: "scan_threads",
        kind: Number("threads", 0, 1024),
        default: "0",
        about: "most threads of one parallel scan; 0 is one per processor",
    },
    Setting {
        name: "idle_poll",
        kind: Number("microseconds", 0, 10_000),
        default: "100",
        about: "time that a session keeps its processor awake for the client's next message while others are free; 0 never",
    },
    Setting {
        name: "shutdown_timeout",
        kind: Number("seconds", 0, 3600),
        default: "10",
        about: "time that running statements get to stop and roll back when the server ends",
    },
];

/// How connections are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum TlsMode {
    Off,
    Prefer,
    Require,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum LogFormat {
    Human,
    Json,
}

/// The configuration; each field is the setting of its name in [`SETTINGS`], sizes in bytes, times in seconds.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Config {
    pub data: PathBuf,
    pub listen: String,
    pub max_connections: u32,
    pub authentication_timeout: u64,
    pub tls: TlsMode,
    pub tls_cert: PathBuf,
    pub tls_key: PathBuf,
    pub trust_loopback: bool,
    pub admin_user: String,
    pub admin_password: String,
    pub log_format: LogFormat,
    pub log_level: String,
    pub block_cache: usize,
    pub memtable: usize,
    pub row_cache: usize,
    pub scan_cache: usize,
    pub transaction_memory: usize,
    pub work_mem: usize,
    pub maintenance_work_mem: usize,
    pub scan_threads: usize,
    pub idle_poll: u64,
    pub shutdown_timeout: u64,
}

impl std::fmt::Debug for Config {
    /// The password stays out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config").field("data", &self.data).field("listen", &self.listen).finish_non_exhaustive()
    }
}

fn wrong(message: impl Into<String>) -> Error {
    Error::fatal(SqlState::CONFIG_FILE_ERROR, message)
}

impl Config {
    /// Merges the sources: a TOML file if there is one, `env` (names with `OMENDB_`), and the command line's pairs.
    ///
    /// # Errors
    /// `F0000` naming the source and the setting, for unknown names, bad values and files that cannot be read.
    pub fn load(
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        arguments: &[(&str, String)],
    ) -> Result<Self> {
        let mut table = toml::Table::new();
        for setting in SETTINGS {
            table.insert(setting.name.to_owned(), setting.value(setting.default, "default")?);
        }
        if let Some(path) = file {
            merge_file(&mut table, path)?;
        }
        for (key, value) in env {
            let Some(name) = key.strip_prefix("OMENDB_") else { continue };
            let name = name.to_ascii_lowercase();
            if let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) {
                table.insert(name, setting.value(&value, &format!("environment variable {key}"))?);
            }
        }
        for (name, value) in arguments {
            let setting = find(name).ok_or_else(|| wrong(format!("unrecognized setting \"{name}\"")))?;
            table.insert((*name).to_owned(), setting.value(value, "command line")?);
        }
        let config: Self = table.try_into().map_err(|error| wrong(format!("configuration: {error}")))?;
        config.check()?;
        Ok(config)
    }

    /// The built-in defaults.
    ///
    /// # Panics
    /// Never: the table of settings is checked by a test.
    #[must_use]
    pub fn defaults() -> Self {
        Self::load(None, std::iter::empty(), &[]).expect("the defaults are valid")
    }

    fn check(&self) -> Result<()> {
        if self.tls_cert.as_os_str().is_empty() != self.tls_key.as_os_str().is_empty() {
            bail!(CONFIG_FILE_ERROR, "settings \"tls_cert\" and \"tls_key\" must be given together");
        }
        if self.admin_user.is_empty() || self.admin_user.len() > 63 || self.admin_user.starts_with("pg_") {
            bail!(CONFIG_FILE_ERROR, "setting \"admin_user\" must have 1 to 63 bytes and not begin with \"pg_\"");
        }
        for address in self.addresses() {
            if address.to_socket_addrs().is_err() {
                bail!(CONFIG_FILE_ERROR, "setting \"listen\": \"{address}\" is not an address and port");
            }
        }
        Ok(())
    }

    /// Start values of SQL settings that follow from the configuration, for `Settings::set_start`.
    #[must_use]
    pub fn sql_settings(&self) -> Vec<(&'static str, String)> {
        let port = self.addresses().find_map(|address| address.rsplit_once(':')).map_or("5433", |(_, port)| port);
        let hosts: Vec<&str> =
            self.addresses().filter_map(|address| Some(address.rsplit_once(':')?.0.trim_matches(['[', ']']))).collect();
        let on = |flag: bool| if flag { "on" } else { "off" }.to_owned();
        vec![
            ("data_directory", self.data.to_string_lossy().into_owned()),
            ("listen_addresses", hosts.join(",")),
            ("port", port.parse::<u16>().unwrap_or(5433).max(1).to_string()),
            ("max_connections", self.max_connections.to_string()),
            ("authentication_timeout", format!("{}s", self.authentication_timeout)),
            ("ssl", on(self.tls != TlsMode::Off)),
            ("work_mem", format!("{}kB", self.work_mem / 1024)),
            ("maintenance_work_mem", format!("{}kB", self.maintenance_work_mem / 1024)),
            ("shared_buffers", format!("{}kB", (self.block_cache + self.row_cache + self.scan_cache) / 8192 * 8)),
        ]
    }

    /// The addresses to listen on.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        self.listen.split(',').map(str::trim).filter(|address| !address.is_empty())
    }
}

fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

fn merge_file(table: &mut toml::Table, path: &Path) -> Result<()> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| wrong(format!("could not read configuration file \"{shown}\": {error}")))?;
    let read: toml::Table = text.parse().map_err(|error| wrong(format!("configuration file \"{shown}\": {error}")))?;
    for (name, value) in read {
        let setting = find(&name)
            .ok_or_else(|| wrong(format!("configuration file \"{shown}\": unrecognized setting \"{name}\"")))?;
        let text = match &value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(_) | toml::Value::Boolean(_) => value.to_string(),
            _ => return Err(wrong(format!("configuration file \"{shown}\": setting \"{name}\" is no such value"))),
        };
        table.insert(name, setting.value(&text, &format!("configuration file \"{shown}\""))?);
    }
    Ok(())
}

impl Setting {
    /// Checks a value and gives it its TOML type; sizes become bytes.
    fn value(&self, text: &str, source: &str) -> Result<toml::Value> {
        let name = self.name;
        let bad = |why: String| wrong(format!("{source}: setting \"{name}\" = \"{text}\": {why}"));
        let bounded = |value: Option<u64>, least: u64, most: u64| match value {
            Some(value) if (least..=most).contains(&value) => {
                Ok(toml::Value::Integer(i64::try_from(value).expect("limits are below 2^63")))
            }
            _ => Err(bad(format!("expected {}", self.range()))),
        };
        match self.kind {
            Text => Ok(toml::Value::String(text.to_owned())),
            Bool => match text {
                "true" | "on" | "yes" | "1" => Ok(toml::Value::Boolean(true)),
                "false" | "off" | "no" | "0" => Ok(toml::Value::Boolean(false)),
                _ => Err(bad(format!("expected {}", self.range()))),
            },
            Choice(words) if words.contains(&text) => Ok(toml::Value::String(text.to_owned())),
            Choice(_) => Err(bad(format!("expected {}", self.range()))),
            Number(_, least, most) => bounded(text.parse().ok(), least, most),
            Size(least, most) => bounded(size(text), least, most),
            Part(part, least, most) => {
                let bytes = if text == "auto" { Some(part.of(memory_bytes())) } else { size(text) };
                bounded(bytes, least, most)
            }
        }
    }

    /// The values it takes, in words.
    #[must_use]
    pub fn range(&self) -> String {
        match self.kind {
            Text => "text".to_owned(),
            Bool => "true or false".to_owned(),
            Choice(words) => words.join(", "),
            Number(unit, least, most) => format!("{least} to {most} {unit}"),
            Size(least, most) => show_sizes(least, most),
            Part(part, least, most) => {
                let (values, auto) = (show_sizes(least, most), show_sizes(part.least, part.most));
                format!("{values}; auto: a sixteenth of the memory, {auto}")
            }
        }
    }
}

impl PartOfMemory {
    fn of(&self, memory: u64) -> u64 {
        (memory / 16 / MB * MB).clamp(self.least, self.most)
    }
}

const UNITS: &[(&str, u64)] = &[("TB", 1 << 40), ("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10)];

fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    for (unit, bytes) in UNITS {
        if let Some(number) = text.strip_suffix(unit) {
            return number.trim().parse::<u64>().ok()?.checked_mul(*bytes);
        }
    }
    text.strip_suffix('B').unwrap_or(text).trim().parse().ok()
}

fn show_size(bytes: u64) -> String {
    match UNITS.iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes}B"),
    }
}

fn show_sizes(least: u64, most: u64) -> String {
    format!("{} to {}", show_size(least), show_size(most))
}

/// The table of all settings as Markdown, for `omendb config` and the documentation.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from("| Setting | Environment | Default | Values | Meaning |\n|---|---|---|---|---|\n");
    for setting in SETTINGS {
        let default = if setting.default.is_empty() { "(empty)" } else { setting.default };
        let env = setting.name.to_ascii_uppercase();
        let (name, range, about) = (setting.name, setting.range(), setting.about);
        out.push_str(&format!("| `{name}` | `OMENDB_{env}` | {default} | {range} | {about} |\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{Config, SETTINGS, TlsMode, markdown};

    fn env(pairs: &[(&str, &str)]) -> std::vec::IntoIter<(String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>().into_iter()
    }

    #[test]
    fn later_sources_win() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "max_connections = 7\nblock_cache = \"1GB\"\ntls = \"require\"\nwork_mem = 1048576").unwrap();
        let vars = env(&[("OMENDB_MAX_CONNECTIONS", "8"), ("OMENDB_TRUST_LOOPBACK", "true"), ("OMENDB_TEST_LOG", "1")]);
        let config = Config::load(Some(file.path()), vars, &[("listen", "[::1]:1".to_owned())]).unwrap();
        assert_eq!((config.max_connections, config.block_cache, config.work_mem), (8, 1 << 30, 1 << 20));
        assert_eq!((config.tls, config.trust_loopback, config.listen.as_str()), (TlsMode::Require, true, "[::1]:1"));
    }

    #[test]
    fn caches_are_parts_of_the_memory() {
        let sizes: Vec<u64> =
            [1_u64 << 28, (8 << 30) + 12_345, 24 << 30, 1 << 40].map(|memory| super::ROWS.of(memory)).into();
        assert_eq!(sizes, [32 << 20, 512 << 20, 1536 << 20, 8 << 30]);
        let set = Config::load(None, env(&[("OMENDB_ROW_CACHE", "1MB"), ("OMENDB_BLOCK_CACHE", "auto")]), &[]).unwrap();
        assert_eq!((set.row_cache, set.block_cache), (1 << 20, Config::defaults().block_cache));
    }

    #[test]
    fn bad_values_name_their_source() {
        for (name, value) in [
            ("OMENDB_MAX_CONNECTIONS", "0"),
            ("OMENDB_TLS", "maybe"),
            ("OMENDB_BLOCK_CACHE", "1XB"),
            ("OMENDB_TRUST_LOOPBACK", "perhaps"),
            ("OMENDB_LISTEN", "nowhere"),
            ("OMENDB_TLS_KEY", "key.pem"),
        ] {
            let error = Config::load(None, env(&[(name, value)]), &[]).unwrap_err();
            assert_eq!(error.sqlstate().as_str(), "F0000", "{name}");
        }
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "max_conections = 7").unwrap();
        let error = Config::load(Some(file.path()), env(&[]), &[]).unwrap_err();
        assert!(error.report().message.contains("unrecognized setting \"max_conections\""));
    }

    /// docs/CONFIGURATION.md holds exactly what `omendb config` prints.
    #[test]
    fn the_documentation_is_current() {
        let page = include_str!("../docs/CONFIGURATION.md");
        assert!(page.ends_with(&markdown()), "run `omendb config` and paste its table into docs/CONFIGURATION.md");
    }

    #[test]
    fn every_setting_is_documented() {
        assert_eq!(Config::defaults().listen, "127.0.0.1:5433");
        let text = markdown();
        assert!(SETTINGS.iter().all(|setting| text.contains(&format!("OMENDB_{}", setting.name.to_uppercase()))));
    }
}
