//! This machine as a host: for tests with a temporary root, and for scripts that need no `ssh`.

use std::process::Stdio;
use std::time::Duration;

use jitctl_inventory::names::HostName;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::framing;
use crate::remote::{Output, Remote, RemoteError, RemoteFuture, Script};
use crate::tunnel::{Tunnel, TunnelFuture};

/// Runs scripts here, as the present user.
#[derive(Clone, Debug)]
pub struct LocalRemote {
    host: HostName,
}

impl LocalRemote {
    /// This machine under a name of the inventory.
    pub fn new(host: HostName) -> Self {
        Self { host }
    }

    async fn run_here(&self, script: Script) -> Result<Output, RemoteError> {
        let lost = || RemoteError::Lost {
            host: self.host.clone(),
            title: script.title.clone(),
        };
        let mut child = Command::new("sh")
            .args(framing::arguments(&script, false))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|_| lost())?;
        let mut stdin = child.stdin.take().ok_or_else(lost)?;
        let bytes = framing::frame(&script);
        let feed = async move {
            // A script that ends before it read everything breaks the pipe: not our error.
            let _ = stdin.write_all(&bytes).await;
        };
        let both = async { tokio::join!(feed, child.wait_with_output()).1 };
        let limit = script.deadline + Duration::from_secs(10);
        let finished = tokio::time::timeout(limit, both).await;
        let output = match finished {
            Ok(Ok(output)) => output,
            Ok(Err(_)) => return Err(lost()),
            Err(_) => return Err(deadline(&self.host, &script)),
        };
        if framing::timed_out(output.status.code()) {
            return Err(deadline(&self.host, &script));
        }
        Ok(Output {
            status: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

pub(crate) fn deadline(host: &HostName, script: &Script) -> RemoteError {
    RemoteError::Deadline {
        host: host.clone(),
        title: script.title.clone(),
        seconds: script.deadline.as_secs(),
    }
}

impl Remote for LocalRemote {
    fn host(&self) -> &HostName {
        &self.host
    }

    fn run(&self, script: Script) -> RemoteFuture<'_> {
        Box::pin(self.run_here(script))
    }

    fn open_tunnel<'a>(&'a self, address: &'a str, port: u16) -> TunnelFuture<'a> {
        Box::pin(async move {
            let stream = TcpStream::connect((address, port)).await;
            stream.map(Tunnel::new).map_err(|_| RemoteError::Lost {
                host: self.host.clone(),
                title: format!("connection to {address}:{port}"),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> Script {
        Script::new("test", text, Duration::from_secs(20))
    }

    #[tokio::test]
    async fn a_script_reads_its_input_byte_for_byte() {
        let remote = LocalRemote::new("here".into());
        let input: Vec<u8> = (0..=255).cycle().take(300_000).collect();
        let text = "head -c 100000; head -c 200000 | wc -c >&2";
        let output = remote
            .run(script(text).with_input(input.clone()))
            .await
            .unwrap();
        assert_eq!(output.stdout, input[..100_000]);
        assert_eq!(output.stderr.trim(), "200000");
    }

    #[tokio::test]
    async fn the_exit_status_comes_back() {
        let remote = LocalRemote::new("here".into());
        let output = remote.run(script("exit 7")).await.unwrap();
        assert_eq!(output.status, Some(7));
    }

    #[tokio::test]
    async fn a_script_past_its_deadline_is_ended_with_its_children() {
        let remote = LocalRemote::new("here".into());
        let slow = Script::new("slow", "sleep 60 & wait", Duration::from_secs(1));
        let error = remote.run(slow).await.unwrap_err();
        assert!(matches!(error, RemoteError::Deadline { seconds: 1, .. }));
    }
}
