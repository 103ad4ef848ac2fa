//! A MAIN host: Prosody, the web server, the focus, and coturn where the site has TURN.

mod acme;
mod focus;
mod prosody;
mod turn;
mod web;

use super::Scene;
use crate::error::RenderError;
use crate::host::HostBuilder;

pub(super) fn add(builder: &mut HostBuilder<'_>, scene: &Scene<'_>) -> Result<(), RenderError> {
    prosody::add(builder, scene)?;
    focus::add(builder, scene)?;
    web::add(builder, scene)?;
    acme::add(builder, scene)?;
    turn::add(builder, scene)
}
