/** Contour push: a disc moves a border before it. */

import { LV, MYO, regionOf } from "./regions";

/** Sizes of a plane: rows and columns, and the edges of a pixel. */
export interface PlaneSize {
  readonly rows: number;
  readonly columns: number;
  readonly pixelMm: readonly [row: number, column: number];
}

/** A point in a plane, in pixels; the first pixel's centre is (0, 0). */
export interface Point {
  readonly column: number;
  readonly row: number;
}

/** A push in one step: the disc goes straight from one point to another. */
export interface Push {
  readonly value: number;
  readonly grows: boolean;
  readonly from: Point;
  readonly to: Point;
  readonly radiusMm: number;
}

/** Whether a push that starts at a point moves the border outwards: whether that point is inside it. */
export function pushGrows(plane: Uint8Array, size: PlaneSize, at: Point, value: number): boolean {
  const [column, row] = [Math.round(at.column), Math.round(at.row)];
  if (column < 0 || column >= size.columns || row < 0 || row >= size.rows) return false;
  return regionOf(value).includes(plane[row * size.columns + column] ?? 0);
}

/**
 * Push a structure's border: outwards where the disc comes from inside, inwards where it comes from outside.
 *
 * Outwards, the structure takes what the disc passes, except that the wall and the right ventricle never take the
 * cavity. Inwards, what the cavity gives up becomes wall if the plane has any, what others give up becomes background;
 * the epicardium stops at the cavity.
 *
 * @returns how many pixels changed; `plane` is changed in place.
 */
export function pushBorder(plane: Uint8Array, size: PlaneSize, push: Push): number {
  const left = push.value === LV && plane.includes(MYO) ? MYO : 0;
  let changed = 0;
  forEachNear(size, push, (index) => {
    const label = plane[index];
    const next = push.grows ? (label === LV ? LV : push.value) : label === push.value ? left : label;
    if (next === label || next === undefined) return;
    plane[index] = next;
    changed += 1;
  });
  return changed;
}

/** Visit the pixels whose centres the disc passes. */
function forEachNear(size: PlaneSize, { from, to, radiusMm }: Push, visit: (index: number) => void): void {
  const [rowMm, columnMm] = size.pixelMm;
  const [x, y] = [(to.column - from.column) * columnMm, (to.row - from.row) * rowMm];
  const length2 = x * x + y * y;
  const span = (a: number, b: number, mm: number, last: number): [number, number] => [
    Math.max(0, Math.floor(Math.min(a, b) - radiusMm / mm)),
    Math.min(last, Math.ceil(Math.max(a, b) + radiusMm / mm)),
  ];
  const [left, right] = span(from.column, to.column, columnMm, size.columns - 1);
  const [top, bottom] = span(from.row, to.row, rowMm, size.rows - 1);
  for (let row = top; row <= bottom; row++) {
    for (let column = left; column <= right; column++) {
      const [u, v] = [(column - from.column) * columnMm, (row - from.row) * rowMm];
      const along = length2 ? Math.min(1, Math.max(0, (u * x + v * y) / length2)) : 0;
      if (Math.hypot(u - along * x, v - along * y) <= radiusMm) visit(row * size.columns + column);
    }
  }
}
