//! A real Prosody on loopback for tests: own directory, own ports, own certificates.
//!
//! Panics with words when something is missing: a test that cannot run must fail. Only for
//! dev-dependencies.
#![forbid(unsafe_code)]
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "tests fail by panicking"
)]

pub mod bridge;
mod certificates;
pub mod person;
mod services;

use std::fmt::Write as _;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use certificates::{Authority, Validity};
pub use services::{bridge_configuration, focus_configuration, http_request};
use tempfile::TempDir;

/// What a test server is to be.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Password accounts: user, host, password.
    pub accounts: Vec<(String, String, String)>,
    /// Seconds a lost session waits for its resumption.
    pub hibernation_seconds: u32,
    /// Further configuration, put into the global section.
    pub extra: String,
    /// Further configuration of the clients' host.
    pub of_clients: String,
    /// Further configuration of the service of meetings.
    pub of_rooms: String,
    /// Further configuration of the focus's component.
    pub of_focus: String,
    /// Further hosts and components.
    pub further_hosts: String,
    /// Whether certificates are in their time.
    pub validity: Validity,
    /// Name in the certificate of the service host, when not its own.
    pub certificate_name: Option<String>,
}

impl Default for Setup {
    fn default() -> Self {
        let account = |user: &str, password: &str| {
            (
                user.to_owned(),
                String::from(SERVICE_DOMAIN),
                password.to_owned(),
            )
        };
        Self {
            accounts: vec![
                account("focus", FOCUS_PASSWORD),
                account("jvb", BRIDGE_PASSWORD),
            ],
            hibernation_seconds: 15,
            extra: String::new(),
            of_clients: String::new(),
            of_rooms: String::new(),
            of_focus: String::new(),
            further_hosts: String::new(),
            validity: Validity::Now,
            certificate_name: None,
        }
    }
}

/// Host of the accounts.
pub const SERVICE_DOMAIN: &str = "auth.meet.test";
/// Host of anonymous clients.
pub const CLIENT_DOMAIN: &str = "meet.test";
/// The brewery room.
pub const BREWERY: &str = "jvbbrewery@internal.auth.meet.test";
/// Name of the component.
pub const COMPONENT: &str = "focus.meet.test";
/// Password of `focus`.
pub const FOCUS_PASSWORD: &str = "focus-password";
/// Password of `jvb`.
pub const BRIDGE_PASSWORD: &str = "bridge-password";
/// Secret of the component.
pub const COMPONENT_SECRET: &str = "component-secret";

/// Servers at a time: tests that run side by side must not keep each other from the processor.
const MOST_SERVERS: usize = 4;

static SERVERS: Mutex<usize> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

/// The right to run a server.
#[derive(Debug)]
struct Permit;

impl Permit {
    fn wait() -> Self {
        let running = SERVERS.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |running: &mut usize| *running >= MOST_SERVERS;
        let mut running = ENDED
            .wait_while(running, full)
            .unwrap_or_else(PoisonError::into_inner);
        *running += 1;
        Self
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *SERVERS.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        ENDED.notify_one();
    }
}

/// A running Prosody; it ends with this value.
#[derive(Debug)]
pub struct Prosody {
    _permit: Permit,
    directory: TempDir,
    child: Option<Child>,
    /// Port of clients.
    pub client_port: u16,
    /// Port of components.
    pub component_port: u16,
}

impl Prosody {
    /// Starts a server and waits until it listens.
    pub fn start(setup: &Setup) -> Self {
        let permit = Permit::wait();
        let directory = TempDir::new().expect("a temporary directory");
        let mut prosody = Self {
            _permit: permit,
            directory,
            child: None,
            client_port: free_port(),
            component_port: free_port(),
        };
        prosody.configure(setup);
        prosody.run();
        prosody
    }

    /// The authority of the server's certificates.
    pub fn authority_file(&self) -> PathBuf {
        self.path("ca.crt")
    }

    /// A path in the server's directory, for further files of the test.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The server's process; zero while it is stopped.
    pub fn process_id(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// What the server logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("prosody.log")).unwrap_or_default()
    }

    /// Stops the server as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts the server again on the same ports.
    pub fn restart(&mut self) {
        self.kill();
        self.run();
    }

    fn run(&mut self) {
        let log = fs::File::create(self.path("prosody.out")).expect("a log file");
        let spawned = Command::new("prosody")
            .arg("--config")
            .arg(self.path("prosody.cfg.lua"))
            .arg("-F")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn();
        self.child = match spawned {
            Ok(child) => Some(child),
            Err(error) => {
                panic!("cannot start `prosody` ({error}): install the Debian package `prosody`")
            }
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        for port in [self.client_port, self.component_port] {
            while TcpStream::connect(("127.0.0.1", port)).is_err() {
                let exited = self
                    .child
                    .as_mut()
                    .and_then(|child| child.try_wait().ok().flatten());
                assert!(
                    exited.is_none() && Instant::now() < deadline,
                    "prosody does not listen on port {port}: {}{}",
                    fs::read_to_string(self.path("prosody.out")).unwrap_or_default(),
                    self.log()
                );
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    fn configure(&self, setup: &Setup) {
        let authority = Authority::new("test authority");
        fs::write(self.authority_file(), authority.certificate_pem()).expect("ca.crt");
        for (file, name) in [
            (
                SERVICE_DOMAIN,
                setup.certificate_name.as_deref().unwrap_or(SERVICE_DOMAIN),
            ),
            (CLIENT_DOMAIN, CLIENT_DOMAIN),
        ] {
            let (certificate, key) = authority.issue(name, setup.validity);
            fs::write(self.path(&format!("{file}.crt")), certificate).expect("a certificate");
            fs::write(self.path(&format!("{file}.key")), key).expect("a key");
        }
        for (user, host, password) in &setup.accounts {
            let directory = self.path("data").join(escape(host)).join("accounts");
            fs::create_dir_all(&directory).expect("a data directory");
            let account = format!("return {{ [\"password\"] = \"{password}\"; }};\n");
            fs::write(directory.join(format!("{}.dat", escape(user))), account)
                .expect("an account");
        }
        fs::write(self.path("prosody.cfg.lua"), self.configuration(setup)).expect("configuration");
    }

    fn configuration(&self, setup: &Setup) -> String {
        let directory = self.directory.path().display();
        let ssl = |host: &str| {
            format!(
                "ssl = {{ certificate = \"{directory}/{host}.crt\"; key = \"{directory}/{host}.key\" }}"
            )
        };
        format!(
            r#"run_as_root = true
pidfile = "{directory}/prosody.pid"
data_path = "{directory}/data"
log = {{ debug = "{directory}/prosody.log" }}
admins = {{ "focus@{SERVICE_DOMAIN}", "jvb@{SERVICE_DOMAIN}" }}
modules_enabled = {{ "saslauth", "tls", "disco", "ping", "smacks", "posix" }}
modules_disabled = {{ "s2s", "offline" }}
c2s_ports = {{ {client_port} }}
c2s_interfaces = {{ "127.0.0.1" }}
component_ports = {{ {component_port} }}
component_interfaces = {{ "127.0.0.1" }}
c2s_require_encryption = true
c2s_stanza_size_limit = 10485760
smacks_hibernation_time = {hibernation}
{extra}
VirtualHost "{CLIENT_DOMAIN}"
  authentication = "anonymous"
  {client_ssl}
{of_clients}
VirtualHost "{SERVICE_DOMAIN}"
  authentication = "internal_hashed"
  {service_ssl}
Component "conference.{CLIENT_DOMAIN}" "muc"
  storage = "memory"
  muc_room_locking = false
  muc_room_default_public_jids = true
{of_rooms}
Component "internal.{SERVICE_DOMAIN}" "muc"
  storage = "memory"
  muc_room_locking = false
  muc_room_default_public_jids = true
Component "{COMPONENT}"
  component_secret = "{COMPONENT_SECRET}"
{of_focus}
{further_hosts}
"#,
            client_port = self.client_port,
            component_port = self.component_port,
            hibernation = setup.hibernation_seconds,
            extra = setup.extra,
            of_clients = setup.of_clients,
            of_rooms = setup.of_rooms,
            of_focus = setup.of_focus,
            further_hosts = setup.further_hosts,
            client_ssl = ssl(CLIENT_DOMAIN),
            service_ssl = ssl(SERVICE_DOMAIN),
        )
    }
}

impl Drop for Prosody {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port of loopback that nobody listens on.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// Waits until `look` finds something; fails with `what` after 20 s.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// Reads a file that may not exist yet.
pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// How Prosody writes a name as a file name.
fn escape(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02x}");
        }
    }
    out
}
