/** The pen in the hands of the keyboard: arrows move it pixel by pixel, Enter puts it down and lifts it. */

import type { Case } from "./api";
import { type LabelVolume, heartBox } from "./labels";
import type { Pen } from "./pen";
import type { Stage } from "./stage";
import type { ViewName, Viewer } from "./viewer";

const FAST_PIXELS = 5;
const STEPS: Readonly<Record<string, readonly [column: number, row: number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

export class KeyboardPen {
  private at: { column: number; row: number } | null = null;

  constructor(
    private readonly study: Case,
    private readonly labels: LabelVolume,
    private readonly parts: { viewer: Viewer; stage: Stage; pen: Pen },
    private readonly drawn: (view: ViewName) => void,
  ) {}

  get active(): boolean {
    return this.at !== null;
  }

  /** Take the pen to hand in the middle of the heart, or put it away. */
  toggle(): void {
    if (this.at) return this.putAway();
    const box = heartBox(this.labels, 0);
    this.at = { column: Math.round((box.left + box.right) / 2), row: Math.round((box.top + box.bottom) / 2) };
    this.parts.stage.canvases[this.parts.stage.large].focus({ preventScroll: true });
    this.show();
  }

  putAway(): void {
    this.lift();
    this.at = null;
    this.parts.stage.showCross(null);
  }

  /** Follow zoom, pan and the choice of view. */
  show(): void {
    if (!this.at) return;
    const { stage, pen } = this.parts;
    const canvas = this.canvas();
    stage.showCross(canvas, pen.isDown);
    if (!pen.isDown) pen.hover(stage.large, canvas);
  }

  /** Move by an arrow key; true if it was one. */
  move(key: string, isFast: boolean): boolean {
    const step = STEPS[key];
    if (!this.at || !step) return false;
    const pixels = isFast ? FAST_PIXELS : 1;
    const [, , rows, columns] = this.study.shape;
    const inside = (value: number, length: number): number => Math.min(length - 1, Math.max(0, value));
    const to = {
      column: inside(this.at.column + pixels * step[0], columns),
      row: inside(this.at.row + pixels * step[1], rows),
    };
    const before = this.at;
    this.at = to;
    if (!this.parts.stage.contains(this.canvas())) this.at = before; // what cannot be seen is not drawn
    if (this.parts.pen.isDown) this.parts.pen.move(this.canvas());
    this.show();
    return true;
  }

  /** Put the pen down, or lift it and count the stroke as drawn. */
  press(): void {
    if (!this.at) return;
    const { pen, stage } = this.parts;
    if (pen.isDown) return this.lift();
    pen.down(stage.large, this.canvas());
    if (pen.tool === "fill") this.drawn(stage.large);
    this.show();
  }

  lift(): void {
    if (!this.at || !this.parts.pen.isDown) return;
    this.parts.pen.up(this.canvas());
    this.drawn(this.parts.stage.large);
    this.show();
  }

  private canvas(): [number, number] {
    return this.parts.viewer.toCanvas(this.parts.stage.large, this.at ?? { column: 0, row: 0 });
  }
}
