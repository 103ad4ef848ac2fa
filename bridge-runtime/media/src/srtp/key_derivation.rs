//! The AES-CM key derivation function of RFC 3711 section 4.3 with a derivation rate of zero.

use aes::Aes128;
use aes::cipher::{KeyIvInit, StreamCipher};

use super::MasterKey;

/// What a derived key is for (RFC 3711 section 4.3.2).
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(super) enum Label {
    RtpEncryption = 0,
    RtpAuthentication = 1,
    RtpSalt = 2,
    RtcpEncryption = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

/// Derives `LENGTH` bytes of session key.
pub(super) fn derive<const LENGTH: usize>(master: &MasterKey, label: Label) -> [u8; LENGTH] {
    let mut vector = [0u8; 16];
    vector[..14].copy_from_slice(&*master.salt);
    vector[7] ^= label as u8;
    let mut out = [0u8; LENGTH];
    let mut keystream = ctr::Ctr128BE::<Aes128>::new((&*master.key).into(), (&vector).into());
    keystream.apply_keystream(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::super::Profile;
    use super::*;

    /// RFC 3711 appendix B.3.
    #[test]
    fn session_keys_match_the_rfc() {
        let master = MasterKey::new(
            Profile::Aes128CmHmacSha1_80,
            &0xE1F9_7A0D_3E01_8BE0_D64F_A32C_06DE_4139_u128.to_be_bytes(),
            &0x0EC6_75AD_498A_FEEB_B696_0B3A_ABE6_u128.to_be_bytes()[2..],
        )
        .unwrap();
        assert_eq!(
            derive::<16>(&master, Label::RtpEncryption),
            0xC61E_7A93_744F_39EE_1073_4AFE_3FF7_A087_u128.to_be_bytes()
        );
        assert_eq!(
            derive::<14>(&master, Label::RtpSalt),
            0x30CB_BC08_863D_8C85_D49D_B34A_9AE1_u128.to_be_bytes()[2..]
        );
        assert_eq!(
            derive::<16>(&master, Label::RtpAuthentication),
            0xCEBE_321F_6FF7_716B_6FD4_AB49_AF25_6A15_u128.to_be_bytes()
        );
    }
}
