//! `__lab-dial STATE HOST PORT`: the `ProxyCommand` of the lab's ssh configuration.
//!
//! It enters the lab's network, connects, and passes the connected socket to ssh over standard
//! output (`ProxyUseFdpass`), so that ssh speaks to the host without a relay in between.

use std::ffi::OsString;
use std::fs::File;
use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use crate::control;
use crate::error::LabError;
use crate::paths::LabPaths;
use crate::record::Record;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn run(arguments: &[OsString]) -> Result<(), LabError> {
    let [state, host, port] = arguments else {
        return Err(LabError::Refused(
            "usage: __lab-dial STATE HOST PORT".into(),
        ));
    };
    let state = Path::new(state);
    let paths = LabPaths::of_state(state, state);
    let host = host.to_string_lossy();
    let port: u16 = port
        .to_string_lossy()
        .parse()
        .map_err(|_| LabError::Refused(format!("`{}` is no port", port.display())))?;
    let address = match host.parse::<IpAddr>() {
        Ok(address) => address,
        Err(_) => IpAddr::V4(Record::load(&paths)?.host(&host)?.address),
    };
    let holder = control::holder_process(&paths)?;
    let network = format!("/proc/{holder}/ns/net");
    let network = File::open(&network).map_err(LabError::file("open", &network))?;
    setns(network, CloneFlags::CLONE_NEWNET)
        .map_err(LabError::system("enter the lab's network"))?;
    let target = SocketAddr::new(address, port);
    let stream = TcpStream::connect_timeout(&target, CONNECT_TIMEOUT).map_err(LabError::system(
        format!("connect to {host} ({target}) in the lab"),
    ))?;
    let sockets = [stream.as_raw_fd()];
    let message = [ControlMessage::ScmRights(&sockets)];
    let output = std::io::stdout().as_raw_fd();
    sendmsg::<()>(
        output,
        &[IoSlice::new(b"x")],
        &message,
        MsgFlags::empty(),
        None,
    )
    .map_err(LabError::system("hand the connection to ssh"))?;
    Ok(())
}
