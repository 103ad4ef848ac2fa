/**
 * What went wrong, said to people: what it means for them and what they can do. Codes are those
 * of lib-jitsi-meet and of `getUserMedia`.
 */

export type Remedy = "again" | "login" | "password" | "none";

export interface Trouble {
  title: string;
  advice: string;
  remedy: Remedy;
  /** Whether the page tries again by itself. */
  automatic: boolean;
}

const trouble = (
  title: string,
  advice: string,
  remedy: Remedy = "again",
  automatic = false,
): Trouble => ({ title, advice, remedy, automatic });

const CONFERENCE: Record<string, Trouble> = {
  "conference.authenticationRequired": trouble(
    "Waiting for the host",
    "The meeting begins when somebody with an account opens it. You come in by yourself.",
    "login",
  ),
  "conference.passwordRequired": trouble(
    "This meeting has a password",
    "Ask the person who invited you for it.",
    "password",
  ),
  "conference.max_users": trouble(
    "This meeting is full",
    "Wait until somebody leaves, then try again.",
  ),
  "conference.destroyed": trouble(
    "The meeting was ended",
    "Somebody ended it for everyone.",
    "none",
  ),
  "conference.connectionError.notAllowed": trouble(
    "You may not enter this meeting",
    "The server refuses this room to you.",
    "none",
  ),
  "conference.connectionError.membersOnly": trouble(
    "This meeting has a waiting room",
    "Somebody inside was told that you are here. You come in by yourself once they let you.",
    "none",
  ),
  "conference.connectionError.accessDenied": trouble(
    "You were not let in",
    "Somebody inside declined. Ask them before you try again.",
  ),
  "conference.gracefulShutdown": trouble(
    "The server is about to restart",
    "New meetings open again in a few minutes.",
  ),
  "conference.reservationError": trouble(
    "This room is not booked for now",
    "The server opens it only at the time it was booked for.",
  ),
  "conference.videobridgeNotAvailable": trouble(
    "No server can carry sound and picture now",
    "You are in the room, and chat works. Sound and picture start by themselves when a server is back.",
    "again",
    true,
  ),
  "conference.focusLeft": trouble(
    "The server that runs the meeting restarted",
    "Reconnecting. You need not do anything.",
    "again",
    true,
  ),
  "conference.focusDisconnected": trouble(
    "The meeting could not be opened",
    "The server that runs meetings does not answer. Trying again.",
    "again",
    true,
  ),
  "conference.iceFailed": trouble(
    "Sound and picture do not get through",
    "A firewall may block UDP. Try another network, or ask whoever runs yours to allow it.",
    "again",
    true,
  ),
  "conference.restarted": trouble("The meeting was restarted", "Reconnecting.", "again", true),
  "conference.incompatible_server_versions": trouble(
    "This page is older than the server",
    "Reload the page.",
  ),
};

const CONNECTION: Record<string, Trouble> = {
  "connection.passwordRequired": trouble(
    "Name or password is wrong",
    "Check both and try again.",
    "login",
  ),
  "connection.droppedError": trouble(
    "The connection was lost",
    "Check your network. Reconnecting by itself.",
    "again",
    true,
  ),
  "connection.serverError": trouble(
    "The server does not answer as it should",
    "Trying again by itself.",
    "again",
    true,
  ),
};

/** The words for a conference that failed. */
export function conferenceTrouble(code: string): Trouble {
  return (
    CONFERENCE[code] ??
    trouble("The meeting failed", `Trying again. The code is ${code}.`, "again", true)
  );
}

/** The words for a connection that failed. */
export function connectionTrouble(code: string): Trouble {
  return (
    CONNECTION[code] ??
    trouble("The server cannot be reached", "Check your network. Trying again.", "again", true)
  );
}

export type Device = "camera" | "microphone" | "screen";

/** The words for a device that cannot be used; `undefined` when the person decided so. */
export function deviceTrouble(device: Device, code: string): string | undefined {
  switch (code) {
    case "gum.screensharing_user_canceled":
      return undefined;
    case "gum.permission_denied":
    case "NotAllowedError":
      return device === "screen"
        ? undefined
        : `The browser may not use your ${device}. Allow it with the icon beside the address.`;
    case "gum.not_found":
    case "NotFoundError":
      return `No ${device} was found. Plug one in, or join without.`;
    case "gum.timeout":
      return `The ${device} did not answer. Another program may be using it.`;
    case "gum.constraint_failed":
    case "OverconstrainedError":
      return `The chosen ${device} is gone. Choose another one.`;
    case "gum.general":
    case "NotReadableError":
    case "AbortError":
      return `The ${device} cannot be started. Close other programs that use it.`;
    default:
      return `The ${device} cannot be used (${code}).`;
  }
}
