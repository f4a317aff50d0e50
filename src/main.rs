//! The `omendb` program: reads the command line and the configuration, then serves, checks or measures.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use omendb::common::verifier;
use omendb::config::{self, Config, LogFormat};
use omendb::error::{Error, Result, SqlState};
use omendb::pgwire::Host;
use omendb::session::{Engine, EngineHost};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A PostgreSQL-wire database for vectors.
#[derive(Parser)]
#[command(name = "omendb", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve clients until SIGTERM or SIGINT.
    Serve(ServeArgs),
    /// Check a data directory that no server uses: rows, versions and indexes must agree.
    Check {
        /// The data directory.
        dir: PathBuf,
    },
    /// Measure any PostgreSQL-wire server.
    Bench(omendb::bench::BenchArgs),
    /// List every setting with environment variable, default and range, as a Markdown table.
    Config,
}

#[derive(Args)]
struct ServeArgs {
    /// Directory of the database; made when missing.
    #[arg(long)]
    data: Option<String>,
    /// Addresses to listen on, separated by commas, such as 127.0.0.1:5433.
    #[arg(long)]
    listen: Option<String>,
    /// TOML file with settings; `omendb config` lists them.
    #[arg(long, env = "OMENDB_CONFIG")]
    config: Option<PathBuf>,
    /// Any setting, such as --set max_connections=50; may be repeated.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(args) => serve(&args),
        Command::Check { dir } => check(&dir),
        Command::Bench(args) => {
            omendb::bench::run(&args).map_err(|message| Error::new(SqlState::SYSTEM_ERROR, message))
        }
        Command::Config => {
            print!("{}", config::markdown());
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let report = error.report();
            eprintln!("omendb: {}", report.message);
            for (word, text) in [("detail", &report.detail), ("hint", &report.hint)] {
                if let Some(text) = text {
                    eprintln!("omendb: {word}: {text}");
                }
            }
            ExitCode::FAILURE
        }
    }
}

impl ServeArgs {
    fn load(&self) -> Result<Config> {
        let mut arguments = Vec::new();
        for pair in &self.settings {
            let Some((name, value)) = pair.split_once('=') else {
                return Err(Error::new(SqlState::CONFIG_FILE_ERROR, format!("--set {pair}: expected NAME=VALUE")));
            };
            arguments.push((name, value.to_owned()));
        }
        arguments.extend(self.data.iter().map(|value| ("data", value.clone())));
        arguments.extend(self.listen.iter().map(|value| ("listen", value.clone())));
        // Variables that are not text cannot be ours.
        let env =
            std::env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
        Config::load(self.config.as_deref(), env, &arguments)
    }
}

fn start_log(config: &Config) -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(&config.log_level).map_err(|error| {
        Error::new(SqlState::CONFIG_FILE_ERROR, format!("setting \"log_level\" = \"{}\": {error}", config.log_level))
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Human => log.with_target(false).init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}

/// An opened engine.
struct Opened {
    host: Arc<dyn Host>,
    /// Whether this start made the database.
    created: bool,
}

fn serve(args: &ServeArgs) -> Result<()> {
    let mut config = args.load()?;
    start_log(&config)?;
    let generated = config.admin_password.is_empty();
    if generated {
        config.admin_password = verifier::generate_password();
    }
    make_private(&config.data)?;
    let opened = open_engine(&config)?;
    let shown = (opened.created && generated).then_some(config.admin_password.as_str());
    omendb::server::run(&config, opened.host, |addresses| announce(&config, addresses, shown))
}

/// Makes the data directory, for its owner only, when it is missing.
fn make_private(dir: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|error| {
        Error::new(SqlState::IO_ERROR, format!("could not create data directory \"{}\": {error}", dir.display()))
    })
}

/// Opens the database of the configuration: the one place where program and engine meet.
fn open_engine(config: &Config) -> Result<Opened> {
    let engine = Engine::open(config)?;
    engine.start()?;
    let created = engine.created;
    Ok(Opened { host: Arc::new(EngineHost(engine)), created })
}

/// Says where the server is, and at the first start the admin's password, which is shown this once.
fn announce(config: &Config, addresses: &[SocketAddr], password: Option<&str>) {
    let user = &config.admin_user;
    let mut out = std::io::stdout().lock();
    for address in addresses {
        let host = if address.ip().is_unspecified() { "localhost".to_owned() } else { host_of(*address) };
        let secret = password.map(|password| format!(":{password}")).unwrap_or_default();
        // Nobody may be reading; the server serves all the same.
        let _ = writeln!(out, "postgresql://{user}{secret}@{host}:{}/{user}", address.port());
    }
    if password.is_some() {
        let _ = writeln!(out, "The password of \"{user}\" was made now and is not shown again; ALTER ROLE changes it.");
    }
    let _ = out.flush();
    tracing::info!(data = %config.data.display(), listen = %config.listen, version = env!("CARGO_PKG_VERSION"), "ready");
}

fn host_of(address: SocketAddr) -> String {
    if address.is_ipv6() { format!("[{}]", address.ip()) } else { address.ip().to_string() }
}

/// Prints one line for everything that does not agree.
fn check(dir: &Path) -> Result<()> {
    let findings = omendb::session::check::directory(dir)?;
    let mut out = std::io::stdout().lock();
    for finding in &findings {
        // The count in the error below says the same when nobody reads.
        let _ = writeln!(out, "{finding}");
    }
    match findings.len() {
        0 => {
            let _ = writeln!(out, "\"{}\" agrees with itself", dir.display());
            Ok(())
        }
        count => Err(Error::new(SqlState::DATA_CORRUPTED, format!("{count} problems in \"{}\"", dir.display()))),
    }
}
