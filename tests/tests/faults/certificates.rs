//! Certificates: the public one and the internal one, expired, for other names, of a stranger.

use jitctl_tests::Lab;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, IsCa, Issuer, KeyPair, date_time_ymd,
};

use super::{Fault, keep, on, put_back};

const WEB: [&str; 2] = [
    "/etc/jitctl/pki/web/fullchain.pem",
    "/etc/jitctl/pki/web/privkey.pem",
];
const INTERNAL: [&str; 2] = [
    "/etc/prosody/certs/auth.meet.test.crt",
    "/etc/prosody/certs/auth.meet.test.key",
];
const AUTHORITY: &str = "/etc/jitctl/pki/ca.crt";

/// The list of signed certificate timestamps, which public authorities put into every certificate
/// (RFC 6962 section 3.3); an empty one.
const RECEIPTS: [u64; 10] = [1, 3, 6, 1, 4, 1, 11129, 2, 4, 2];

/// Certificate, key and authority, PEM.
pub(super) struct Issued {
    pub(super) certificate: String,
    pub(super) key: String,
    authority: String,
}

/// A certificate of an authority that nobody knows.
pub(super) fn issue(name: &str, expired: bool) -> Issued {
    let made = || -> Result<Issued, rcgen::Error> {
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = authority.self_signed(&authority_key)?;
        let issuer = Issuer::from_ca_cert_pem(&authority.pem(), authority_key)?;
        let key = KeyPair::generate()?;
        let mut leaf = CertificateParams::new(vec![name.to_owned()])?;
        if expired {
            leaf.not_before = date_time_ymd(2020, 1, 1);
            leaf.not_after = date_time_ymd(2021, 1, 1);
        }
        leaf.distinguished_name = rcgen::DistinguishedName::new();
        leaf.distinguished_name
            .push(rcgen::DnType::CommonName, name);
        leaf.custom_extensions
            .push(CustomExtension::from_oid_content(
                &RECEIPTS,
                vec![4, 2, 0, 0],
            ));
        Ok(Issued {
            certificate: leaf.signed_by(&key, &issuer)?.pem(),
            key: key.serialize_pem(),
            authority: authority.pem(),
        })
    };
    made().unwrap_or_else(|error| panic!("cannot issue a certificate: {error}"))
}

/// Writes over a file, so that owner and mode stay.
fn write(lab: &Lab, host: &str, path: &str, text: &str) {
    keep(lab, host, path);
    on(lab, host, &format!("cat > {path} <<'END'\n{text}\nEND"));
}

fn serve(lab: &Lab, paths: [&str; 2], service: &str, issued: &Issued) {
    let [certificate, key] = paths;
    write(lab, "h1", certificate, &issued.certificate);
    write(lab, "h1", key, &issued.key);
    on(lab, "h1", &format!("systemctl reload {service}; sleep 1"));
}

fn serve_again(lab: &Lab, paths: [&str; 2], service: &str) {
    for path in paths {
        put_back(lab, "h1", path);
    }
    on(lab, "h1", &format!("systemctl reload {service}"));
}

pub(crate) static FAULTS: &[Fault] = &[
    Fault {
        name: "public certificate expired",
        code: "T01",
        host: "h1",
        cause: |lab| serve(lab, WEB, "nginx", &issue("meet.test", true)),
        mend: |lab| serve_again(lab, WEB, "nginx"),
    },
    Fault {
        name: "public certificate for another name",
        code: "T04",
        host: "h1",
        cause: |lab| serve(lab, WEB, "nginx", &issue("other.test", false)),
        mend: |lab| serve_again(lab, WEB, "nginx"),
    },
    Fault {
        name: "public certificate signed itself",
        code: "T05",
        host: "h1",
        cause: |lab| {
            let made = rcgen::generate_simple_self_signed(vec!["meet.test".to_owned()]);
            let made = made.unwrap_or_else(|error| panic!("{error}"));
            let issued = Issued {
                certificate: made.cert.pem(),
                key: made.signing_key.serialize_pem(),
                authority: String::new(),
            };
            serve(lab, WEB, "nginx", &issued);
        },
        mend: |lab| serve_again(lab, WEB, "nginx"),
    },
    Fault {
        name: "public certificate without its intermediate",
        code: "W11",
        host: "h1",
        cause: |lab| serve(lab, WEB, "nginx", &issue("meet.test", false)),
        mend: |lab| serve_again(lab, WEB, "nginx"),
    },
    Fault {
        name: "internal certificate expired",
        code: "X10",
        host: "h1",
        cause: |lab| serve(lab, INTERNAL, "prosody", &issue("auth.meet.test", true)),
        mend: |lab| serve_again(lab, INTERNAL, "prosody"),
    },
    Fault {
        name: "internal certificate of an unknown authority",
        code: "X09",
        host: "h1",
        cause: |lab| serve(lab, INTERNAL, "prosody", &issue("auth.meet.test", false)),
        mend: |lab| serve_again(lab, INTERNAL, "prosody"),
    },
    Fault {
        name: "internal certificate for another name",
        code: "X09",
        host: "h1",
        cause: |lab| {
            let issued = issue("other.test", false);
            for host in ["h1", "h2", "h3"] {
                write(lab, host, AUTHORITY, &issued.authority);
            }
            serve(lab, INTERNAL, "prosody", &issued);
        },
        mend: |lab| {
            for host in ["h1", "h2", "h3"] {
                put_back(lab, host, AUTHORITY);
            }
            serve_again(lab, INTERNAL, "prosody");
        },
    },
];
