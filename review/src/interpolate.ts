/**
 * Slices between two drawn ones, by their shapes: signed distances to the borders are mixed (Raya and Udupa, IEEE Trans
 * Med Imaging 9(1), 1990), each structure's outer border by itself.
 */

import type { PlaneSize } from "./push";
import { compose, mask, regionOf } from "./regions";

/**
 * Interpolate planes evenly between two.
 *
 * @param first, last labels of the drawn planes.
 * @param values structures to take part.
 * @param between how many planes lie between them.
 * @returns the planes, from first to last. A structure that only one of both has fades towards the middle: it is drawn
 *   in the half nearer to its plane, as if it ended half-way.
 */
export function interpolatePlanes(
  first: Uint8Array,
  last: Uint8Array,
  { values, between, size }: { values: readonly number[]; between: number; size: PlaneSize },
): Uint8Array[] {
  const borders = values.map((value) => {
    const regions = [first, last].map((plane) => mask(plane, regionOf(value)));
    return { value, ends: regions.map((region) => (region.includes(1) ? signedDistance(region, size) : null)) };
  });
  return Array.from({ length: between }, (_, step) => {
    const share = (step + 1) / (between + 1);
    const regions = new Map(borders.map(({ value, ends }) => [value, mix(ends, share, first.length)]));
    return compose(regions, first.length);
  });
}

function mix([a, b]: readonly (Float64Array | null | undefined)[], share: number, size: number): Uint8Array {
  const inside = (distance: (index: number) => number): Uint8Array =>
    Uint8Array.from({ length: size }, (_, index) => Number(distance(index) < 0));
  if (a && b) return inside((index) => (1 - share) * (a[index] ?? 0) + share * (b[index] ?? 0));
  const near = share < 0.5 ? a : b;
  return near ? inside((index) => near[index] ?? 0) : new Uint8Array(size);
}

/** Distance in mm from each pixel's centre to the border of a region: below 0 inside, above 0 outside. */
export function signedDistance(region: Uint8Array, size: PlaneSize): Float64Array {
  const outside = distanceTo(region, 1, size);
  const inside = distanceTo(region, 0, size);
  const half = Math.min(...size.pixelMm) / 2; // the border runs between the pixels
  return outside.map((mm, index) => (mm > 0 ? mm - half : half - (inside[index] ?? 0)));
}

/** Euclidean distance to the nearest pixel of a value (Felzenszwalb and Huttenlocher, Theory of Computing 8, 2012). */
function distanceTo(region: Uint8Array, value: number, { rows, columns, pixelMm }: PlaneSize): Float64Array {
  const far = (rows * pixelMm[0]) ** 2 + (columns * pixelMm[1]) ** 2;
  const squares = Float64Array.from(region, (label) => (label === value ? 0 : far));
  for (let row = 0; row < rows; row++) lowerEnvelope(squares, row * columns, 1, columns, pixelMm[1]);
  for (let column = 0; column < columns; column++) lowerEnvelope(squares, column, columns, rows, pixelMm[0]);
  return squares.map(Math.sqrt);
}

/** Replace a line of values by its lower envelope of parabolas: at q the least of (q - p)^2 + values at p. */
function lowerEnvelope(squares: Float64Array, start: number, step: number, length: number, mm: number): void {
  const line = Float64Array.from({ length }, (_, index) => squares[start + index * step] ?? 0);
  const height = (p: number): number => (line[p] ?? 0) + (p * mm) ** 2;
  const roots: number[] = [];
  const limits: number[] = [];
  const cross = (p: number, q: number): number => (height(q) - height(p)) / (2 * mm * mm * (q - p));
  for (let q = 0; q < length; q++) {
    while (roots.length && cross(roots[roots.length - 1] ?? 0, q) <= (limits[limits.length - 1] ?? -Infinity)) {
      roots.pop();
      limits.pop();
    }
    limits.push(roots.length ? cross(roots[roots.length - 1] ?? 0, q) : -Infinity);
    roots.push(q);
  }
  for (let q = 0, k = 0; q < length; q++) {
    while (k + 1 < limits.length && (limits[k + 1] ?? Infinity) < q) k++;
    const p = roots[k] ?? 0;
    squares[start + q * step] = ((q - p) * mm) ** 2 + (line[p] ?? 0);
  }
}

/**
 * Slices to interpolate: those between a marked slice and the current one, or without a mark those between the nearest
 * drawn slices on either side of the current one.
 *
 * @param drawn whether anything is drawn, slice by slice.
 * @returns the two drawn slices, smaller first, or a sentence that says what is missing.
 */
export function interpolationEnds(
  drawn: readonly boolean[],
  current: number,
  marked: number | null,
): readonly [number, number] | string {
  if (marked !== null) {
    const ends = [Math.min(marked, current), Math.max(marked, current)] as const;
    if (ends[1] - ends[0] < 2) return "Mark a slice, then go at least two slices on: there is none in between.";
    if (!drawn[ends[0]] || !drawn[ends[1]]) return "Both the marked and the current slice need something drawn.";
    return ends;
  }
  const before = drawn.lastIndexOf(true, current - 1);
  const after = drawn.indexOf(true, current + 1);
  if (current === 0 || before < 0 || after < 0)
    return "Interpolating needs a drawn slice on either side of this one, or a marked slice (M).";
  return [before, after];
}
