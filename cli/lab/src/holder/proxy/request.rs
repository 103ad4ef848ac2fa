//! Heads of HTTP/1 messages and addresses of packages, pure (RFC 9112).

/// The start line's parts and the fields of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) method: String,
    pub(super) target: String,
    version: String,
    fields: Vec<(String, String)>,
}

impl Head {
    /// `None` when the text is no request.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut start = lines.next()?.split(' ');
        let (method, target, version) = (start.next()?, start.next()?, start.next()?);
        if method.is_empty() || target.is_empty() || !version.starts_with("HTTP/1.") {
            return None;
        }
        Some(Self {
            method: method.to_owned(),
            target: target.to_owned(),
            version: version.to_owned(),
            fields: parse_fields(lines),
        })
    }

    /// Whether the client wants no further answer on this connection.
    pub(super) fn wants_close(&self) -> bool {
        let connection = field(&self.fields, "connection")
            .or_else(|| field(&self.fields, "proxy-connection"))
            .unwrap_or_default();
        connection.eq_ignore_ascii_case("close")
            || (self.version == "HTTP/1.0" && !connection.eq_ignore_ascii_case("keep-alive"))
    }
}

/// The status and the fields of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ResponseHead {
    pub(super) status: u16,
    pub(super) reason: String,
    fields: Vec<(String, String)>,
}

impl ResponseHead {
    /// `None` when the text is no response.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let start = lines.next()?.strip_prefix("HTTP/1.")?;
        let (_, rest) = start.split_once(' ')?;
        let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        Some(Self {
            status: status.trim().parse().ok()?,
            reason: reason.trim().to_owned(),
            fields: parse_fields(lines),
        })
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        field(&self.fields, name)
    }
}

fn parse_fields<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect()
}

fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields
        .iter()
        .find(|(found, _)| found == name)
        .map(|(_, value)| value.as_str())
}

/// `http://host[:port]/path`, as a client asks a proxy for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    /// With its leading `/` and any query.
    pub(super) path: String,
}

impl Target {
    /// `None` for anything but a plain http address.
    pub(super) fn parse(uri: &str) -> Option<Self> {
        let rest = uri.strip_prefix("http://")?;
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, "/"),
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (authority, 80),
        };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
        if host.is_empty() || !host.bytes().all(is_plain) {
            return None;
        }
        if path
            .bytes()
            .any(|byte| byte.is_ascii_control() || byte == b' ')
        {
            return None;
        }
        Some(Self {
            host: host.to_ascii_lowercase(),
            port,
            path: path.to_owned(),
        })
    }

    /// Packages and files named by their digest never change.
    pub(super) fn is_immutable(&self) -> bool {
        let extension = std::path::Path::new(&self.path).extension();
        extension.is_some_and(|extension| extension == "deb") || self.path.contains("/by-hash/")
    }

    pub(super) fn uri(&self) -> String {
        format!("http://{}:{}{}", self.host, self.port, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_of_apt_is_understood() {
        let head = Head::parse(
            "GET http://mirror.example.org/debian/dists/bookworm/InRelease HTTP/1.1\r\n\
             Host: mirror.example.org\r\nUser-Agent: Debian APT-HTTP/1.3 (2.6.1)\r\n\r\n",
        )
        .unwrap();
        assert_eq!(head.method, "GET");
        assert!(!head.wants_close());
        let target = Target::parse(&head.target).unwrap();
        assert_eq!(
            (target.host.as_str(), target.port),
            ("mirror.example.org", 80)
        );
        assert_eq!(target.path, "/debian/dists/bookworm/InRelease");
        assert!(!target.is_immutable());
    }

    #[test]
    fn packages_and_digests_are_immutable() {
        for path in [
            "/pool/main/p/prosody/prosody_0.12.3-1%2bdeb12u1_amd64.deb",
            "/x/by-hash/SHA256/ab",
        ] {
            assert!(
                Target::parse(&format!("http://a.b{path}"))
                    .unwrap()
                    .is_immutable()
            );
        }
    }

    #[test]
    fn what_is_no_plain_address_is_refused() {
        for uri in [
            "https://a/b",
            "http://",
            "http:///x",
            "http://a:x/",
            "http://a@b/",
            "/local",
            "http://a/b c",
        ] {
            assert_eq!(Target::parse(uri), None, "{uri}");
        }
        assert_eq!(
            Target::parse("http://Mirror.Example.Org").unwrap().uri(),
            "http://mirror.example.org:80/"
        );
    }

    #[test]
    fn a_connection_is_closed_when_either_says_so() {
        let close = |text: &str| Head::parse(text).unwrap().wants_close();
        assert!(close("GET http://a/ HTTP/1.1\r\nConnection: close\r\n\r\n"));
        assert!(close("GET http://a/ HTTP/1.0\r\n\r\n"));
        assert!(!close(
            "GET http://a/ HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"
        ));
    }

    #[test]
    fn a_response_is_understood() {
        let head =
            ResponseHead::parse("HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\n").unwrap();
        assert_eq!((head.status, head.reason.as_str()), (404, "Not Found"));
        assert_eq!(head.field("content-length"), Some("7"));
        assert_eq!(
            ResponseHead::parse("HTTP/1.1 200\r\n\r\n").unwrap().status,
            200
        );
        assert_eq!(ResponseHead::parse("SSH-2.0-x"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text in "(?s).{0,200}") {
            Head::parse(&text);
            ResponseHead::parse(&text);
            Target::parse(&text);
            Target::parse(&format!("http://{text}"));
        }
    }
}
