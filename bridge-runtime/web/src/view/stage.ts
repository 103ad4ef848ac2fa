/**
 * The tiles of a meeting: all alike in a grid, or one large and the others in a strip. Sizes are
 * computed here and set as custom properties; what they need is asked of the bridge.
 */

import { constraintsFor, gridFor, heightToAsk, type ReceiverConstraints } from "../model/layout";
import type { State } from "../model/state";
import { sceneOf, type Tile } from "../model/tiles";
import { arrange, attribute, make } from "./dom";
import { TileView } from "./tile";

const GAP = 8;
/** Changes of size come in bursts. */
const SETTLE_MS = 150;

export class StageView {
  readonly element: HTMLElement;
  private readonly large = make("ul", { class: "large" });
  private readonly small = make("ul", { class: "small" });
  private readonly views = new Map<string, TileView>();
  private asked = "";
  private timer: number | undefined;
  private state: State | undefined;

  constructor(
    private readonly pin: (key: string) => void,
    private readonly ask: (constraints: ReceiverConstraints) => void,
  ) {
    this.element = make(
      "section",
      { class: "stage", "aria-label": "People" },
      this.large,
      this.small,
    );
    new ResizeObserver(() => {
      if (this.state !== undefined) this.measure(this.state);
    }).observe(this.element);
  }

  update(state: State): void {
    this.state = state;
    const scene = sceneOf(state);
    const all = [...(scene.stage === undefined ? [] : [scene.stage]), ...scene.others];
    for (const [key, view] of this.views) {
      if (!all.some((tile) => tile.key === key)) {
        view.close();
        this.views.delete(key);
      }
    }
    for (const tile of all) {
      // Whoever spoke last counts until somebody else does, muted or not.
      const heard = tile.person.sources.audio?.muted === false;
      const speaking = heard && state.dominant === tile.person.id;
      this.view(tile).update(tile, speaking, state.pinned === tile.key);
    }
    attribute(this.element, "data-layout", scene.stage === undefined ? "grid" : "stage");
    attribute(this.element, "data-count", all.length);
    arrange(this.large, scene.stage === undefined ? [] : [this.view(scene.stage).element]);
    arrange(
      this.small,
      scene.others.map((tile) => this.view(tile).element),
    );
    this.measure(state);
  }

  private view(tile: Tile): TileView {
    let view = this.views.get(tile.key);
    if (view === undefined) {
      view = new TileView(tile.key, this.pin);
      this.views.set(tile.key, view);
    }
    return view;
  }

  private measure(state: State): void {
    const scene = sceneOf(state);
    if (scene.stage === undefined) {
      const { clientWidth, clientHeight } = this.element;
      const style = getComputedStyle(this.element);
      const padding = Number.parseFloat(style.paddingLeft) || 0;
      const grid = gridFor(
        scene.others.length,
        clientWidth - 2 * padding,
        clientHeight - 2 * padding,
        GAP,
      );
      this.element.style.setProperty("--tile-width", `${Math.floor(grid.width)}px`);
    }
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.demand(state), SETTLE_MS);
  }

  private demand(state: State): void {
    const scene = sceneOf(state);
    const height = (element: Element | null) =>
      heightToAsk(element?.clientHeight ?? 180, window.devicePixelRatio || 1);
    const source = (tile: Tile) =>
      tile.mine ? [] : tile.picture === undefined ? [] : [tile.picture.name];
    const constraints = constraintsFor({
      stage: scene.stage === undefined ? undefined : source(scene.stage)[0],
      stageHeight: height(this.large.firstElementChild),
      others: scene.others.flatMap(source),
      otherHeight: height(this.small.firstElementChild),
    });
    const text = JSON.stringify(constraints);
    if (text === this.asked) return;
    this.asked = text;
    this.ask(constraints);
  }
}
