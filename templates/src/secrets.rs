//! The names of all secrets that rendered files and accounts refer to.
//!
//! Values never come here. A rendered text holds [`SecretName::marker`]; the executor replaces it
//! on its way to the host. Certificates use the same mechanism although they are public, so that
//! rendering stays offline and byte-stable; [`is_public`] tells them apart.

use jitctl_inventory::model::Inventory;
use jitctl_inventory::secrets::FOREIGN_BRIDGE;
use serde::{Deserialize, Serialize};

use crate::desired::SecretName;

/// Certificate of the site's private authority, PEM; of a MAIN that others keep, what its XMPP
/// server is known by.
pub const PKI_CA_CERT: &str = "pki-ca-cert";
/// Key of the site's private authority, PEM; never leaves the operator's machine.
pub const PKI_CA_KEY: &str = "pki-ca-key";
/// Certificate of `auth.D` for Prosody's port 5222, PEM chain.
pub const PKI_AUTH_CERT: &str = "pki-auth-cert";
/// Its key, PEM.
pub const PKI_AUTH_KEY: &str = "pki-auth-key";
/// Certificate of `D` for the web, PEM chain: of the private authority, or the operator's own
/// file; with ACME the one that serves until the first certificate is issued.
pub const PKI_WEB_CERT: &str = "pki-web-cert";
/// Its key, PEM.
pub const PKI_WEB_KEY: &str = "pki-web-key";
/// Shared secret of the component `focus.D` (XEP-0114).
pub const COMPONENT: &str = "focus-component";
/// Shared secret between Prosody and coturn for time-limited credentials.
pub const TURN: &str = "turn";

/// One of the two accounts of a role: rotation logs in with the other one before it gives up the
/// first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountSlot {
    /// The first account, such as `focus`.
    #[default]
    A,
    /// The second account, such as `focus-b`.
    B,
}

impl AccountSlot {
    /// Both, in order.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The local part of the focus account on `auth.D`.
    pub fn focus_user(self) -> &'static str {
        match self {
            Self::A => "focus",
            Self::B => "focus-b",
        }
    }

    /// The local part of the bridges' account on `auth.D`.
    pub fn bridge_user(self) -> &'static str {
        match self {
            Self::A => "jvb",
            Self::B => "jvb-b",
        }
    }

    /// The secret with the password of the focus account.
    pub fn focus_password(self) -> SecretName {
        SecretName(
            match self {
                Self::A => "xmpp-focus-a",
                Self::B => "xmpp-focus-b",
            }
            .to_owned(),
        )
    }

    /// The secret with the password of the bridges' account.
    pub fn bridge_password(self) -> SecretName {
        SecretName(
            match self {
                Self::A => "xmpp-bridge-a",
                Self::B => "xmpp-bridge-b",
            }
            .to_owned(),
        )
    }
}

/// Whether a "secret" is public knowledge and may stand in a world-readable file.
pub fn is_public(name: &str) -> bool {
    matches!(name, PKI_CA_CERT | PKI_AUTH_CERT | PKI_WEB_CERT)
}

/// Every secret that the hosts of this inventory need, sorted by name.
///
/// `pki-ca-key` is not among them: it only signs.
pub fn required(inventory: &Inventory) -> Vec<SecretName> {
    if inventory.foreign_main().is_some() {
        return [FOREIGN_BRIDGE, PKI_CA_CERT]
            .map(|name| SecretName(name.to_owned()))
            .into();
    }
    let mut names: Vec<SecretName> = AccountSlot::BOTH
        .into_iter()
        .flat_map(|slot| [slot.focus_password(), slot.bridge_password()])
        .collect();
    let mut fixed = vec![
        COMPONENT,
        PKI_AUTH_CERT,
        PKI_AUTH_KEY,
        PKI_CA_CERT,
        PKI_WEB_CERT,
        PKI_WEB_KEY,
    ];
    if inventory.site.turn.enabled {
        fixed.push(TURN);
    }
    names.extend(fixed.into_iter().map(|name| SecretName(name.to_owned())));
    names.sort();
    names
}

/// The names of all markers inside `text`, in order, doubles included.
pub fn markers_in(text: &str) -> impl Iterator<Item = &str> {
    text.split("@@secret:")
        .skip(1)
        .filter_map(|rest| rest.split_once("@@").map(|(name, _)| name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_found_wherever_they_stand() {
        let text = format!(
            "a {} b{}",
            SecretName("one".into()).marker(),
            SecretName("two".into()).marker()
        );
        assert_eq!(markers_in(&text).collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(markers_in("no @@secret: here").count(), 0);
    }
}
