//! A host behind the system's OpenSSH.
//!
//! One master connection per host, made at the first script and reused by all others; each script
//! is one session in it. The operator's own configuration, agent, jump hosts and known_hosts files
//! count; host keys are always checked. What the inventory sets goes on top.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jitctl_inventory::model::Ssh;
use jitctl_inventory::names::HostName;
use openssh::{
    Child, ControlPersist, ForwardType, KnownHosts, Session, SessionBuilder, Socket, Stdio,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Mutex;

use crate::classify::{behind_jump, connect_error, sudo_error};
use crate::framing;
use crate::local::deadline;
use crate::remote::{ConnectFailure, Output, Remote, RemoteError, RemoteFuture, Script};
use crate::tunnel::{Tunnel, TunnelFuture};

/// What is the same for all hosts of a run.
#[derive(Clone, Debug)]
pub struct SshOptions {
    /// How long a connection may take.
    pub connect_deadline: Duration,
    /// How long a master may idle before it ends by itself, should this process die.
    pub idle: NonZeroUsize,
}

impl Default for SshOptions {
    fn default() -> Self {
        Self {
            connect_deadline: Duration::from_secs(10),
            idle: NonZeroUsize::MIN.saturating_add(59),
        }
    }
}

/// A host behind `ssh`.
pub struct SshRemote {
    host: HostName,
    ssh: Ssh,
    options: SshOptions,
    session: Mutex<Option<Arc<Master>>>,
    /// Numbers the sockets of tunnels.
    forwards: AtomicUsize,
}

/// A master connection with the folder of its socket, which nobody else can enter.
struct Master {
    session: Session,
    folder: TempDir,
}

impl fmt::Debug for SshRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SshRemote")
            .field("host", &self.host)
            .field("ssh", &self.ssh)
            .finish_non_exhaustive()
    }
}

impl SshRemote {
    /// A host as the inventory describes it. Nothing is connected yet.
    pub fn new(host: HostName, ssh: Ssh, options: SshOptions) -> Self {
        Self {
            host,
            ssh,
            options,
            session: Mutex::new(None),
            forwards: AtomicUsize::new(0),
        }
    }

    /// Makes the master connection unless it is there, so that its cost and errors come early.
    ///
    /// # Errors
    /// [`RemoteError::Connect`] with a class.
    pub async fn connect(&self) -> Result<(), RemoteError> {
        self.master().await.map(|_| ())
    }

    /// Ends the master connection.
    pub async fn close(&self) {
        let taken = self.session.lock().await.take();
        if let Some(master) = taken.and_then(Arc::into_inner) {
            // The host may be gone already; there is nothing left to do then.
            let _ = master.session.close().await;
        }
    }

    async fn master(&self) -> Result<Arc<Master>, RemoteError> {
        let mut slot = self.session.lock().await;
        if let Some(master) = slot.as_ref() {
            return Ok(Arc::clone(master));
        }
        let master = Arc::new(self.dial().await?);
        *slot = Some(Arc::clone(&master));
        Ok(master)
    }

    async fn dial(&self) -> Result<Master, RemoteError> {
        let folder = tempfile::Builder::new()
            .prefix("jitctl-ssh-")
            .tempdir()
            .map_err(|error| self.local_error(&error))?;
        let mut builder = SessionBuilder::default();
        builder
            .known_hosts_check(KnownHosts::Strict)
            .connect_timeout(self.options.connect_deadline)
            .server_alive_interval(Duration::from_secs(10))
            .control_directory(folder.path())
            .control_persist(ControlPersist::IdleFor(self.options.idle));
        if let Some(user) = &self.ssh.user {
            builder.user(user.clone());
        }
        if let Some(port) = self.ssh.port {
            builder.port(port);
        }
        if let Some(key) = &self.ssh.key {
            builder.keyfile(expand_home(key));
        }
        if let Some(jump) = &self.ssh.jump {
            builder.jump_hosts(jump.split(','));
        }
        if let Some(config) = &self.ssh.config {
            builder.config_file(expand_home(config));
        }
        let destination = self.ssh.address.as_deref().unwrap_or(self.host.as_str());
        // Twice the time: `ssh` keeps its own limit and has the better words.
        let limit = self.options.connect_deadline * 2;
        let connected = tokio::time::timeout(limit, builder.connect_mux(destination)).await;
        match connected {
            Ok(Ok(session)) => Ok(Master { session, folder }),
            Ok(Err(error)) => Err(self.unreachable(&chain(&error))),
            Err(_) => Err(self.unreachable("Connection timed out")),
        }
    }

    fn unreachable(&self, log: &str) -> RemoteError {
        let error = connect_error(&self.host, log);
        match &self.ssh.jump {
            Some(jump) => behind_jump(error, jump),
            None => error,
        }
    }

    fn local_error(&self, error: &std::io::Error) -> RemoteError {
        RemoteError::Connect {
            host: self.host.clone(),
            failure: ConnectFailure::Configuration,
            cause: format!("no folder for the ssh control socket: {error}"),
            remedy: "look at the free space and permissions of the temporary folder".to_owned(),
        }
    }

    async fn run_in(&self, master: &Master, script: &Script) -> Result<Output, Broken> {
        let limit = script.deadline + Duration::from_secs(10);
        match tokio::time::timeout(limit, self.exchange(master, script)).await {
            Ok(Ended::Well(output)) if framing::timed_out(output.status) => {
                Err(deadline(&self.host, script).into())
            }
            Ok(Ended::Well(output)) if output.status == Some(framing::CUT_OFF) => {
                Err(self.lost(script).into())
            }
            Ok(Ended::Well(output)) => {
                match framing::sudo_refusal(output.status, &output.stdout, &output.stderr) {
                    Some(words) => Err(sudo_error(&self.host, &words).into()),
                    None => Ok(output),
                }
            }
            Ok(Ended::NotStarted) => Err(Broken::NotStarted),
            Ok(Ended::Lost) => Err(self.lost(script).into()),
            Err(_) => Err(deadline(&self.host, script).into()),
        }
    }

    async fn exchange(&self, master: &Master, script: &Script) -> Ended {
        let child = master
            .session
            .command("sh")
            .args(framing::arguments(script, self.ssh.sudo))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .await;
        match child {
            Ok(child) => Self::talk(child, script)
                .await
                .map_or(Ended::Lost, Ended::Well),
            Err(_) => Ended::NotStarted,
        }
    }

    /// `None` when the link broke.
    async fn talk(mut child: Child<&Session>, script: &Script) -> Option<Output> {
        let mut stdin = child.stdin().take()?;
        let mut stdout = child.stdout().take()?;
        let mut stderr = child.stderr().take()?;
        let bytes = framing::frame(script);
        let feed = async move {
            // A script that ends before it read everything breaks the pipe: not an error.
            let _ = stdin.write_all(&bytes).await;
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let ((), read_out, read_err) = tokio::join!(
            feed,
            stdout.read_to_end(&mut out),
            stderr.read_to_end(&mut err),
        );
        read_out.ok()?;
        read_err.ok()?;
        // The exit status may overtake the last of the output, and to wait for it gives up the
        // session: whatever had not come by then would be lost.
        let status = match child.wait().await {
            Ok(status) => status.code(),
            // The crate takes 127 for a missing program; the last command of a script may end so.
            Err(openssh::Error::Remote(error)) if error.kind() == io::ErrorKind::NotFound => {
                Some(127)
            }
            Err(_) => return None,
        };
        Some(Output {
            status,
            stdout: out,
            stderr: String::from_utf8_lossy(&err).into_owned(),
        })
    }

    fn lost(&self, script: &Script) -> RemoteError {
        RemoteError::Lost {
            host: self.host.clone(),
            title: script.title.clone(),
        }
    }

    async fn run_reused(&self, script: Script) -> Result<Output, RemoteError> {
        let master = self.master().await?;
        match self.run_in(&master, &script).await {
            Ok(output) => Ok(output),
            Err(Broken::Error(error)) => {
                if matches!(error, RemoteError::Lost { .. }) {
                    // The next script makes a new connection instead of failing on the dead one.
                    self.session.lock().await.take();
                }
                Err(error)
            }
            // The master idled out or died in between: nothing ran, so trying again is safe.
            Err(Broken::NotStarted) => {
                self.session.lock().await.take();
                let master = self.master().await?;
                let again = self.run_in(&master, &script).await;
                again.map_err(|broken| self.in_the_end(broken, &script))
            }
        }
    }

    /// A forwarded connection, through a socket in the master's own folder.
    async fn forward(&self, address: &str, port: u16) -> Result<Tunnel, RemoteError> {
        let master = self.master().await?;
        let number = self.forwards.fetch_add(1, Ordering::Relaxed);
        let path = master.folder.path().join(format!("tunnel-{number}"));
        let broken = || RemoteError::Lost {
            host: self.host.clone(),
            title: format!("connection to {address}:{port}"),
        };
        let listen = || Socket::UnixSocket {
            path: Cow::Borrowed(path.as_path()),
        };
        let connect = || Socket::TcpSocket {
            host: Cow::Borrowed(address),
            port,
        };
        let kind = ForwardType::Local;
        let requested = master
            .session
            .request_port_forward(kind, listen(), connect())
            .await;
        requested.map_err(|_| broken())?;
        let stream = UnixStream::connect(&path).await.map_err(|_| broken());
        // One connection was made; nobody else is to use the way.
        let _ = master
            .session
            .close_port_forward(kind, listen(), connect())
            .await;
        stream.map(Tunnel::new)
    }

    async fn run_fresh(&self, script: Script) -> Result<Output, RemoteError> {
        let master = self.dial().await?;
        let result = self.run_in(&master, &script).await;
        let _ = master.session.close().await;
        result.map_err(|broken| self.in_the_end(broken, &script))
    }

    fn in_the_end(&self, broken: Broken, script: &Script) -> RemoteError {
        match broken {
            Broken::Error(error) => error,
            Broken::NotStarted => self.lost(script),
        }
    }
}

/// How a session ended.
enum Ended {
    /// The script came to its end.
    Well(Output),
    /// The link broke before the script was sent.
    NotStarted,
    /// The link broke later.
    Lost,
}

/// Why there is no output.
enum Broken {
    /// Nothing was sent.
    NotStarted,
    /// Anything else.
    Error(RemoteError),
}

impl From<RemoteError> for Broken {
    fn from(error: RemoteError) -> Self {
        Self::Error(error)
    }
}

impl Remote for SshRemote {
    fn host(&self) -> &HostName {
        &self.host
    }

    fn run(&self, script: Script) -> RemoteFuture<'_> {
        Box::pin(self.run_reused(script))
    }

    fn open_tunnel<'a>(&'a self, address: &'a str, port: u16) -> TunnelFuture<'a> {
        Box::pin(self.forward(address, port))
    }

    fn run_on_new_connection(&self, script: Script) -> RemoteFuture<'_> {
        Box::pin(self.run_fresh(script))
    }
}

/// The arguments with which the operator's own `ssh` reaches the host, destination last.
pub fn ssh_arguments(host: &HostName, ssh: &Ssh) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["-o".into(), "StrictHostKeyChecking=yes".into()];
    let mut option = |flag: &str, value: OsString| {
        arguments.push(flag.into());
        arguments.push(value);
    };
    if let Some(config) = &ssh.config {
        option("-F", expand_home(config).into());
    }
    if let Some(user) = &ssh.user {
        option("-l", user.into());
    }
    if let Some(port) = ssh.port {
        option("-p", port.to_string().into());
    }
    if let Some(key) = &ssh.key {
        option("-i", expand_home(key).into());
    }
    if let Some(jump) = &ssh.jump {
        option("-J", jump.into());
    }
    arguments.push(ssh.address.as_deref().unwrap_or(host.as_str()).into());
    arguments
}

/// `~/` at the start of a path, as `ssh_config` has it.
pub(crate) fn expand_home(path: &std::path::Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}
