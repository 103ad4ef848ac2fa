//! What tests of our daemons start them with, and how they ask them over HTTP.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::{
    BREWERY, BRIDGE_PASSWORD, CLIENT_DOMAIN, COMPONENT, COMPONENT_SECRET, FOCUS_PASSWORD, Prosody,
    SERVICE_DOMAIN,
};

impl Prosody {
    /// A file in the server's directory that only the own user may read.
    pub fn secret_file(&self, name: &str, value: &str) -> PathBuf {
        let path = self.path(name);
        let directory = path.parent().expect("a name in a directory");
        fs::create_dir_all(directory).expect("a directory");
        fs::write(&path, value).expect("a secret");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
        path
    }

    /// The lines that every `xmpp` section of a daemon has.
    fn account(&self, username: &str, password: &str) -> String {
        format!(
            "address = \"127.0.0.1:{}\"\ndomain = \"{SERVICE_DOMAIN}\"\nusername = \"{username}\"\n\
             password_file = \"{}\"\nbrewery = \"{BREWERY}\"\nca_file = \"{}\"\n",
            self.client_port,
            self.secret_file(&format!("{username}-password"), password)
                .display(),
            self.authority_file().display(),
        )
    }
}

/// Writes the configuration of a bridge of this server. `rest` goes on in the section `http`.
pub fn bridge_configuration(
    prosody: &Prosody,
    nickname: &str,
    http_port: u16,
    rest: &str,
) -> PathBuf {
    let config = format!(
        "[identity]\nnickname = \"{nickname}\"\nregion = \"eu\"\n[[xmpp]]\n{}\
         [http]\nprivate = \"127.0.0.1:{http_port}\"\n{rest}",
        prosody.account("jvb", BRIDGE_PASSWORD)
    );
    let path = prosody.path(&format!("{nickname}-{http_port}.toml"));
    fs::write(&path, config).expect("a configuration");
    path
}

/// Writes the configuration of a focus of this server. `rest` goes on in the section `http`.
pub fn focus_configuration(prosody: &Prosody, http_port: u16, rest: &str) -> PathBuf {
    let config = format!(
        "[xmpp]\n{}client_domain = \"{CLIENT_DOMAIN}\"\nmuc = \"conference.{CLIENT_DOMAIN}\"\n\
         [component]\naddress = \"127.0.0.1:{}\"\nname = \"{COMPONENT}\"\nsecret_file = \"{}\"\n\
         [http]\nprivate = \"127.0.0.1:{http_port}\"\n{rest}",
        prosody.account("focus", FOCUS_PASSWORD),
        prosody.component_port,
        prosody
            .secret_file("component-secret", COMPONENT_SECRET)
            .display(),
    );
    let path = prosody.path("focus.toml");
    fs::write(&path, config).expect("a configuration");
    path
}

/// One HTTP request to loopback: status and body; `None` when nobody listens.
pub fn http_request(port: u16, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(
        socket,
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).ok()?;
    let status = answer.split_whitespace().nth(1)?.parse().ok()?;
    let body = answer.split_once("\r\n\r\n")?.1.to_owned();
    Some((status, body))
}
