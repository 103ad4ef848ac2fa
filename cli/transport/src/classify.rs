//! What `ssh` said, as a class, a cause and a remedy.
//!
//! A table of phrases: OpenSSH has no machine-readable errors. The first match counts, so the more
//! specific phrases stand first.

use jitctl_inventory::names::HostName;

use crate::remote::{ConnectFailure, RemoteError};

/// Phrase in `ssh`'s log, class, cause, remedy (`HOST` stands for the host's name).
const PHRASES: &[(&str, ConnectFailure, &str, &str)] = &[
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        ConnectFailure::ChangedHostKey,
        "its host key differs from the known one",
        "if the host was installed anew, run `jitctl trust HOST --replace`; if not, somebody may sit in between",
    ),
    (
        "Host key verification failed",
        ConnectFailure::UnknownHostKey,
        "its host key is not known yet",
        "run `jitctl trust HOST` and compare the fingerprint with the host's console",
    ),
    (
        "Could not resolve hostname",
        ConnectFailure::Dns,
        "its name does not resolve",
        "set `ssh.address` of the host in the inventory, or a `Host` entry in your ssh_config",
    ),
    (
        "Name or service not known",
        ConnectFailure::Dns,
        "its name does not resolve",
        "set `ssh.address` of the host in the inventory, or a `Host` entry in your ssh_config",
    ),
    (
        "Permission denied (",
        ConnectFailure::AuthenticationRefused,
        "it accepts none of your keys",
        "load the right key (`ssh-add`), or set `ssh.user` and `ssh.key` of the host in the inventory",
    ),
    (
        "Too many authentication failures",
        ConnectFailure::AuthenticationRefused,
        "it refused after too many keys",
        "set `ssh.key` of the host in the inventory so that only this key is offered",
    ),
    (
        "Connection closed by UNKNOWN",
        ConnectFailure::Proxy,
        "the jump host or proxy command ended the connection",
        "try `ssh` to the jump host itself; look at `ssh.jump` and your ssh_config",
    ),
    (
        "stdio forwarding failed",
        ConnectFailure::Proxy,
        "the jump host cannot reach it",
        "try `ssh` to the jump host itself; look at `ssh.jump` and your ssh_config",
    ),
    (
        "Connection refused",
        ConnectFailure::Refused,
        "nothing listens on its ssh port",
        "start sshd there, or set `ssh.port` of the host in the inventory",
    ),
    (
        "timed out",
        ConnectFailure::Timeout,
        "it did not answer in time",
        "look whether the host runs and whether a firewall drops port 22 from here",
    ),
    (
        "Network is unreachable",
        ConnectFailure::Unreachable,
        "the network is unreachable",
        "look at the routes of this machine and at `ssh.address`",
    ),
    (
        "No route to host",
        ConnectFailure::Unreachable,
        "there is no route to it",
        "look whether the host runs and at `ssh.address`",
    ),
    (
        "Can't open user config file",
        ConnectFailure::Configuration,
        "the ssh_config file of the inventory cannot be opened",
        "correct `ssh.config` of the host in the inventory",
    ),
    (
        "Bad configuration option",
        ConnectFailure::Configuration,
        "the ssh_config file has an error",
        "run `ssh -G HOST` to see the line",
    ),
    (
        "proxy dialer did not pass back a connection",
        ConnectFailure::Other,
        "the proxy command of its ssh_config made no connection",
        "look whether the host runs (`jitctl lab status` for a host of the lab)",
    ),
    (
        "Connection closed by remote host",
        ConnectFailure::Other,
        "it closed the connection",
        "look at `journalctl -u ssh` there (`MaxStartups`, `AllowUsers`)",
    ),
];

/// Makes a typed error of `ssh`'s log.
pub(crate) fn connect_error(host: &HostName, log: &str) -> RemoteError {
    let found = PHRASES.iter().find(|(phrase, ..)| log.contains(phrase));
    let (failure, cause, remedy) = match found {
        Some((_, failure, cause, remedy)) => (
            *failure,
            (*cause).to_owned(),
            remedy.replace("HOST", host.as_str()),
        ),
        None => (
            ConnectFailure::Other,
            last_line(log),
            format!("try `jitctl ssh {host}` to see what `ssh` says"),
        ),
    };
    RemoteError::Connect {
        host: host.clone(),
        failure,
        cause,
        remedy,
    }
}

/// The same error for a host behind a jump host: `ssh` says little of what happened there, and its
/// words about the far end mean the jump host then.
pub(crate) fn behind_jump(error: RemoteError, jump: &str) -> RemoteError {
    match error {
        RemoteError::Connect {
            host,
            failure: ConnectFailure::Proxy | ConnectFailure::Other,
            ..
        } => RemoteError::Connect {
            remedy: format!(
                "try `ssh` to `{jump}` itself; look at `ssh.jump` of `{host}` in the inventory"
            ),
            cause: format!("the jump host `{jump}` does not let us through"),
            failure: ConnectFailure::Proxy,
            host,
        },
        other => other,
    }
}

/// The error of a login that cannot become root.
pub(crate) fn sudo_error(host: &HostName, words: &str) -> RemoteError {
    RemoteError::Connect {
        host: host.clone(),
        failure: ConnectFailure::Sudo,
        cause: format!("the login is not root and cannot become it ({words})"),
        remedy: format!(
            "give the login passwordless sudo on `{host}`, or set `ssh.user: root` in the inventory"
        ),
    }
}

fn last_line(log: &str) -> String {
    log.lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty())
        .unwrap_or("ssh ended without a word")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(log: &str) -> ConnectFailure {
        match connect_error(&"b1".into(), log) {
            RemoteError::Connect { failure, .. } => failure,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn each_failure_has_its_class() {
        use ConnectFailure as F;
        let cases = [
            (
                "connect to host 10.0.0.1 port 22: Connection refused",
                F::Refused,
            ),
            (
                "connect to host 10.0.0.1 port 22: Connection timed out",
                F::Timeout,
            ),
            ("Connection timed out during banner exchange", F::Timeout),
            (
                "connect to host 10.0.0.1 port 22: No route to host",
                F::Unreachable,
            ),
            (
                "No ED25519 host key is known for b1 and you have requested strict checking.\r\nHost key verification failed.",
                F::UnknownHostKey,
            ),
            (
                "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\nHost key verification failed.",
                F::ChangedHostKey,
            ),
            (
                "root@10.0.0.1: Permission denied (publickey,password).",
                F::AuthenticationRefused,
            ),
            (
                "Could not resolve hostname b1: Name or service not known",
                F::Dns,
            ),
            (
                "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by UNKNOWN port 65535",
                F::Proxy,
            ),
        ];
        for (log, expected) in cases {
            assert_eq!(class(log), expected, "{log}");
        }
    }

    #[test]
    fn a_connection_that_ends_early_is_the_fault_of_the_jump_host() {
        let closed = "kex_exchange_identification: Connection closed by remote host";
        let error = behind_jump(connect_error(&"b1".into(), closed), "ops@gate");
        assert!(
            error.to_string().contains("jump host `ops@gate`"),
            "{error}"
        );
        let refused = connect_error(&"b1".into(), "Permission denied (publickey).");
        let words = refused.to_string();
        assert_eq!(behind_jump(refused, "ops@gate").to_string(), words);
    }

    #[test]
    fn a_proxy_command_that_fails_is_said_in_words() {
        let log = "dial: no route\r\nproxy dialer did not pass back a connection";
        let error = connect_error(&"h3".into(), log);
        assert!(error.to_string().contains("proxy command"), "{error}");
        assert!(error.remedy().contains("jitctl lab status"));
    }

    #[test]
    fn an_unknown_host_key_names_the_command_that_helps() {
        let error = connect_error(&"b1".into(), "Host key verification failed.");
        assert!(error.remedy().contains("jitctl trust b1"));
    }
}
