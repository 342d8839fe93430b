import { describe, expect, it } from "vitest";
import { pushBorder, pushGrows } from "../src/push";

const size = { rows: 5, columns: 7, pixelMm: [1, 1] as const };
const plane = (rows: string[]): Uint8Array => Uint8Array.from(rows.join(""), Number);
const shown = (labels: Uint8Array): string[] =>
  Array.from({ length: 5 }, (_, row) => labels.slice(row * 7, row * 7 + 7).join(""));

describe("contour push", () => {
  const wall = ["0000000", "0222200", "0211200", "0222200", "0000000"];

  it("moves the cavity's border outwards from inside, over the wall", () => {
    const labels = plane(wall);
    const from = { column: 3, row: 2 };
    expect(pushGrows(labels, size, from, 1)).toBe(true);
    const changed = pushBorder(labels, size, { value: 1, grows: true, from, to: { column: 4, row: 2 }, radiusMm: 0.5 });
    expect([changed, shown(labels)]).toEqual([1, ["0000000", "0222200", "0211100", "0222200", "0000000"]]);
  });

  it("moves the cavity's border inwards from the wall, which follows", () => {
    const labels = plane(wall);
    const from = { column: 4, row: 2 };
    expect(pushGrows(labels, size, from, 1)).toBe(false);
    pushBorder(labels, size, { value: 1, grows: false, from, to: { column: 3, row: 2 }, radiusMm: 0.5 });
    expect(shown(labels)).toEqual(["0000000", "0222200", "0212200", "0222200", "0000000"]);
  });

  it("leaves the cavity when the epicardium is pushed, whichever way", () => {
    const labels = plane(wall);
    const across = { from: { column: 2, row: 2 }, to: { column: 5, row: 2 }, radiusMm: 0.5 };
    pushBorder(labels, size, { value: 2, grows: true, ...across });
    expect(shown(labels)[2]).toBe("0211220");
    pushBorder(labels, size, { value: 2, grows: false, ...across });
    expect(shown(labels)[2]).toBe("0211000");
  });

  it("measures the disc in mm where pixels are oblong, and stays within the plane", () => {
    const labels = new Uint8Array(35);
    const at = { column: 0, row: 0 };
    const oblong = { ...size, pixelMm: [2, 1] as const };
    pushBorder(labels, oblong, { value: 3, grows: true, from: at, to: at, radiusMm: 2 });
    expect(shown(labels)).toEqual(["3330000", "3000000", "0000000", "0000000", "0000000"]);
    expect(pushGrows(labels, oblong, { column: -3, row: 0 }, 3)).toBe(false);
  });
});
