//! Settings of such a host that contradict each other or the machine: relays on one side only,
//! WebSockets without a domain, heaps beyond the memory, a server that reads no site.

use jitctl_inventory::names::HostName;
use secrecy::ExposeSecret as _;

use super::read::{ForeignHost, Kind, OfBoth};
use crate::catalogue;
use crate::finding::{Finding, Severity};

const PROSODY: &str = "/etc/prosody/prosody.cfg.lua";

pub(super) fn findings(name: &HostName, host: &ForeignHost) -> Vec<Finding> {
    if host.kind != Kind::Packages {
        return Vec::new();
    }
    [
        server(name, host),
        memory(name, host),
        relays(name, host),
        websockets(name, host),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn server(name: &HostName, host: &ForeignHost) -> Option<Finding> {
    let text = host.files.get(PROSODY)?.expose_secret();
    let includes =
        |line: &str| line.trim_start().starts_with("Include") && line.contains("conf.d/");
    (!text.lines().any(includes)).then(|| {
        Finding::of(&catalogue::PROSODY_READS_NOTHING, Some(name))
            .what(format!(
                "Prosody on `{name}` does not read the site's configuration"
            ))
            .seen(format!(
                "{PROSODY} has no line `Include \"conf.d/*.cfg.lua\"`"
            ))
            .cured_by(format!(
                "echo 'Include \"conf.d/*.cfg.lua\"' >> {PROSODY}; systemctl restart prosody"
            ))
    })
}

/// Each of the two Java services may take as much as its heap, and both take it in the end.
fn memory(name: &HostName, host: &ForeignHost) -> Option<Finding> {
    let total = host.memory_kib? / 1024;
    let carried = [
        (
            host.bridge.is_some(),
            "jitsi-videobridge2",
            host.heap_mib.bridge,
        ),
        (host.focus.is_some(), "jicofo", host.heap_mib.focus),
    ];
    let heaps = carried.iter().filter(|(there, ..)| *there);
    let wanted: u64 = heaps.clone().map(|(_, _, mib)| mib).sum();
    (wanted > total).then(|| {
        let finding = Finding::of(&catalogue::MEMORY_SHORT, Some(name))
            .what(format!(
                "the services on `{name}` may take {wanted} MiB, and it has {total}"
            ))
            .because("each service has a heap of 3 GiB unless its `config` says another")
            .cured_by("set VIDEOBRIDGE_MAX_MEMORY in /etc/jitsi/videobridge/config and JICOFO_MAX_MEMORY in /etc/jitsi/jicofo/config, then restart both");
        let mut finding = heaps.fold(finding, |finding, (_, unit, mib)| {
            finding.seen(format!("{unit}: a heap of {mib} MiB"))
        });
        finding.severity = Severity::Warning;
        finding
    })
}

fn relays(name: &HostName, host: &ForeignHost) -> Option<Finding> {
    host.bridge.as_ref().and(host.focus.as_ref())?;
    let OfBoth { focus, bridge } = host.relays;
    (focus != bridge).then(|| {
        let word = |on: bool| if on { "on" } else { "off" };
        Finding::of(&catalogue::RELAYS_ONE_SIDED, Some(name))
            .what(format!("relays are on at one side only on `{name}`"))
            .seen(format!("jicofo.conf: octo is {}", word(focus)))
            .seen(format!("jvb.conf: relay is {}", word(bridge)))
    })
}

fn websockets(name: &HostName, host: &ForeignHost) -> Option<Finding> {
    host.websockets_without_domain.then(|| {
        Finding::of(&catalogue::CHANNEL_HALF_CONFIGURED, Some(name))
            .what(format!("the bridge on `{name}` tells nobody where its channel is"))
            .seen("jvb.conf: videobridge.websockets is enabled and names no domain")
            .cured_by("write `domain = \"DOMAIN:443\"` beside it in jvb.conf, then: systemctl restart jitsi-videobridge2")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foreign::read::read;

    fn file(path: &str, text: &str) -> String {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(text);
        format!("{path}\t{text}\n")
    }

    fn codes(prosody: &str, bridge: &str, focus: &str, mebibytes: u64) -> Vec<&'static str> {
        let account = "domain = auth.x.test, username = y, password = z";
        let bridge =
            format!("videobridge {{ {bridge}\n apis.xmpp-client.configs.shard {{ {account} }} }}");
        let focus = format!("jicofo {{ {focus}\n xmpp.client {{ {account} }} }}");
        let text = format!(
            "@@section files\n{}{}{}@@section memory\n{}\n",
            file(PROSODY, prosody),
            file("/etc/jitsi/videobridge/jvb.conf", &bridge),
            file("/etc/jitsi/jicofo/jicofo.conf", &focus),
            mebibytes * 1024
        );
        let found = findings(&"h1".into(), &read(&text));
        found.iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn contradictions_have_their_codes() {
        let include = "Include \"conf.d/*.cfg.lua\"";
        assert_eq!(codes(include, "", "", 8000), [""; 0]);
        assert_eq!(codes("-- nothing", "", "", 8000), ["X13"]);
        assert_eq!(codes(include, "", "", 4000), ["B11"]);
        let both = codes(include, "relay.enabled = true", "octo.enabled = true", 8000);
        assert_eq!(both, [""; 0]);
        assert_eq!(codes(include, "relay.enabled = true", "", 8000), ["R01"]);
        assert_eq!(
            codes(include, "websockets.enabled = true", "", 8000),
            ["W08"]
        );
    }
}
