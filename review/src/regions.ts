/** The borders that a reader draws: each structure's outer one, with what lies within. */

export const LV = 1;
export const MYO = 2;
export const RV = 3;

/**
 * Values inside a structure's outer border. The wall's is the epicardium, with the cavity inside it.
 *
 * @param value of the structure.
 */
export function regionOf(value: number): readonly number[] {
  return value === MYO ? [LV, MYO] : [value];
}

/** 1 where a plane has one of some values, 0 elsewhere. */
export function mask(plane: Uint8Array, values: readonly number[]): Uint8Array {
  return plane.map((label) => Number(values.includes(label)));
}

/**
 * Compose a plane from the regions inside each border: right ventricle, then wall, then cavity, later over earlier, as
 * the wall lies between both and the cavity within it.
 *
 * @param regions value of the structure -> inside (1) or outside (0), each rows x columns.
 */
export function compose(regions: ReadonlyMap<number, Uint8Array>, size: number): Uint8Array {
  const plane = new Uint8Array(size);
  const others = [...regions.keys()].filter((value) => value !== LV && value !== MYO);
  for (const value of [...others, MYO, LV]) {
    const inside = regions.get(value);
    if (inside) for (let index = 0; index < size; index++) if (inside[index]) plane[index] = value;
  }
  return plane;
}
