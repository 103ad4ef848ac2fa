//! Sockets and threads: from `[media]` to workers that serve.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jitctl_media::conference::ConferenceConfig;
use jitctl_media::transport::TransportConfig;
use jitctl_media::transport::dtls::{Identity, IdentityError};
use jitctl_media::transport::ice::{AddressPlan, IceConfig};

use super::registry::Registry;
use super::seat::{Seat, lock};
use super::urls::ChannelUrls;
use crate::config::MediaConfig;
use crate::media::addresses::local_addresses;
use crate::media::aws;
use crate::media::discovery::discover;
use crate::media::{
    MediaSocket, SocketError, WorkerConfig, WorkerError, WorkerGone, WorkerSeat, start,
};

/// Local addresses one worker can have.
const MOST_ADDRESSES: usize = 16;
/// How long is waited for addresses that the kernel does not give yet, and how often it is asked.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(3);
const ADDRESS_RETRY: Duration = Duration::from_millis(100);

/// Media cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The system does not tell its addresses.
    #[error("cannot list this host's addresses: {0}; does the unit allow AF_NETLINK?")]
    Addresses(io::Error),
    /// The filters leave nothing.
    #[error(
        "no address for media: this host has none that `[media]` admits; see `allowed_interfaces`, \
         `allowed_addresses`, `ipv6` and `loopback`"
    )]
    NoAddress,
    /// The port cannot be had.
    #[error("{0} (`media.port`)")]
    Socket(#[from] SocketError),
    /// A thread cannot be had.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// No certificate.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Workers do not answer.
    #[error("media does not work: {0}")]
    Silent(String),
}

impl From<WorkerGone> for MediaError {
    fn from(gone: WorkerGone) -> Self {
        Self::Silent(gone.to_string())
    }
}

/// Binds the media port on every admitted address, asks the STUN servers and starts the workers.
/// Blocks.
///
/// # Errors
/// [`MediaError`].
pub(super) fn workers(
    media: &MediaConfig,
    settings: &ConferenceConfig,
    urls: Option<&ChannelUrls>,
) -> Result<(Vec<Seat>, Vec<SocketAddr>), MediaError> {
    let mut wanted = local_addresses(&media.filter(), media.port).map_err(MediaError::Addresses)?;
    if wanted.len() > MOST_ADDRESSES {
        tracing::warn!(
            count = wanted.len(),
            "only the first {MOST_ADDRESSES} addresses carry media; choose with `media.allowed_addresses`"
        );
        wanted.truncate(MOST_ADDRESSES);
    }
    if wanted.is_empty() {
        return Err(MediaError::NoAddress);
    }
    let workers = media.workers();
    let mut sockets: Vec<Vec<MediaSocket>> = (0..workers).map(|_| Vec::new()).collect();
    let mut addresses = Vec::new();
    for group in bind(&wanted, workers, ADDRESS_PATIENCE)? {
        addresses.extend(group.first().map(MediaSocket::local));
        for (own, socket) in sockets.iter_mut().zip(group) {
            own.push(socket);
        }
    }
    for local in media.mapping.iter().map(|mapping| mapping.local) {
        if !addresses.iter().any(|address| address.ip() == local) {
            tracing::warn!(
                %local,
                "a `[[media.mapping]]` is of no use: media is not bound to its `local` address"
            );
        }
    }
    let mut mappings = media.mappings();
    mappings.extend(discover(&sockets, &media.stun_servers));
    if media.aws {
        match aws::mapping(aws::SERVICE) {
            Ok(mapping) => mappings.push(mapping),
            Err(error) => tracing::warn!(
                %error,
                "the metadata service of AWS tells no address (`media.aws`)"
            ),
        }
    }
    let transport = TransportConfig {
        plan: Arc::new(AddressPlan {
            sockets: addresses.clone(),
            mappings,
            advertise_private: media.advertise_private,
        }),
        identity: Arc::new(Identity::generate()?),
        ice: IceConfig::default(),
        fragment_prefix: media.fragment_prefix.clone(),
    };
    if transport.plan.candidates(false).is_empty() {
        tracing::warn!(
            "no address is told to clients: all are private and `media.advertise_private` is off; \
             name the public one in `media.public_addresses`"
        );
    }
    let seats = seat_workers(sockets, &transport, media, settings, urls)?;
    Ok((seats, addresses))
}

/// Binds each of `wanted` once for each worker. One that the host does not have after all is left
/// out with a warning, unless it has none.
fn bind(
    wanted: &[SocketAddr],
    workers: usize,
    patience: Duration,
) -> Result<Vec<Vec<MediaSocket>>, SocketError> {
    let until = Instant::now() + patience;
    let mut groups = Vec::new();
    let mut left_out = None;
    for address in wanted {
        let group = loop {
            let group = MediaSocket::bind_group(*address, workers);
            let early = group.as_ref().is_err_and(SocketError::is_of_address);
            if !early || Instant::now() >= until {
                break group;
            }
            std::thread::sleep(ADDRESS_RETRY);
        };
        match group {
            Ok(group) => groups.push(group),
            Err(error) if error.is_of_address() => {
                tracing::warn!(%error, "an address carries no media");
                left_out = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    match left_out {
        Some(error) if groups.is_empty() => Err(error),
        _ => Ok(groups),
    }
}

fn seat_workers(
    sockets: Vec<Vec<MediaSocket>>,
    transport: &TransportConfig,
    media: &MediaConfig,
    settings: &ConferenceConfig,
    urls: Option<&ChannelUrls>,
) -> Result<Vec<Seat>, MediaError> {
    let mut registries = Vec::new();
    let mut seats = Vec::new();
    for sockets in sockets {
        let registry = Arc::new(std::sync::Mutex::new(Registry::new(
            settings.clone(),
            urls.cloned(),
        )));
        registries.push(registry.clone());
        seats.push(WorkerSeat {
            sockets,
            on_event: Box::new(move |engine, event| {
                lock(&registry).observe(engine, Instant::now(), event);
            }),
        });
    }
    let config = WorkerConfig {
        without_segmentation: !media.segmentation,
        coalesce: Duration::from_micros(media.coalesce_microseconds),
    };
    let started = start(seats, transport, config)?;
    Ok(started
        .into_iter()
        .zip(registries)
        .map(|((handle, _thread), registry)| {
            let live = lock(&registry).live();
            Seat {
                handle,
                registry,
                tally: Arc::default(),
                live,
            }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_not_there_is_left_out_and_a_taken_port_is_an_error() {
        let here: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let elsewhere = "[2001:db8::77]:0".parse().unwrap();
        let groups = bind(&[here, elsewhere], 2, Duration::ZERO).unwrap();
        assert_eq!(groups.len(), 1);
        assert_eq!(groups[0].len(), 2);
        assert!(bind(&[elsewhere], 1, Duration::ZERO).is_err());
        let taken = groups[0][0].local();
        assert!(bind(&[here, taken], 1, Duration::ZERO).is_err());
    }
}
