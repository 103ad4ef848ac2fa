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
