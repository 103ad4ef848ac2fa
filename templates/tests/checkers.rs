//! The programs that will read the rendered files read them here, from a folder of our own.
//!
//! Absolute paths inside the files are moved below that folder and secrets are filled in; nothing
//! outside it is read or changed, and packet filters and listeners live in a network namespace.
//! A missing program fails the test and names the Debian package that has it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use jitctl_templates::RenderOptions;
use jitctl_templates::desired::{DesiredHost, RenderedFile};
use tempfile::TempDir;

/// A rendered host below a folder of its own.
struct Stage {
    folder: TempDir,
}

impl Stage {
    fn new(host: &DesiredHost) -> Self {
        let stage = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let certificate =
            rcgen::generate_simple_self_signed(vec!["auth.meet.test".into()]).unwrap();
        for file in &host.files {
            let text = file
                .content
                .replace("@@secret:pki-web-cert@@", &certificate.cert.pem())
                .replace(
                    "@@secret:pki-web-key@@",
                    &certificate.signing_key.serialize_pem(),
                )
                .replace("@@secret:pki-auth-cert@@", &certificate.cert.pem())
                .replace(
                    "@@secret:pki-auth-key@@",
                    &certificate.signing_key.serialize_pem(),
                )
                .replace("@@secret:", "secret-")
                .replace("@@", "");
            stage.write(&file.path, &stage.moved(&text));
            let mode = Permissions::from_mode(file.mode | 0o600);
            std::fs::set_permissions(stage.path(&file.path), mode).unwrap();
        }
        for link in &host.links {
            let path = stage.path(&link.path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(stage.moved(&link.target), path).unwrap();
        }
        stage
    }

    /// Moves the absolute paths of our files below the stage; programs keep theirs.
    fn moved(&self, text: &str) -> String {
        let root = self.folder.path().display().to_string();
        ["/etc/jitctl", "/etc/prosody", "/run/jitctl-turn"]
            .iter()
            .fold(text.to_owned(), |text, path| {
                text.replace(path, &format!("{root}{path}"))
            })
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

/// Runs a program of a Debian package; fails with its output unless it succeeds.
fn run(package: &str, program: &str, arguments: &[&str]) -> String {
    let output = output(package, program, arguments);
    let text = text_of(&output);
    assert!(output.status.success(), "{program} {arguments:?}:\n{text}");
    text
}

fn output(package: &str, program: &str, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; apt-get install {package}"))
}

fn text_of(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Runs a script as root of a network of its own, where `program` of `package` is at hand.
fn run_isolated(package: &str, program: &str, script: &str) -> String {
    let found = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .iter()
        .any(|folder| Path::new(folder).join(program).exists());
    assert!(found, "no {program}; apt-get install {package}");
    run(
        "util-linux",
        "unshare",
        &["--map-root-user", "--net", "sh", "-euc", script],
    )
}

fn all_hosts() -> Vec<(String, DesiredHost)> {
    support::sites()
        .into_iter()
        .flat_map(|(site, inventory)| {
            support::render_all(&inventory, &RenderOptions::default())
                .into_iter()
                .map(move |host| (format!("{site}/{}", host.host), host))
        })
        .collect()
}

fn hosts_with(path: &str) -> Vec<(String, DesiredHost)> {
    let hosts: Vec<(String, DesiredHost)> = all_hosts()
        .into_iter()
        .filter(|(_, host)| host.files.iter().any(|file| file.path == path))
        .collect();
    assert!(!hosts.is_empty(), "no host has {path}");
    hosts
}

/// What of Debian's `prosody.cfg.lua` collides with ours.
const PACKAGED_PROSODY: &str = r#"
admins = { }
modules_enabled = { "disco"; "roster"; "saslauth"; "tls"; "limits"; "register"; "dialback"; "posix" }
modules_disabled = { }
s2s_secure_auth = true
limits = { c2s = { rate = "10kb/s" }; s2sin = { rate = "30kb/s" } }
authentication = "internal_hashed"
certificates = "certs"
VirtualHost "localhost"
Include "conf.d/*.cfg.lua"
"#;

#[test]
fn prosody_accepts_its_configuration() {
    for (name, host) in hosts_with("/etc/prosody/conf.avail/jitctl.cfg.lua") {
        let stage = Stage::new(&host);
        stage.write("/etc/prosody/prosody.cfg.lua", PACKAGED_PROSODY);
        let configuration = stage.path("/etc/prosody/prosody.cfg.lua");
        let text = run(
            "prosody",
            "prosodyctl",
            &[
                "--root",
                "--config",
                configuration.to_str().unwrap(),
                "check",
                "config",
            ],
        );
        assert!(text.contains("All checks passed"), "{name}:\n{text}");
        assert!(text.contains("jitctl-secrets.cfg.lua"), "{name}:\n{text}");
    }
}

#[test]
fn lua_parses_every_lua_file() {
    for (name, host) in all_hosts() {
        let stage = Stage::new(&host);
        for file in files_ending(&host, ".lua") {
            let path = stage.path(&file.path);
            let text = run("lua5.4", "luac5.4", &["-p", path.to_str().unwrap()]);
            assert!(text.is_empty(), "{name}: {text}");
        }
    }
}

#[test]
fn nginx_accepts_its_configuration_without_a_warning() {
    for (name, host) in hosts_with("/etc/nginx/conf.d/jitctl.conf") {
        let stage = Stage::new(&host);
        let root = stage.folder.path().display();
        let site = stage.path("/etc/nginx/conf.d/jitctl.conf");
        stage.write(
            "/nginx.conf",
            &format!(
                "user root;\npid {root}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n\
                 include /etc/nginx/mime.types;\naccess_log off;\n\
                 client_body_temp_path {root}/a; proxy_temp_path {root}/b;\n\
                 fastcgi_temp_path {root}/c; uwsgi_temp_path {root}/d; scgi_temp_path {root}/e;\n\
                 include {};\n}}\n",
                site.display()
            ),
        );
        let configuration = stage.path("/nginx.conf");
        let text = run_isolated(
            "nginx",
            "nginx",
            &format!("nginx -e stderr -t -c {} 2>&1", configuration.display()),
        );
        assert!(
            !text.contains("[warn]") && !text.contains("[emerg]"),
            "{name}:\n{text}"
        );
    }
}

#[test]
fn nftables_loads_the_table_twice_in_a_row() {
    for (name, host) in hosts_with("/etc/jitctl/firewall.nft") {
        let stage = Stage::new(&host);
        let path = stage.path("/etc/jitctl/firewall.nft");
        let path = path.display();
        let listed = run_isolated(
            "nftables",
            "nft",
            &format!("nft -c -f {path}; nft -f {path}; nft -f {path}; nft list ruleset"),
        );
        assert_eq!(listed.matches("table ").count(), 1, "{name}:\n{listed}");
        assert!(listed.contains("table inet jitctl"), "{name}:\n{listed}");
        assert!(listed.contains("policy accept"), "{name}:\n{listed}");
    }
}

#[test]
fn systemd_accepts_every_unit() {
    for (name, host) in all_hosts() {
        let stage = Stage::new(&host);
        for file in files_below(&host, "/etc/systemd/system/jitctl-") {
            let path = stage.path(&file.path);
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, with_existing_programs(&text)).unwrap();
        }
        let units: Vec<String> = files_below(&host, "/etc/systemd/system/jitctl-")
            .map(|file| stage.path(&file.path).display().to_string())
            .collect();
        let mut arguments = vec!["verify", "--man=no"];
        arguments.extend(units.iter().map(String::as_str));
        let text = run("systemd", "systemd-analyze", &arguments);
        assert!(text.is_empty(), "{name}:\n{text}");
    }
}

/// Our programs are not on the machine that runs tests; everything else about a unit holds.
fn with_existing_programs(unit: &str) -> String {
    unit.lines()
        .map(|line| match line.split_once("=/usr/lib/jitctl/") {
            Some((key, _)) => format!("{key}=/bin/true\n"),
            None => format!("{line}\n"),
        })
        .collect()
}

#[test]
fn our_daemons_are_exposed_at_most_two_of_ten() {
    for (name, host) in all_hosts() {
        let stage = Stage::new(&host);
        for unit in ["jitctl-bridge.service", "jitctl-focus.service"] {
            let path = stage.path(&format!("/etc/systemd/system/{unit}"));
            if path.exists() {
                run(
                    "systemd",
                    "systemd-analyze",
                    &[
                        "security",
                        "--offline=true",
                        "--threshold=20",
                        path.to_str().unwrap(),
                    ],
                );
            } else {
                let program = unit.trim_end_matches(".service");
                assert!(
                    host.binaries.iter().all(|binary| binary.name != program),
                    "{name} has {program} and no {unit}"
                );
            }
        }
    }
}

#[test]
fn drop_ins_fit_the_packaged_units() {
    let (name, host) = hosts_with("/etc/systemd/system/coturn.service.d/jitctl.conf")
        .into_iter()
        .next()
        .unwrap();
    let stage = Stage::new(&host);
    for (package, unit) in [
        ("prosody", "prosody.service"),
        ("coturn", "coturn.service"),
        ("nftables", "nftables.service"),
    ] {
        let packaged = Path::new("/lib/systemd/system").join(unit);
        let text = std::fs::read_to_string(&packaged)
            .unwrap_or_else(|error| panic!("{unit}: {error}; apt-get install {package}"));
        stage.write(&format!("/etc/systemd/system/{unit}"), &text);
        let path = stage.path(&format!("/etc/systemd/system/{unit}"));
        let text = run(
            "systemd",
            "systemd-analyze",
            &["verify", "--man=no", path.to_str().unwrap()],
        );
        assert!(text.is_empty(), "{name} {unit}:\n{text}");
    }
}

#[test]
fn apt_reads_the_repository_of_upstreams_page() {
    const SOURCES: &str = "/etc/apt/sources.list.d/jitctl-jitsi.sources";
    let hosts = hosts_with(SOURCES);
    assert!(!hosts.is_empty());
    for (name, host) in hosts {
        assert!(
            host.packages
                .iter()
                .any(|package| package == "jitsi-meet-web")
        );
        let stage = Stage::new(&host);
        let folder = stage.path("/etc/apt/sources.list.d");
        let parts = format!("Dir::Etc::SourceParts={}", folder.display());
        let text = run(
            "apt",
            "apt-get",
            &[
                "-o",
                "Dir::Etc::SourceList=/dev/null",
                "-o",
                &parts,
                "update",
                "--print-uris",
            ],
        );
        let release = "'https://download.jitsi.org/stable/InRelease'";
        assert!(text.starts_with(release), "{name}: {text}");
    }
}

#[test]
fn config_js_is_javascript_with_the_addresses_of_the_site() {
    for (name, host) in hosts_with("/etc/jitctl/web/config.js") {
        let stage = Stage::new(&host);
        let path = stage.path("/etc/jitctl/web/config.js");
        let script = format!(
            "const vm = require('vm'), fs = require('fs'); const sandbox = {{}};\
             vm.runInNewContext(fs.readFileSync('{}', 'utf8'), sandbox);\
             process.stdout.write(JSON.stringify(sandbox.config));",
            path.display()
        );
        let text = run("nodejs", "node", &["-e", &script]);
        let config: serde_json::Value = serde_json::from_str(&text).unwrap();
        let domain = config["hosts"]["domain"].as_str().unwrap();
        assert_eq!(
            config["hosts"]["muc"],
            format!("conference.{domain}"),
            "{name}"
        );
        assert_eq!(
            config["hosts"]["focus"],
            format!("focus.{domain}"),
            "{name}"
        );
        assert_eq!(
            config["websocket"],
            format!("wss://{domain}/xmpp-websocket"),
            "{name}"
        );
    }
}

#[test]
fn coturn_understands_every_line() {
    for (name, host) in hosts_with("/etc/jitctl/turnserver.conf") {
        let stage = Stage::new(&host);
        std::fs::create_dir_all(stage.path("/run/jitctl-turn")).unwrap();
        let certificate = rcgen::generate_simple_self_signed(vec!["meet.test".into()]).unwrap();
        stage.write("/run/jitctl-turn/fullchain.pem", &certificate.cert.pem());
        stage.write(
            "/run/jitctl-turn/privkey.pem",
            &certificate.signing_key.serialize_pem(),
        );
        let path = stage.path("/etc/jitctl/turnserver.conf");
        let text = std::fs::read_to_string(&path).unwrap().replace(
            "syslog\n",
            &format!(
                "log-file=stdout\nuserdb={}/turndb\n",
                stage.folder.path().display()
            ),
        );
        std::fs::write(&path, text).unwrap();
        // It has no check of its own: it runs for a moment and says what it read.
        let log = run_isolated(
            "coturn",
            "turnserver",
            &format!(
                "ip link add eth0 type veth peer name eth1; ip addr add 10.0.0.11/24 dev eth0; \
                 ip link set eth1 up; ip link set eth0 up; \
                 timeout 2 turnserver -c {} --pidfile= || [ $? = 124 ]",
                path.display()
            ),
        );
        for complaint in [
            "Bad configuration",
            "ERROR",
            "unknown",
            "cannot find",
            "WARNING",
        ] {
            assert!(!log.contains(complaint), "{name}: {complaint}\n{log}");
        }
    }
}

#[test]
fn the_shell_parses_every_script() {
    let mut seen = 0;
    for (name, host) in all_hosts() {
        let stage = Stage::new(&host);
        for file in host
            .files
            .iter()
            .filter(|file| file.content.starts_with("#!/bin/sh"))
        {
            assert_eq!(file.mode & 0o111, 0o111, "{name} {}", file.path);
            run(
                "dash",
                "sh",
                &["-n", stage.path(&file.path).to_str().unwrap()],
            );
            seen += 1;
        }
    }
    assert!(seen > 0);
}

fn files_ending<'a>(host: &'a DesiredHost, end: &'a str) -> impl Iterator<Item = &'a RenderedFile> {
    host.files
        .iter()
        .filter(move |file| file.path.ends_with(end))
}

fn files_below<'a>(
    host: &'a DesiredHost,
    start: &'a str,
) -> impl Iterator<Item = &'a RenderedFile> {
    host.files
        .iter()
        .filter(move |file| file.path.starts_with(start))
}
