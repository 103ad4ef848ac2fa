//! What a host finds in its tree at its first boot, as an installer would have left it.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::Path;

use super::Holder;
use super::hosts::Host;
use crate::address::{GATEWAY, PREFIX, PROXY_PORT};
use crate::error::LabError;
use crate::files;
use crate::process::command;

/// User and group of `ops` in the base image.
const OPS: u32 = 1000;

/// Seeds the mounted tree unless that was done.
pub(super) fn seed(holder: &Holder, host: &Host) -> Result<(), LabError> {
    let marker = host.directory.join("seeded");
    if marker.exists() {
        return Ok(());
    }
    let root = host.directory.join("root");
    let name = &host.spec.name;
    let write = |path: &str, text: &str, mode| write(&root.join(path), text.as_bytes(), mode);
    write("etc/hostname", &format!("{name}\n"), 0o644)?;
    write(
        "etc/hosts",
        &format!(
            "127.0.0.1 localhost\n127.0.1.1 {name}.test {name}\n::1 localhost ip6-localhost\n"
        ),
        0o644,
    )?;
    write(
        "etc/resolv.conf",
        &format!("nameserver {GATEWAY}\nsearch test\n"),
        0o644,
    )?;
    write(
        "etc/systemd/network/10-lab.network",
        &format!(
            "[Match]\nName=host0\n\n[Network]\nAddress={}/{PREFIX}\nGateway={GATEWAY}\n\
             LinkLocalAddressing=no\nIPv6AcceptRA=no\n",
            host.spec.address
        ),
        0o644,
    )?;
    write(
        "etc/apt/apt.conf.d/00lab-proxy",
        &format!(
            "Acquire::http::Proxy \"http://{GATEWAY}:{PROXY_PORT}\";\n\
             Acquire::https::Proxy \"http://{GATEWAY}:{PROXY_PORT}\";\n\
             Acquire::Languages \"none\";\n"
        ),
        0o644,
    )?;
    seed_keys(holder, host, &root)?;
    trust_authority(holder, &root)?;
    files::replace(&marker, b"", 0o644)
}

/// Makes the key that every host trusts, unless the lab has one.
pub(super) fn ensure_user_key(holder: &Holder) -> Result<(), LabError> {
    let key = holder.paths.ssh_key();
    if key.exists() && key.with_extension("pub").exists() {
        return Ok(());
    }
    generate_key(holder, &key, &format!("jitctl-lab-{}", holder.paths.name()))
}

fn generate_key(holder: &Holder, key: &Path, comment: &str) -> Result<(), LabError> {
    for leftover in [key, &key.with_extension("pub")] {
        let _ = fs::remove_file(leftover);
    }
    let mut generate = command("ssh-keygen");
    generate
        .args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"])
        .arg(key);
    holder.children.run(&mut generate, "").map(drop)
}

fn seed_keys(holder: &Holder, host: &Host, root: &Path) -> Result<(), LabError> {
    let key = host.directory.join("hostkey");
    let public = key.with_extension("pub");
    generate_key(holder, &key, &format!("root@{}", host.spec.name))?;
    let ssh = root.join("etc/ssh");
    copy(&key, &ssh.join("ssh_host_ed25519_key"), 0o600)?;
    copy(&public, &ssh.join("ssh_host_ed25519_key.pub"), 0o644)?;
    let trusted = holder.paths.ssh_key().with_extension("pub");
    for (home, owner) in [("root", 0), ("home/ops", OPS)] {
        let directory = root.join(home).join(".ssh");
        match DirBuilder::new().mode(0o700).create(&directory) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(LabError::file("make the directory", directory)(error));
            }
            _ => {}
        }
        let file = directory.join("authorized_keys");
        copy(&trusted, &file, 0o600)?;
        for path in [&directory, &file] {
            chown(path, Some(owner), Some(owner)).map_err(LabError::file("own", path))?;
        }
    }
    Ok(())
}

fn trust_authority(holder: &Holder, root: &Path) -> Result<(), LabError> {
    let certificate = holder.paths.ca_certificate();
    copy(
        &certificate,
        &root.join("usr/local/share/ca-certificates/jitctl-lab.crt"),
        0o644,
    )?;
    // What `update-ca-certificates` will do again whenever a package runs it.
    let bundle = root.join("etc/ssl/certs/ca-certificates.crt");
    let text = files::read(&certificate)?;
    OpenOptions::new()
        .append(true)
        .open(&bundle)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(LabError::file("extend", bundle))
}

fn copy(from: &Path, to: &Path, mode: u32) -> Result<(), LabError> {
    let text = fs::read(from).map_err(LabError::file("read", from))?;
    write(to, &text, mode)
}

fn write(path: &Path, text: &[u8], mode: u32) -> Result<(), LabError> {
    let write = || {
        let _ = fs::remove_file(path);
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(text)
    };
    write().map_err(LabError::file("write", path))
}
