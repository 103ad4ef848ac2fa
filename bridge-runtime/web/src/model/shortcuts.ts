/**
 * Which key does what in a meeting. Keys count only where nobody types and without modifiers, so
 * that the browser's and the screen reader's own keys stay theirs.
 */

export type Action =
  | "microphone"
  | "camera"
  | "screen"
  | "hand"
  | "chat"
  | "people"
  | "layout"
  | "fullscreen"
  | "help"
  | "talk";

export interface Shortcut {
  key: string;
  shown: string;
  action: Action;
  words: string;
}

export const SHORTCUTS: readonly Shortcut[] = [
  { key: "m", shown: "M", action: "microphone", words: "Microphone on or off" },
  { key: " ", shown: "Space", action: "talk", words: "Hold to speak while muted" },
  { key: "v", shown: "V", action: "camera", words: "Camera on or off" },
  { key: "d", shown: "D", action: "screen", words: "Share the screen, or stop" },
  { key: "r", shown: "R", action: "hand", words: "Raise or lower your hand" },
  { key: "c", shown: "C", action: "chat", words: "Open or close the chat" },
  { key: "p", shown: "P", action: "people", words: "Open or close the list of people" },
  { key: "w", shown: "W", action: "layout", words: "Everyone alike, or the speaker large" },
  { key: "f", shown: "F", action: "fullscreen", words: "Full screen" },
  { key: "?", shown: "?", action: "help", words: "Show these keys" },
];

export interface Pressed {
  key: string;
  ctrlKey: boolean;
  altKey: boolean;
  metaKey: boolean;
  /** Whether the focus is where letters or Space mean something else. */
  typing: boolean;
  /** Whether the focus is on a button, which Space presses. */
  onControl: boolean;
}

/** The action of a key press, if it is one. */
export function actionOf(pressed: Pressed): Action | undefined {
  if (pressed.typing || pressed.ctrlKey || pressed.altKey || pressed.metaKey) return undefined;
  if (pressed.key === " " && pressed.onControl) return undefined;
  return SHORTCUTS.find((shortcut) => shortcut.key === pressed.key.toLowerCase())?.action;
}
