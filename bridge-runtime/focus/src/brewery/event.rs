//! What happens to bridges, in the words operators search their logs for.

use std::fmt;
use std::time::Duration;

use jitctl_wire::Jid;

/// Who a bridge is, at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct BridgeSummary {
    /// Place in the brewery; the bridge's identity.
    pub occupant: Jid,
    /// Full version.
    pub version: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// Reported load.
    pub stress: f64,
    /// Real addresses.
    pub addresses: Vec<Jid>,
}

impl fmt::Display for BridgeSummary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| String::from("-"));
        write!(
            formatter,
            "nickname={} version={} region={} stress={:.2} jid={}",
            self.occupant.resource().unwrap_or_default(),
            or_dash(&self.version),
            or_dash(&self.region),
            self.stress,
            self.addresses.first().map_or("-", Jid::as_str)
        )
    }
}

/// Why a bridge is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossReason {
    /// It left after saying that it would.
    ShutDown,
    /// It left the room, or its connection broke.
    Left,
    /// It answers nothing.
    Silent(Duration),
    /// The focus itself lost its connection for good.
    OwnConnection,
}

impl fmt::Display for LossReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShutDown => formatter.write_str("shut down"),
            Self::Left => formatter.write_str("left the brewery"),
            Self::Silent(time) => {
                write!(formatter, "no sign of life for {:.1} s", time.as_secs_f64())
            }
            Self::OwnConnection => formatter.write_str("the focus lost its own connection"),
        }
    }
}

/// What happens to bridges. Where participants have to move, [`BridgeEvent::moves_participants`]
/// says so.
#[derive(Debug, Clone, PartialEq)]
pub enum BridgeEvent {
    /// A bridge can be used.
    Added(BridgeSummary),
    /// A bridge is gone.
    Lost(BridgeSummary, LossReason),
    /// A bridge announces its end.
    ShuttingDown(BridgeSummary),
    /// A bridge takes no new conferences.
    GracefulShutdown(BridgeSummary),
    /// A bridge drains or stops draining.
    Drain(BridgeSummary, bool),
    /// A health check failed; the words are the bridge's.
    Failed(BridgeSummary, String),
    /// Health checks pass again.
    Recovered(BridgeSummary),
    /// Several living bridges use one nickname.
    NicknameClash {
        /// The nickname.
        nickname: String,
        /// Real addresses of the bridges.
        addresses: Vec<Jid>,
    },
    /// Somebody who is no account of the service domain poses as a bridge.
    Impostor {
        /// Place in the brewery.
        occupant: Jid,
        /// Real addresses.
        addresses: Vec<Jid>,
    },
}

impl BridgeEvent {
    /// The bridge whose participants have to move now.
    pub fn moves_participants(&self) -> Option<&Jid> {
        match self {
            Self::Lost(bridge, _) | Self::ShuttingDown(bridge) | Self::Failed(bridge, _) => {
                Some(&bridge.occupant)
            }
            _ => None,
        }
    }

    /// Writes the event into the log.
    pub(crate) fn log(&self) {
        match self {
            Self::Added(bridge) => tracing::info!("Added new videobridge: {bridge}"),
            Self::Lost(bridge, LossReason::ShutDown) => {
                tracing::info!(
                    "Lost videobridge: {bridge} reason=\"{}\"",
                    LossReason::ShutDown
                );
            }
            Self::Lost(bridge, reason) => {
                tracing::warn!("Lost videobridge: {bridge} reason=\"{reason}\"");
            }
            Self::ShuttingDown(bridge) => tracing::info!("Videobridge shutting down: {bridge}"),
            Self::GracefulShutdown(bridge) => {
                tracing::info!("Videobridge in graceful shutdown: {bridge}");
            }
            Self::Drain(bridge, true) => tracing::info!("Videobridge drains: {bridge}"),
            Self::Drain(bridge, false) => tracing::info!("Videobridge drains no more: {bridge}"),
            Self::Failed(bridge, reason) => {
                tracing::warn!("Videobridge failed its health check: {bridge} reason=\"{reason}\"");
            }
            Self::Recovered(bridge) => tracing::info!("Videobridge healthy again: {bridge}"),
            Self::NicknameClash {
                nickname,
                addresses,
            } => {
                tracing::error!(
                    "Nickname clash: nickname={nickname} is used by {}: give each bridge its own `identity.nickname`",
                    join(addresses)
                );
            }
            Self::Impostor {
                occupant,
                addresses,
            } => {
                tracing::error!(
                    "Ignored {occupant}, which poses as a videobridge: {} is no account of the service domain",
                    join(addresses)
                );
            }
        }
    }
}

fn join(addresses: &[Jid]) -> String {
    addresses
        .iter()
        .map(Jid::as_str)
        .collect::<Vec<_>>()
        .join(" and ")
}
