//! Sites that other hands set up: a stock layout of Debian packages with a second bridge, and a
//! docker-jitsi-meet folder. `doctor --foreign` finds nothing while they are well, names each
//! fault first, and changes nothing.

mod foreign;

use std::collections::BTreeSet;

use foreign::{DOCKER, STOCK, bridge, give_record, shell, ssh_config};
use jitctl_tests::{Lab, Outcome};

/// One fault: where, how it is made and mended, and the code that must come first.
struct Fault(&'static str, &'static str, &'static str, &'static str);

const FAULTS: &[Fault] = &[
    Fault(
        "X01 h1",
        "h1",
        "sed -i.kept s/swordfish/catfish/ /etc/jitsi/videobridge/jvb.conf",
        "mv /etc/jitsi/videobridge/jvb.conf.kept /etc/jitsi/videobridge/jvb.conf",
    ),
    Fault(
        "X02 h1",
        "h1",
        "prosodyctl deluser focus@auth.meet.test > /dev/null 2>&1",
        "printf 'halibut\\nhalibut\\n' | prosodyctl adduser focus@auth.meet.test > /dev/null 2>&1",
    ),
    Fault(
        "X16 h1",
        "h2",
        "sed -i 's/\"second\"/\"first\"/' /etc/jitsi/videobridge/jvb.conf",
        "sed -i 's/\"first\"/\"second\"/' /etc/jitsi/videobridge/jvb.conf",
    ),
    Fault(
        "B07 h1",
        "h1",
        "systemctl stop jitsi-videobridge2; systemd-run -q --unit=taker python3 -c \
         'import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); \
         s.bind((\"0.0.0.0\", 10000)); time.sleep(300)'; sleep 0.5",
        "systemctl stop taker; systemctl start jitsi-videobridge2",
    ),
    Fault(
        "B04 h1",
        "h1",
        "printf 'ice4j.harvest.mapping.static-mappings = [ { local-address = 192.168.7.7, \
         public-address = 203.0.113.7 } ]\\n' > /root/m; cat /root/m >> /etc/jitsi/videobridge/jvb.conf",
        "sed -i /ice4j/d /etc/jitsi/videobridge/jvb.conf",
    ),
    Fault(
        "B03 h1",
        "h1",
        "echo 'ice4j.harvest.mapping.stun.addresses = [ \"10.77.0.12:3478\" ]' \
         >> /etc/jitsi/videobridge/jvb.conf",
        "sed -i /ice4j/d /etc/jitsi/videobridge/jvb.conf",
    ),
    Fault(
        "R01 h1",
        "h1",
        "echo 'videobridge.relay.enabled = true' >> /etc/jitsi/videobridge/jvb.conf",
        "sed -i /relay.enabled/d /etc/jitsi/videobridge/jvb.conf",
    ),
    Fault(
        "T01 h1",
        "h1",
        "cd /etc/jitsi/meet; mkdir kept; mv meet.test.* kept; cp /root/old.crt meet.test.crt; \
         cp /root/old.key meet.test.key; systemctl reload nginx; sleep 0.5",
        "cd /etc/jitsi/meet; mv kept/* .; rmdir kept; systemctl reload nginx; sleep 0.5",
    ),
    Fault(
        "R02 h1",
        "h1",
        "mkdir -p /root/p/DEBIAN; for line in 'jicofo 1.0-1' 'jitsi-meet 2.0-2'; do set -- $line; \
         printf 'Package: %s\\nVersion: %s\\nArchitecture: all\\nMaintainer: x <x@x>\\nDescription: x\\n' \
         $1 $2 > /root/p/DEBIAN/control; [ $1 = jicofo ] || echo 'Depends: jicofo (= 2.0-2)' \
         >> /root/p/DEBIAN/control; dpkg-deb -b /root/p /root/$1.deb > /dev/null; \
         dpkg -i --force-depends /root/$1.deb > /dev/null 2>&1; done",
        "dpkg --purge jitsi-meet jicofo > /dev/null 2>&1",
    ),
    Fault(
        "X03 h3",
        "h3",
        "sed -i.kept s/^JVB_AUTH_PASSWORD=.*/JVB_AUTH_PASSWORD=catfish/ /opt/docker-jitsi-meet/.env",
        "mv /opt/docker-jitsi-meet/.env.kept /opt/docker-jitsi-meet/.env",
    ),
    Fault(
        "X01 h3",
        "h3",
        "sed -i.kept s/^JVB_AUTH_PASSWORD=.*/JVB_AUTH_PASSWORD=/ /opt/docker-jitsi-meet/.env",
        "mv /opt/docker-jitsi-meet/.env.kept /opt/docker-jitsi-meet/.env",
    ),
    Fault(
        "B02 h3",
        "h3",
        "sed -i.kept /^JVB_ADVERTISE_IPS/d /opt/docker-jitsi-meet/.env",
        "mv /opt/docker-jitsi-meet/.env.kept /opt/docker-jitsi-meet/.env",
    ),
    Fault(
        "R02 h3",
        "h3",
        "sed -i.kept 's#jitsi/jvb:.*#jitsi/jvb:unstable#' /opt/docker-jitsi-meet/docker-compose.yml",
        "mv /opt/docker-jitsi-meet/docker-compose.yml.kept /opt/docker-jitsi-meet/docker-compose.yml",
    ),
];

#[test]
fn faults_of_foreign_sites_are_named_and_nothing_is_changed() {
    let lab = Lab::with_inventory("foreign", 3);
    shell(&lab, "h1", STOCK);
    shell(&lab, "h1", &bridge("localhost", "first"));
    shell(&lab, "h1", "systemctl start jicofo");
    shell(&lab, "h2", &bridge("10.77.0.11", "second"));
    shell(&lab, "h3", DOCKER);
    give_record(&lab, "auth%2emeet%2etest", "h3");

    give_old_certificate(&lab);

    let before = files(&lab);
    let healthy = doctor(&lab);
    assert_eq!(firsts(&healthy), [""; 0], "{healthy}");
    healthy.expect(0);
    let after = files(&lab);
    let changed: Vec<&String> = after.symmetric_difference(&before).collect();
    assert_eq!(changed, [""; 0], "the doctor changed something");

    let mut wrong = Vec::new();
    for Fault(expected, host, cause, mend) in FAULTS {
        shell(&lab, host, cause);
        let outcome = doctor(&lab);
        shell(&lab, host, mend);
        let first = firsts(&outcome).into_iter().next().unwrap_or_default();
        if first != *expected {
            wrong.push(format!(
                "expected {expected}, first was `{first}`: {outcome}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    doctor(&lab).expect(0);
}

/// A public certificate whose time is over, beside the one in use.
fn give_old_certificate(lab: &Lab) {
    let made = || -> Result<(String, String), rcgen::Error> {
        let key = rcgen::KeyPair::generate()?;
        let mut old = rcgen::CertificateParams::new(vec!["meet.test".to_owned()])?;
        old.not_before = rcgen::date_time_ymd(2020, 1, 1);
        old.not_after = rcgen::date_time_ymd(2021, 1, 1);
        Ok((old.self_signed(&key)?.pem(), key.serialize_pem()))
    };
    let (certificate, key) = made().unwrap_or_else(|error| panic!("{error}"));
    for (path, text) in [("/root/old.crt", certificate), ("/root/old.key", key)] {
        shell(lab, "h1", &format!("cat > {path} <<'END'\n{text}\nEND"));
    }
}

fn doctor(lab: &Lab) -> Outcome {
    lab.run(&[
        "--json",
        "doctor",
        "--foreign",
        "h1",
        "--foreign",
        "h2",
        "--foreign",
        "h3",
        "--ssh-config",
        &ssh_config(lab),
    ])
}

fn firsts(outcome: &Outcome) -> Vec<String> {
    let report = outcome.json();
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    findings
        .iter()
        .map(|finding| {
            let text = |name: &str| finding[name].as_str().unwrap_or("-").to_owned();
            format!("{} {}", text("code"), text("host"))
        })
        .collect()
}

/// Every file around those that the doctor reads, with its time, size and mode; without the notes
/// that Prosody itself makes when an account logs in for the first time.
fn files(lab: &Lab) -> BTreeSet<String> {
    let list = "find /etc /opt /var/lib/prosody -type f ! -path '*/pep/*' -printf '%p %T@ %s %m\\n' \
        2> /dev/null || true";
    let listed = ["h1", "h2", "h3"].map(|host| {
        let output = lab.lab(&["exec", host, "--", "sh", "-c", list]).expect(0);
        output.stdout
    });
    listed.concat().lines().map(str::to_owned).collect()
}
