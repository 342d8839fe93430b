/** The three views on the page: one large, in which is drawn, and two small ones. */

import type { Case } from "./api";
import { h } from "./dom";
import type { Place } from "./labels";
import type { Pen } from "./pen";
import { VIEWS, type ViewName, type Viewer } from "./viewer";

const TITLES: Readonly<Record<ViewName, string>> = { ed: "End-diastole", es: "End-systole", cine: "Cine" };

const KEYS: Readonly<Record<ViewName, string>> = { ed: "D", es: "S", cine: "C" };

/** What the stage tells of the reader's pointer. */
export interface StageListener {
  enlarge(view: ViewName): void;
  /** Whether drawing is allowed; if not, the reader is told. */
  mayDraw(): boolean;
  drawn(view: ViewName): void;
  scroll(slices: number): void;
}

export class Stage {
  readonly element = h("div", { class: "stage", role: "group", "aria-label": "Views" });
  readonly canvases: Record<ViewName, HTMLDivElement>;
  private readonly frames: Record<ViewName, HTMLElement>;
  private readonly captions: Record<ViewName, HTMLElement>;
  private readonly cross = h("div", { class: "cross", hidden: true });
  private pointer: number | null = null;
  large: ViewName = "ed";

  constructor(
    study: Case,
    private readonly listener: StageListener,
  ) {
    const made = VIEWS.map((view) => [view, this.frame(view, study)] as const);
    const pick = <T>(of: (parts: ReturnType<Stage["frame"]>) => T): Record<ViewName, T> =>
      Object.fromEntries(made.map(([view, parts]) => [view, of(parts)])) as Record<ViewName, T>;
    this.canvases = pick(({ canvas }) => canvas);
    this.frames = pick(({ frame }) => frame);
    this.captions = pick(({ caption }) => caption);
    this.element.append(...VIEWS.map((view) => this.frames[view]));
    this.element.dataset["phases"] = study.shape[0] > 1 ? "many" : "one";
    this.enlarge("ed");
  }

  /** Make a view the large one. */
  enlarge(view: ViewName): void {
    this.large = view;
    for (const name of VIEWS) {
      this.frames[name].classList.toggle("large", name === view);
      this.frames[name].querySelector("button")?.setAttribute("aria-pressed", String(name === view));
    }
    this.frames[view].append(this.cross);
  }

  /** Say where a view is, and if ED or ES is measured in another phase than the one shown. */
  caption(
    view: ViewName,
    { phase, slice }: Place,
    [phases, slices]: readonly [number, number],
    measured: number,
  ): void {
    const where = h("span", { class: "slice" }, ` · slice ${slice + 1}/${slices}`);
    const moved = measured === phase ? "" : ` · ${view.toUpperCase()} is now ${measured + 1} (${KEYS[view]})`;
    this.captions[view].replaceChildren(`phase ${phase + 1}/${phases}`, where, h("strong", {}, moved));
  }

  /** Let the reader draw in the large view, and scroll slices in each. */
  attach(pen: Pen): void {
    for (const view of VIEWS) {
      const canvas = this.canvases[view];
      canvas.addEventListener("pointerdown", (event) => this.down(view, event, pen));
      canvas.addEventListener("pointermove", (event) => this.move(view, event, pen));
      canvas.addEventListener("pointerup", (event) => this.up(view, event, pen));
      canvas.addEventListener("pointercancel", (event) => this.drop(view, event, pen));
      canvas.addEventListener("pointerleave", () => pen.isDown || pen.leave());
      canvas.addEventListener("contextmenu", (event) => event.preventDefault());
      canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    }
  }

  /** Show the keyboard's pen at a point of the large view, or hide it. */
  showCross(at: readonly [number, number] | null, isDown = false): void {
    this.cross.hidden = at === null;
    this.cross.classList.toggle("down", isDown);
    if (at) Object.assign(this.cross.style, { left: `${at[0]}px`, top: `${at[1]}px` });
  }

  /** Whether a point lies within the large view. */
  contains([x, y]: readonly [number, number]): boolean {
    const { width, height } = this.canvases[this.large].getBoundingClientRect();
    return x >= 0 && y >= 0 && x < width && y < height;
  }

  private frame(view: ViewName, study: Case) {
    const canvas = h("div", {
      class: "canvas",
      tabindex: 0,
      role: "application",
      "aria-label": `${TITLES[view]}: the picture`,
    });
    const caption = h("span", { class: "where", "aria-live": "off" });
    const title = h(
      "button",
      {
        type: "button",
        "aria-pressed": false,
        title: `Enlarge (${KEYS[view]})`,
        onclick: () => this.listener.enlarge(view),
      },
      TITLES[view],
    );
    const letters = Object.entries(study.sides ?? {}).map(([side, letter]) =>
      h("span", { class: `letter ${side}`, "aria-hidden": "true" }, letter),
    );
    const frame = h(
      "section",
      { class: "view", "data-view": view, "aria-label": TITLES[view] },
      canvas,
      h("div", { class: "caption" }, title, caption),
      ...letters,
    );
    return { frame, canvas, caption };
  }

  private down(view: ViewName, event: PointerEvent, pen: Pen): void {
    if (this.pointer !== null) return this.drop(view, event, pen); // a second finger: the viewer zooms
    if (view !== this.large) return event.button === 0 ? this.listener.enlarge(view) : undefined;
    this.canvases[view].focus({ preventScroll: true });
    if (event.button !== 0 || event.shiftKey || event.ctrlKey) return;
    event.preventDefault(); // the viewer's own mouse listener is not asked
    if (!this.listener.mayDraw()) return;
    this.canvases[view].setPointerCapture(event.pointerId);
    this.pointer = event.pointerId;
    pen.down(view, this.at(view, event));
  }

  private move(view: ViewName, event: PointerEvent, pen: Pen): void {
    if (this.pointer === event.pointerId) pen.move(this.at(view, event));
    else if (this.pointer === null && view === this.large && event.buttons === 0) pen.hover(view, this.at(view, event));
  }

  private up(view: ViewName, event: PointerEvent, pen: Pen): void {
    if (this.pointer !== event.pointerId) return;
    this.pointer = null;
    pen.up(this.at(view, event));
    this.listener.drawn(view);
  }

  private drop(view: ViewName, event: PointerEvent, pen: Pen): void {
    if (this.pointer === null) return;
    this.pointer = null;
    pen.cancel(this.at(view, event));
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    this.listener.scroll(Math.sign(event.deltaY));
  }

  private at(view: ViewName, event: PointerEvent): [number, number] {
    const box = this.canvases[view].getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }
}

/** Keep a viewer's canvases as large as their elements. */
export function followSizes(stage: Stage, viewer: Viewer): ResizeObserver {
  let waiting = false;
  const observer = new ResizeObserver(() => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      viewer.resize();
    });
  });
  for (const view of VIEWS) observer.observe(stage.canvases[view]);
  return observer;
}
