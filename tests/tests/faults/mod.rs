//! The faults: how each is produced on real hosts, how it is mended, and its code.
//!
//! `h1` is MAIN, `h2` and `h3` are bridges. Commands on hosts go past ssh, which some faults break.

mod certificates;
mod hosts;
mod media;
mod services;
mod web;
mod xmpp;

use jitctl_tests::Lab;

/// One fault.
pub(crate) struct Fault {
    /// In words.
    pub(crate) name: &'static str,
    /// The code that must come first.
    pub(crate) code: &'static str,
    /// The host of the first finding.
    pub(crate) host: &'static str,
    /// Breaks the site.
    pub(crate) cause: fn(&Lab),
    /// Mends it.
    pub(crate) mend: fn(&Lab),
}

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Fault> {
    [
        hosts::FAULTS,
        xmpp::FAULTS,
        certificates::FAULTS,
        media::FAULTS,
        services::FAULTS,
        web::FAULTS,
    ]
    .into_iter()
    .flatten()
}

/// The bridge's configuration.
pub(crate) const BRIDGE: &str = "/etc/jitctl/bridge.toml";

/// Something of MAIN's that reads a file anew when told to.
pub(crate) struct Reader {
    /// The file.
    pub(crate) path: &'static str,
    /// Makes it read the file; the line ends when it has.
    pub(crate) load: &'static str,
}

pub(crate) static PROSODY: Reader = Reader {
    path: "/etc/prosody/conf.avail/jitctl.cfg.lua",
    load: "systemctl restart prosody; sleep 1",
};

impl Reader {
    /// Lives with an edit of its file.
    #[track_caller]
    pub(crate) fn with(&self, lab: &Lab, expression: &str) {
        edit(lab, "h1", self.path, expression);
        on(lab, "h1", self.load);
    }

    /// Has its file again as it was.
    #[track_caller]
    pub(crate) fn as_before(&self, lab: &Lab) {
        put_back(lab, "h1", self.path);
        on(lab, "h1", self.load);
    }
}

/// A shell line on a host, as root, without ssh.
#[track_caller]
pub(crate) fn on(lab: &Lab, host: &str, line: &str) {
    lab.lab(&["exec", host, "--", "bash", "-ec", line])
        .expect(0);
}

/// Keeps a file as it is, for [`put_back`].
#[track_caller]
pub(crate) fn keep(lab: &Lab, host: &str, path: &str) {
    on(lab, host, &format!("cp -a {path} {path}.kept"));
}

/// The file as it was kept.
#[track_caller]
pub(crate) fn put_back(lab: &Lab, host: &str, path: &str) {
    on(lab, host, &format!("mv -f {path}.kept {path}"));
}

/// Keeps a file and edits it in place.
#[track_caller]
pub(crate) fn edit(lab: &Lab, host: &str, path: &str, expression: &str) {
    keep(lab, host, path);
    on(
        lab,
        host,
        &format!("sed -i '{expression}' {path}; ! cmp -s {path} {path}.kept"),
    );
}

/// A fault that the lab itself produces.
#[track_caller]
pub(crate) fn fault(lab: &Lab, words: &[&str]) {
    let all: Vec<&str> = ["fault"].iter().chain(words).copied().collect();
    lab.lab(&all).expect(0);
}

/// No fault of the lab's own any more.
pub(crate) fn clear(lab: &Lab) {
    fault(lab, &["clear"]);
}

/// A rule in a table of the packet filter of its own, for [`unfilter`].
#[track_caller]
pub(crate) fn filter(lab: &Lab, host: &str, priority: &str, rule: &str) {
    let line = format!(
        "nft add table inet fault; \
         nft 'add chain inet fault in {{ type filter hook input priority {priority}; }}'; \
         nft add rule inet fault in {rule}"
    );
    on(lab, host, &line);
}

/// The packet filter without that table.
#[track_caller]
pub(crate) fn unfilter(lab: &Lab, host: &str) {
    on(lab, host, "nft delete table inet fault");
}

/// The bridge starts anew, however it ended.
#[track_caller]
pub(crate) fn restart_bridge(lab: &Lab, host: &str) {
    on(
        lab,
        host,
        "systemctl reset-failed jitctl-bridge 2> /dev/null || true; systemctl restart jitctl-bridge",
    );
}

/// The bridge runs with an edit of its file that nobody sees any more.
#[track_caller]
pub(crate) fn run_bridge_with(lab: &Lab, host: &str, expression: &str) {
    edit(lab, host, BRIDGE, expression);
    restart_bridge(lab, host);
    put_back(lab, host, BRIDGE);
    on(lab, host, "sleep 1");
}

/// Waits until a command on a host succeeds.
#[track_caller]
pub(crate) fn wait_until(lab: &Lab, host: &str, command: &str) {
    let line = format!("for _ in $(seq 60); do {command} && exit 0; sleep 0.5; done; exit 1");
    on(lab, host, &line);
}

/// Waits until the focus is back with both of its connections, its account's and its component's:
/// its absence is another fault than the one to be looked at.
#[track_caller]
pub(crate) fn wait_for_focus(lab: &Lab) {
    let connected =
        |jid: &str| format!("curl -s http://127.0.0.1:8888/debug | grep -q '\"jid\": *\"{jid}'");
    let both = format!("{} && {}", connected("focus@"), connected("focus[.]"));
    wait_until(lab, "h1", &both);
}
