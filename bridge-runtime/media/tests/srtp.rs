//! SRTP against an independent implementation, and against an attacker.
#![expect(clippy::expect_used, reason = "tests name what must hold")]

use jitctl_media::rtp::Header;
use jitctl_media::srtp::{
    MAX_OVERHEAD, MAX_SENT_STREAMS, MAX_STREAMS, MasterKey, Profile, Protector, SrtpError,
    Unprotector,
};
use proptest::prelude::*;
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::RingProvider;
use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;

const PROFILES: [Profile; 2] = [Profile::AeadAes128Gcm, Profile::Aes128CmHmacSha1_80];
const KEY: [u8; 16] = [0x5A; 16];
const SALT: [u8; 14] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14];

fn master(profile: Profile) -> MasterKey {
    MasterKey::new(profile, &KEY, &SALT[..profile.salt_length()]).expect("lengths fit")
}

fn pair(profile: Profile) -> (Protector, Unprotector) {
    let master = master(profile);
    (
        Protector::new(profile, &master).expect("key fits"),
        Unprotector::new(profile, &master).expect("key fits"),
    )
}

fn oracle(profile: Profile) -> Context {
    let theirs = match profile {
        Profile::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        Profile::Aes128CmHmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
    };
    let provider = RingProvider::new();
    Context::new(
        &KEY,
        &SALT[..profile.salt_length()],
        theirs,
        None,
        None,
        provider.crypto(),
    )
    .expect("key fits")
}

fn rtp(ssrc: u32, sequence_number: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x90, 96];
    packet.extend(sequence_number.to_be_bytes());
    packet.extend([0, 0, 0, 9]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0xBE, 0xDE, 0, 1, 0x51, 7, 8, 0]);
    packet.extend(payload);
    packet
}

fn rtcp(ssrc: u32, blocks: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 201];
    packet.extend(
        u16::try_from(1 + blocks.len() / 4)
            .expect("short")
            .to_be_bytes(),
    );
    packet.extend(ssrc.to_be_bytes());
    packet.extend(&blocks[..blocks.len() / 4 * 4]);
    packet
}

fn protect(protector: &mut Protector, plain: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut buffer = plain.to_vec();
    buffer.resize(plain.len() + MAX_OVERHEAD, 0);
    let length = protector.protect_rtp(&mut buffer, plain.len())?;
    buffer.truncate(length);
    Ok(buffer)
}

fn unprotect(unprotector: &mut Unprotector, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut buffer = packet.to_vec();
    let header = Header::parse(packet).map_err(|_| SrtpError::Malformed(packet.len()))?;
    let length = unprotector.unprotect_rtp(&header, &mut buffer)?;
    buffer.truncate(length);
    Ok(buffer)
}

fn protect_rtcp(protector: &mut Protector, plain: &[u8]) -> Vec<u8> {
    let mut buffer = plain.to_vec();
    buffer.resize(plain.len() + MAX_OVERHEAD, 0);
    let length = protector
        .protect_rtcp(&mut buffer, plain.len())
        .expect("protects");
    buffer.truncate(length);
    buffer
}

fn profiles() -> impl Strategy<Value = Profile> {
    prop::sample::select(PROFILES.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rtp_bytes_equal_the_oracles(
        profile in profiles(),
        payload in prop::collection::vec(any::<u8>(), 0..1300),
        first in any::<u16>(),
        ssrc in any::<u32>(),
    ) {
        let (mut protector, mut unprotector) = pair(profile);
        let (mut sender, mut receiver) = (oracle(profile), oracle(profile));
        // Passes the roll-over within the run.
        for step in 0..40u16 {
            let plain = rtp(ssrc, first.wrapping_add(step.wrapping_mul(2_000)), &payload);
            let ours = protect(&mut protector, &plain).expect("fresh index");
            prop_assert_eq!(ours.len(), plain.len() + profile.rtp_overhead());
            let theirs = sender.encrypt_rtp(&plain).expect("oracle encrypts");
            prop_assert_eq!(&ours[..], &theirs[..]);
            prop_assert_eq!(unprotect(&mut unprotector, &theirs).expect("opens"), plain.clone());
            prop_assert_eq!(&receiver.decrypt_rtp(&ours).expect("oracle opens")[..], &plain[..]);
        }
    }

    #[test]
    fn rtcp_opens_at_the_oracle_and_back(
        profile in profiles(),
        blocks in prop::collection::vec(any::<u8>(), 0..300),
        ssrc in any::<u32>(),
    ) {
        let (mut protector, mut unprotector) = pair(profile);
        let (mut sender, mut receiver) = (oracle(profile), oracle(profile));
        let plain = rtcp(ssrc, &blocks);
        for _ in 0..3 {
            let ours = protect_rtcp(&mut protector, &plain);
            prop_assert_eq!(ours.len(), plain.len() + profile.rtcp_overhead());
            prop_assert_eq!(&receiver.decrypt_rtcp(&ours).expect("oracle opens")[..], &plain[..]);
            let mut theirs = sender.encrypt_rtcp(&plain).expect("oracle encrypts").to_vec();
            let length = unprotector.unprotect_rtcp(&mut theirs).expect("opens");
            prop_assert_eq!(&theirs[..length], &plain[..]);
        }
    }

    #[test]
    fn any_changed_byte_is_refused(
        profile in profiles(),
        payload in prop::collection::vec(any::<u8>(), 0..100),
        position in any::<prop::sample::Index>(),
        change in 1u8..=255,
    ) {
        let (mut protector, mut unprotector) = pair(profile);
        let plain = rtp(7, 1, &payload);
        let sealed = protect(&mut protector, &plain).expect("protects");
        let mut changed = sealed.clone();
        changed[position.index(sealed.len())] ^= change;
        prop_assert!(unprotect(&mut unprotector, &changed).is_err());
        // The forgery left no trace: the true packet still opens.
        prop_assert_eq!(unprotect(&mut unprotector, &sealed).expect("opens"), plain);
        let sealed = protect_rtcp(&mut protector, &rtcp(7, &payload));
        let mut changed = sealed.clone();
        changed[position.index(sealed.len())] ^= change;
        prop_assert!(unprotector.unprotect_rtcp(&mut changed).is_err());
        prop_assert!(unprotector.unprotect_rtcp(&mut sealed.clone()).is_ok());
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        profile in profiles(),
        mut bytes in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let (mut protector, mut unprotector) = pair(profile);
        let _ = unprotect(&mut unprotector, &bytes);
        let _ = unprotector.unprotect_rtcp(&mut bytes.clone());
        let length = bytes.len();
        let _ = protector.protect_rtp(&mut bytes, length);
        let _ = protector.protect_rtcp(&mut bytes, length);
        prop_assert!(protector.streams() <= 1);
    }
}

#[test]
fn replayed_packets_are_refused() {
    for profile in PROFILES {
        let (mut protector, mut unprotector) = pair(profile);
        let sealed: Vec<_> = [10, 12, 11, 600]
            .iter()
            .map(|number| protect(&mut protector, &rtp(1, *number, &[1])).expect("fresh"))
            .collect();
        for packet in &sealed {
            unprotect(&mut unprotector, packet).expect("opens once");
        }
        for packet in &sealed {
            assert_eq!(
                unprotect(&mut unprotector, packet),
                Err(SrtpError::Replayed)
            );
        }
        let mut control = protect_rtcp(&mut protector, &rtcp(1, &[]));
        unprotector
            .unprotect_rtcp(&mut control.clone())
            .expect("opens once");
        assert_eq!(
            unprotector.unprotect_rtcp(&mut control),
            Err(SrtpError::Replayed)
        );
    }
}

#[test]
fn an_index_is_never_used_twice_for_sending() {
    for profile in PROFILES {
        let (mut protector, _) = pair(profile);
        protect(&mut protector, &rtp(1, 10, &[1])).expect("fresh");
        protect(&mut protector, &rtp(1, 8, &[1])).expect("late but fresh");
        assert_eq!(
            protect(&mut protector, &rtp(1, 10, &[2])),
            Err(SrtpError::IndexUsed { ssrc: 1 })
        );
    }
}

#[test]
fn unencrypted_rtcp_is_refused() {
    for profile in PROFILES {
        let (mut protector, mut unprotector) = pair(profile);
        let mut control = protect_rtcp(&mut protector, &rtcp(1, &[0; 8]));
        let word = match profile {
            Profile::AeadAes128Gcm => control.len() - 4,
            Profile::Aes128CmHmacSha1_80 => control.len() - 14,
        };
        control[word] &= 0x7F;
        assert_eq!(
            unprotector.unprotect_rtcp(&mut control),
            Err(SrtpError::NotEncrypted)
        );
    }
}

#[test]
fn the_number_of_sources_is_bounded() {
    let (mut protector, mut unprotector) = pair(Profile::AeadAes128Gcm);
    let limit = u32::try_from(MAX_SENT_STREAMS).expect("small");
    for ssrc in 0..limit {
        let sealed = protect(&mut protector, &rtp(ssrc, 1, &[1])).expect("below the limit");
        let opened = unprotect(&mut unprotector, &sealed).map(|_| ());
        // Ten times a meeting of 500 with three sources each may go by; a peer has fewer.
        if (ssrc as usize) < MAX_STREAMS {
            opened.expect("below the limit");
        } else {
            assert_eq!(opened, Err(SrtpError::TooManyStreams));
        }
    }
    assert_eq!(
        protect(&mut protector, &rtp(limit, 1, &[1])),
        Err(SrtpError::TooManyStreams)
    );
}

#[test]
fn exported_keys_are_split_in_the_order_of_the_rfc() {
    let profile = Profile::AeadAes128Gcm;
    let material: Vec<u8> = (0..56).collect();
    let keys = MasterKey::split(profile, &material).expect("56 bytes");
    let client = MasterKey::new(profile, &material[..16], &material[32..44]).expect("fits");
    let server = MasterKey::new(profile, &material[16..32], &material[44..]).expect("fits");
    for (split, whole) in [(keys.client, client), (keys.server, server)] {
        let mut sender = Protector::new(profile, &split).expect("fits");
        let mut receiver = Unprotector::new(profile, &whole).expect("fits");
        let sealed = protect(&mut sender, &rtp(1, 1, &[1])).expect("fresh");
        unprotect(&mut receiver, &sealed).expect("same keys");
    }
    assert!(MasterKey::split(profile, &material[1..]).is_err());
}

#[test]
fn missing_room_for_the_tag_is_named() {
    let (mut protector, _) = pair(Profile::AeadAes128Gcm);
    let mut packet = rtp(1, 1, &[1, 2, 3]);
    let length = packet.len();
    assert_eq!(
        protector.protect_rtp(&mut packet, length),
        Err(SrtpError::Space {
            needed: length + 16,
            length
        })
    );
}
