//! The public certificate comes by ACME from an authority (Debian's `pebble`) that asks the site's
//! own nginx; a renewal is served without anybody doing anything.

#![expect(clippy::expect_used, reason = "a broken set-up ends the test")]

use std::path::PathBuf;

use jitctl_tests::{DOMAIN, Lab};
use rcgen::{CertificateParams, Issuer, KeyPair};

/// Where the authority runs.
const AUTHORITY: &str = "h2.test";

const CONFIGURATION: &str = r#"{"pebble": {
    "listenAddress": "0.0.0.0:14000", "managementListenAddress": "0.0.0.0:15000",
    "certificate": "/etc/pebble/leaf.crt", "privateKey": "/etc/pebble/leaf.key",
    "httpPort": 80, "tlsPort": 443, "ocspResponderURL": ""
}}"#;

const START: &str = "export DEBIAN_FRONTEND=noninteractive; \
     apt-get -qq update >/dev/null && apt-get -qq -y install pebble >/dev/null 2>&1 && \
     systemd-run --quiet --unit=pebble -E PEBBLE_VA_NOSLEEP=1 -E PEBBLE_WFE_NONCEREJECT=0 \
         pebble -config /etc/pebble/config.json && \
     timeout 20 sh -c 'until nc -z 127.0.0.1 14000; do sleep 0.1; done'";

/// A certificate for the authority's own web server, of the lab's authority, which hosts trust.
fn leaf(lab: &Lab) -> Result<(String, String), rcgen::Error> {
    let status = lab.lab(&["status", "--json"]).expect(0).json();
    let config = PathBuf::from(status["ssh_config"].as_str().expect("a path"));
    let read = |name: &str| {
        let path = config.with_file_name("ca").join(name);
        std::fs::read_to_string(path).expect("the lab has an authority")
    };
    let key = KeyPair::from_pem(&read("ca.key"))?;
    let issuer = Issuer::from_ca_cert_pem(&read("ca.crt"), key)?;
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec![AUTHORITY.to_owned()])?.signed_by(&key, &issuer)?;
    Ok((leaf.pem(), key.serialize_pem()))
}

fn start_authority(lab: &Lab) {
    let (certificate, key) = leaf(lab).expect("a certificate can be made");
    let files = [
        ("leaf.crt", certificate.as_str()),
        ("leaf.key", &key),
        ("config.json", CONFIGURATION),
    ];
    for (name, text) in files {
        let line = format!("mkdir -p /etc/pebble; cat > /etc/pebble/{name}");
        let words = [
            "lab",
            "exec",
            "--name",
            lab.name(),
            "h2",
            "--",
            "sh",
            "-c",
            &line,
        ];
        lab.run_with_input(&words, text).expect(0);
    }
    on(lab, "h2", START);
}

fn on(lab: &Lab, host: &str, line: &str) -> String {
    lab.lab(&["exec", host, "--", "sh", "-c", line])
        .expect(0)
        .stdout
}

/// The serial number of the certificate that people get, which `authority` must have issued and
/// which must differ from `old`: nginx takes a moment to serve what it was told to.
fn served(lab: &Lab, authority: &str, old: &str) -> String {
    let line = format!(
        "timeout 20 sh -c 'until curl -fsS --cacert {authority} -o /dev/null https://{DOMAIN}/ && \
         serial=$(openssl s_client -connect {DOMAIN}:443 -servername {DOMAIN} < /dev/null \
         2> /dev/null | openssl x509 -noout -serial) && test \"$serial\" != \"{old}\"; \
         do sleep 0.2; done; echo \"$serial\"'"
    );
    let serial = lab.as_client(&["sh", "-c", &line]).expect(0).stdout;
    serial.trim().to_owned()
}

#[test]
fn a_certificate_is_issued_served_and_renewed() {
    let lab = Lab::with_strangers("acme", 2, &[]);
    let by_acme = lab.inventory().replacen(
        "tls: { mode: private_ca }",
        &format!(
            "tls: {{ mode: acme, email: ops@example.org, directory: 'https://{AUTHORITY}:14000/dir' }}"
        ),
        1,
    );
    lab.write_inventory(&by_acme);
    lab.run(&["apply", "--yes"]).expect(0);
    let job = "jitctl-acme.service";
    let until_it_failed =
        format!("timeout 60 sh -c 'until systemctl is-failed -q {job}; do sleep 0.2; done'");
    on(&lab, "h1", &until_it_failed);
    let report = lab.run(&["doctor", "--json"]).expect(4).json();
    let first = &report["findings"][0];
    assert_eq!(
        (first["code"].as_str(), first["host"].as_str()),
        (Some("T03"), Some("h1")),
        "{report:#}"
    );

    start_authority(&lab);
    on(&lab, "h1", &format!("systemctl start {job}"));
    on(
        &lab,
        "h1",
        "timeout 60 sh -c 'until [ \"$(readlink /etc/jitctl/tls)\" = /etc/letsencrypt/live/meet.test ]; \
         do sleep 0.2; done' || { journalctl -n 30 -u jitctl-acme >&2; exit 1; }",
    );

    let root = lab.as_client(&[
        "curl",
        "-fsS",
        &format!("https://{AUTHORITY}:15000/roots/0"),
    ]);
    let authority = lab.folder().join("root.crt");
    std::fs::write(&authority, root.expect(0).stdout).expect("the folder is ours");
    let authority = authority.display().to_string();
    let first = served(&lab, &authority, "");
    lab.run(&["plan"]).expect(0);

    on(
        &lab,
        "h1",
        "certbot -q renew --force-renewal --no-random-sleep-on-renew",
    );
    served(&lab, &authority, &first);
    lab.run(&["plan"]).expect(0);
}
