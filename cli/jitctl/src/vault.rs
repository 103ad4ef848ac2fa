//! The site's secrets, as commands use them.
//!
//! Opening them also teaches the printer what must never be shown.

use std::time::SystemTime;

use jitctl_deploy::SecretValues;
use jitctl_deploy::pki::{self, PkiError};
use jitctl_inventory::secrets::{self, Location, SecretsError, Store, os_random};
use jitctl_templates::secrets::required;
use miette::Report;
use secrecy::SecretString;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Problem};
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
    if site.inventory().foreign_main().is_some() {
        // `jitctl import` reads them from MAIN; none is made here.
        open(context)?;
        return Ok(Vec::new());
    }
    let names = required(site.inventory());
    let made = secrets::edit(&location(context), |store| -> Result<_, Failure> {
        let ensured = store.ensure(names.iter().map(|name| name.0.as_str()), &mut os_random)?;
        let mut made = ensured.generated;
        let issued = pki::ensure(store, &site.with_resolved_files(), SystemTime::now())?;
        made.extend(issued.0);
        made.sort();
        Ok(made)
    })?;
    open(context)?;
    Ok(made)
}

impl From<PkiError> for Failure {
    fn from(error: PkiError) -> Self {
        Self::new(Exit::Usage, Problem::new(error.to_string()))
    }
}
