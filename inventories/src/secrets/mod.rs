//! The secrets store: named values in a file of their own beside the inventory.
//!
//! `secrets.yaml` has mode 0600 and is refused when others could read it; with a file
//! `secrets.recipients` (one age recipient a line, public) it is `secrets.yaml.age` instead, opened
//! with an identity file that the caller names: it belongs to a person, so it is no part of the
//! inventory. Values are made once from the operating system; only a rotation replaces them.
//!
//! In memory values are wiped when dropped and `Debug` shows none. The YAML reader and `age` keep
//! buffers of their own for a moment; those are not wiped.

mod codes;
mod entry;
mod error;
mod file;
mod mask;
mod random;
mod seal;
mod store;
mod text;

pub use codes::{CODES, Code};
pub use entry::{Entry, Pair, Phase, RotationError, Single, Slot};
pub use error::SecretsError;
pub use file::{IGNORED_BY_GIT, Location, edit, encrypt, open};
pub use mask::Masker;
pub use random::{RandomError, VALUE_BITS, generate, os_random};
pub use store::{Ensured, FOREIGN_BRIDGE, Store, is_material, is_public};
