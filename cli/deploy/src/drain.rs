//! Emptying a bridge before it goes.
//!
//! A draining bridge gets no new conference and keeps those that it has. It stops draining by
//! itself soon after the limit, by a timer on its own host, so that a run that dies in between
//! leaves a bridge that works.

use std::time::Duration;

use jitctl_transport::{Remote, RemoteError, Script};
use serde::Deserialize;

/// What a bridge still carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Load {
    /// People.
    pub participants: u64,
    /// Conferences.
    pub conferences: u64,
}

impl Load {
    /// Whether nobody is left.
    pub fn is_empty(self) -> bool {
        self.participants == 0 && self.conferences == 0
    }
}

/// How long after the limit the bridge goes back to work by itself.
const GRACE: Duration = Duration::from_secs(60);
const DEADLINE: Duration = Duration::from_secs(20);

/// `perl` is part of every Debian; `curl` is not.
const FUNCTIONS: &str = r#"ask() {
    perl -MIO::Socket::INET -e '
        my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => 8080, Timeout => 3) or exit 1;
        print $socket "$ARGV[0] $ARGV[1] HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
        local $/; my ($head, $body) = split /\r\n\r\n/, <$socket>, 2;
        exit 1 unless $head =~ m{^HTTP/1.. 2}; print $body;' "$1" "$2" 2> /dev/null
}
stop_timer() {
    systemctl stop jitctl-undrain.timer 2> /dev/null || :
    systemctl reset-failed jitctl-undrain.service jitctl-undrain.timer 2> /dev/null || :
}
"#;

/// Lets the bridge of a host take nothing new for `limit`. Nothing comes back when no bridge
/// answers there: then there is nobody to wait for.
///
/// # Errors
/// The host cannot be reached.
pub async fn begin(remote: &dyn Remote, limit: Duration) -> Result<Option<Load>, RemoteError> {
    let text = format!(
        r#"{FUNCTIONS}stop_timer
ask POST /colibri/drain/enable > /dev/null || exit 0
systemd-run --quiet --collect --unit=jitctl-undrain --on-active={seconds} --timer-property=AccuracySec=1 \
    perl -MIO::Socket::INET -e 'my $socket = IO::Socket::INET->new("127.0.0.1:8080") or exit 0; print $socket "POST /colibri/drain/disable HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"; <$socket>' \
    > /dev/null 2>&1 || {{ ask POST /colibri/drain/disable > /dev/null; echo 'no timer' >&2; exit 1; }}
ask GET /colibri/stats
"#,
        seconds = (limit + GRACE).as_secs(),
    );
    let output = remote
        .run(Script::new("let the bridge drain", text, DEADLINE))
        .await?;
    Ok(load(&output.text()))
}

/// What the bridge of a host carries now; nothing when it does not answer.
///
/// # Errors
/// The host cannot be reached.
pub async fn look(remote: &dyn Remote) -> Result<Option<Load>, RemoteError> {
    let text = format!("{FUNCTIONS}ask GET /colibri/stats || :\n");
    let output = remote
        .run(Script::new("ask the bridge for its load", text, DEADLINE))
        .await?;
    Ok(load(&output.text()))
}

/// The bridge goes back to work.
///
/// # Errors
/// The host cannot be reached.
pub async fn end(remote: &dyn Remote) -> Result<(), RemoteError> {
    let text = format!("{FUNCTIONS}stop_timer\nask POST /colibri/drain/disable > /dev/null || :\n");
    remote
        .run(Script::new("let the bridge work again", text, DEADLINE))
        .await?;
    Ok(())
}

fn load(text: &str) -> Option<Load> {
    serde_json::from_str(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::{Load, load};

    #[test]
    fn the_load_is_read_from_the_statistics() {
        let read = load(r#"{"participants":3,"conferences":1,"stress_level":0.1}"#);
        let expected = Load {
            participants: 3,
            conferences: 1,
        };
        assert_eq!(read, Some(expected));
        assert!(!expected.is_empty() && Load::default().is_empty());
        assert_eq!(load(""), None);
    }
}
