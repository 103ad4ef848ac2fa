//! A Jitsi as others set it up, on hosts of the lab: packages of Debian, and files as Jitsi's own
//! packages leave them.

use jitctl_tests::Lab;

/// Prosody and nginx as packaged, with the files of Jitsi's own packages; the Java services are
/// stand-ins that hold the port and do nothing.
pub(crate) const STOCK: &str = r#"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update > /dev/null && apt-get -qqy install prosody nginx-light > /dev/null 2>&1
issue() { # NAME DAYS FILE
    printf '[req]\ndistinguished_name=dn\n[dn]\n[v3]\nsubjectAltName=DNS:%s\n' "$1" > /root/openssl.cnf
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days "$2" -subj "/CN=$1" \
        -config /root/openssl.cnf -extensions v3 -keyout "$3.key" -out "$3.crt" 2> /dev/null
}
mkdir -p /etc/jitsi/meet /etc/jitsi/jicofo /etc/jitsi/videobridge
issue auth.meet.test 365 /etc/prosody/certs/auth.meet.test
issue meet.test 365 /etc/jitsi/meet/meet.test
chown prosody /etc/prosody/certs/auth.meet.test.key
cat > /etc/prosody/conf.avail/meet.test.cfg.lua <<'END'
VirtualHost "meet.test"
    authentication = "anonymous"
VirtualHost "auth.meet.test"
    authentication = "internal_hashed"
    ssl = {
        key = "/etc/prosody/certs/auth.meet.test.key";
        certificate = "/etc/prosody/certs/auth.meet.test.crt";
    }
Component "conference.meet.test" "muc"
Component "internal.auth.meet.test" "muc"
END
ln -sf /etc/prosody/conf.avail/meet.test.cfg.lua /etc/prosody/conf.d/
systemctl restart prosody
printf 'swordfish\nswordfish\n' | prosodyctl adduser jvb@auth.meet.test > /dev/null 2>&1
printf 'halibut\nhalibut\n' | prosodyctl adduser focus@auth.meet.test > /dev/null 2>&1
cat > /etc/nginx/sites-enabled/meet.test.conf <<'END'
server {
    listen 443 ssl;
    server_name meet.test;
    ssl_certificate /etc/jitsi/meet/meet.test.crt;
    ssl_certificate_key /etc/jitsi/meet/meet.test.key;
    root /usr/share/jitsi-meet;
}
END
systemctl restart nginx
echo 'var config = {};' > /etc/jitsi/meet/meet.test-config.js
cat > /etc/jitsi/jicofo/jicofo.conf <<'END'
jicofo {
  xmpp { client { hostname = "localhost", domain = "auth.meet.test", username = "focus"
                  password = "halibut", xmpp-domain = "meet.test" } }
  bridge { brewery-jid = "JvbBrewery@internal.auth.meet.test" }
}
END
"#;

const BRIDGE: &str = r#"
mkdir -p /etc/jitsi/videobridge
cp /usr/bin/python3 /usr/local/bin/java
cat > /etc/jitsi/videobridge/jvb.conf <<'END'
videobridge {
  ice { udp { port = 10000 } }
  apis.xmpp-client.configs {
    shard { hostname = "SERVER", domain = "auth.meet.test", username = "jvb"
            password = "swordfish"
            muc_jids = "JvbBrewery@internal.auth.meet.test"
            muc_nickname = "NICKNAME" }
  }
}
END
for unit in jicofo jitsi-videobridge2; do
    printf '[Service]\nExecStart=/usr/local/bin/java -c "%s"\n' 'import time; time.sleep(9999)' \
        > /etc/systemd/system/$unit.service
done
sed -i 's/import time;/import time, socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((str(), 10000));/' \
    /etc/systemd/system/jitsi-videobridge2.service
systemctl daemon-reload; systemctl start jitsi-videobridge2
"#;

/// A docker-jitsi-meet folder as its own guide makes it, and the folder of its data.
pub(crate) const DOCKER: &str = r"
mkdir -p /opt/docker-jitsi-meet /opt/jitsi-cfg/prosody/config/data/auth%2emeet%2ejitsi/accounts
cd /opt/docker-jitsi-meet
cat > .env <<'END'
CONFIG=/opt/jitsi-cfg
PUBLIC_URL=https://docker.meet.test:8443
JVB_ADVERTISE_IPS=10.77.0.13
JICOFO_AUTH_PASSWORD=swordfish
JVB_AUTH_PASSWORD=swordfish
END
cat > docker-compose.yml <<'END'
services:
    web:
        image: jitsi/web:${JITSI_IMAGE_VERSION:-stable-9823}
    prosody:
        image: jitsi/prosody:${JITSI_IMAGE_VERSION:-stable-9823}
    jicofo:
        image: jitsi/jicofo:${JITSI_IMAGE_VERSION:-stable-9823}
    jvb:
        image: jitsi/jvb:${JITSI_IMAGE_VERSION:-stable-9823}
END
";

/// The docker folder on a host gets the accounts' record, as Prosody on MAIN wrote it for one of its
/// domains.
pub(crate) fn give_record(lab: &Lab, domain: &str, host: &str) {
    let record = format!("/var/lib/prosody/{domain}/accounts/jvb.dat");
    let record = lab.lab(&["exec", "h1", "--", "cat", &record]);
    let text = record.expect(0).stdout;
    let folder = "/opt/jitsi-cfg/prosody/config/data/auth%2emeet%2ejitsi/accounts";
    for user in ["jvb", "focus"] {
        let write = format!("cat > {folder}/{user}.dat <<'END'\n{text}END");
        shell(lab, host, &write);
    }
}

/// The script that makes a host carry such a bridge.
pub(crate) fn bridge(server: &str, nickname: &str) -> String {
    BRIDGE
        .replace("SERVER", server)
        .replace("NICKNAME", nickname)
}

/// How ssh reaches the hosts of a lab by their names.
pub(crate) fn ssh_config(lab: &Lab) -> String {
    format!(
        "{}/.local/state/jitctl/lab/{}/ssh_config",
        std::env::var("HOME").unwrap_or_default(),
        lab.name()
    )
}

/// A shell line on a host, as root, past ssh.
#[track_caller]
pub(crate) fn shell(lab: &Lab, host: &str, line: &str) {
    lab.lab(&["exec", host, "--", "bash", "-ec", line])
        .expect(0);
}
