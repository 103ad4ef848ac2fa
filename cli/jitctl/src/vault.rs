//! The site's secrets, as commands use them.
//!
//! Opening them also teaches the printer what must never be shown.

use jitctl_deploy::SecretValues;
use jitctl_inventory::model::Tls;
use jitctl_inventory::secrets::{self, Location, SecretsError, Store, os_random};
use jitctl_templates::secrets::{
    PKI_AUTH_CERT, PKI_AUTH_KEY, PKI_CA_CERT, PKI_CA_KEY, PKI_WEB_CERT, PKI_WEB_KEY, required,
};
use miette::Report;
use secrecy::SecretString;

use crate::authority::{self, Issued};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::site::Site;

/// The opened secrets.
#[derive(Debug)]
pub(crate) struct Vault {
    pub(crate) store: Store,
}

impl Vault {
    /// The value of a secret that must be there.
    pub(crate) fn value_named(&self, name: &str) -> Result<&SecretString, Failure> {
        self.store.value(name).ok_or_else(|| {
            Failure::usage(
                format!("there is no secret `{name}`"),
                "`jitctl secrets show` lists them",
            )
        })
    }
}

impl SecretValues for Vault {
    fn value(&self, name: &str) -> Option<SecretString> {
        self.store.value(name).cloned()
    }
}

impl From<SecretsError> for Failure {
    fn from(error: SecretsError) -> Self {
        Self {
            exit: Exit::Usage,
            reports: vec![Report::new(error)],
        }
    }
}

impl From<secrets::RandomError> for Failure {
    fn from(error: secrets::RandomError) -> Self {
        Self::other(error.to_string(), "try again")
    }
}

/// Where the secrets of the inventory are.
pub(crate) fn location(context: &Context) -> Location {
    let identity = std::env::var_os("JITCTL_AGE_IDENTITY").map(Into::into);
    Location::beside(&context.inventory_path, identity)
}

/// Reads the secrets.
pub(crate) fn open(context: &Context) -> Result<Vault, Failure> {
    let store = secrets::open(&location(context))?;
    let masker = store.masker();
    context
        .printer
        .mask()
        .set(move |text| masker.mask(text).into_owned());
    Ok(Vault { store })
}

/// Makes what the site needs and lacks; nothing that is there changes. Returns the names.
pub(crate) fn complete(site: &Site, context: &Context) -> Result<Vec<String>, Failure> {
    let names = required(site.inventory());
    let made = secrets::edit(&location(context), |store| -> Result<_, Failure> {
        let ensured = store.ensure(names.iter().map(|name| name.0.as_str()), &mut os_random)?;
        let mut made = ensured.generated;
        if !ensured.material.is_empty() {
            made.extend(certificates(site, store)?);
        }
        made.sort();
        Ok(made)
    })?;
    open(context)?;
    Ok(made)
}

/// Makes the authority and the certificates that are missing, or takes the operator's files.
fn certificates(site: &Site, store: &mut Store) -> Result<Vec<String>, Failure> {
    let domain = site.inventory().site.domain.as_str();
    let mut made = Vec::new();
    if store.value(PKI_CA_KEY).is_none() {
        let issued = authority::create(domain)?;
        put(store, &mut made, PKI_CA_CERT, issued.certificate)?;
        put(store, &mut made, PKI_CA_KEY, issued.key)?;
    }
    let missing = || {
        Failure::usage(
            "the site's authority is incomplete",
            "restore the secrets from a backup",
        )
    };
    let authority = Issued {
        certificate: store.value(PKI_CA_CERT).cloned().ok_or_else(missing)?,
        key: store.value(PKI_CA_KEY).cloned().ok_or_else(missing)?,
    };
    if store.value(PKI_AUTH_KEY).is_none() {
        let issued = authority::issue(&authority, &[format!("auth.{domain}"), domain.to_owned()])?;
        put(store, &mut made, PKI_AUTH_CERT, issued.certificate)?;
        put(store, &mut made, PKI_AUTH_KEY, issued.key)?;
    }
    if store.value(PKI_WEB_KEY).is_none() {
        let issued = match &site.inventory().site.tls {
            Tls::Files { certificate, key } => Issued {
                certificate: site.read_private(certificate)?,
                key: site.read_private(key)?,
            },
            Tls::PrivateCa | Tls::Acme { .. } => {
                authority::issue(&authority, &[domain.to_owned()])?
            }
        };
        put(store, &mut made, PKI_WEB_CERT, issued.certificate)?;
        put(store, &mut made, PKI_WEB_KEY, issued.key)?;
    }
    Ok(made)
}

fn put(
    store: &mut Store,
    made: &mut Vec<String>,
    name: &str,
    value: SecretString,
) -> Result<(), Failure> {
    store.put(name, value)?;
    made.push(name.to_owned());
    Ok(())
}

impl From<rcgen::Error> for Failure {
    fn from(error: rcgen::Error) -> Self {
        Self::other(format!("cannot make a certificate: {error}"), "try again")
    }
}
