/**
 * The site's settings as `config.js` gives them.
 *
 * The file is upstream's format, so that Jitsi Meet's own web app reads it, too; only what this
 * page needs is taken over, and everything has a default that follows from the domain.
 */

export interface Hosts {
  domain: string;
  muc: string;
  focus: string;
  /** Where guests log in when accounts open rooms. */
  anonymousdomain?: string;
  /** The XMPP host of accounts that may open rooms. */
  authdomain?: string;
}

export interface Settings {
  hosts: Hosts;
  websocket: string;
  bosh: string;
  keepAlive: string | undefined;
  conferenceRequest: string | undefined;
  focusJid: string | undefined;
  preferSctp: boolean;
  direct: { enabled: boolean; useTurn: boolean; stunServers: { urls: string }[] };
}

type Json = Record<string, unknown>;

const record = (value: unknown): Json =>
  typeof value === "object" && value !== null ? (value as Json) : {};
const text = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined;

/** Reads `window.config`; anything missing or of another type takes its default. */
export function readSettings(source: unknown, host: string): Settings {
  const config = record(source);
  const given = record(config["hosts"]);
  const domain = text(given["domain"]) ?? host;
  const hosts: Hosts = {
    domain,
    muc: text(given["muc"]) ?? `conference.${domain}`,
    focus: text(given["focus"]) ?? `focus.${domain}`,
  };
  const anonymous = text(given["anonymousdomain"]);
  if (anonymous !== undefined) hosts.anonymousdomain = anonymous;
  const auth = text(given["authdomain"]);
  if (auth !== undefined) hosts.authdomain = auth;

  const direct = record(config["p2p"]);
  const servers = Array.isArray(direct["stunServers"]) ? direct["stunServers"] : [];
  return {
    hosts,
    websocket: text(config["websocket"]) ?? `wss://${host}/xmpp-websocket`,
    bosh: text(config["bosh"]) ?? `https://${host}/http-bind`,
    keepAlive: text(config["websocketKeepAliveUrl"]),
    conferenceRequest: text(config["conferenceRequestUrl"]),
    focusJid: text(config["focusUserJid"]),
    preferSctp: record(config["bridgeChannel"])["preferSctp"] !== false,
    direct: {
      enabled: direct["enabled"] !== false,
      useTurn: direct["useStunTurn"] === true,
      stunServers: servers.flatMap((server) => {
        const urls = text(record(server)["urls"]);
        return urls === undefined ? [] : [{ urls }];
      }),
    },
  };
}
