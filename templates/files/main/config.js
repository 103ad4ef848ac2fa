// Managed by jitctl; local changes are replaced by the next apply.
var config = {
    hosts: {
        domain: {{ domain | quote }},
{%- if secure_domain %}
        anonymousdomain: {{ ("guest." ~ domain) | quote }},
        authdomain: {{ domain | quote }},
{%- endif %}
        muc: {{ ("conference." ~ domain) | quote }},
        focus: {{ ("focus." ~ domain) | quote }},
    },

    // How a browser reaches XMPP: a WebSocket, else long polling.
    websocket: {{ ("wss://" ~ domain ~ "/xmpp-websocket") | quote }},
    bosh: {{ ("https://" ~ domain ~ "/http-bind") | quote }},
    websocketKeepAliveUrl: {{ ("https://" ~ domain ~ "/_unlock") | quote }},

{%- if not secure_domain %}

    // Rooms are asked for over HTTP, before XMPP is up. In a secure domain they are asked for over
    // XMPP, which says who asks.
    conferenceRequestUrl: {{ ("https://" ~ domain ~ "/conference-request/v1") | quote }},
{%- endif %}
    focusUserJid: {{ (focus_user ~ "@auth." ~ domain) | quote }},

    bridgeChannel: {
        preferSctp: {{ prefer_sctp }},
    },

    // Two people talk to each other directly where their networks allow it. No third party's
    // server learns who meets whom.
    p2p: {
        enabled: true,
        useStunTurn: {{ turn }},
        stunServers: [
{%- if turn %}
            { urls: {{ ("stun:" ~ domain ~ ":" ~ turn_port) | quote }} },
{%- endif %}
        ],
    },
    useStunTurn: {{ turn }},

    prejoinConfig: {
        enabled: true,
    },
    enableWelcomePage: true,
    disableThirdPartyRequests: true,
    analytics: {
        disabled: true,
    },
};
