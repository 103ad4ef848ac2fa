//! One meeting as signalling knows it: names of endpoints over the media core's handles.
//!
//! Lives on the worker that owns the meeting; every change goes through the engine in the order
//! the core needs: the conference learns of an endpoint before its transport exists, and forgets
//! it after.

use std::collections::BTreeMap;
use std::time::Instant;

use jitctl_media::conference::{Conference, ConferenceError, EndpointDescription};
use jitctl_media::engine::{ConferenceIndex, EndpointKey, Engine, EngineError};
use jitctl_media::identifiers::EndpointIndex;
use jitctl_media::source::MediaKind;
use jitctl_media::transport::ice::Role;
use jitctl_media::transport::{DataChannelMode, LocalDescription, TransportOptions};
use jitctl_wire::Condition;
use jitctl_wire::colibri2::{
    ColibriError, Endpoint, MediaSource, Sctp, SctpRole, Transport, capability,
};
use jitctl_wire::ice::IceUdpTransport;

use super::channel::{Channel, Closing};
use super::check::{self, SCTP_PORT};
use super::translate;
use super::urls::ChannelUrls;

/// What the MUC calls people who only watch.
const VISITOR: &str = "visitor";

/// An endpoint.
#[derive(Debug)]
pub(super) struct Member {
    /// Its handle in the conference.
    pub(super) index: EndpointIndex,
    /// Receives only.
    pub(super) is_visitor: bool,
    /// Text for statistics.
    pub(super) stats_id: Option<String>,
    /// Media may flow.
    pub(super) is_connected: bool,
    /// Its bridge channel over WebSocket.
    pub(super) channel: Channel,
    /// Since when media could flow although no bridge channel was ever open; `None` once one was,
    /// or once that was counted.
    pub(super) without_channel: Option<Waiting>,
}

/// What an endpoint lacks while its first bridge channel is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    /// Media, too.
    ForMedia,
    /// The channel alone, since then.
    ForChannel(Instant),
}

/// A meeting.
#[derive(Debug)]
pub(super) struct Meeting {
    /// Its handle in the engine.
    pub(super) conference: ConferenceIndex,
    /// Its name on this bridge.
    pub(super) id: String,
    /// Address of the room, for people.
    pub(super) name: Option<String>,
    /// When it was created.
    pub(super) created: Instant,
    /// Endpoints by identifier.
    pub(super) members: BTreeMap<String, Member>,
}

/// An engine and the time, as commands get them.
pub(super) struct Desk<'engine> {
    pub(super) engine: &'engine mut Engine<Conference>,
    pub(super) now: Instant,
    /// Where bridge channels over WebSocket are, if they are.
    pub(super) urls: Option<&'engine ChannelUrls>,
}

impl Meeting {
    pub(super) fn key(&self, member: &Member) -> EndpointKey {
        EndpointKey {
            conference: self.conference,
            endpoint: member.index,
        }
    }

    fn key_of(&self, id: &str) -> Option<EndpointKey> {
        self.members.get(id).map(|member| self.key(member))
    }

    /// Serves one entry of a request. `tolerant`: an endpoint that is gone is fine.
    pub(super) fn serve(
        &mut self,
        desk: &mut Desk<'_>,
        entry: &Endpoint,
        tolerant: bool,
    ) -> Result<Endpoint, ColibriError> {
        if entry.expire {
            self.expire(desk, &entry.id);
            return Ok(Endpoint {
                expire: true,
                ..Endpoint::new(&entry.id)
            });
        }
        let mut answer = Endpoint::new(&entry.id);
        if entry.create {
            answer.transport = Some(self.create(desk, entry)?);
        }
        let Some(key) = self.key_of(&entry.id) else {
            if tolerant {
                return Ok(answer);
            }
            return Err(ColibriError::unknown_endpoint(&entry.id));
        };
        match self.update(desk, key, entry) {
            Ok(Some(restarted)) => answer.transport = Some(restarted),
            Ok(None) => {}
            Err(error) => {
                if entry.create {
                    self.expire(desk, &entry.id);
                }
                return Err(error);
            }
        }
        Ok(answer)
    }

    fn create(&mut self, desk: &mut Desk<'_>, entry: &Endpoint) -> Result<Transport, ColibriError> {
        let id = entry.id.as_str();
        if self.members.contains_key(id) {
            return Err(ColibriError::new(
                Condition::Conflict,
                format!("Endpoint with ID {id} exists already"),
            ));
        }
        check::creation(entry)?;
        let channel = Channel::new().map_err(internal)?;
        let now = desk.now;
        let is_visitor = entry.muc_role.as_deref() == Some(VISITOR);
        let description = EndpointDescription {
            is_visitor,
            ssrc_rewriting: entry.has_capability(capability::SSRC_REWRITING),
            mid_demux: entry.has_capability(capability::RTP_MID_DEMUX),
            ..EndpointDescription::new(id)
        };
        let index = desk
            .engine
            .command(now, self.conference, |room, _| {
                room.create_endpoint(now, description)
            })
            .map_err(internal)?
            .map_err(|error| refused(&error))?;
        let member = Member {
            index,
            is_visitor,
            stats_id: entry.stats_id.clone(),
            is_connected: false,
            channel,
            without_channel: Some(Waiting::ForMedia),
        };
        let key = self.key(&member);
        self.members.insert(id.to_owned(), member);
        let wanted = entry.transport.clone().unwrap_or_default();
        let role = if wanted.ice_controlling {
            Role::Controlling
        } else {
            Role::Controlled
        };
        let options = TransportOptions {
            role,
            show_private: entry.has_capability(capability::PRIVATE_ADDRESS_CONNECTIVITY),
            data_channel: match wanted.sctp {
                Some(_) => DataChannelMode::Passive,
                None => DataChannelMode::Disabled,
            },
        };
        match desk.engine.add_endpoint(now, key, options) {
            Ok(local) => Ok(Transport {
                ice_udp: Some(self.offer(desk, id, &local)),
                sctp: wanted.sctp.map(|_| Sctp {
                    role: Some(SctpRole::Server),
                    port: Some(SCTP_PORT),
                }),
                ..Transport::default()
            }),
            Err(error) => {
                self.expire(desk, id);
                Err(internal(error))
            }
        }
    }

    /// A transport to signal, with the addresses of the endpoint's channel.
    fn offer(&self, desk: &Desk<'_>, id: &str, local: &LocalDescription) -> IceUdpTransport {
        let mut transport = translate::local(local);
        if let (Some(urls), Some(member)) = (desk.urls, self.members.get(id)) {
            let password = member.channel.password();
            transport.web_sockets = urls.addresses(&self.id, id, password);
        }
        transport
    }

    /// Everything but creation and expiry; gives the transport of an ICE restart.
    fn update(
        &mut self,
        desk: &mut Desk<'_>,
        key: EndpointKey,
        entry: &Endpoint,
    ) -> Result<Option<Transport>, ColibriError> {
        let now = desk.now;
        let media: Vec<_> = entry.media.iter().map(translate::media).collect();
        desk.engine
            .command(now, self.conference, |room, _| {
                if !media.is_empty() {
                    room.add_media(key.endpoint, &media)?;
                }
                if let Some(last_n) = entry.initial_last_n {
                    room.set_initial_last_n(key.endpoint, last_n);
                }
                Ok(())
            })
            .map_err(internal)?
            .map_err(|error| refused(&error))?;
        let transport = entry.transport.as_ref();
        if let Some(stated) = transport.and_then(|transport| transport.ice_udp.as_ref()) {
            set_remote(desk, key, stated)?;
        }
        if let Some(sources) = &entry.sources {
            self.set_sources(desk, key, sources)?;
        }
        if let Some(mute) = entry.force_mute {
            desk.engine
                .command(now, self.conference, |room, _| {
                    room.set_force_mute(key.endpoint, mute.audio, mute.video);
                })
                .map_err(internal)?;
        }
        if transport.is_some_and(|transport| transport.ice_restart) {
            // Never an error: without a transport in the answer the focus invites anew.
            let restarted = desk.engine.restart_ice(now, key);
            return Ok(restarted.ok().map(|(_, local)| Transport {
                ice_udp: Some(self.offer(desk, &entry.id, &local)),
                ..Transport::default()
            }));
        }
        Ok(None)
    }

    fn set_sources(
        &self,
        desk: &mut Desk<'_>,
        key: EndpointKey,
        stated: &[MediaSource],
    ) -> Result<(), ColibriError> {
        let now = desk.now;
        desk.engine
            .command(now, self.conference, |room, _| {
                for kind in [MediaKind::Audio, MediaKind::Video] {
                    let sources = translate::sources(stated, kind);
                    room.set_sources(now, key.endpoint, kind, sources)?;
                }
                Ok(())
            })
            .map_err(internal)?
            .map_err(|error| refused(&error))
    }

    /// Drops an endpoint; an unknown one is fine.
    pub(super) fn expire(&mut self, desk: &mut Desk<'_>, id: &str) {
        let Some(mut member) = self.members.remove(id) else {
            return;
        };
        member.channel.end(Closing::Expired);
        let now = desk.now;
        // The transport may be missing already; the conference forgets the endpoint after it.
        let _ = desk.engine.remove_endpoint(now, self.key(&member));
        let _ = desk.engine.command(now, self.conference, |room, _| {
            room.expire_endpoint(now, member.index);
        });
    }

    /// Who has this handle.
    pub(super) fn member_at(&mut self, index: EndpointIndex) -> Option<(&str, &mut Member)> {
        self.members
            .iter_mut()
            .find(|(_, member)| member.index == index)
            .map(|(id, member)| (id.as_str(), member))
    }
}

fn set_remote(
    desk: &mut Desk<'_>,
    key: EndpointKey,
    stated: &IceUdpTransport,
) -> Result<(), ColibriError> {
    let remote = translate::remote(stated)?;
    desk.engine
        .set_remote(desk.now, key, remote)
        .map_err(|error| match error {
            EngineError::Transport(error) => ColibriError::bad_request(error.to_string()),
            other => internal(other),
        })
}

/// A command the conference refuses.
fn refused(error: &ConferenceError) -> ColibriError {
    let text = error.to_string();
    match error {
        ConferenceError::EndpointExists(_) => ColibriError::new(Condition::Conflict, text),
        ConferenceError::UnknownEndpoint => ColibriError::new(Condition::InternalServerError, text),
        ConferenceError::SsrcInUse(_)
        | ConferenceError::NameInUse(_)
        | ConferenceError::TooManySources(_)
        | ConferenceError::VisitorWithSources => ColibriError::bad_request(text),
    }
}

fn internal(error: impl std::fmt::Display) -> ColibriError {
    ColibriError::new(Condition::InternalServerError, error.to_string())
}
