//! Starts the real server for tests: a child process on a free port with its own data directory.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use postgres::{Client, Config, NoTls};

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub port: u16,
    /// Its data directory.
    pub data: PathBuf,
}

/// How long a start may take: generous, because machines are shared; it is no measurement.
const START_LIMIT: Duration = Duration::from_secs(60);

impl Server {
    /// Starts a server on a data directory and waits until it accepts connections.
    pub fn start(data: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("address").port();
        let mut child = Command::new(env!("CARGO_BIN_EXE_omendb"))
            .args(["serve", "--data"])
            .arg(data)
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .env("OMENDB_TRUST_LOOPBACK", "true")
            // The recorded results come from a server whose superuser has this name.
            .env("OMENDB_ADMIN_USER", "postgres")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server binary starts");
        let output = child.stdout.take().expect("stdout is piped");
        std::thread::spawn(move || BufReader::new(output).lines().for_each(drop));
        let errors = child.stderr.take().expect("stderr is piped");
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                if std::env::var_os("OMENDB_TEST_LOG").is_some() {
                    eprintln!("{line}");
                }
            }
        });
        let mut server = Self { child, port, data: data.to_path_buf() };
        let start = Instant::now();
        while server.config("postgres").connect(NoTls).is_err() {
            assert!(start.elapsed() < START_LIMIT, "the server did not start");
            if let Some(status) = server.child.try_wait().expect("the child can be asked") {
                panic!("the server ended at start: {status}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        server
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

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
