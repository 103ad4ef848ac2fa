//! colibri2 in, packets out: requests of a focus make a call over real UDP.
#![forbid(unsafe_code)]
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;
use std::time::Instant;

use jitctl_bridge::{ConferenceService, MediaConferences};
use jitctl_loopback::Participant;
use jitctl_media::transport::TransportEvent;
use jitctl_media::transport::dtls::Identity;
use jitctl_wire::Condition;
use jitctl_wire::brewery::BridgeStats;
use jitctl_wire::colibri2::{ConferenceModify, Endpoint, ForceMute, Reason, Transport};
use jitctl_wire::rtp::MediaKind;
use support::call::{conferences, creation, join, served, source, ssrc, talk};
use support::{counted, turn_until, turn_until_joined};

const MEETING: &str = "060e9835-3d0f-4ae1-84da-72f950d7a1d8";

async fn three(service: &Arc<MediaConferences>) -> Vec<Participant> {
    let identity = Arc::new(Identity::generate().unwrap());
    let mut participants = Vec::new();
    for (number, id) in ["aaaaaaaa", "bbbbbbbb", "cccccccc"].into_iter().enumerate() {
        let sources = vec![source(MediaKind::Audio, &format!("{id}-a0"), ssrc(number))];
        participants.push(join(&**service, MEETING, id, number == 0, &identity, sources).await);
    }
    participants
}

fn statistics(service: &MediaConferences) -> BridgeStats {
    let mut statistics = BridgeStats::default();
    service.fill_statistics(&mut statistics);
    statistics
}

#[tokio::test(flavor = "multi_thread")]
async fn three_endpoints_hear_each_other_and_the_muted_one_is_silent() {
    let service = conferences(2).await;
    assert_eq!(service.check_health(), Ok(()));
    let mut participants = three(&service).await;
    turn_until_joined(&mut participants);
    let mut number = 0;
    talk(&mut participants, &mut number, |_, _| true);

    let mut mute = ConferenceModify::new(MEETING);
    mute.endpoints.push(Endpoint {
        force_mute: Some(ForceMute {
            audio: true,
            video: false,
        }),
        ..Endpoint::new("cccccccc")
    });
    served(service.modify(mute).await);
    // What was under way may still arrive.
    let quiet = Instant::now() + std::time::Duration::from_millis(200);
    turn_until(
        &mut participants,
        "silence",
        |_, _| {},
        |_| Instant::now() > quiet,
    );
    talk(&mut participants, &mut number, |_, sender| sender != 2);

    support::eventually("the statistics", || {
        let seen = statistics(&service);
        (seen.local_endpoints == 3
            && seen.conferences == 1
            && seen.largest_conference == 3
            && seen.total_ice_succeeded == 3
            && seen.endpoints_sending_audio >= 2
            && seen.total_packets_sent > 100)
            .then_some(())
    })
    .await;

    let mut expiry = ConferenceModify::new(MEETING);
    expiry.endpoints = ["aaaaaaaa", "bbbbbbbb", "cccccccc"]
        .map(|id| Endpoint {
            expire: true,
            ..Endpoint::new(id)
        })
        .into();
    let answer = served(service.modify(expiry.clone()).await);
    assert!(answer.endpoints.iter().all(|endpoint| endpoint.expire));
    // The last one out closed the door.
    let error = service.modify(expiry).await.unwrap_err();
    assert_eq!(error.reason, Some(Reason::ConferenceNotFound));
    support::eventually("the end in the statistics", || {
        let seen = statistics(&service);
        (seen.conferences == 0 && seen.total_conferences_completed == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_carry_condition_and_reason_and_leave_nothing_behind() {
    let service = conferences(1).await;
    let modify = |request: ConferenceModify| service.modify(request);
    let unknown = modify(ConferenceModify::new("m")).await.unwrap_err();
    assert_eq!(
        (unknown.condition, unknown.reason),
        (Condition::ItemNotFound, Some(Reason::ConferenceNotFound))
    );

    // A creation that fails creates nothing.
    let mut bad = creation("m", "aaaaaaaa", true);
    bad.endpoints[0].transport = None;
    let error = modify(bad).await.unwrap_err();
    assert_eq!(error.condition, Condition::BadRequest);
    served(modify(creation("m", "aaaaaaaa", true)).await);
    let twice = modify(creation("m", "aaaaaaaa", true)).await.unwrap_err();
    assert_eq!(twice.reason, Some(Reason::ConferenceAlreadyExists));
    let twice = modify(creation("m", "aaaaaaaa", false)).await.unwrap_err();
    assert_eq!((twice.condition, twice.reason), (Condition::Conflict, None));

    let mut update = ConferenceModify::new("m");
    update.endpoints.push(Endpoint {
        sources: Some(vec![source(MediaKind::Audio, "x-a0", 7)]),
        ..Endpoint::new("xxxxxxxx")
    });
    let missing = modify(update).await.unwrap_err();
    assert_eq!(
        (missing.reason, missing.endpoint.as_deref()),
        (Some(Reason::UnknownEndpoint), Some("xxxxxxxx"))
    );

    let mut visitor = creation("m", "vvvvvvvv", false);
    visitor.endpoints[0].muc_role = Some(String::from("visitor"));
    visitor.endpoints[0].sources = Some(vec![source(MediaKind::Audio, "v-a0", 8)]);
    let refused = modify(visitor).await.unwrap_err();
    assert_eq!(refused.condition, Condition::BadRequest);
    let mut again = creation("m", "vvvvvvvv", false);
    again.endpoints[0].muc_role = Some(String::from("visitor"));
    served(modify(again).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ice_restart_gives_new_credentials_and_the_call_goes_on() {
    let service = conferences(1).await;
    let mut participants = three(&service).await;
    let restart = || {
        let mut request = ConferenceModify::new(MEETING);
        request.endpoints.push(Endpoint {
            transport: Some(Transport {
                ice_restart: true,
                ..Transport::default()
            }),
            ..Endpoint::new("aaaaaaaa")
        });
        service.modify(request)
    };
    // Not connected yet: the same transport again, without a generation.
    let early = served(restart().await)
        .endpoints
        .remove(0)
        .transport
        .unwrap();
    assert_eq!(early.ice_udp.as_ref().unwrap().ice_generation, None);

    turn_until_joined(&mut participants);
    let mut number = 0;
    talk(&mut participants, &mut number, |_, _| true);
    let answer = served(restart().await)
        .endpoints
        .remove(0)
        .transport
        .unwrap();
    let fresh = answer.ice_udp.unwrap();
    assert_eq!(fresh.ice_generation, Some(1));
    assert_ne!(fresh.ufrag, early.ice_udp.unwrap().ufrag);
    assert!(!fresh.candidates.is_empty());
    // The old path carries media until the new one works.
    talk(&mut participants, &mut number, |_, _| true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_does_not_acknowledge_its_messages_loses_them_and_nobody_else_does() {
    let service = conferences(1).await;
    let mut participants = three(&service).await;
    turn_until_joined(&mut participants);
    let (awake, _asleep) = participants.split_at_mut(2);
    let padding = "x".repeat(60_000);
    let flood = format!(
        r#"{{"colibriClass":"EndpointMessage","to":"cccccccc","msgPayload":{{"p":"{padding}"}}}}"#
    );
    turn_until(
        awake,
        "a dropped message",
        |_, _| {},
        |awake| {
            // Refused while earlier ones are under way.
            let _ = awake[0].send_message(Instant::now(), &flood);
            counted(&service, "slow_channel") > 0
        },
    );
    let greeting = r#"{"colibriClass":"EndpointMessage","to":"bbbbbbbb","msgPayload":{"n":1}}"#;
    let mut sent = false;
    turn_until(
        awake,
        "a message for the other one",
        |_, _| {},
        |awake| {
            sent = sent || awake[0].send_message(Instant::now(), greeting).is_ok();
            let mut events = std::iter::from_fn(|| awake[1].poll_event());
            events.any(|event| {
                matches!(event, TransportEvent::ChannelMessage(text) if text.contains("msgPayload"))
            })
        },
    );
}
