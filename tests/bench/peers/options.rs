//! What to measure.

use crate::Failure;

/// kbit/s of a sender, unless the workload says otherwise.
const USUAL_KILOBITS: usize = 1500;

/// Rooms of equal members.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    pub(crate) rooms: usize,
    pub(crate) members: usize,
    /// The first so many members of a room send.
    pub(crate) senders: usize,
    /// How many of the others' pictures a member gets.
    pub(crate) watched: usize,
    /// Senders offer three sizes, and receivers want the smallest.
    pub(crate) simulcast: bool,
    /// Of each sender with one size.
    pub(crate) kilobits_per_second: usize,
}

impl Workload {
    /// `one-to-N`, `mesh-N`, `rooms-RxN`, `meeting-N-last-L` or `join-N`; `@KBPS` behind it sets
    /// the rate of senders.
    fn parse(name: &str) -> Option<Self> {
        let (shape, kilobits) = match name.split_once('@') {
            Some((shape, kilobits)) => (shape, kilobits.parse().ok()?),
            None => (name, USUAL_KILOBITS),
        };
        let number = |text: &str| text.parse::<usize>().ok();
        let mut workload = Self {
            rooms: 1,
            members: 0,
            senders: 1,
            watched: usize::MAX,
            simulcast: false,
            kilobits_per_second: kilobits,
        };
        if let Some(receivers) = shape.strip_prefix("one-to-") {
            workload.members = number(receivers)? + 1;
            return Some(workload);
        }
        if let Some(members) = shape.strip_prefix("mesh-") {
            workload.members = number(members)?;
        } else if let Some(members) = shape.strip_prefix("join-") {
            workload.members = number(members)?;
            workload.watched = 0;
        } else if let Some(rooms) = shape.strip_prefix("rooms-") {
            let (rooms, members) = rooms.split_once('x')?;
            workload.rooms = number(rooms)?;
            workload.members = number(members)?;
        } else {
            let (members, last) = shape.strip_prefix("meeting-")?.split_once("-last-")?;
            workload.members = number(members)?;
            workload.watched = number(last)?;
            workload.simulcast = true;
        }
        workload.senders = workload.members;
        Some(workload)
    }

    /// Whether all connect at the same moment, and nothing is sent.
    pub(crate) fn is_join(&self) -> bool {
        self.watched == 0
    }

    /// Whether members get fewer pictures than there are.
    pub(crate) fn is_limited(&self) -> bool {
        self.watched < self.senders
    }

    pub(crate) fn participants(&self) -> usize {
        self.rooms * self.members
    }

    /// The senders whose pictures a member gets.
    pub(crate) fn watched_by(&self, member: usize) -> Vec<usize> {
        (1..self.members)
            .map(|step| (member + step) % self.members)
            .filter(|other| *other < self.senders)
            .take(self.watched)
            .collect()
    }

    /// Members that get pictures.
    pub(crate) fn watchers(&self) -> usize {
        let members = 0..self.members;
        self.rooms
            * members
                .filter(|member| !self.watched_by(*member).is_empty())
                .count()
    }

    /// Pictures that are to be forwarded.
    pub(crate) fn streams(&self) -> usize {
        let members = 0..self.members;
        self.rooms
            * members
                .map(|member| self.watched_by(member).len())
                .sum::<usize>()
    }
}

/// The command line.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) server: String,
    /// Where the server's signalling listens, `host:port`.
    pub(crate) address: String,
    /// The host of `address`.
    pub(crate) host: String,
    /// The server's process.
    pub(crate) pid: u32,
    pub(crate) workload: Workload,
    pub(crate) seconds: u64,
    /// LiveKit's key and secret, `key:secret`.
    pub(crate) secret: String,
}

impl Options {
    pub(crate) fn from_arguments() -> Result<Self, Failure> {
        let mut options = Self {
            server: String::new(),
            address: String::new(),
            host: String::new(),
            pid: 0,
            workload: Workload::parse("one-to-20").ok_or("no workload")?,
            seconds: 5,
            secret: String::new(),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or(format!("{name} wants a value"))?;
            match name.as_str() {
                "--server" => options.server = value,
                "--address" => {
                    let (host, _) = value.rsplit_once(':').ok_or("--address wants host:port")?;
                    host.clone_into(&mut options.host);
                    options.address = value;
                }
                "--pid" => options.pid = value.parse()?,
                "--seconds" => options.seconds = value.parse()?,
                "--secret" => options.secret = value,
                "--workload" => {
                    options.workload = Workload::parse(&value)
                        .ok_or("one-to-N, mesh-N, rooms-RxN, meeting-N-last-L or join-N")?;
                }
                other => return Err(format!("unknown option {other}").into()),
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(name: &str) -> Workload {
        Workload::parse(name).unwrap_or_else(|| panic!("`{name}` is a workload"))
    }

    #[test]
    fn one_sender_is_watched_by_all_others() {
        let one = workload("one-to-20@4000");
        assert_eq!((one.participants(), one.senders), (21, 1));
        assert_eq!((one.watchers(), one.streams()), (20, 20));
        assert_eq!(one.kilobits_per_second, 4000);
        assert!(!one.is_limited());
    }

    #[test]
    fn in_rooms_everybody_watches_everybody_else() {
        let rooms = workload("rooms-10x10");
        assert_eq!((rooms.participants(), rooms.watchers()), (100, 100));
        assert_eq!(rooms.streams(), 10 * 10 * 9);
        assert_eq!(workload("mesh-10").streams(), 90);
    }

    #[test]
    fn a_limited_meeting_forwards_so_many_pictures_to_each() {
        let meeting = workload("meeting-100-last-20");
        assert!(meeting.is_limited() && meeting.simulcast);
        assert_eq!(meeting.streams(), 2000);
        assert!(!meeting.watched_by(99).contains(&99));
    }

    #[test]
    fn a_join_forwards_nothing() {
        let join = workload("join-100");
        assert!(join.is_join());
        assert_eq!((join.senders, join.streams()), (100, 0));
    }

    #[test]
    fn other_names_are_none() {
        for name in ["one-to-", "mesh-x", "meeting-100", "one-to-20@fast", ""] {
            assert!(Workload::parse(name).is_none(), "{name}");
        }
    }
}
