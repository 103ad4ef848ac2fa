//! A MAIN that others keep: its XMPP port is let open for the site's bridges, and that is all.

use super::{Scene, scene_backend};
use crate::addresses;
use crate::desired::Source;
use crate::host::HostBuilder;
use crate::ports;

pub(super) fn add(builder: &mut HostBuilder<'_>, scene: &Scene<'_>) {
    let bridges = addresses::xmpp_sources(scene.inventory, scene.name);
    builder.port(ports::XMPP, Source::Only(bridges));
    builder.desired.firewall.backend = scene_backend(scene);
}
