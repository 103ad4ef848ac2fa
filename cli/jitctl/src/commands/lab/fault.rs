//! `jitctl lab fault`: break something on purpose, and mend it.

use std::net::Ipv4Addr;

use clap::Subcommand;
use jitctl_lab::{BlockSource, Fault as Broken, HostName, Lab, Protocol};

use super::status::words;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;

/// Break something on purpose: links, ports, power, names, clocks, disks. `clear` mends it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl lab fault loss h2 30", "three packets of ten to h2 are lost"),
        ("jitctl lab fault clear", "all faults end"),
    ],
    EXITS,
))]
pub(super) struct Fault {
    #[command(subcommand)]
    kind: Kind,
}

const EXITS: &[Exit] = &[Exit::Success, Exit::Failure, Exit::Usage];

#[derive(Debug, Subcommand)]
enum Kind {
    /// Lose packets to and from a host.
    #[command(after_long_help = help::tail(&[("jitctl lab fault loss h2 30", "30 of 100 packets")], EXITS))]
    Loss {
        host: HostName,
        /// How many of a hundred packets.
        #[arg(value_parser = clap::value_parser!(u8).range(1..=100))]
        percent: u8,
    },
    /// Make packets to a host late.
    #[command(after_long_help = help::tail(&[("jitctl lab fault delay h2 100 --jitter 20", "100 ± 20 ms")], EXITS))]
    Delay {
        host: HostName,
        milliseconds: u32,
        /// Spread around it, in milliseconds.
        #[arg(long, default_value_t = 0)]
        jitter: u32,
    },
    /// Make a host's link slow.
    #[command(after_long_help = help::tail(&[("jitctl lab fault rate h2 1000", "1 Mbit/s")], EXITS))]
    Rate {
        host: HostName,
        /// Kilobits per second.
        kilobits: u32,
    },
    /// Drop packets to a port of a host.
    #[command(after_long_help = help::tail(
        &[("jitctl lab fault block h1 5222/tcp --from h3", "h3 cannot reach MAIN's XMPP port")], EXITS))]
    Block {
        host: HostName,
        /// Such as `10000/udp`.
        #[arg(value_parser = port)]
        port: (u16, Protocol),
        /// For this host only, or for `client`; without it for everybody.
        #[arg(long, value_name = "HOST|client")]
        from: Option<String>,
    },
    /// Pull a host's cable.
    #[command(after_long_help = help::tail(&[("jitctl lab fault cut h2", "100 % loss, link down")], EXITS))]
    Cut { host: HostName },
    /// Freeze a host: it answers pings and connects, and nothing else.
    #[command(after_long_help = help::tail(&[("jitctl lab fault hang h2", "a host that looks alive")], EXITS))]
    Hang { host: HostName },
    /// Cut a host's power.
    #[command(after_long_help = help::tail(&[("jitctl lab fault power-off h2", "`clear` powers it on")], EXITS))]
    PowerOff { host: HostName },
    /// Make the name server silent, for one host or all.
    #[command(after_long_help = help::tail(&[("jitctl lab fault dns-silent", "no answers for anybody")], EXITS))]
    DnsSilent { host: Option<HostName> },
    /// Make the name server lie.
    #[command(after_long_help = help::tail(&[("jitctl lab fault dns-wrong meet.test 10.77.0.99", "a wrong address")], EXITS))]
    DnsWrong {
        // `--name` is the lab's.
        #[arg(id = "dns-name", value_name = "NAME")]
        name: String,
        address: Ipv4Addr,
    },
    /// Take the package servers away.
    #[command(after_long_help = help::tail(&[("jitctl lab fault registry", "apt fails")], EXITS))]
    Registry {
        /// Packages in the lab's cache can still be had.
        #[arg(long)]
        cached: bool,
    },
    /// Set a host's clock off.
    #[command(after_long_help = help::tail(&[("jitctl lab fault clock h2 +48h", "two days ahead")], EXITS))]
    Clock {
        host: HostName,
        /// Such as `+48h`, `-90s`, `+5m`.
        #[arg(value_parser = offset, allow_hyphen_values = true)]
        offset: i64,
    },
    /// Fill a host's own disk.
    #[command(after_long_help = help::tail(&[("jitctl lab fault disk-full h2", "needs `lab up --disk`")], EXITS))]
    DiskFull { host: HostName },
    /// Mend everything, or everything of one host.
    #[command(after_long_help = help::tail(&[("jitctl lab fault clear", "all is well again")], EXITS))]
    Clear { host: Option<HostName> },
}

impl Fault {
    pub(super) fn run(&self, context: &Context, lab: &Lab) -> Result<Exit, Failure> {
        let Some(fault) = self.kind.fault()? else {
            let Kind::Clear { host } = &self.kind else {
                return Ok(Exit::Success);
            };
            lab.clear_faults(host.as_ref())?;
            context.printer.note("mended");
            return Ok(Exit::Success);
        };
        let place = fault.host().map_or("the lab", HostName::as_str).to_owned();
        let said = format!("{place}: {}", words(&fault));
        lab.fault(fault)?;
        context.printer.note(&said);
        Ok(Exit::Success)
    }
}

impl Kind {
    /// The fault to make; none when something is to be mended.
    fn fault(&self) -> Result<Option<Broken>, Failure> {
        Ok(Some(match self {
            Self::Loss { host, percent } => Broken::Loss {
                host: host.clone(),
                percent: *percent,
            },
            Self::Delay {
                host,
                milliseconds,
                jitter,
            } => Broken::Delay {
                host: host.clone(),
                milliseconds: *milliseconds,
                jitter_milliseconds: *jitter,
            },
            Self::Rate { host, kilobits } => Broken::Rate {
                host: host.clone(),
                kilobits: *kilobits,
            },
            Self::Block { host, port, from } => Broken::Block {
                host: host.clone(),
                port: port.0,
                protocol: port.1,
                from: match from.as_deref() {
                    None => BlockSource::All,
                    Some("client") => BlockSource::Client,
                    Some(host) => BlockSource::Host(host.parse()?),
                },
            },
            Self::Cut { host } => Broken::Cut { host: host.clone() },
            Self::Hang { host } => Broken::Hang { host: host.clone() },
            Self::PowerOff { host } => Broken::PowerOff { host: host.clone() },
            Self::DnsSilent { host } => Broken::DnsSilent { host: host.clone() },
            Self::DnsWrong { name, address } => Broken::DnsWrong {
                name: name.clone(),
                address: *address,
            },
            Self::Registry { cached } => Broken::Registry { cached: *cached },
            Self::Clock { host, offset } => Broken::Clock {
                host: host.clone(),
                offset_seconds: *offset,
            },
            Self::DiskFull { host } => Broken::DiskFull { host: host.clone() },
            Self::Clear { .. } => return Ok(None),
        }))
    }
}

fn port(text: &str) -> Result<(u16, Protocol), String> {
    let wrong = || format!("`{text}` is no port: expected `5222/tcp` or `10000/udp`");
    let (number, protocol) = text.split_once('/').ok_or_else(wrong)?;
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return Err(wrong()),
    };
    Ok((number.parse().map_err(|_| wrong())?, protocol))
}

fn offset(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is no offset: expected `+48h`, `-5m` or `+90s`");
    let (unit, factor) = match text.chars().last() {
        Some('s') => ("s", 1),
        Some('m') => ("m", 60),
        Some('h') => ("h", 3600),
        Some('d') => ("d", 86_400),
        _ => return Err(wrong()),
    };
    let number: i64 = text.trim_end_matches(unit).parse().map_err(|_| wrong())?;
    number.checked_mul(factor).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use jitctl_lab::Protocol;

    use super::{offset, port};

    #[test]
    fn ports_name_their_protocol() {
        assert_eq!(port("5222/tcp"), Ok((5222, Protocol::Tcp)));
        assert_eq!(port("10000/udp"), Ok((10_000, Protocol::Udp)));
        for wrong in ["5222", "70000/tcp", "/udp", "1/sctp"] {
            assert!(port(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn offsets_have_a_sign_and_a_unit() {
        assert_eq!(offset("+48h"), Ok(172_800));
        assert_eq!(offset("-90s"), Ok(-90));
        for wrong in ["48", "h", "+9223372036854775807d", ""] {
            assert!(offset(wrong).is_err(), "{wrong}");
        }
    }
}
