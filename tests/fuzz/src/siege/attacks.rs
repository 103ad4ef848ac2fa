//! What hostile people send, and what became of it.

use std::net::SocketAddr;

use jitctl_media::srtp::{MAX_OVERHEAD, MasterKey, Profile, Protector};
use jitctl_media::transport::stun::{Builder, Class, IntegrityKey, Message};

use super::{PEACEFUL, Reception, World, person};
use crate::mutator::Mutator;

/// Captured datagrams kept of each person.
const MEMORY: usize = 512;

/// Outsiders with eyes everywhere, and the one inside.
pub(super) struct Attacker {
    random: Mutator,
    /// Datagrams of each person as they went over the network.
    captured: Vec<Vec<Vec<u8>>>,
    /// Media of each victim under keys of the attacker.
    forged: Vec<Vec<Vec<u8>>>,
    sequence: u16,
    pub(super) outside: u64,
    pub(super) inside: u64,
    /// Of those from outside: authentic requests sent again.
    pub(super) authentic: u64,
    /// Of those from outside: plain Binding requests.
    pub(super) answered: u64,
    /// Of those from outside: handshake records that made the last flight be sent again.
    pub(super) repeated: u64,
    /// Of those from inside: dropped by the transport.
    pub(super) dropped_inside: u64,
}

impl Attacker {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: Mutator::new(seed),
            captured: vec![Vec::new(); PEACEFUL + 1],
            forged: (0..PEACEFUL).map(forged_media).collect(),
            sequence: 0,
            outside: 0,
            inside: 0,
            authentic: 0,
            answered: 0,
            repeated: 0,
            dropped_inside: 0,
        }
    }

    pub(super) fn capture(&mut self, person: usize, datagram: &[u8]) {
        let kept = &mut self.captured[person];
        if kept.len() < MEMORY {
            kept.push(datagram.to_vec());
        } else {
            let place = self.random.below(MEMORY);
            kept[place] = datagram.to_vec();
        }
    }

    /// One packet.
    pub(super) fn strike(&mut self, world: &mut World) {
        let victim = self.random.below(PEACEFUL);
        let at_victim = world.people[victim].address;
        let genuine = self.random.pick(&self.captured[victim]).clone();
        match self.random.below(16) {
            0..=3 => {
                let other = self.random.pick(&self.captured[PEACEFUL]).clone();
                let changed = self.random.mutated(&genuine, &other);
                self.send_from_outside(world, at_victim, changed);
            }
            4 => self.send_from_outside(world, at_victim, genuine),
            5 => {
                let anywhere = self.nowhere();
                self.send_from_outside(world, anywhere, genuine);
            }
            6 => {
                let other = world.people[(victim + 1) % PEACEFUL].address;
                self.send_from_outside(world, other, genuine);
            }
            7 => {
                let anywhere = self.nowhere();
                let noise = self.random.mutated(&[], &genuine);
                self.send_from_outside(world, anywhere, noise);
            }
            8 | 9 => {
                let check = self.check(world, victim);
                let from = if self.random.below(2) == 0 {
                    at_victim
                } else {
                    self.nowhere()
                };
                self.send_from_outside(world, from, check);
            }
            10 | 11 => {
                let forged = self.random.pick(&self.forged[victim]).clone();
                self.send_from_outside(world, at_victim, forged);
            }
            12 => {
                let record = self.record();
                self.send_from_outside(world, at_victim, record);
            }
            13 | 14 => self.send_packet_from_inside(world),
            _ => self.send_message_from_inside(world),
        }
    }

    fn send_from_outside(&mut self, world: &mut World, remote: SocketAddr, mut datagram: Vec<u8>) {
        self.outside += 1;
        match world.offer(remote, &mut datagram) {
            Reception::Authentic => self.authentic += 1,
            Reception::Answered => self.answered += 1,
            Reception::Repeated => self.repeated += 1,
            Reception::Dropped => {}
        }
    }

    /// An address that belongs to nobody.
    fn nowhere(&mut self) -> SocketAddr {
        let port = 1024 + self.random.below(60_000) as u16;
        SocketAddr::from(([192, 0, 2, self.random.below(256) as u8], port))
    }

    /// A check for the right fragment that nominates, without or with a wrong integrity.
    fn check(&mut self, world: &World, victim: usize) -> Vec<u8> {
        let captured = &self.captured[victim];
        let names = captured.iter().find_map(|datagram| {
            let message = Message::parse(datagram).ok()?;
            let (receiver, sender) = message.fragments()?;
            Some((receiver.to_owned(), sender.to_owned()))
        });
        let own = world.people[victim].transport.description().credentials;
        let (receiver, sender) = names.unwrap_or((own.fragment, String::from("x")));
        let mut transaction = [0; 12];
        for byte in &mut transaction {
            *byte = self.random.below(256) as u8;
        }
        let is_lost = self.random.below(4) == 0;
        let mut check = Builder::new(Class::Request, &transaction);
        check
            .username(if is_lost { "nobody" } else { &receiver }, &sender)
            .priority(u32::MAX)
            .controlling(u64::MAX)
            .use_candidate();
        if self.random.below(2) == 0 {
            return check.finish_unsigned();
        }
        let key = IntegrityKey::new("not the password at all").expect("a key");
        check.finish(&key)
    }

    /// A DTLS record: alert, hello, data; in the clear or as if it were not.
    fn record(&mut self) -> Vec<u8> {
        let kind = *self.random.pick(&[20, 21, 22, 23, 24, 25]);
        let epoch = self.random.below(3) as u8;
        let alert = *self.random.pick(&[[1, 0], [2, 40], [2, 10]]);
        let body: &[u8] = match kind {
            21 => &alert,
            22 => &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xfe],
            _ => &[1; 60],
        };
        let mut record = vec![kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0];
        record.push(self.random.below(256) as u8);
        record.extend((body.len() as u16).to_be_bytes());
        record.extend(body);
        record
    }

    /// RTP or RTCP of the one inside, changed before it was protected.
    fn send_packet_from_inside(&mut self, world: &mut World) {
        let victim = self.random.below(PEACEFUL);
        let ssrc = person::ssrcs(if self.random.below(4) == 0 {
            victim
        } else {
            PEACEFUL
        })[1];
        let is_rtcp = self.random.below(3) == 0;
        let template = if is_rtcp {
            let [a, b, c, d] = ssrc.to_be_bytes();
            // A report, then PLI, NACK, REMB and transport-wide feedback about the victim.
            let feedback = [
                [
                    0x81, 206, 0, 2, 0, 0, 0, 1, a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0,
                ],
                [
                    0x81, 205, 0, 3, 0, 0, 0, 1, a, b, c, d, 0, 9, 0xff, 0xff, 0, 0, 0, 0,
                ],
                [
                    0x8f, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, b'R', b'E', b'M', b'B', 0, 0, 0, 9,
                ],
                [
                    0x8f, 205, 0, 4, 0, 0, 0, 1, a, b, c, d, 0, 1, 0, 9, 0, 0, 0, 1,
                ],
            ];
            let report = [0x80, 201, 0, 1, 0, 0, 0, 1];
            let feedback: &[u8; 20] = self.random.pick(&feedback);
            [&report[..], feedback].concat()
        } else {
            let mut packet = vec![0x80, *self.random.pick(&[person::OPUS, person::VP8, 96])];
            self.sequence = self.sequence.wrapping_add(1);
            packet.extend(self.sequence.to_be_bytes());
            packet.extend([0; 4]);
            packet.extend(ssrc.to_be_bytes());
            packet.extend([0x90, 0xe0, 0x80, 5, 5, 0, 0x10, 2, 0, 0x9d, 1, 0x2a]);
            packet.extend([0x66; 60]);
            if self.random.below(8) == 0 {
                // More padding than there is payload (RFC 3550 section 5.1).
                packet[0] |= 0x20;
                packet.push(0xff);
            }
            packet
        };
        let changed = self.random.mutated(&template, &template);
        self.inside += 1;
        let insider = &mut world.people[PEACEFUL];
        if let Some(mut datagram) = insider.protected(changed, is_rtcp) {
            let remote = insider.address;
            let before = world.dropped();
            world.offer(remote, &mut datagram);
            self.dropped_inside += world.dropped() - before;
        }
    }

    /// A message of the one inside: bombs in JSON, and changed wishes.
    fn send_message_from_inside(&mut self, world: &mut World) {
        const WISHES: &str = r#"{"colibriClass":"ReceiverVideoConstraints","lastN":9,"constraints":{"person0-v0":{"maxHeight":180}},"onStageSources":["person1-v0"]}"#;
        let message = match self.random.below(40) {
            0 => "[".repeat(3000),
            1 => format!(
                "{{\"colibriClass\":\"EndpointStats\",\"a\":{}1{}}}",
                "[".repeat(500),
                "]".repeat(500)
            ),
            2 => format!("{{\"colibriClass\":\"{}\"}}", "A".repeat(9000)),
            _ => {
                let changed = self.random.mutated(WISHES.as_bytes(), WISHES.as_bytes());
                String::from_utf8_lossy(&changed[..changed.len().min(2000)]).into_owned()
            }
        };
        self.inside += 1;
        // Refused while too much waits already: the client's own buffer.
        let _ = world.people[PEACEFUL]
            .transport
            .send_message(world.now, &message);
    }
}

/// Audio and video of a victim, protected with a key nobody agreed on.
fn forged_media(victim: usize) -> Vec<Vec<u8>> {
    let profile = Profile::AeadAes128Gcm;
    let key = MasterKey::new(profile, &[0x66; 16], &[0x66; 12]).expect("a key");
    let mut protector = Protector::new(profile, &key).expect("a key");
    let packets = (0..500_u16)
        .flat_map(|number| person::ssrcs(victim).map(|ssrc| (number.wrapping_add(65_000), ssrc)));
    let mut forge = |(number, ssrc): (u16, u32)| {
        let mut packet = vec![0x80, person::OPUS];
        packet.extend(number.to_be_bytes());
        packet.extend([0; 4]);
        packet.extend(ssrc.to_be_bytes());
        packet.extend([0x66; 200]);
        let length = packet.len();
        packet.resize(length + MAX_OVERHEAD, 0);
        let length = protector.protect_rtp(&mut packet, length).expect("room");
        packet.truncate(length);
        packet
    };
    packets.map(&mut forge).collect()
}
