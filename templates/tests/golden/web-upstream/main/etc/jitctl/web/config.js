// Managed by jitctl; local changes are replaced by the next apply.
var config = {
    hosts: {
        domain: "meet.example.org",
        muc: "conference.meet.example.org",
        focus: "focus.meet.example.org",
    },

    // How a browser reaches XMPP: a WebSocket, else long polling.
    websocket: "wss://meet.example.org/xmpp-websocket",
    bosh: "https://meet.example.org/http-bind",
    websocketKeepAliveUrl: "https://meet.example.org/_unlock",

    // Rooms are asked for over HTTP, before XMPP is up. In a secure domain they are asked for over
    // XMPP, which says who asks.
    conferenceRequestUrl: "https://meet.example.org/conference-request/v1",
    focusUserJid: "focus@auth.meet.example.org",

    bridgeChannel: {
        preferSctp: true,
    },

    // Two people talk to each other directly where their networks allow it. No third party's
    // server learns who meets whom.
    p2p: {
        enabled: true,
        useStunTurn: false,
        stunServers: [
        ],
    },
    useStunTurn: false,

    prejoinConfig: {
        enabled: true,
    },
    enableWelcomePage: true,
    disableThirdPartyRequests: true,
    analytics: {
        disabled: true,
    },
};
