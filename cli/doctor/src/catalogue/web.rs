//! The public site: page, BOSH, WebSocket, certificate.

use super::rows;

rows! {
    ISSUANCE_FAILED: "T03", Error, "the authority issues no public certificate" {
        symptom: "`too many certificates`, `Timeout during connect`; browsers warn of the certificate",
        cause: "the words of the authority say which: its limits, port 80 closed, a name that leads elsewhere",
        detection: "the last run of the units that ask for the certificate and renew it",
        cure: "jitctl logs --on HOST --since 2h   # after curing it: jitctl exec --on HOST -- systemctl start UNIT",
        fixable: false,
        here: ["T01", "T04", "T05"],
        elsewhere: [],
    }
    CERTIFICATE_EXPIRY: "T01", Error, "the public certificate expires soon or has expired" {
        symptom: "browsers refuse the page",
        cause: "the renewal failed or was never set up",
        detection: "the dates of the certificate that is served",
        cure: "jitctl apply --on HOST   # with your own files: renew them first",
        fixable: true,
        here: ["T04", "T05", "T02", "W11", "H11"],
        elsewhere: [],
    }
    CERTIFICATE_NAME: "T04", Error, "the public certificate is for other names" {
        symptom: "`NET::ERR_CERT_COMMON_NAME_INVALID`",
        cause: "the files belong to another site",
        detection: "the names of the certificate that is served",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["T05", "T02", "W11", "H11"],
        elsewhere: [],
    }
    CERTIFICATE_SELF_SIGNED: "T05", Error, "the public certificate signed itself" {
        symptom: "`NET::ERR_CERT_AUTHORITY_INVALID`",
        cause: "a stand-in was never replaced by a real certificate",
        detection: "issuer and subject of the certificate that is served",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["T02", "W11", "H11"],
        elsewhere: [],
    }
    PAGE_DOWN: "W20", Error, "the site's page does not open" {
        symptom: "the browser shows an error instead of the page",
        cause: "nginx is down, or its configuration was changed",
        detection: "GET / over TLS with the site's name",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["W01", "W03", "W04", "W05", "W06", "W07", "W10", "W12", "W21", "X23", "T01", "T04", "W11", "H11"],
        elsewhere: [],
    }
    BOSH_DOWN: "W01", Error, "the web server cannot reach Prosody" {
        symptom: "`/http-bind` answers 502",
        cause: "Prosody is down, or its HTTP port is elsewhere",
        detection: "GET /http-bind through nginx",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["W03", "X23", "H11"],
        elsewhere: [],
    }
    WEBSOCKET_DOWN: "W03", Error, "the XMPP WebSocket does not open" {
        symptom: "`You have been disconnected`",
        cause: "the location or its upgrade headers are missing in nginx",
        detection: "a WebSocket handshake with sub-protocol `xmpp`; anything but 101",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["X23", "U05", "H11"],
        elsewhere: [],
    }
    PAGE_SETTINGS: "W10", Error, "the page's settings are not served" {
        symptom: "a blank page",
        cause: "`config.js` is missing, or something else is served in its place",
        detection: "GET /config.js",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["H11"],
        elsewhere: [],
    }
    REQUESTS_OVER_HTTP: "W21", Warning, "conference requests over HTTP fail" {
        symptom: "clients that ask over HTTP wait and then ask over XMPP",
        cause: "the location is missing in nginx, or leads nowhere",
        detection: "POST /conference-request/v1 through nginx, as a guest",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["H11"],
        elsewhere: [],
    }
    CHANNEL_HALF_CONFIGURED: "W08", Error, "the bridge tells nobody where its channel is" {
        symptom: "`Websockets enabled, but no domains specified`; quality stays lowest in groups",
        cause: "`[websocket]` or its `domains` is missing in the bridge's configuration",
        detection: "the bridge's configuration on its host, where the inventory says `bridge_channel: websocket`",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["W09", "H11", "H13"],
        elsewhere: [],
    }
    CHANNEL_OFF: "W09", Error, "the bridge takes no channels over WebSocket" {
        symptom: "the bridge channel is gone after an update; quality stays lowest in groups",
        cause: "the bridge runs with other settings than its configuration has now",
        detection: "the sockets of the bridge's host",
        cure: "jitctl exec --on HOST -- systemctl restart jitctl-bridge   # then jitctl apply --on HOST",
        fixable: true,
        here: [],
        elsewhere: [],
    }
    CHANNEL_IS_PAGE: "W04", Error, "the bridge channel answers the app page" {
        symptom: "`/colibri-ws/…` answers 200 with HTML; quality stays lowest in groups",
        cause: "the location is missing in nginx: the request falls to the page",
        detection: "a WebSocket handshake with each bridge's channel, through nginx; the content type of the answer",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["H11", "H13"],
        elsewhere: [],
    }
    CHANNEL_UNKNOWN: "W05", Error, "the web server does not know a bridge's channel" {
        symptom: "the bridge channel fails on one bridge only",
        cause: "nginx's map of bridges lacks this one, or has it under another nickname",
        detection: "a WebSocket handshake with each bridge's channel, through nginx: nginx itself answers 404",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["H11", "H13"],
        elsewhere: [],
    }
    CHANNEL_ASTRAY: "W06", Error, "a bridge's channel leads somewhere else" {
        symptom: "`/colibri-ws/…` answers 502, or 404 by another bridge",
        cause: "the address in nginx's map is old, or a firewall closes the channel's port on the bridge",
        detection: "a WebSocket handshake with each bridge's channel, through nginx, while the bridge listens",
        cure: "jitctl apply   # and open 9090/tcp of the bridge for MAIN at your provider",
        fixable: true,
        here: ["H11", "H13"],
        elsewhere: [],
    }
    CHANNEL_NOT_UPGRADED: "W07", Error, "the bridge channel loses its upgrade" {
        symptom: "`/colibri-ws/…` answers 405 or 426",
        cause: "the upgrade headers are missing in nginx, or a proxy before it takes them away",
        detection: "a WebSocket handshake with each bridge's channel, through nginx: the bridge sees a plain request",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["H11", "H13"],
        elsewhere: [],
    }
    PAGE_PLAIN: "W12", Warning, "port 80 does not lead to HTTPS" {
        symptom: "`Cannot read property 'getUserMedia'`: no camera without HTTPS",
        cause: "the redirect is missing in nginx, or another site answers there",
        detection: "GET / on port 80",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["H11"],
        elsewhere: [],
    }
    CHAIN_INCOMPLETE: "W11", Warning, "an intermediate certificate is missing" {
        symptom: "browsers open the page, mobile apps do not",
        cause: "the certificate file holds the leaf only",
        detection: "the chain as sent, without help from any cache: a certificate of a public authority (it carries receipts of public logs) that comes alone",
        cure: "put the intermediate into the certificate file, then jitctl apply --on HOST",
        fixable: false,
        here: ["T02"],
        elsewhere: [],
    }
}
