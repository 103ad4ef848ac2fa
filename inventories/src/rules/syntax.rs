//! Small grammars of names, as functions that say what is wrong.

use std::net::{IpAddr, SocketAddr};

/// Why `name` is no DNS name (RFC 1035 section 2.3.1, RFC 1123 section 2.1), if it is none.
pub(crate) fn dns_name_fault(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("it is empty".to_owned());
    }
    if name.len() > 253 {
        return Some("it is longer than 253 characters".to_owned());
    }
    if name.contains("://") {
        return Some("it is a URL: leave out the scheme".to_owned());
    }
    if name.ends_with('.') {
        return Some("it ends with a dot".to_owned());
    }
    name.split('.').find_map(label_fault)
}

fn label_fault(label: &str) -> Option<String> {
    if label.is_empty() {
        return Some("it has an empty part between two dots".to_owned());
    }
    if label.len() > 63 {
        return Some(format!("`{label}` is longer than 63 characters"));
    }
    if let Some(letter) = label.chars().find(char::is_ascii_uppercase) {
        return Some(format!("`{letter}` is upper case: write it in lower case"));
    }
    let allowed =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if let Some(letter) = label.chars().find(|letter| !allowed(*letter)) {
        let hint = if letter.is_ascii() {
            ""
        } else {
            ": write the `xn--` form"
        };
        return Some(format!("`{letter}` is not allowed{hint}"));
    }
    (label.starts_with('-') || label.ends_with('-'))
        .then(|| format!("`{label}` starts or ends with `-`"))
}

/// Why `name` cannot name a host of the inventory, a label or a region, if it cannot.
///
/// The same letters that host selection understands without quoting.
pub(crate) fn plain_name_fault(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("it is empty".to_owned());
    }
    if name.len() > 64 {
        return Some("it is longer than 64 characters".to_owned());
    }
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if let Some(letter) = name.chars().find(|letter| !allowed(*letter)) {
        return Some(format!("{letter:?} is not allowed"));
    }
    (!name.starts_with(|letter: char| letter.is_ascii_alphanumeric()))
        .then(|| "it does not start with a letter or digit".to_owned())
}

/// Why `server` is no `HOST:PORT` with a DNS name or an address, IPv6 in brackets, if it is none.
pub(crate) fn server_fault(server: &str) -> Option<String> {
    if server
        .parse::<SocketAddr>()
        .is_ok_and(|address| address.port() > 0)
    {
        return None;
    }
    let Some((host, port)) = server.rsplit_once(':') else {
        return Some("it has no port".to_owned());
    };
    if !port.parse::<u16>().is_ok_and(|port| port > 0) {
        return Some(format!("`{port}` is no port"));
    }
    dns_name_fault(host)
}

/// Why `nickname` cannot be a resource of a room (RFC 7622 section 3.4, stricter: readable ASCII).
pub(crate) fn nickname_fault(nickname: &str) -> Option<String> {
    plain_name_fault(nickname)
}

/// Whether no public authority gives certificates for names under this (RFC 2606, 6762, 8375, ICANN).
pub(crate) fn is_private_name(name: &str) -> bool {
    const PRIVATE: &[&str] = &[
        "test",
        "local",
        "localhost",
        "lan",
        "lab",
        "home",
        "internal",
        "intranet",
        "invalid",
        "corp",
        "private",
        "arpa",
    ];
    match name.rsplit_once('.') {
        None => true,
        Some((_, last)) => PRIVATE.contains(&last),
    }
}

/// The range that keeps `address` from being reached from the Internet, if any.
pub(crate) fn private_range(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            if v4.is_private() {
                Some("RFC 1918, private networks")
            } else if a == 100 && (64..128).contains(&b) {
                Some("RFC 6598, carrier-grade NAT")
            } else {
                None
            }
        }
        IpAddr::V6(v6) => v6
            .is_unique_local()
            .then_some("RFC 4193, unique local addresses"),
    }
}

/// Why no host can have `address`, if none can.
pub(crate) fn unusable(address: IpAddr) -> Option<&'static str> {
    let v4 = match address {
        IpAddr::V4(v4) => v4,
        IpAddr::V6(v6) => {
            return if v6.is_unspecified() {
                Some("the unspecified address")
            } else if v6.is_loopback() {
                Some("the loopback address")
            } else if v6.is_multicast() {
                Some("a multicast address")
            } else if v6.is_unicast_link_local() {
                Some("a link-local address")
            } else if v6.to_ipv4_mapped().is_some() {
                Some("an IPv4 address in IPv6 clothes: write the IPv4 address")
            } else {
                None
            };
        }
    };
    if v4.octets()[0] == 0 {
        Some("the unspecified address")
    } else if v4.is_loopback() {
        Some("a loopback address")
    } else if v4.is_multicast() {
        Some("a multicast address")
    } else if v4.is_broadcast() || v4.octets()[0] >= 240 {
        Some("a reserved address")
    } else if v4.is_link_local() {
        Some("a link-local address")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dns_names_are_told_from_other_texts() {
        for good in [
            "meet.example.org",
            "meet.test",
            "xn--bcher-kva.example",
            "localhost",
        ] {
            assert_eq!(dns_name_fault(good), None, "{good}");
        }
        for bad in [
            "",
            "Meet.example",
            "https://meet.example",
            "a..b",
            "-a.b",
            "a b",
            "bücher.example",
            "meet.example.",
        ] {
            assert!(dns_name_fault(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn ranges_are_named() {
        assert!(private_range("100.64.0.1".parse().unwrap()).is_some());
        assert!(private_range("fd00::1".parse().unwrap()).is_some());
        assert!(private_range("203.0.113.7".parse().unwrap()).is_none());
        assert!(unusable("fe80::1".parse().unwrap()).is_some());
        assert!(unusable("::ffff:10.0.0.1".parse().unwrap()).is_some());
        assert!(unusable("10.0.0.1".parse().unwrap()).is_none());
    }
}
