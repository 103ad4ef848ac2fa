//! The caching package proxy: the hosts' only way to the outer world, for apt alone.
//!
//! It listens in the lab's network and dials from the outer machine's, each connection on a
//! thread of its own that moved there. It reaches only the servers of the outer machine's
//! Debian sources, keeps what can never change for good (`.deb`, `by-hash`), asks again for the
//! rest, and serves what it has when they fail.

mod chunks;
mod request;
mod store;
mod upstream;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};

use crate::address::{GATEWAY, PROXY_PORT};
use crate::apt::{Sources, Switches};
use crate::base::SUITE;
use crate::error::LabError;
use request::{Head, Target};
use store::Store;

const REACHABLE: u8 = 0;
const CACHE_ONLY: u8 = 1;
const UNREACHABLE: u8 = 2;
/// An idle connection of apt is kept that long.
const IDLE: Duration = Duration::from_secs(120);

/// What the proxy may reach, and whether it can now.
#[derive(Debug)]
pub(super) struct Registry {
    outer_network: File,
    servers: BTreeSet<String>,
    /// The outer machine's own proxy.
    chained_proxy: Option<String>,
    store: Store,
    reach: AtomicU8,
}

impl Registry {
    pub(super) fn new(cache: PathBuf, outer_network: File) -> Result<Self, LabError> {
        Ok(Self {
            outer_network,
            servers: Sources::of_machine(SUITE)?.servers(),
            chained_proxy: Switches::of_machine().http_proxy(),
            store: Store::open(cache)?,
            reach: AtomicU8::new(REACHABLE),
        })
    }

    /// Cuts the package servers off, with or without what the cache holds.
    pub(super) fn set_reach(&self, cut: bool, cached: bool) {
        let reach = match (cut, cached) {
            (false, _) => REACHABLE,
            (true, true) => CACHE_ONLY,
            (true, false) => UNREACHABLE,
        };
        self.reach.store(reach, Ordering::Relaxed);
    }
}

/// Listens in the lab's network and serves in threads.
pub(super) fn serve(registry: Arc<Registry>) -> Result<(), LabError> {
    let listener = TcpListener::bind((GATEWAY, PROXY_PORT))
        .map_err(LabError::system("serve packages to the lab"))?;
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let registry = Arc::clone(&registry);
            std::thread::spawn(move || {
                // This thread's new sockets are the outer machine's; the client's stays the lab's.
                if setns(&registry.outer_network, CloneFlags::CLONE_NEWNET).is_ok() {
                    let _ = registry.converse(&client);
                }
            });
        }
    });
    Ok(())
}

impl Registry {
    fn converse(&self, client: &TcpStream) -> io::Result<()> {
        client.set_read_timeout(Some(IDLE))?;
        client.set_nodelay(true)?;
        let mut reader = BufReader::new(client);
        while let Some(head) = read_head(&mut reader)? {
            let Some(head) = Head::parse(&head) else {
                refuse(client, "400 Bad Request", "not a request to a proxy", true)?;
                break;
            };
            if head.method == "CONNECT" {
                return self.tunnel(&head, reader, client);
            }
            self.fetch(&head, client)?;
            if head.wants_close() {
                break;
            }
        }
        Ok(())
    }

    fn fetch(&self, head: &Head, client: &TcpStream) -> io::Result<()> {
        let with_body = match head.method.as_str() {
            "GET" => true,
            "HEAD" => false,
            _ => return refuse(client, "405 Method Not Allowed", "only GET and HEAD", true),
        };
        let refuse = |status, reason: &str| refuse(client, status, reason, with_body);
        let Some(target) = Target::parse(&head.target) else {
            return refuse("400 Bad Request", "not an http address");
        };
        if !self.servers.contains(&target.host) || target.port != 80 {
            return refuse("403 Forbidden", "not a Debian source of the outer machine");
        }
        let reach = self.reach.load(Ordering::Relaxed);
        if reach == UNREACHABLE {
            return refuse(
                "503 Service Unavailable",
                "the package servers cannot be reached",
            );
        }
        let entry = self.store.entry(&target);
        let _one_fetch_at_a_time = super::locked(&entry.lock);
        if entry.exists() && (target.is_immutable() || reach == CACHE_ONLY) {
            return entry.send(client, with_body);
        }
        if reach == CACHE_ONLY {
            return refuse("504 Gateway Timeout", "not in the cache, and no network");
        }
        let mut problem = String::new();
        for _ in 0..3 {
            match upstream::fetch(&target, self.chained_proxy.as_deref(), &entry) {
                Ok(upstream::Answer::Stored | upstream::Answer::Unchanged) => {
                    return entry.send(client, with_body);
                }
                Ok(upstream::Answer::Other(answer)) => return answer.send(client, with_body),
                Err(error) => problem = error.to_string(),
            }
        }
        if entry.exists() {
            return entry.send(client, with_body);
        }
        refuse("502 Bad Gateway", &format!("{}: {problem}", target.host))
    }

    /// `CONNECT host:443`, for https sources.
    fn tunnel(
        &self,
        head: &Head,
        mut reader: BufReader<&TcpStream>,
        client: &TcpStream,
    ) -> io::Result<()> {
        let allowed = head
            .target
            .strip_suffix(":443")
            .filter(|host| self.servers.contains(*host));
        if allowed.is_none() || self.reach.load(Ordering::Relaxed) != REACHABLE {
            return refuse(
                client,
                "403 Forbidden",
                "not a source of the outer machine",
                true,
            );
        }
        let upstream = match upstream::connect(&head.target) {
            Ok(upstream) => upstream,
            Err(error) => return refuse(client, "502 Bad Gateway", &error.to_string(), true),
        };
        let mut to_client = client;
        to_client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _ = io::copy(&mut &upstream, &mut to_client);
                let _ = client.shutdown(Shutdown::Both);
            });
            let _ = io::copy(&mut reader, &mut &upstream);
            let _ = upstream.shutdown(Shutdown::Both);
        });
        Ok(())
    }
}

/// Reads up to the empty line; `None` when the other side is done.
fn read_head(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    const LONGEST: u64 = 32 * 1024;
    let mut head = Vec::new();
    let mut limited = reader.take(LONGEST);
    loop {
        let length = limited.read_until(b'\n', &mut head)?;
        if length == 0 {
            return if head.is_empty() {
                Ok(None)
            } else {
                Err(io::Error::other("the head ends early or is too long"))
            };
        }
        if head.ends_with(b"\r\n\r\n") || head.ends_with(b"\n\n") {
            return Ok(Some(String::from_utf8_lossy(&head).into_owned()));
        }
    }
}

fn refuse(client: &TcpStream, status: &str, reason: &str, with_body: bool) -> io::Result<()> {
    let body = if with_body {
        format!("{reason}\n")
    } else {
        String::new()
    };
    let length = reason.len() + 1;
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let mut client = client;
    client.write_all(text.as_bytes())
}
