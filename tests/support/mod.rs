//! Starts the real server for tests: a child process on a free port with its own data directory.

// Each test binary uses its own part of this.
#![allow(dead_code)]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use postgres::{Client, Config, NoTls};

pub mod random;
pub mod wire;

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub port: u16,
    /// Its data directory.
    pub data: PathBuf,
    /// How long it took until the first connection.
    pub started_in: Duration,
    errors: Arc<Mutex<String>>,
}

/// How long a start may take: generous, because machines are shared; it is no measurement.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Starts a server process; does not wait.
fn spawn(data: &Path, port: u16, settings: &[(&str, &str)]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_omendb"))
        .args(["serve", "--data"])
        .arg(data)
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .env("OMENDB_TRUST_LOOPBACK", "true")
        // The recorded results come from a server whose superuser has this name.
        .env("OMENDB_ADMIN_USER", "postgres")
        .envs(settings.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the server binary starts")
}

/// A port that nobody listened on a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("address").port()
}

impl Server {
    /// Starts a server on a data directory and waits until it accepts connections.
    pub fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    /// The same with settings as environment variables.
    pub fn start_with(data: &Path, settings: &[(&str, &str)]) -> Self {
        let port = free_port();
        let start = Instant::now();
        let mut child = spawn(data, port, settings);
        let output = child.stdout.take().expect("stdout is piped");
        std::thread::spawn(move || BufReader::new(output).lines().for_each(drop));
        let stderr = child.stderr.take().expect("stderr is piped");
        let errors = Arc::new(Mutex::new(String::new()));
        let seen = Arc::clone(&errors);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if std::env::var_os("OMENDB_TEST_LOG").is_some() {
                    eprintln!("{line}");
                }
                let mut seen = seen.lock().expect("lock");
                seen.push_str(&line);
                seen.push('\n');
            }
        });
        let mut server = Self { child, port, data: data.to_path_buf(), started_in: Duration::ZERO, errors };
        // A socket that takes connections is enough: settings may want a password or refuse plain text.
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < START_LIMIT, "the server did not start\n{}", server.log());
            if let Some(status) = server.child.try_wait().expect("the child can be asked") {
                panic!("the server ended at start: {status}\n{}", server.log());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        server.started_in = start.elapsed();
        server
    }

    /// Runs a server that is expected to end by itself: its status and what it wrote to stderr.
    pub fn run_to_end(data: &Path, settings: &[(&str, &str)]) -> (ExitStatus, String) {
        let output = spawn(data, free_port(), settings).wait_with_output().expect("the child can be awaited");
        (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        self.errors.lock().expect("lock").clone()
    }

    /// Connection settings for a database.
    pub fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port).user("postgres").dbname(database);
        config.connect_timeout(Duration::from_secs(10));
        config
    }

    /// A connection.
    pub fn connect(&self, database: &str) -> Client {
        self.config(database).connect(NoTls).expect("the server accepts connections")
    }

    /// SIGKILL, then wait: nothing is flushed, nothing says goodbye.
    pub fn kill(&mut self) {
        self.child.kill().expect("the child can be killed");
        self.child.wait().expect("the child can be awaited");
    }

    /// SIGTERM, then wait for the end.
    pub fn terminate(&mut self) -> ExitStatus {
        // The shell's own `kill`: a small system has no other.
        let sent = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.pid())]).status().expect("sh runs");
        assert!(sent.success());
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the child can be asked") {
                return status;
            }
            assert!(start.elapsed() < START_LIMIT, "the server does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the process still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the child can be asked").is_none()
    }

    /// Bytes of memory that the process has resident; `None` where /proc does not tell.
    pub fn resident_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kb| kb * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `omendb check` on a directory: whether all is well, and what it printed.
pub fn check_directory(data: &Path) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_omendb")).arg("check").arg(data).output().expect("omendb runs");
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.success(), text)
}

/// The SQLSTATE of a failed statement; empty when the connection broke.
pub fn code<T>(result: Result<T, postgres::Error>) -> String {
    match result {
        Ok(_) => "00000".to_owned(),
        Err(error) => error.code().map_or_else(String::new, |code| code.code().to_owned()),
    }
}
