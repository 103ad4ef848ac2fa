// Managed by jitctl; local changes are replaced by the next apply.
var config = {
    hosts: {
        domain: "meet.test",
        muc: "conference.meet.test",
        focus: "focus.meet.test",
    },

    // How a browser reaches XMPP: a WebSocket, else long polling.
    websocket: "wss://meet.test/xmpp-websocket",
    bosh: "https://meet.test/http-bind",
    websocketKeepAliveUrl: "https://meet.test/_unlock",

    // Rooms are asked for over HTTP, before XMPP is up. In a secure domain they are asked for over
    // XMPP, which says who asks.
    conferenceRequestUrl: "https://meet.test/conference-request/v1",
    focusUserJid: "focus@auth.meet.test",

    bridgeChannel: {
        preferSctp: false,
    },

    // Two people talk to each other directly where their networks allow it. No third party's
    // server learns who meets whom.
    p2p: {
        enabled: true,
        useStunTurn: true,
        stunServers: [
            { urls: "stun:meet.test:3478" },
        ],
    },
    useStunTurn: true,

    prejoinConfig: {
        enabled: true,
    },
    enableWelcomePage: true,
    disableThirdPartyRequests: true,
    analytics: {
        disabled: true,
    },
};
