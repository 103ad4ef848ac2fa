//! A MAIN that others set up is imported, and a bridge of ours joins it: nothing on MAIN changes
//! but the opened port, and nothing stays of it once the bridge is removed.

mod foreign;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use foreign::{DOCKER, STOCK, bridge, give_record, shell, ssh_config};
use jitctl_tests::{Lab, finish, jitctl};
use serde_json::Value;

/// What Jicofo needs of Prosody, and a focus in its place: Debian has no package of Jicofo, so ours
/// stands there, set up by hand as another program would be.
const FOCUS: &str = r#"
sed -i '1i admins = { "focus@auth.meet.test" }' /etc/prosody/conf.avail/meet.test.cfg.lua
cat >> /etc/prosody/conf.avail/meet.test.cfg.lua <<'END'
    muc_room_locking = false
Component "focus.meet.test"
    component_secret = "mackerel"
END
systemctl restart prosody
mkdir -p /opt/focus; chmod 755 /opt/focus/focus; cd /opt/focus
umask 077; echo halibut > password; echo mackerel > secret; umask 022
cat > focus.toml <<'END'
[xmpp]
address = "127.0.0.1:5222"
domain = "auth.meet.test"
username = "focus"
password_file = "/opt/focus/password"
client_domain = "meet.test"
muc = "conference.meet.test"
brewery = "jvbbrewery@internal.auth.meet.test"
ca_file = "/etc/prosody/certs/auth.meet.test.crt"
[component]
address = "127.0.0.1:5347"
name = "focus.meet.test"
secret_file = "/opt/focus/secret"
[http]
private = "127.0.0.1:8888"
END
printf '[Service]\nExecStart=/opt/focus/focus --config /opt/focus/focus.toml\n' \
    > /etc/systemd/system/jicofo.service
systemctl daemon-reload; systemctl start jicofo
"#;

/// The keepers of MAIN let in what people need, and nothing on 5222.
const PACKET_FILTER: &str = "
export DEBIAN_FRONTEND=noninteractive
apt-get -qqy install ufw > /dev/null 2>&1
for port in 22/tcp 80/tcp 443/tcp 10000/udp; do ufw allow $port > /dev/null; done
ufw --force enable > /dev/null";

/// Debian's Prosody plays the container's, as `ports: ['5222:5222']` of its service shows it on the
/// host: Docker itself is not here, nor what it does to the packet filter.
const CONTAINER: &str = r#"
cd /opt/jitsi-cfg/prosody/config; mkdir certs
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=auth.meet.jitsi \
    -addext subjectAltName=DNS:auth.meet.jitsi -keyout certs/auth.meet.jitsi.key \
    -out certs/auth.meet.jitsi.crt 2> /dev/null
chown prosody certs/auth.meet.jitsi.key
cat > /etc/prosody/conf.d/container.cfg.lua <<'END'
VirtualHost "auth.meet.jitsi"
    authentication = "internal_hashed"
    ssl = {
        key = "/opt/jitsi-cfg/prosody/config/certs/auth.meet.jitsi.key";
        certificate = "/opt/jitsi-cfg/prosody/config/certs/auth.meet.jitsi.crt";
    }
Component "internal-muc.meet.jitsi" "muc"
    muc_room_locking = false
END
systemctl restart prosody
printf 'swordfish\nswordfish\n' | prosodyctl adduser jvb@auth.meet.jitsi > /dev/null 2>&1
sed -i 's#docker.meet.test:8443#meet.test#; s/10.77.0.13/10.77.0.11/' /opt/docker-jitsi-meet/.env
"#;

/// Its keepers have changed their minds about the packet filter, too; one rule of theirs is for the
/// moment only.
const FIREWALLD: &str = "
export DEBIAN_FRONTEND=noninteractive
ufw --force disable > /dev/null
apt-get -qqy install firewalld > /dev/null 2>&1; systemctl -q start firewalld
for service in http https; do firewall-cmd -q --permanent --add-service=$service; done
firewall-cmd -q --reload; firewall-cmd -q --add-port=10000/udp";

/// Everything on MAIN that an apply might touch, by its hash; Prosody's own notes of logins aside.
const SUMS: &str = "find /etc /usr /opt /root /home /var/lib -xdev -type f \
    ! -path '*/pep/*' ! -path '/var/lib/systemd/*' -print0 | sort -z | xargs -0 sha256sum; \
    systemctl list-unit-files --no-legend; ls -d /etc/* /var/lib/* /usr/lib/*";

fn sums(lab: &Lab) -> BTreeSet<String> {
    let output = lab.lab(&["exec", "h1", "--", "sh", "-c", SUMS]).expect(0);
    output.stdout.lines().map(str::to_owned).collect()
}

/// What is different, without its hash.
fn changed(before: &BTreeSet<String>, after: &BTreeSet<String>) -> BTreeSet<String> {
    let lines = before.symmetric_difference(after);
    let path = |line: &String| {
        line.split_whitespace()
            .last()
            .unwrap_or_default()
            .to_owned()
    };
    lines.map(path).collect()
}

/// `jitctl` with the imported inventory.
fn run(lab: &Lab, arguments: &[&str]) -> jitctl_tests::Outcome {
    let mut command = Command::new(jitctl());
    command
        .current_dir(lab.folder().join("imported"))
        .args(arguments)
        .env("NO_COLOR", "1");
    finish(&mut command, arguments)
}

/// The codes and hosts of what the doctor finds.
fn findings(lab: &Lab) -> Vec<String> {
    let report = run(lab, &["--json", "doctor"]).json();
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    let shown = |finding: &Value| {
        let text = |name: &str| finding[name].as_str().unwrap_or("-").to_owned();
        format!("{} {}: {}", text("code"), text("host"), text("what"))
    };
    findings.iter().map(shown).collect()
}

fn reaches_xmpp(lab: &Lab) -> bool {
    let line = "nc -z -w 2 10.77.0.11 5222";
    lab.lab(&["exec", "h2", "--", "sh", "-c", line]).code == Some(0)
}

fn set_up_main(lab: &Lab) {
    shell(lab, "h1", STOCK);
    shell(lab, "h1", &bridge("localhost", "theirs"));
    shell(lab, "h1", "mkdir -p /opt/focus");
    let focus = jitctl().with_file_name("artifacts/x86_64/jitctl-focus");
    let mut copy = Command::new("scp");
    copy.args(["-qF", &ssh_config(lab)])
        .arg(focus)
        .arg("h1:/opt/focus/focus");
    finish(&mut copy, &["scp"]).expect(0);
    shell(lab, "h1", FOCUS);
    shell(lab, "h1", PACKET_FILTER);
}

#[test]
fn a_bridge_of_ours_joins_a_main_of_others() {
    let lab = Lab::with_inventory("import", 2);
    set_up_main(&lab);
    let folder = lab.folder().join("imported");
    std::fs::create_dir(&folder).expect("the folder is ours");
    let before = sums(&lab);

    let imported = run(&lab, &["import", "h1", "--ssh-config", &ssh_config(&lab)]).expect(0);
    assert!(!imported.to_string().contains("swordfish"), "{imported}");
    let secrets = folder.join("secrets.yaml");
    let mode = std::fs::metadata(&secrets).expect("they are written");
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&secrets).expect("they are ours");
    assert!(text.contains("swordfish"), "the bridges' password is there");
    let inventory = std::fs::read_to_string(folder.join("jitctl.yaml")).unwrap_or_default();
    assert!(inventory.contains("theirs"), "{inventory}");
    assert_eq!(changed(&before, &sums(&lab)), BTreeSet::new());
    assert!(!reaches_xmpp(&lab), "5222 is closed until a bridge comes");

    let added = run(&lab, &["add-bridge", "h2", "--lab", lab.name(), "--yes"]).expect(0);
    assert!(
        added.stdout.contains("jvbbrewery@internal.auth.meet.test"),
        "{added}"
    );
    assert!(reaches_xmpp(&lab), "5222 is open for the bridge");
    let touched = changed(&before, &sums(&lab));
    let rules = ["/etc/ufw/user.rules", "/etc/ufw/user6.rules"];
    assert!(
        touched.iter().all(|path| rules.contains(&path.as_str())) && !touched.is_empty(),
        "more than the port changed: {touched:?}"
    );
    let counted = "curl -s http://127.0.0.1:8888/debug";
    let counted = lab
        .lab(&["exec", "h1", "--", "sh", "-c", counted])
        .expect(0);
    assert!(
        counted.stdout.contains("\"nickname\":\"h2-")
            && counted.stdout.contains("\"operational\":true"),
        "{counted}"
    );

    run(&lab, &["plan"]).expect(0);
    run(&lab, &["status"]).expect(0);
    assert_eq!(findings(&lab), [""; 0]);
    run(&lab, &["rooms"]).expect(3);

    a_new_password_is_named_and_read_again(&lab);

    let removed = run(&lab, &["remove-bridge", "h2", "--yes"]);
    removed.expect(0);
    assert!(!reaches_xmpp(&lab), "the port is closed again");
    let kept = lab.lab(&["exec", "h1", "--", "ufw", "status"]).expect(0);
    assert!(
        kept.stdout.contains("443/tcp") && !kept.stdout.contains("5222"),
        "{kept}"
    );

    std::fs::remove_dir_all(&folder).expect("the folder is ours");
    std::fs::create_dir(&folder).expect("the folder is ours");
    a_docker_folder_behind_firewalld_is_imported_too(&lab);
}

fn a_docker_folder_behind_firewalld_is_imported_too(lab: &Lab) {
    let inventory = lab.folder().join("imported/jitctl.yaml");
    shell(lab, "h1", DOCKER);
    shell(lab, "h1", CONTAINER);
    give_record(lab, "auth%2emeet%2ejitsi", "h1");
    shell(lab, "h1", FIREWALLD);
    let rules = || {
        let list = "firewall-cmd --list-all; firewall-cmd --permanent --list-all";
        lab.lab(&["exec", "h1", "--", "sh", "-c", list])
            .expect(0)
            .stdout
    };
    let before = rules();

    run(lab, &["import", "h1", "--ssh-config", &ssh_config(lab)]).expect(0);
    let inventory = std::fs::read_to_string(inventory).unwrap_or_default();
    let room = "jvbbrewery@internal-muc.meet.jitsi";
    assert!(inventory.contains(room), "{inventory}");
    assert!(!reaches_xmpp(lab), "5222 is closed until a bridge comes");

    let added = run(lab, &["add-bridge", "h2", "--lab", lab.name(), "--yes"]).expect(0);
    assert!(added.stdout.contains(room), "{added}");
    assert!(reaches_xmpp(lab), "5222 is open for the bridge");
    let opened = rules();
    let bridge = r#"source address="10.77.0.12" port port="5222" protocol="tcp" accept"#;
    assert_eq!(
        opened.matches(bridge).count(),
        2,
        "now and for good: {opened}"
    );
    run(lab, &["plan"]).expect(0);
    assert_eq!(findings(lab), [""; 0]);

    run(lab, &["remove-bridge", "h2", "--yes"]).expect(0);
    assert!(!reaches_xmpp(lab), "the port is closed again");
    assert_eq!(rules(), before);
}

/// Its keepers change the account's password: the doctor says so, and its cure cures it.
fn a_new_password_is_named_and_read_again(lab: &Lab) {
    shell(
        lab,
        "h1",
        "printf 'turbot\nturbot\n' | prosodyctl passwd jvb@auth.meet.test > /dev/null 2>&1; \
         sed -i s/swordfish/turbot/ /etc/jitsi/videobridge/jvb.conf",
    );
    let found = findings(lab);
    let first = found.first().map_or("", String::as_str);
    assert!(first.starts_with("X01 h2"), "{found:#?}");
    run(lab, &["import", "h1"]).expect(0);
    run(lab, &["apply", "--yes"]).expect(0);
    assert_eq!(findings(lab), [""; 0]);
}
