//! Every way a login at a real Prosody can end is told apart.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::TcpListener;
use std::time::Duration;

use jitctl_testing::{
    BRIDGE_PASSWORD, CLIENT_DOMAIN, COMPONENT, COMPONENT_SECRET, Prosody, SERVICE_DOMAIN, Setup,
    Validity, free_port,
};
use jitctl_xmpp::{
    Credentials, Failure, LoginOutcome, ServerAddress, Stage, Target, TlsFailure, Trust,
    probe_login,
};

fn target(prosody: &Prosody, domain: &str) -> Target {
    Target {
        address: ServerAddress::new("127.0.0.1", prosody.client_port),
        domain: domain.to_owned(),
        trust: Some(Trust::from_pem_file(&prosody.authority_file()).unwrap()),
    }
}

fn account(username: &str, password: &str) -> Credentials {
    Credentials::Password {
        username: username.to_owned(),
        password: password.to_owned().into(),
    }
}

async fn probe(target: &Target, credentials: Credentials) -> LoginOutcome {
    probe_login(target, credentials, Duration::from_secs(10)).await
}

#[tokio::test]
async fn a_right_login_shows_stages_mechanisms_and_certificates() {
    let prosody = Prosody::start(&Setup::default());
    let outcome = probe(
        &target(&prosody, SERVICE_DOMAIN),
        account("jvb", BRIDGE_PASSWORD),
    )
    .await;
    let jid = outcome.result.clone().unwrap();
    assert_eq!(jid.bare(), "jvb@auth.meet.test");
    assert!(jid.resource().is_some());
    let stages: Vec<Stage> = outcome.stages.iter().map(|(stage, _)| *stage).collect();
    assert_eq!(
        stages,
        [
            Stage::Resolve,
            Stage::Connect,
            Stage::Open,
            Stage::Tls,
            Stage::Authenticate,
            Stage::Bind,
            Stage::Online
        ]
    );
    assert!(
        outcome.mechanisms.contains(&String::from("SCRAM-SHA-1")),
        "{outcome:?}"
    );
    assert_eq!(outcome.certificate_chain.len(), 1);
    assert_eq!(outcome.peer.unwrap().port(), prosody.client_port);
}

#[tokio::test]
async fn account_and_password_mistakes_are_told_apart() {
    let prosody = Prosody::start(&Setup::default());
    let service = target(&prosody, SERVICE_DOMAIN);
    let wrong_password = probe(&service, account("jvb", "wrong")).await;
    assert_eq!(
        wrong_password.result,
        Err(Failure::WrongPassword {
            username: String::from("jvb"),
            domain: String::from(SERVICE_DOMAIN)
        })
    );
    let no_account = probe(&service, account("nobody", BRIDGE_PASSWORD)).await;
    assert_eq!(
        no_account.result,
        Err(Failure::NoAccount {
            username: String::from("nobody"),
            domain: String::from(SERVICE_DOMAIN)
        })
    );
    assert_eq!(no_account.stages.last().unwrap().0, Stage::Authenticate);
}

#[tokio::test]
async fn a_domain_the_server_does_not_have_is_host_unknown() {
    let prosody = Prosody::start(&Setup::default());
    let outcome = probe(
        &target(&prosody, "auth.other.test"),
        account("jvb", BRIDGE_PASSWORD),
    )
    .await;
    assert_eq!(
        outcome.result,
        Err(Failure::HostUnknown {
            domain: String::from("auth.other.test")
        })
    );
}

#[tokio::test]
async fn an_account_at_the_anonymous_host_is_told_so_and_anonymous_gets_in() {
    let prosody = Prosody::start(&Setup::default());
    let clients = target(&prosody, CLIENT_DOMAIN);
    let outcome = probe(&clients, account("jvb", BRIDGE_PASSWORD)).await;
    assert_eq!(
        outcome.result,
        Err(Failure::OnlyAnonymous {
            domain: String::from(CLIENT_DOMAIN)
        })
    );
    let outcome = probe(&clients, Credentials::Anonymous).await;
    assert_eq!(outcome.result.unwrap().domain(), CLIENT_DOMAIN);
}

#[tokio::test]
async fn a_closed_port_is_refused_and_a_silent_one_times_out() {
    let mut address = target_without_server(free_port());
    let outcome = probe(&address, account("jvb", "x")).await;
    assert!(
        matches!(outcome.result, Err(Failure::Refused { .. })),
        "{outcome:?}"
    );

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    address.address = ServerAddress::new("127.0.0.1", listener.local_addr().unwrap().port());
    let deadline = Duration::from_millis(300);
    let outcome = probe_login(&address, account("jvb", "x"), deadline).await;
    assert_eq!(
        outcome.result,
        Err(Failure::Timeout {
            stage: Stage::Open,
            after: deadline
        })
    );
}

fn target_without_server(port: u16) -> Target {
    let authority = jitctl_testing::Authority::new("nobody");
    let pem = authority.certificate_pem();
    Target {
        address: ServerAddress::new("127.0.0.1", port),
        domain: String::from(SERVICE_DOMAIN),
        trust: Some(Trust::from_pem(pem.as_bytes(), "ca.crt".as_ref()).unwrap()),
    }
}

#[tokio::test]
async fn a_name_without_an_address_is_not_found() {
    let mut target = target_without_server(5222);
    target.address = ServerAddress::new("no-such-host.invalid", 5222);
    let outcome = probe_login(&target, account("jvb", "x"), Duration::from_secs(30)).await;
    let expected = matches!(
        outcome.result,
        Err(Failure::NameNotFound { .. }
            | Failure::Timeout {
                stage: Stage::Resolve,
                ..
            })
    );
    assert!(expected, "{outcome:?}");
}

#[tokio::test]
async fn certificate_mistakes_are_told_apart_and_the_certificate_is_kept() {
    let cases = [
        (
            Setup {
                validity: Validity::Past,
                ..Setup::default()
            },
            TlsFailure::Expired,
        ),
        (
            Setup {
                validity: Validity::Future,
                ..Setup::default()
            },
            TlsFailure::NotYetValid,
        ),
        (
            Setup {
                certificate_name: Some(String::from("other.test")),
                ..Setup::default()
            },
            TlsFailure::WrongName {
                expected: String::from(SERVICE_DOMAIN),
            },
        ),
    ];
    for (setup, expected) in cases {
        let prosody = Prosody::start(&setup);
        let outcome = probe(
            &target(&prosody, SERVICE_DOMAIN),
            account("jvb", BRIDGE_PASSWORD),
        )
        .await;
        assert_eq!(outcome.result, Err(Failure::Tls(expected)));
        assert_eq!(outcome.certificate_chain.len(), 1);
    }
    let prosody = Prosody::start(&Setup::default());
    let mut foreign = target_without_server(prosody.client_port);
    foreign.address = ServerAddress::new("127.0.0.1", prosody.client_port);
    let outcome = probe(&foreign, account("jvb", BRIDGE_PASSWORD)).await;
    assert_eq!(
        outcome.result,
        Err(Failure::Tls(TlsFailure::UnknownAuthority))
    );
}

#[tokio::test]
async fn a_component_needs_its_secret_and_its_name() {
    let prosody = Prosody::start(&Setup::default());
    let component = |name: &str| Target {
        address: ServerAddress::new("127.0.0.1", prosody.component_port),
        domain: name.to_owned(),
        trust: None,
    };
    let secret = |secret: &str| Credentials::Component {
        secret: secret.to_owned().into(),
    };
    let outcome = probe(&component(COMPONENT), secret(COMPONENT_SECRET)).await;
    assert_eq!(outcome.result.unwrap().as_str(), COMPONENT);
    let outcome = probe(&component(COMPONENT), secret("wrong")).await;
    assert_eq!(
        outcome.result,
        Err(Failure::WrongSecret {
            name: String::from(COMPONENT)
        })
    );
    let outcome = probe(&component("other.test"), secret(COMPONENT_SECRET)).await;
    assert_eq!(
        outcome.result,
        Err(Failure::HostUnknown {
            domain: String::from("other.test")
        })
    );
}
