import { describe, expect, it } from "vitest";
import { interpolatePlanes, interpolationEnds, signedDistance } from "../src/interpolate";

const size = { rows: 41, columns: 41, pixelMm: [1, 1] as const };

/** A disc of wall around a disc of cavity, both around (column, 20). */
function heart(cavity: number, outer: number, column = 20): Uint8Array {
  return Uint8Array.from({ length: 41 * 41 }, (_, index) => {
    const away = Math.hypot((index % 41) - column, Math.floor(index / 41) - 20);
    return away < cavity ? 1 : away < outer ? 2 : 0;
  });
}
const count = (plane: Uint8Array, value: number): number => plane.filter((label) => label === value).length;

describe("interpolation between slices", () => {
  it("is exact for distances along a line: oblong pixels, both sides", () => {
    const region = Uint8Array.from([0, 0, 1, 1, 1, 0, 0]);
    const oblong = { rows: 1, columns: 7, pixelMm: [9, 2] as const };
    expect([...signedDistance(region, oblong)]).toEqual([3, 1, -1, -3, -1, 1, 3]);
  });

  it("agrees with distances measured pixel by pixel", () => {
    const region = Uint8Array.from({ length: 8 * 9 }, (_, index) => Number((index * 37) % 11 === 3));
    const oblong = { rows: 8, columns: 9, pixelMm: [1.7, 0.9] as const };
    const measured = signedDistance(region, oblong);
    const place = (index: number): [number, number] => [Math.floor(index / 9) * 1.7, (index % 9) * 0.9];
    region.forEach((label, index) => {
      const others = [...region.keys()].filter((other) => region[other] !== label);
      const nearest = Math.min(
        ...others.map((other) => Math.hypot(place(other)[0] - place(index)[0], place(other)[1] - place(index)[1])),
      );
      expect(measured[index]).toBeCloseTo((label ? -1 : 1) * (nearest - 0.45), 9);
    });
  });

  it("gives the mean radius half-way between two circles, for every structure", () => {
    const [middle] = interpolatePlanes(heart(6, 10), heart(12, 16), { values: [1, 2, 3], between: 1, size });
    expect(count(middle!, 1) / count(heart(9, 13), 1)).toBeCloseTo(1, 1);
    expect((count(middle!, 1) + count(middle!, 2)) / (Math.PI * 13 ** 2)).toBeCloseTo(1, 1);
    expect(count(middle!, 3)).toBe(0);
  });

  it("keeps what is the same in both, and moves step by step", () => {
    const same = interpolatePlanes(heart(6, 10), heart(6, 10), { values: [1, 2], between: 3, size });
    expect(same.map((plane) => plane.join())).toEqual(Array(3).fill(heart(6, 10).join()));
    const moved = interpolatePlanes(heart(0, 8, 17), heart(0, 8, 23), { values: [1, 2], between: 2, size });
    const centres = moved.map(
      (plane) => plane.reduce((sum, label, index) => sum + (label ? index % 41 : 0), 0) / count(plane, 2),
    );
    expect(centres[0]).toBeCloseTo(19, 0);
    expect(centres[1]).toBeCloseTo(21, 0);
  });

  it("ends a structure half-way that only one slice has", () => {
    const planes = interpolatePlanes(heart(6, 10), new Uint8Array(41 * 41), { values: [1, 2], between: 3, size });
    expect(planes.map((plane) => count(plane, 1) > 0)).toEqual([true, false, false]);
  });

  it("finds the drawn slices, or says what is missing", () => {
    const drawn = [false, true, false, false, true, true];
    expect(interpolationEnds(drawn, 2, null)).toEqual([1, 4]);
    expect(interpolationEnds(drawn, 4, 1)).toEqual([1, 4]);
    expect(interpolationEnds(drawn, 0, null)).toContain("drawn slice on either side");
    expect(interpolationEnds(drawn, 5, null)).toContain("drawn slice on either side");
    expect(interpolationEnds(drawn, 5, 4)).toContain("none in between");
    expect(interpolationEnds(drawn, 3, 1)).toContain("something drawn");
  });
});
