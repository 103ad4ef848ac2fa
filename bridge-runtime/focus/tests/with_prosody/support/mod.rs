//! A focus as a process, bridges inside the test, both at a real Prosody.

mod people;

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jitctl_bridge::{BridgeConfig, Connections, NoMedia};
use jitctl_testing::{
    Prosody, bridge_configuration, focus_configuration, free_port, http_request, read, wait_for,
};
use tokio::sync::oneshot;

pub(crate) use people::{ROOM, call, invited, site};

/// A running `jitctl-focus`.
pub(crate) struct Focus {
    child: Child,
    log: PathBuf,
    pub(crate) http_port: u16,
}

impl Focus {
    pub(crate) fn start(prosody: &Prosody) -> Self {
        Self::start_with(prosody, "")
    }

    /// With further configuration.
    pub(crate) fn start_with(prosody: &Prosody, further: &str) -> Self {
        let http_port = free_port();
        let rest = format!(
            "[handover]\ndirectory = \"{}\"\n{further}",
            prosody.path("").display()
        );
        let path = focus_configuration(prosody, http_port, &rest);
        let log = prosody.path("focus.log");
        let child = Command::new(env!("CARGO_BIN_EXE_jitctl-focus"))
            .arg("--config")
            .arg(&path)
            .stdin(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self {
            child,
            log,
            http_port,
        }
    }

    pub(crate) fn log(&self) -> String {
        read(&self.log)
    }

    /// Waits for a line with all these parts and returns it.
    pub(crate) fn wait_for_line(&self, parts: &[&str]) -> String {
        let started = Instant::now();
        loop {
            let log = self.log();
            let found = log
                .lines()
                .find(|line| parts.iter().all(|part| line.contains(part)));
            if let Some(line) = found {
                return line.to_owned();
            }
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "no line with {parts:?} in\n{log}"
            );
            std::thread::sleep(Duration::from_millis(25));
        }
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        http_request(self.http_port, "GET", path, "").expect("the focus answers")
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> (u16, String) {
        http_request(self.http_port, "POST", path, body).expect("the focus answers")
    }

    pub(crate) fn wait_until_listening(&self) {
        wait_for("the HTTP server of the focus", || {
            http_request(self.http_port, "GET", "/about/version", "")
        });
    }

    /// Stops it as systemd does.
    pub(crate) fn stop(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        wait_for("the end of the focus", || self.child.try_wait().unwrap())
    }
}

impl Focus {
    /// Ends it without a chance to do anything.
    pub(crate) fn kill(self) {
        drop(self);
    }
}

impl Drop for Focus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A bridge on threads of its own.
pub(crate) struct Bridge {
    thread: Option<JoinHandle<()>>,
    stop: Option<oneshot::Sender<()>>,
    kill: Option<oneshot::Sender<()>>,
    pub(crate) http_port: u16,
}

impl Bridge {
    pub(crate) fn start(prosody: &Prosody, nickname: &str) -> Self {
        let http_port = free_port();
        let rest = "[media]\nport = 10000\n[operation]\npresence_interval_seconds = 1\n";
        let path = bridge_configuration(prosody, nickname, http_port, rest);
        let config = BridgeConfig::load(&path).unwrap();
        let connections = Connections::prepare(&config, &path).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (kill, killed) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap();
            let stop = async {
                let _ = stopped.await;
            };
            // A task of its own: it must end with the runtime, not before and in good order.
            let run = runtime.spawn(async {
                jitctl_bridge::run(config, connections, Arc::new(NoMedia), stop)
                    .await
                    .unwrap();
            });
            runtime.block_on(async {
                tokio::select! {
                    result = run => result.unwrap(),
                    _ = killed => {}
                }
            });
            // Sockets close without a word, as when a process is killed.
            runtime.shutdown_background();
        });
        Self {
            thread: Some(thread),
            stop: Some(stop),
            kill: Some(kill),
            http_port,
        }
    }

    /// Ends it as `kill -9` would.
    pub(crate) fn kill(&mut self) {
        if let Some(kill) = self.kill.take() {
            let _ = kill.send(());
        }
        self.join();
    }

    /// Ends it as systemd does.
    pub(crate) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        self.join();
    }

    pub(crate) fn request(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        wait_for("the HTTP server of the bridge", || {
            http_request(self.http_port, method, path, body)
        })
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        if let Some(kill) = self.kill.take() {
            let _ = kill.send(());
        }
    }
}
