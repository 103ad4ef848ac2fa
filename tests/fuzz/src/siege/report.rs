//! What came of it.

use std::fmt;

use jitctl_media::conference::Conference;
use jitctl_media::transport::{Drop, DropCounters};

use super::attacks::Attacker;
use super::{PEACEFUL, World, person};

/// The peaceful noticed, or something was not counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken(String);

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Broken {}

/// The account of a siege.
#[derive(Debug, Clone)]
pub struct Report {
    /// Datagrams of people without keys.
    pub outside: u64,
    /// Packets and messages of the one inside.
    pub inside: u64,
    /// Of those from outside: authentic STUN requests sent again.
    pub authentic: u64,
    /// Of those from outside: plain Binding requests, answered with nothing longer.
    pub answered: u64,
    /// Of those from outside: handshake records that made the last flight be sent again.
    pub repeated: u64,
    /// Drops by reason.
    pub drops: Vec<(&'static str, u64)>,
    /// Refused inside the conference, by reason.
    pub refused: Vec<(&'static str, u64)>,
    /// Virtual seconds.
    pub seconds: u64,
    /// Packets the peaceful sent to each other, and how many of them arrived in order.
    pub exchanged: (u64, u64),
    incidents: Vec<String>,
    /// Drops of what comes from outside only.
    dropped_outside: u64,
}

impl Report {
    pub(super) fn of(world: &World, attacker: &Attacker, before: &DropCounters) -> Self {
        let after = world.engine.counters();
        let since = |reason: Drop| after.get(reason) - before.get(reason);
        let all: u64 = Drop::ALL.iter().map(|reason| since(*reason)).sum();
        let mut incidents = world.incidents.clone();
        let mut exchanged = (0, 0);
        for receiver in 0..PEACEFUL {
            incidents.extend(world.people[receiver].incidents.iter().cloned());
            for sender in (0..PEACEFUL).filter(|sender| *sender != receiver) {
                for ssrc in person::ssrcs(sender) {
                    let sent = world.people[sender].sent.get(&ssrc).copied();
                    let stream = world.people[receiver].heard.get(&ssrc).copied();
                    let (sent, stream) = (sent.unwrap_or(0), stream.unwrap_or_default());
                    exchanged.0 += sent;
                    exchanged.1 += stream.packets - stream.wrong;
                    if stream.packets != sent || stream.wrong > 0 {
                        incidents.push(format!(
                            "{receiver} heard {stream:?} of {sent} packets of {ssrc}"
                        ));
                    }
                }
            }
        }
        let routing = world
            .engine
            .room(world.conference)
            .map(Conference::counters)
            .unwrap_or_default();
        Self {
            outside: attacker.outside,
            inside: attacker.inside,
            authentic: attacker.authentic,
            answered: attacker.answered,
            repeated: attacker.repeated,
            drops: Drop::ALL
                .iter()
                .map(|reason| (reason.name(), since(*reason)))
                .filter(|(_, count)| *count > 0)
                .collect(),
            refused: vec![
                ("malformed_payload", routing.malformed),
                ("malformed_rtcp", routing.malformed_rtcp),
                ("unknown_ssrc", routing.unknown_ssrc),
                ("unknown_payload_type", routing.unknown_payload_type),
                ("duplicate", routing.duplicates),
            ],
            seconds: world.milliseconds / 1000,
            exchanged,
            incidents,
            dropped_outside: all - world.dropped_of_people - attacker.dropped_inside,
        }
    }

    /// Whether nothing happened to anybody and everything was counted.
    ///
    /// # Errors
    /// What is wrong.
    pub fn verdict(&self) -> Result<(), Broken> {
        if let Some(first) = self.incidents.first() {
            let more = self.incidents.len() - 1;
            return Err(Broken(format!("{first}, and {more} more incidents")));
        }
        if self.exchanged.0 == 0 {
            return Err(Broken(String::from("nobody said anything")));
        }
        let counted = self.dropped_outside + self.authentic + self.answered + self.repeated;
        if counted != self.outside {
            let outside = self.outside;
            return Err(Broken(format!("{counted} counted of {outside} datagrams")));
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "hostile packets from outside {:10}\nhostile packets from inside  {:10}\n\
             virtual seconds              {:10}\nexchanged by the peaceful    {:10}\n\
             of them arrived in order     {:10}\ndropped, by reason:",
            self.outside, self.inside, self.seconds, self.exchanged.0, self.exchanged.1
        )?;
        for (reason, count) in self.drops.iter().chain(&self.refused) {
            writeln!(formatter, "  {reason:26} {count:10}")?;
        }
        writeln!(
            formatter,
            "harmless:\n  {:26} {:10}\n  {:26} {:10}\n  {:26} {:10}",
            "STUN request sent again",
            self.authentic,
            "plain Binding request",
            self.answered,
            "handshake sent again",
            self.repeated
        )?;
        for incident in self.incidents.iter().take(20) {
            writeln!(formatter, "INCIDENT: {incident}")?;
        }
        Ok(())
    }
}
