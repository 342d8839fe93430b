import { describe, expect, it } from "vitest";
import { LabelVolume, fullestSlice, heartBox } from "../src/labels";
import { compose } from "../src/regions";

describe("label volume", () => {
  it("takes each change once, and only where planes differ", () => {
    const labels = new LabelVolume([2, 2, 1, 2], new Uint8Array(8));
    labels.plane({ phase: 1, slice: 0 }).set([3, 0]);
    const places = [
      { phase: 1, slice: 0 },
      { phase: 1, slice: 1 },
    ];
    expect(labels.takeChanges(places)).toEqual([{ phase: 1, slice: 0, labels: Uint8Array.of(3, 0) }]);
    expect(labels.takeChanges(places)).toEqual([]);
    expect([...labels.values]).toEqual([0, 0, 0, 0, 3, 0, 0, 0]);
  });

  it("does not send back what the server sent", () => {
    const labels = new LabelVolume([1, 1, 1, 2], new Uint8Array(2));
    labels.apply([{ phase: 0, slice: 0, labels: Uint8Array.of(1, 2) }]);
    expect([[...labels.values], labels.isDrawn({ phase: 0, slice: 0 })]).toEqual([[1, 2], true]);
    expect(labels.takeChanges([{ phase: 0, slice: 0 }])).toEqual([]);
  });

  it("refuses a map of another size, and places outside", () => {
    expect(() => new LabelVolume([1, 1, 2, 2], new Uint8Array(3))).toThrow("4 values was needed, 3 came");
    expect(() => new LabelVolume([1, 1, 1, 1], new Uint8Array(1)).plane({ phase: 0, slice: 1 })).toThrow("no slice 1");
  });

  it("boxes the heart with a margin, or shows the whole picture", () => {
    const labels = new LabelVolume([1, 1, 30, 40], new Uint8Array(1200));
    expect(heartBox(labels)).toEqual({ left: 0, right: 39, top: 0, bottom: 29 });
    labels.values[10 * 40 + 20] = 1;
    labels.values[19 * 40 + 29] = 2;
    expect(heartBox(labels)).toEqual({ left: 12.5, right: 36.5, top: 2.5, bottom: 26.5 });
  });

  it("finds where most is drawn", () => {
    const labels = new LabelVolume([2, 3, 1, 2], Uint8Array.from([0, 0, 1, 1, 3, 0, 0, 0, 0, 0, 0, 0]));
    expect([fullestSlice(labels, 0), fullestSlice(labels, 1)]).toEqual([1, 0]);
  });

  it("lets no stray pixel rule the box", () => {
    const labels = new LabelVolume([1, 1, 30, 40], new Uint8Array(1200));
    for (let row = 10; row < 25; row++) labels.values.fill(1, row * 40 + 10, row * 40 + 30);
    labels.values[0] = 1;
    expect(heartBox(labels, 0)).toEqual({ left: 6, right: 33, top: 6, bottom: 28 });
  });

  it("composes cavity over wall over right ventricle", () => {
    const on = (...bits: number[]): Uint8Array => Uint8Array.from(bits);
    const regions = new Map([
      [1, on(1, 0, 0, 0)],
      [2, on(1, 1, 0, 0)],
      [3, on(1, 1, 1, 0)],
    ]);
    expect([...compose(regions, 4)]).toEqual([1, 2, 3, 0]);
  });
});
