//! Requests and events in, counts and memory out.

use std::io::IoSlice;

use jitctl_media::engine::DatagramSink;
use jitctl_media::srtp::Profile;
use jitctl_media::transport::TransportConfig;
use jitctl_media::transport::dtls::Identity;
use jitctl_media::transport::ice::{AddressPlan, IceConfig, Route};

use jitctl_wire::colibri2::SctpRole;

use super::*;
use crate::rest;

const FINGERPRINT: &str = "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:\
                               10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F";

struct Bench {
    registry: Registry,
    engine: Engine<Conference>,
    now: Instant,
}

impl Bench {
    /// Private addresses are not told.
    fn new() -> Self {
        let plan = AddressPlan {
            sockets: ["192.0.2.1:10000", "10.0.0.1:10000"]
                .map(|address| address.parse().unwrap())
                .into(),
            ..AddressPlan::default()
        };
        Self {
            registry: Registry::new(ConferenceConfig::default(), None),
            engine: Engine::new(TransportConfig {
                plan: Arc::new(plan),
                identity: Arc::new(Identity::generate().unwrap()),
                ice: IceConfig::default(),
                fragment_prefix: String::new(),
            }),
            now: Instant::now(),
        }
    }

    fn serve(&mut self, json: &str) -> ConferenceModified {
        let request = rest::read(json).unwrap();
        let answer = self.registry.serve(&mut self.engine, self.now, &request);
        answer.unwrap()
    }

    /// Creates an endpoint, whose client answers at once.
    fn join(&mut self, id: &str, ssrc: u32) {
        let create = !self.registry.meetings.contains_key("m");
        self.serve(&format!(
            r#"{{"meeting-id":"m","create":{create},"endpoints":[{{"id":"{id}","create":true,
                "capabilities":["source-names"],"medias":[{{"type":"audio","payload-types":
                [{{"id":111,"name":"opus"}}]}},{{"type":"video","payload-types":[{{"id":100,
                "name":"VP8"}}]}}],"transport":{{"ice-controlling":true,"sctp":{{}}}}}}]}}"#
        ));
        self.serve(&format!(
                r#"{{"meeting-id":"m","endpoints":[{{"id":"{id}","transport":{{"transport":{{
                "ufrag":"u{ssrc}","pwd":"a password of the client","fingerprints":[{{"hash":"sha-256",
                "setup":"active","fingerprint":"{FINGERPRINT}"}}],"candidates":[{{"component":1,
                "foundation":"1","protocol":"udp","type":"host","ip":"198.51.100.1","port":4000,
                "priority":1}}]}}}},"sources":[{{"type":"video","id":"{id}-v0","sources":
                [{{"ssrc":{ssrc},"name":"{id}-v0"}}]}}]}}]}}"#
            ));
    }

    fn leave(&mut self, id: &str) {
        self.serve(&format!(
            r#"{{"meeting-id":"m","endpoints":[{{"id":"{id}","expire":true}}]}}"#
        ));
    }

    /// Sends what waits, and lets `time` pass.
    fn pass(&mut self, time: Duration) {
        struct Nowhere;
        impl DatagramSink for Nowhere {
            fn send(&mut self, _route: Route, _datagrams: &[IoSlice<'_>]) {}
        }
        self.now += time;
        self.engine.handle_timeout(self.now);
        self.engine.flush(self.now, &mut Nowhere);
        while let Some(event) = self.engine.poll_event() {
            self.registry.observe(&mut self.engine, self.now, event);
        }
        self.registry.sweep(&mut self.engine, self.now);
    }

    fn report(&mut self, id: &str, event: TransportEvent) {
        let meeting = &self.registry.meetings["m"];
        let key = meeting.key(&meeting.members[id]);
        let event = EngineEvent::Transport { key, event };
        self.registry.observe(&mut self.engine, self.now, event);
    }
}

#[test]
fn endpoints_whose_channel_does_not_come_are_counted_once() {
    let mut bench = Bench::new();
    for (id, ssrc) in [("aaaaaaaa", 1), ("bbbbbbbb", 2), ("cccccccc", 3)] {
        bench.join(id, ssrc);
    }
    let connected = || TransportEvent::Connected {
        profile: Profile::AeadAes128Gcm,
    };
    // One has no channel, one has it early, and one never has media.
    bench.report("bbbbbbbb", TransportEvent::ChannelOpen);
    bench.report("aaaaaaaa", connected());
    bench.report("bbbbbbbb", connected());
    bench.pass(CHANNEL_DELAY.saturating_sub(Duration::from_secs(1)));
    assert_eq!(bench.registry.totals.without_channel, 0);
    for _ in 0..3 {
        bench.pass(Duration::from_secs(1));
        assert_eq!(bench.registry.totals.without_channel, 1);
    }
}

#[test]
fn ten_thousand_joins_and_leaves_return_the_memory() {
    let mut bench = Bench::new();
    bench.join("stays", 1);
    let mut churn = |rounds: std::ops::Range<u32>| {
        for round in rounds {
            let id = format!("guest{round}");
            bench.join(&id, round + 10);
            bench.pass(Duration::from_millis(1));
            bench.leave(&id);
            bench.pass(Duration::from_millis(1));
        }
    };
    churn(0..100);
    let measured = allocation_counter::measure(|| churn(100..10_100));
    let kept = measured.bytes_current;
    assert!(kept < 16 * 1024, "{kept} bytes kept");
    assert_eq!(bench.registry.live().counts(), (1, 1));
}

#[test]
fn the_offer_follows_what_the_request_says_of_the_client() {
    let mut bench = Bench::new();
    let mut offer = |id: &str, create: bool, capability: &str, transport: &str| {
        let answer = bench.serve(&format!(
            r#"{{"meeting-id":"m","create":{create},"endpoints":[{{"id":"{id}","create":true,
            "capabilities":["source-names"{capability}],"transport":{transport}}}]}}"#
        ));
        let [entry] = answer.endpoints.try_into().unwrap();
        let transport = entry.transport.unwrap();
        let ice = transport.ice_udp.unwrap();
        let addresses = ice.candidates.into_iter().map(|one| one.ip);
        (addresses.collect::<Vec<_>>(), transport.sctp)
    };
    let (addresses, sctp) = offer("plain", true, "", r#"{"ice-controlling":true}"#);
    assert_eq!(addresses, ["192.0.2.1"]);
    assert_eq!(sctp, None);
    let private = r#","private-address-connectivity""#;
    let (addresses, sctp) = offer("inside", false, private, r#"{"sctp":{"role":"server"}}"#);
    assert_eq!(addresses, ["192.0.2.1", "10.0.0.1"]);
    let sctp = sctp.unwrap();
    assert_eq!((sctp.role, sctp.port), (Some(SctpRole::Server), Some(5000)));
}
