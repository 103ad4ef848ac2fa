//! Sessions with state: DTLS before and after its handshake, SCTP in it, a whole transport.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use jitctl_media::transport::data_channel::DataChannel;
use jitctl_media::transport::dtls::{Dtls, DtlsRole, Identity, read_client_hello};
use jitctl_media::transport::ice::{AddressPlan, IceConfig, Route};
use jitctl_media::transport::{Transport, TransportConfig, TransportOptions};

use super::Target;
use crate::corpus::Recordings;

/// Datagrams of one input: each follows its length, which is cut to what is left.
fn datagrams(mut input: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = input.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (datagram, rest) = rest.split_at(length);
        input = rest;
        Some(datagram)
    })
}

fn framed(datagrams: &[Vec<u8>]) -> Vec<u8> {
    let with_length = |datagram: &Vec<u8>| {
        let length = u16::try_from(datagram.len()).unwrap_or(u16::MAX);
        [&length.to_be_bytes(), &datagram[..]].concat()
    };
    datagrams.iter().flat_map(with_length).collect()
}

fn identity() -> Arc<Identity> {
    static IDENTITY: OnceLock<Arc<Identity>> = OnceLock::new();
    Arc::clone(IDENTITY.get_or_init(|| Arc::new(Identity::generate().expect("a certificate"))))
}

fn association(now: Instant, role: DtlsRole) -> Dtls {
    let mut dtls = Dtls::new(identity());
    dtls.set_peer(now, role, vec![identity().fingerprint().clone()]);
    dtls.set_path_valid(now);
    dtls
}

/// A handshake with a client that knows nothing of hostility, and the datagrams of that client.
fn handshake(now: Instant, server: &mut Dtls) -> (Dtls, Vec<Vec<u8>>) {
    let mut client = association(now, DtlsRole::Client);
    let mut sent = Vec::new();
    for _ in 0..20 {
        while let Some(datagram) = client.poll_transmit() {
            sent.push(datagram.to_vec());
            server.handle(now, &datagram);
        }
        while let Some(datagram) = server.poll_transmit() {
            client.handle(now, &datagram);
        }
    }
    (client, sent)
}

pub(super) const DTLS: Target = Target {
    name: "dtls",
    recordings: Recordings::None,
    made: || {
        let now = Instant::now();
        let mut server = association(now, DtlsRole::Server);
        let (mut client, mut sent) = handshake(now, &mut server);
        client.send(now, b"data");
        sent.extend(client.poll_transmit().map(|datagram| datagram.to_vec()));
        client.close(now);
        sent.extend(client.poll_transmit().map(|datagram| datagram.to_vec()));
        let mut inputs = vec![framed(&sent)];
        inputs.extend(sent.chunks(1).map(framed));
        inputs
    },
    run: |input| {
        let mut now = Instant::now();
        let all: Vec<Vec<u8>> = datagrams(input).map(<[u8]>::to_vec).collect();
        let _ = read_client_hello(&all);
        for role in [DtlsRole::Server, DtlsRole::Client] {
            let mut dtls = association(now, role);
            for datagram in &all {
                dtls.handle(now, datagram);
                now += Duration::from_millis(300);
                dtls.handle_timeout(now);
                while dtls.poll_transmit().is_some() || dtls.poll_event().is_some() {}
            }
        }
    },
};

/// Reads an input as changes to genuine packets of a client: place, value, place, value.
pub(super) const SCTP: Target = Target {
    name: "sctp",
    recordings: Recordings::None,
    made: || {
        vec![
            vec![0, 0],
            vec![12, 1, 16, 0xff],
            vec![13, 3, 28, 0x80, 1, 9],
        ]
    },
    run: |input| {
        let mut now = Instant::now();
        let (mut client, mut server) = (DataChannel::active(now), DataChannel::passive());
        // The raw input first: nothing of it belongs to an association.
        server.handle(now, BytesMut::from(input));
        let mut changes = input.chunks_exact(2);
        for turn in 0..24 {
            if client.is_open() {
                let _ = client.send(now, "{\"colibriClass\":\"x\"}");
            }
            while let Some(packet) = client.poll_transmit() {
                let mut changed = packet.to_vec();
                if turn % 2 == 1 {
                    for change in changes.by_ref().take(4) {
                        let place = usize::from(change[0]) % changed.len().max(1);
                        if let Some(byte) = changed.get_mut(place) {
                            *byte ^= change[1];
                        }
                    }
                    sign(&mut changed);
                    server.handle(now, BytesMut::from(&changed[..]));
                } else {
                    server.handle(now, BytesMut::from(&packet[..]));
                }
            }
            while let Some(packet) = server.poll_transmit() {
                client.handle(now, BytesMut::from(&packet[..]));
            }
            while server.poll_event().is_some() || client.poll_event().is_some() {}
            now += Duration::from_millis(200);
            client.handle_timeout(now);
            server.handle_timeout(now);
        }
    },
};

pub(super) const TRANSPORT: Target = Target {
    name: "transport",
    recordings: Recordings::None,
    made: || {
        vec![
            framed(&[vec![0x80; 40], vec![0x16; 60], vec![0; 20]]),
            framed(&[vec![0x80, 200, 0, 1, 0, 0, 0, 1], vec![0x17, 0xfe, 0xfd]]),
        ]
    },
    run: |input| {
        let mut now = Instant::now();
        let local = ([192, 0, 2, 1], 10_000).into();
        let config = TransportConfig {
            plan: Arc::new(AddressPlan {
                sockets: vec![local],
                ..AddressPlan::default()
            }),
            identity: identity(),
            ice: IceConfig::default(),
            fragment_prefix: String::new(),
        };
        let mut transport =
            Transport::new(config, TransportOptions::default()).expect("a transport");
        let route = Route {
            local,
            remote: ([198, 51, 100, 1], 4000).into(),
        };
        for datagram in datagrams(input) {
            let mut datagram = datagram.to_vec();
            transport.handle_datagram(now, route, &mut datagram);
            now += Duration::from_millis(50);
            transport.handle_timeout(now);
            while transport.poll_transmit().is_some() || transport.poll_event().is_some() {}
        }
    },
};

/// Puts the right checksum (CRC32c, RFC 4960 appendix B) into an SCTP packet.
fn sign(packet: &mut [u8]) {
    let Some(field) = packet.get_mut(8..12) else {
        return;
    };
    field.fill(0);
    let mut sum = u32::MAX;
    for byte in &*packet {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0x82F6_3B78 & (sum & 1).wrapping_neg());
        }
    }
    packet[8..12].copy_from_slice(&(!sum).to_le_bytes());
}
