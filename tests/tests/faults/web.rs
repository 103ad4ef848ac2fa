//! The web server: page, settings, BOSH, WebSockets of XMPP and of the bridges.

use jitctl_tests::Lab;

use super::{Fault, Reader, on};

static NGINX: Reader = Reader {
    path: "/etc/nginx/conf.d/jitctl.conf",
    load: "nginx -tq && systemctl reload nginx; sleep 0.5",
};

fn nginx_again(lab: &Lab) {
    NGINX.as_before(lab);
}

pub(crate) static FAULTS: &[Fault] = &[
    Fault {
        name: "nginx without the WebSocket location",
        code: "W03",
        host: "h1",
        cause: |lab| NGINX.with(lab, "/location = .xmpp-websocket/a return 404;"),
        mend: nginx_again,
    },
    Fault {
        name: "bridge channel answers the app page",
        code: "W04",
        host: "h1",
        cause: |lab| NGINX.with(lab, "s#location ~ .^/colibri-#location ~ \"^/gone-#"),
        mend: nginx_again,
    },
    Fault {
        name: "nginx does not know a bridge",
        code: "W05",
        host: "h1",
        cause: |lab| NGINX.with(lab, "/10.77.0.13:9090/d"),
        mend: nginx_again,
    },
    Fault {
        name: "bridge channel leads nowhere",
        code: "W06",
        host: "h1",
        cause: |lab| NGINX.with(lab, "s/10.77.0.13:9090/10.77.0.13:9099/"),
        mend: nginx_again,
    },
    Fault {
        name: "bridge channel leads to another bridge",
        code: "W06",
        host: "h1",
        cause: |lab| NGINX.with(lab, "s/10.77.0.13:9090/10.77.0.12:9090/"),
        mend: nginx_again,
    },
    Fault {
        name: "bridge channel without upgrade headers",
        code: "W07",
        host: "h1",
        cause: |lab| {
            NGINX.with(
                lab,
                "/colibri-/,/proxy_read_timeout/s/proxy_set_header Upgrade .*//",
            );
        },
        mend: nginx_again,
    },
    Fault {
        name: "BOSH leads nowhere",
        code: "W01",
        host: "h1",
        cause: |lab| NGINX.with(lab, "s#jitctl_prosody/http-bind#127.0.0.1:5999/http-bind#"),
        mend: nginx_again,
    },
    Fault {
        name: "no redirect from port 80",
        code: "W12",
        host: "h1",
        cause: |lab| NGINX.with(lab, "s#return 301 https.*#return 200 plain;#"),
        mend: nginx_again,
    },
    Fault {
        name: "page refused",
        code: "W20",
        host: "h1",
        cause: |lab| NGINX.with(lab, "s#location / {#location / { return 503;#"),
        mend: nginx_again,
    },
    Fault {
        name: "conference requests over HTTP lead to the page",
        code: "W21",
        host: "h1",
        cause: |lab| NGINX.with(lab, "s#location = /conference-request/v1#location = /gone#"),
        mend: nginx_again,
    },
    Fault {
        name: "page without its settings",
        code: "W10",
        host: "h1",
        cause: |lab| on(lab, "h1", "mv /etc/jitctl/web/config.js /root/"),
        mend: |lab| on(lab, "h1", "mv /root/config.js /etc/jitctl/web/"),
    },
    Fault {
        name: "WebSocket answers the app page",
        code: "W03",
        host: "h1",
        cause: |lab| NGINX.with(lab, "s#location = /xmpp-websocket#location = /gone#"),
        mend: nginx_again,
    },
];
