/** Volume over the beat, as a drawing: both ventricles, end-diastole, end-systole and the phase shown. */

import type { Measured } from "./api";
import { s } from "./dom";

const [WIDTH, HEIGHT] = [300, 150];
const EDGE = { left: 30, right: 8, top: 14, bottom: 18 };
const SIDES = [
  ["left_ventricle", "lv"],
  ["right_ventricle", "rv"],
] as const;

/** A round step that cuts `most` into about three. */
export function niceStep(most: number): number {
  const raw = Math.max(most, 1e-9) / 3;
  const power = 10 ** Math.floor(Math.log10(raw));
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= raw) ?? 10);
}

/**
 * Draw the curve.
 *
 * @param phase shown by the cine.
 * @param go called with the phase that was clicked.
 */
export function drawCurve(record: Measured, phase: number, go: (phase: number) => void): SVGSVGElement {
  const curves = SIDES.flatMap(([name, mark]) =>
    record.volumes_ml[name] ? [{ name, mark, ml: record.volumes_ml[name] }] : [],
  );
  const count = Math.max(1, ...curves.map(({ ml }) => ml.length));
  const most = Math.max(1, ...curves.flatMap(({ ml }) => [...ml]));
  const x = (index: number): number => EDGE.left + ((WIDTH - EDGE.left - EDGE.right) * index) / Math.max(1, count - 1);
  const y = (ml: number): number => HEIGHT - EDGE.bottom - ((HEIGHT - EDGE.top - EDGE.bottom) * ml) / most;
  const label = `Volume over ${count} phases: ${curves.map(({ name, ml }) => `${name.replace("_", " ")} ${Math.min(...ml).toFixed(0)} to ${Math.max(...ml).toFixed(0)} ml`).join(", ")}`;
  const svg = s("svg", { class: "curve", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label });
  svg.append(...gridLines(most, y), ...marks(record, x), phaseLine(x(phase)));
  for (const { mark, ml } of curves) {
    svg.append(
      s("polyline", {
        class: `line ${mark}`,
        points: ml.map((value, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`).join(" "),
      }),
    );
    svg.append(s("circle", { class: `dot ${mark}`, cx: x(phase), cy: y(ml[phase] ?? 0), r: 3 }));
  }
  svg.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * WIDTH;
    const index = Math.round(((at - EDGE.left) / (WIDTH - EDGE.left - EDGE.right)) * (count - 1));
    go(Math.min(count - 1, Math.max(0, index)));
  });
  return svg;
}

function gridLines(most: number, y: (ml: number) => number): SVGElement[] {
  const step = niceStep(most);
  const values = Array.from({ length: Math.floor(most / step) + 1 }, (_, index) => index * step);
  return values.flatMap((ml) => [
    s("line", { class: "grid", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(ml), y2: y(ml) }),
    s("text", { class: "tick", x: EDGE.left - 5, y: y(ml) + 3.5, "text-anchor": "end" }, String(Math.round(ml))),
  ]);
}

function marks(record: Measured, x: (index: number) => number): SVGElement[] {
  const named = [
    ["ED", record.ed_phase],
    ["ES", record.es_phase],
  ] as const;
  return named.flatMap(([name, phase]) =>
    typeof phase === "number"
      ? [
          s("line", { class: "mark", x1: x(phase), x2: x(phase), y1: EDGE.top, y2: HEIGHT - EDGE.bottom }),
          s("text", { class: "mark", x: x(phase), y: HEIGHT - 5, "text-anchor": "middle" }, name),
        ]
      : [],
  );
}

function phaseLine(x: number): SVGElement {
  return s("line", { class: "now", x1: x, x2: x, y1: EDGE.top - 6, y2: HEIGHT - EDGE.bottom });
}
