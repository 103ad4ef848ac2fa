//! The CRC-32 of FINGERPRINT (ITU V.42, reflected polynomial `0xEDB88320`), RFC 8489 section 14.7.

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0u32; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 {
                (value >> 1) ^ 0xEDB8_8320
            } else {
                value >> 1
            };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let mut value = u32::MAX;
    for byte in bytes {
        value = TABLE[usize::from(value.to_le_bytes()[0] ^ byte)] ^ (value >> 8);
    }
    !value
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_check_value_of_the_algorithm_holds() {
        assert_eq!(super::crc32(b"123456789"), 0xCBF4_3926);
    }
}
