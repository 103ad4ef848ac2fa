/**
 * Making elements without a framework: `make("button", { class: "round" }, "text")`.
 *
 * Attributes are set as attributes, functions named `on…` become listeners. Text is always text,
 * never markup, and there are no inline styles, so that the strictest content policy holds.
 */

type Value = string | number | boolean | undefined | ((event: never) => void);
export type Child = Node | string | undefined;

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, Value> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") {
      element.addEventListener(name.slice(2), value as (event: Event) => void);
    } else attribute(element, name, value);
  }
  for (const child of children) if (child !== undefined) element.append(child);
  return element;
}

/** Sets an attribute, or takes it away; writes only what changes. */
export function attribute(element: Element, name: string, value: Value): void {
  if (value === undefined || value === false || typeof value === "function") {
    if (element.hasAttribute(name)) element.removeAttribute(name);
    return;
  }
  const text = value === true ? "" : String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

/** Sets text; writes only what changes, so that screen readers are not disturbed. */
export function text(element: Element, value: string): void {
  if (element.textContent !== value) element.textContent = value;
}

/** Gives `parent` exactly these children in this order, moving as few as possible. */
export function arrange(parent: Element, wanted: readonly Element[]): void {
  const keep = new Set(wanted);
  for (const child of [...parent.children]) if (!keep.has(child)) child.remove();
  wanted.forEach((element, index) => {
    const there = parent.children[index];
    if (there !== element) parent.insertBefore(element, there ?? null);
  });
}

const ICONS = {
  microphone: "M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3M6 11a6 6 0 0 0 12 0M12 17v4",
  "microphone-off":
    "M9 6a3 3 0 0 1 6 0v4M15 13a3 3 0 0 1-6-2V9M6 11a6 6 0 0 0 9.5 4.9M18 11a6 6 0 0 1-.6 2.6M12 17v4M4 4l16 16",
  camera:
    "M4 7h9a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2H4a1 1 0 0 1-1-1V8a1 1 0 0 1 1-1M15 11l6-3.5v9L15 13",
  "camera-off":
    "M9 7h4a2 2 0 0 1 2 2v3M14 16.5a2 2 0 0 1-1 .5H4a1 1 0 0 1-1-1V8a1 1 0 0 1 .8-1M15 11l6-3.5v9l-3.5-2M4 4l16 16",
  screen:
    "M4 4h16a1 1 0 0 1 1 1v11a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1M9 21h6M12 13V8M9.5 10L12 7.5 14.5 10",
  hand: "M7 12V6.5a1.5 1.5 0 0 1 3 0V11M10 10.500V4.500a1.500 1.500 0 0 1 3 0V11M13 10.500V5.500a1.500 1.500 0 0 1 3 0V13M16 11a1.500 1.500 0 0 1 3 0v3a7 7 0 0 1-7 7c-3 0-4.500-1.200-6-4l-2-4a1.500 1.500 0 0 1 2.600-1.500L8 13.500",
  chat: "M4 5h16a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1h-8l-5 4v-4H4a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1M8 9.500h8M8 13h5",
  people:
    "M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7M2.500 20a6.500 6.500 0 0 1 13 0M16 4.300a3.500 3.500 0 0 1 0 6.400M18 14a6.500 6.500 0 0 1 3.500 6",
  leave:
    "M3 15c0-1 .5-2 1.500-2.500C7 11 9.500 10.500 12 10.500s5 .5 7.500 2c1 .5 1.500 1.500 1.500 2.500v1.500a1 1 0 0 1-1.200 1l-3.300-.7a1 1 0 0 1-.8-.9L15.500 14c-2.300-.7-4.700-.7-7 0l-.2 1.900a1 1 0 0 1-.8.9l-3.300.7A1 1 0 0 1 3 16.500z",
  settings:
    "M12 15.500a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7M12 2.500v3M12 18.500v3M2.500 12h3M18.500 12h3M5.300 5.300l2.100 2.100M16.600 16.600l2.100 2.100M5.300 18.700l2.100-2.100M16.600 7.400l2.100-2.100",
  grid: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z",
  speaker: "M4 4h16v11H4zM4 18h4v2H4zM10 18h4v2h-4zM16 18h4v2h-4z",
  pin: "M9 3h6l-1 6 4 4H6l4-4zM12 13v8",
  remove:
    "M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7M2.500 20a6.500 6.500 0 0 1 13 0M17 9l5 5M22 9l-5 5",
  close: "M5 5l14 14M19 5L5 19",
  send: "M4 12l16-8-5 16-3.500-6.500z",
  keyboard: "M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M7 14h10",
  link: "M10 14a4 4 0 0 0 5.700 0l3-3a4 4 0 0 0-5.700-5.700l-1 1M14 10a4 4 0 0 0-5.700 0l-3 3a4 4 0 0 0 5.700 5.700l1-1",
} as const;

export type IconName = keyof typeof ICONS;

/** A line drawing in the colour of the text; hidden from screen readers, as its button has words. */
export function icon(name: IconName): SVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

export function setIcon(holder: Element, name: IconName): void {
  if (holder.getAttribute("data-icon") === name) return;
  holder.setAttribute("data-icon", name);
  holder.querySelector("svg.icon")?.remove();
  holder.prepend(icon(name));
}
