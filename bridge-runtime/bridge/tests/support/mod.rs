//! Workers and participants on the loopback interface.
#![allow(dead_code, reason = "each test program uses its part")]

pub(crate) mod call;
pub(crate) mod channel;
pub(crate) mod program;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use jitctl_bridge::media::{MediaSocket, WorkerConfig, WorkerHandle, WorkerSeat, start};
use jitctl_bridge::{ConferenceService as _, MediaConferences};
use jitctl_loopback::Participant;
use jitctl_media::engine::{Engine, Room};
use jitctl_media::transport::dtls::Identity;
use jitctl_media::transport::ice::{AddressPlan, IceConfig};
use jitctl_media::transport::{TransportConfig, TransportEvent};

/// Long enough for the slowest machine; nothing waits for it to pass.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn worker<R: Room + Send + 'static>(
    address: &str,
    config: WorkerConfig,
) -> WorkerHandle<R> {
    workers(address, config, 1).remove(0)
}

/// Workers that share one port.
pub(crate) fn workers<R: Room + Send + 'static>(
    address: &str,
    config: WorkerConfig,
    count: usize,
) -> Vec<WorkerHandle<R>> {
    let address: SocketAddr = address.parse().expect("an address");
    let sockets = MediaSocket::bind_group(address, count).expect("bound");
    let transport = TransportConfig {
        plan: Arc::new(AddressPlan {
            sockets: vec![sockets[0].local()],
            mappings: Vec::new(),
            advertise_private: true,
        }),
        identity: Arc::new(Identity::generate().expect("a certificate")),
        ice: IceConfig::default(),
        fragment_prefix: "test".to_owned(),
    };
    let seats = sockets
        .into_iter()
        .map(|socket| WorkerSeat {
            sockets: vec![socket],
            on_event: Box::new(|_, _| {}),
        })
        .collect();
    let started = start(seats, &transport, config).expect("started");
    started
        .into_iter()
        .map(|(handle, _thread)| handle)
        .collect()
}

pub(crate) fn in_engine<R: Room + 'static, Output: Send + 'static>(
    worker: &WorkerHandle<R>,
    command: impl FnOnce(&mut Engine<R>, Instant) -> Output + Send + 'static,
) -> Output {
    let (sender, receiver) = channel();
    worker
        .run(move |engine, now| {
            let _ = sender.send(command(engine, now));
        })
        .expect("the worker runs");
    receiver.recv_timeout(PATIENCE).expect("the worker answers")
}

/// Turns all participants until `done` says so.
pub(crate) fn turn_until(
    participants: &mut [Participant],
    what: &str,
    mut media: impl FnMut(usize, &[u8]),
    mut done: impl FnMut(&mut [Participant]) -> bool,
) {
    let start = Instant::now();
    while !done(participants) {
        assert!(start.elapsed() < PATIENCE, "{what} did not happen");
        for (index, participant) in participants.iter_mut().enumerate() {
            participant.turn(Instant::now(), |header, packet| {
                media(index, &packet[header.length()..]);
            });
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Turns all participants until the bridge channel of each is open.
pub(crate) fn turn_until_joined(participants: &mut [Participant]) {
    let mut open = vec![false; participants.len()];
    turn_until(
        participants,
        "joining",
        |_, _| {},
        |participants| {
            for (open, participant) in open.iter_mut().zip(participants) {
                while let Some(event) = participant.poll_event() {
                    *open |= event == TransportEvent::ChannelOpen;
                }
            }
            open.iter().all(|open| *open)
        },
    );
}

/// How often the bridge dropped or refused something for `reason`.
pub(crate) fn counted(conferences: &MediaConferences, reason: &str) -> u64 {
    let mut reasons = conferences.dropped().into_iter();
    let found = reasons.find(|(name, _)| *name == reason);
    found.expect("a known reason").1
}

/// Waits until `look` finds something.
pub(crate) async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
