//! Taking requests on the control socket, one thread for each.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use super::hosts::host_status;
use super::{Holder, locked};
use crate::control::{self, Reply, Request};
use crate::error::LabError;

pub(super) fn serve(holder: &Arc<Holder>) -> Result<(), LabError> {
    let listener = control::listen(&holder.paths)?;
    let holder = Arc::clone(holder);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let holder = Arc::clone(&holder);
            std::thread::spawn(move || answer(&holder, &stream));
        }
    });
    Ok(())
}

fn answer(holder: &Arc<Holder>, stream: &UnixStream) {
    let mut line = String::new();
    if BufReader::new(stream).read_line(&mut line).is_err() {
        return;
    }
    let reply = match serde_json::from_str(&line) {
        Ok(request) => holder.fulfil(request).unwrap_or_else(|error| {
            holder.log(&format!("refused {}: {error}", line.trim_end()));
            Reply::Refused {
                reason: error.to_string(),
                remedy: error.remedy(),
            }
        }),
        Err(error) => Reply::Refused {
            reason: format!("the lab was started by another version of jitctl ({error})"),
            remedy: Some("`jitctl lab down`, then `jitctl lab up`".into()),
        },
    };
    if let Ok(mut text) = serde_json::to_vec(&reply) {
        text.push(b'\n');
        let mut stream = stream;
        let _ = stream.write_all(&text);
    }
}

impl Holder {
    fn fulfil(self: &Arc<Self>, request: Request) -> Result<Reply, LabError> {
        match request {
            Request::Status => {
                let hosts: Vec<_> = locked(&self.hosts).values().cloned().collect();
                Ok(Reply::Status {
                    hosts: hosts.iter().map(|host| host_status(host)).collect(),
                    faults: locked(&self.faults).clone(),
                })
            }
            Request::StartHost { host } => self.start_host(&host).map(|()| Reply::Done),
            Request::WaitForSsh { host, milliseconds } => {
                let speaks = self.wait_for_ssh(&host, Duration::from_millis(milliseconds))?;
                Ok(if speaks { Reply::Done } else { Reply::Silent })
            }
            Request::SetName { name, address } => {
                self.names.set(&name, address);
                Ok(Reply::Done)
            }
            Request::Fault { fault } => self.cause(&fault).map(|()| Reply::Done),
            Request::Clear { what } => self.mend(&what).map(|()| Reply::Done),
        }
    }
}
