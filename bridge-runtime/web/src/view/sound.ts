/**
 * The sound of everyone else, in elements that are heard and not seen.
 */

import type { Media, State } from "../model/state";
import { attribute, make } from "./dom";

export class SoundView {
  readonly element = make("div", { class: "sound", hidden: true });
  private readonly players = new Map<string, { player: HTMLAudioElement; media: Media }>();
  private sink = "";

  /** `blocked` is called when the browser wants a click before it plays. */
  constructor(private readonly blocked: () => void) {}

  update(state: State): void {
    const wanted = new Map(
      state.people.flatMap((one) => {
        const media = one.sources.audio?.media;
        return media === undefined ? [] : [[one.id, media] as const];
      }),
    );
    for (const [id, { player, media }] of this.players) {
      if (wanted.get(id) === media) continue;
      media.detach(player);
      player.remove();
      this.players.delete(id);
    }
    for (const [id, media] of wanted) {
      if (this.players.has(id)) continue;
      const player = make("audio", { autoplay: true });
      attribute(player, "data-participant", id);
      this.players.set(id, { player, media });
      this.element.append(player);
      media.attach(player);
      this.route(player);
      player.play().catch((error: unknown) => {
        if ((error as { name?: string }).name === "NotAllowedError") this.blocked();
      });
    }
  }

  /** Plays everything that was held back; call it from a click. */
  play(): void {
    for (const { player } of this.players.values()) void player.play().catch(() => undefined);
  }

  /** Sends the sound to another loudspeaker, where the browser can. */
  choose(sink: string): void {
    this.sink = sink;
    for (const { player } of this.players.values()) this.route(player);
  }

  private route(player: HTMLAudioElement): void {
    const routed = player as HTMLAudioElement & { setSinkId?: (id: string) => Promise<void> };
    if (this.sink !== "") void routed.setSinkId?.(this.sink).catch(() => undefined);
  }
}
