//! Rolling a secret over without a broken minute.
//!
//! A role has two accounts. The fresh password goes into the idle one on MAIN, then every service
//! of the role switches to it (MAIN, one bridge, the others, each behind its gates), then the old
//! account gets a password that nobody knows. The store is saved before each round, so a rotation
//! that was cut off goes on where it stood. A red gate turns everything back.
//!
//! This is the sequence only: a round is a plan and an apply, made by the caller with the store as
//! it is at that moment.

use jitctl_inventory::secrets::{Phase, RandomError, SecretsError, Store, generate};
use serde::{Deserialize, Serialize};

/// One plan and apply of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Round {
    /// The fresh value is made valid beside the old one.
    Prepare,
    /// All services change over to it.
    Switch,
    /// The old value ends.
    Retire,
    /// All services change back to the old value.
    Back,
}

impl Round {
    /// The round in words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Prepare => "make the new value valid",
            Self::Switch => "change over to it",
            Self::Retire => "end the old value",
            Self::Back => "change back to the old value",
        }
    }
}

/// Bytes from the operating system.
pub type Random<'a> = dyn FnMut(&mut [u8]) -> Result<(), RandomError> + Send + 'a;

/// Why a rotation did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum RotateError<E: std::error::Error + 'static> {
    /// There is no such secret, or its phase does not fit.
    #[error(transparent)]
    Store(#[from] SecretsError),
    /// The system gives no random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The store could not be saved: nothing was changed after that.
    #[error("the secrets cannot be saved: {0}")]
    Save(E),
    /// A round failed; the old value is in use again.
    #[error("could not {}: {cause}; the old value is in use again", round.title())]
    TurnedBack {
        /// Which round.
        round: Round,
        /// Why.
        cause: E,
    },
    /// A round failed, and so did the way back.
    #[error("could not {}: {cause}; changing back failed too: {back}", round.title())]
    Stuck {
        /// Which round.
        round: Round,
        /// Why.
        cause: E,
        /// Why not back.
        back: E,
    },
    /// The new value is in use everywhere, but the old one is still valid: the next apply ends it.
    #[error("the new value is in use, but the old one is still valid: {0}; run `jitctl apply`")]
    OldStillValid(E),
}

/// Rotates a secret, or goes on with a rotation that was cut off.
///
/// `save` writes the store to disk; `round` plans and applies with it.
///
/// # Errors
/// See [`RotateError`].
pub async fn rotate<E: std::error::Error + 'static>(
    name: &str,
    store: &mut Store,
    random: &mut Random<'_>,
    save: &mut (dyn FnMut(&Store) -> Result<(), E> + Send),
    mut round: impl AsyncFnMut(&Store, Round) -> Result<(), E>,
) -> Result<(), RotateError<E>> {
    if matches!(store.phase(name), Some(Phase::Settled) | None) {
        store.begin(name, generate(random)?)?;
        save(store).map_err(RotateError::Save)?;
    }
    if store.phase(name) == Some(Phase::Staged) {
        if let Err(cause) = round(store, Round::Prepare).await {
            return Err(turn_back(name, store, save, &mut round, Round::Prepare, cause).await);
        }
        store.promote(name)?;
        save(store).map_err(RotateError::Save)?;
    }
    if let Err(cause) = round(store, Round::Switch).await {
        return Err(turn_back(name, store, save, &mut round, Round::Switch, cause).await);
    }
    store.retire(name, generate(random)?)?;
    save(store).map_err(RotateError::Save)?;
    round(store, Round::Retire)
        .await
        .map_err(RotateError::OldStillValid)
}

async fn turn_back<E: std::error::Error + 'static>(
    name: &str,
    store: &mut Store,
    save: &mut (dyn FnMut(&Store) -> Result<(), E> + Send),
    round: &mut impl AsyncFnMut(&Store, Round) -> Result<(), E>,
    failed: Round,
    cause: E,
) -> RotateError<E> {
    if let Err(error) = store.back(name) {
        return error.into();
    }
    if let Err(back) = save(store) {
        return RotateError::Stuck {
            round: failed,
            cause,
            back,
        };
    }
    match round(store, Round::Back).await {
        Ok(()) => RotateError::TurnedBack {
            round: failed,
            cause,
        },
        Err(back) => RotateError::Stuck {
            round: failed,
            cause,
            back,
        },
    }
}

#[cfg(test)]
mod tests {
    use jitctl_inventory::secrets::Slot;
    use secrecy::ExposeSecret;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("red")]
    struct Red;

    fn store() -> Store {
        let mut store = Store::default();
        store.ensure(["xmpp-bridge-a"], &mut counting(0)).unwrap();
        store
    }

    fn counting(start: u8) -> impl FnMut(&mut [u8]) -> Result<(), RandomError> + Send {
        let mut next = start;
        move |bytes| {
            next += 1;
            bytes.fill(next);
            Ok(())
        }
    }

    fn value(store: &Store, name: &str) -> String {
        store.value(name).unwrap().expose_secret().to_owned()
    }

    #[tokio::test]
    async fn services_change_to_the_other_account_and_the_old_one_ends() {
        let mut store = store();
        let old = value(&store, "xmpp-bridge-a");
        let mut rounds = Vec::new();
        rotate(
            "xmpp-bridge",
            &mut store,
            &mut counting(9),
            &mut |_| Ok::<_, Red>(()),
            async |store: &Store, round| {
                rounds.push((round, store.active("xmpp-bridge").unwrap()));
                assert_eq!(value(store, "xmpp-bridge-a") == old, round != Round::Retire);
                Ok(())
            },
        )
        .await
        .unwrap();
        assert_eq!(
            rounds,
            [
                (Round::Prepare, Slot::A),
                (Round::Switch, Slot::B),
                (Round::Retire, Slot::B),
            ]
        );
    }

    #[tokio::test]
    async fn a_red_gate_leaves_the_old_value_in_use() {
        let mut store = store();
        let old = value(&store, "xmpp-bridge");
        let error = rotate(
            "xmpp-bridge",
            &mut store,
            &mut counting(9),
            &mut |_| Ok(()),
            async |_: &Store, round| {
                if round == Round::Switch {
                    Err(Red)
                } else {
                    Ok(())
                }
            },
        )
        .await
        .unwrap_err();
        assert!(matches!(
            error,
            RotateError::TurnedBack {
                round: Round::Switch,
                ..
            }
        ));
        assert_eq!(value(&store, "xmpp-bridge"), old);
        assert_eq!(store.phase("xmpp-bridge"), Some(Phase::Settled));
    }

    #[tokio::test]
    async fn a_rotation_that_was_cut_off_goes_on() {
        let mut store = store();
        store
            .begin("xmpp-bridge", "fresh".to_owned().into())
            .unwrap();
        store.promote("xmpp-bridge").unwrap();
        let mut rounds = Vec::new();
        rotate(
            "xmpp-bridge",
            &mut store,
            &mut counting(9),
            &mut |_| Ok::<_, Red>(()),
            async |_: &Store, round| {
                rounds.push(round);
                Ok(())
            },
        )
        .await
        .unwrap();
        assert_eq!(rounds, [Round::Switch, Round::Retire]);
        assert_eq!(value(&store, "xmpp-bridge"), "fresh");
    }
}
