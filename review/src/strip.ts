/** All slices of a phase as small pictures, base first, cropped to the heart. */

import type { Case } from "./api";
import { h } from "./dom";
import { type LabelVolume, heartBox } from "./labels";

const LABEL_SHARE = 0.42;

export interface Slices {
  readonly phase: number;
  readonly slice: number;
  readonly excluded: readonly number[];
  readonly marked: number | null;
}

export class Strip {
  readonly element = h("div", { class: "strip", role: "group", "aria-label": "Slices" });
  private readonly buttons: HTMLButtonElement[];
  private readonly box: { left: number; top: number; width: number; height: number };
  private readonly tints: readonly (readonly number[] | undefined)[];

  constructor(
    private readonly study: Case,
    private readonly image: Uint16Array,
    private readonly labels: LabelVolume,
    go: (slice: number) => void,
  ) {
    this.box = cropOf(labels);
    this.tints = tintsOf(study);
    this.buttons = Array.from({ length: study.shape[1] }, (_, slice) => this.button(slice, go));
    this.element.append(...this.buttons);
  }

  /** Show where the reader is, which slices are excluded, and draw all or some again. */
  show(state: Slices, redraw: readonly number[] | "all" | "none" = "all"): void {
    this.buttons.forEach((button, slice) => {
      const [excluded, marked] = [state.excluded.includes(slice), state.marked === slice];
      button.setAttribute("aria-current", String(slice === state.slice));
      button.classList.toggle("excluded", excluded);
      button.classList.toggle("marked", marked);
      button.setAttribute("aria-label", `Slice ${slice + 1}${excluded ? ", excluded" : ""}${marked ? ", marked" : ""}`);
      if (redraw === "all" || (redraw !== "none" && redraw.includes(slice))) this.draw(button, state.phase, slice);
    });
    if (redraw !== "none") this.buttons[state.slice]?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  private button(slice: number, go: (slice: number) => void): HTMLButtonElement {
    const [rowMm, columnMm] = this.study.pixel_mm;
    const style = `aspect-ratio: ${this.box.width * columnMm} / ${this.box.height * rowMm}`;
    const canvas = h("canvas", { width: this.box.width, height: this.box.height, style, "aria-hidden": "true" });
    const [first, last] = [0, this.study.shape[1] - 1];
    const base = { first, last }[this.study.base ?? "first"];
    const name =
      this.study.base === null ? "" : slice === base ? " base" : slice === first + last - base ? " apex" : "";
    return h("button", { type: "button", onclick: () => go(slice) }, canvas, h("span", {}, `${slice + 1}${name}`));
  }

  private draw(button: HTMLButtonElement, phase: number, slice: number): void {
    const context = button.querySelector("canvas")?.getContext("2d");
    if (!context) return;
    const { left, top, width, height } = this.box;
    const picture = context.createImageData(width, height);
    const labels = this.labels.plane({ phase, slice });
    const [, , rows, columns] = this.study.shape;
    const start = (phase * this.study.shape[1] + slice) * rows * columns;
    const [low, high] = this.study.window;
    for (let index = 0; index < width * height; index++) {
      const from = (top + Math.floor(index / width)) * columns + left + (index % width);
      const grey = (255 * ((this.image[start + from] ?? 0) - low)) / Math.max(1, high - low);
      const tint = this.tints[labels[from] ?? 0];
      for (let channel = 0; channel < 3; channel++)
        picture.data[4 * index + channel] = tint ? (1 - LABEL_SHARE) * grey + LABEL_SHARE * (tint[channel] ?? 0) : grey;
      picture.data[4 * index + 3] = 255;
    }
    context.putImageData(picture, 0, 0);
  }
}

function cropOf(labels: LabelVolume): { left: number; top: number; width: number; height: number } {
  const [, , rows, columns] = labels.shape;
  const box = heartBox(labels, 0.1);
  const [left, top] = [Math.max(0, Math.floor(box.left)), Math.max(0, Math.floor(box.top))];
  const [right, bottom] = [Math.min(columns - 1, Math.ceil(box.right)), Math.min(rows - 1, Math.ceil(box.bottom))];
  return { left, top, width: right - left + 1, height: bottom - top + 1 };
}

function tintsOf(study: Case): (readonly number[] | undefined)[] {
  const tints: (readonly number[] | undefined)[] = [];
  for (const { value, colour } of study.structures)
    tints[value] = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
  return tints;
}
