//! The public address of a virtual machine at AWS, as its metadata service tells it (IMDSv2).
//!
//! Asked once at the start, and only when the configuration says so: elsewhere the address belongs
//! to somebody else. HTTP by hand, since the two sides of it are three short texts.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use jitctl_media::transport::ice::Mapping;

/// Where every instance finds the service.
pub(crate) const SERVICE: SocketAddr =
    SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(169, 254, 169, 254)), 80);
/// Each step may take this long.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest answer that is read.
const LONGEST_ANSWER: u64 = 4096;
const TOKEN: &str = "X-aws-ec2-metadata-token";

/// Asks `service` under which address outside this host is reached. Blocks.
///
/// # Errors
/// What went wrong, with the step.
pub(crate) fn mapping(service: SocketAddr) -> io::Result<Mapping> {
    let seconds = format!("{TOKEN}-ttl-seconds: 60");
    let token = ask(service, "PUT", "api/token", &seconds)?;
    let token = format!("{TOKEN}: {token}");
    let address = |path: &str| {
        let text = ask(service, "GET", path, &token)?;
        let parsed: Result<IpAddr, _> = text.parse();
        parsed.map_err(|_| trouble(path, "the answer is no address"))
    };
    Ok(Mapping {
        local: Some(address("meta-data/local-ipv4")?),
        public: address("meta-data/public-ipv4")?,
        port: None,
    })
}

fn trouble(path: &str, what: &str) -> io::Error {
    io::Error::other(format!("/latest/{path}: {what}"))
}

/// The body of an answer with status 200.
fn ask(service: SocketAddr, method: &str, path: &str, header: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&service, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let host = service.ip();
    let request = format!(
        "{method} /latest/{path} HTTP/1.1\r\nHost: {host}\r\n{header}\r\nContent-Length: 0\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.take(LONGEST_ANSWER).read_to_string(&mut answer)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or_else(|| trouble(path, "the answer is no HTTP"))?;
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    if status != "200" {
        return Err(trouble(path, &format!("status {status}")));
    }
    let body = body.trim();
    // It becomes part of a header.
    if body.is_empty() || body.contains(char::is_control) {
        return Err(trouble(path, "the answer is not one line"));
    }
    Ok(body.to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A metadata service that gives out a token, and addresses to those who show it.
    fn service(public: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = [0; 1024];
                let length = stream.read(&mut request).unwrap();
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let knows = request.contains("\r\nX-aws-ec2-metadata-token: secret\r\n");
                let (status, body) = match request.split_whitespace().nth(1).unwrap() {
                    "/latest/api/token" if request.starts_with("PUT") => ("200 OK", "secret"),
                    "/latest/meta-data/local-ipv4" if knows => ("200 OK", "10.0.0.5"),
                    "/latest/meta-data/public-ipv4" if knows && !public.is_empty() => {
                        ("200 OK", public)
                    }
                    _ => ("404 Not Found", "no"),
                };
                write!(stream, "HTTP/1.1 {status}\r\nServer: EC2ws\r\n\r\n{body}").unwrap();
            }
        });
        address
    }

    #[test]
    fn the_service_tells_the_address_outside() {
        let expected = Mapping {
            local: Some("10.0.0.5".parse().unwrap()),
            public: "203.0.113.7".parse().unwrap(),
            port: None,
        };
        assert_eq!(mapping(service("203.0.113.7")).unwrap(), expected);
    }

    #[test]
    fn an_instance_without_public_address_and_other_answers_are_named() {
        for (public, expected) in [
            ("", "/latest/meta-data/public-ipv4: status 404"),
            (
                "<html>",
                "/latest/meta-data/public-ipv4: the answer is no address",
            ),
            (
                "1\r\n2",
                "/latest/meta-data/public-ipv4: the answer is not one line",
            ),
        ] {
            let error = mapping(service(public)).unwrap_err().to_string();
            assert_eq!(error, expected);
        }
        let nobody = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        assert!(mapping(nobody).is_err());
    }
}
