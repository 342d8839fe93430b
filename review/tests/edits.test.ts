import { describe, expect, it } from "vitest";
import { clear, copyTo, interpolate } from "../src/edits";
import { LabelVolume } from "../src/labels";

/** Three phases of three slices of one row: slice and phase are read off the values. */
const labels = (): LabelVolume =>
  new LabelVolume([3, 3, 1, 3], Uint8Array.from([..."111000111", ..."222000000", ..."333000000"].map(Number)));
const size = { rows: 1, columns: 3, pixelMm: [1, 1] as const };
const at = (map: LabelVolume, phase: number, slice: number): string => map.plane({ phase, slice }).join("");

describe("edits of whole planes", () => {
  it("copies to the next slice, and around the beat to the phase before the first", () => {
    const map = labels();
    expect(copyTo(map, { phase: 0, slice: 0 }, { phases: 0, slices: 1 })).toEqual([{ phase: 0, slice: 1 }]);
    expect(copyTo(map, { phase: 0, slice: 0 }, { phases: -1, slices: 0 })).toEqual([{ phase: 2, slice: 0 }]);
    expect([at(map, 0, 1), at(map, 2, 0), at(map, 1, 0)]).toEqual(["111", "111", "222"]);
  });

  it("does not copy beyond the stack, nor to a phase that is not there", () => {
    expect(copyTo(labels(), { phase: 0, slice: 2 }, { phases: 0, slices: 1 })).toBe(
      "There is no slice beyond this one.",
    );
    const still = new LabelVolume([1, 1, 1, 1], Uint8Array.of(1));
    expect(copyTo(still, { phase: 0, slice: 0 }, { phases: 1, slices: 0 })).toBe("There is no other phase.");
  });

  it("clears what is drawn, and says where nothing is", () => {
    const map = labels();
    expect(clear(map, { phase: 0, slice: 0 })).toEqual([{ phase: 0, slice: 0 }]);
    expect([at(map, 0, 0), at(map, 1, 0)]).toEqual(["000", "222"]);
    expect(clear(map, { phase: 0, slice: 0 })).toBe("Nothing is drawn in this slice.");
  });

  it("interpolates the slice between its neighbours, in its phase alone", () => {
    const map = labels();
    const how = { marked: null, values: [1, 2, 3], size };
    expect(interpolate(map, { phase: 0, slice: 1 }, how)).toEqual([{ phase: 0, slice: 1 }]);
    expect([at(map, 0, 1), at(map, 1, 1)]).toEqual(["111", "000"]);
    expect(interpolate(map, { phase: 1, slice: 1 }, how)).toContain("drawn slice on either side");
  });
});
