/** A study's planes and labels as the viewer's images. */

import * as cornerstone from "@cornerstonejs/core";
import type { Case, Structure } from "./api";
import type { LabelVolume } from "./labels";

const FRAME_OF_REFERENCE = "study";
/** Values that a label may have. */
export const LABEL_VALUES = 256;

/** Put every plane and its labels into the viewer's cache, as views into the arrays. */
export function cacheImages(
  study: Case,
  image: Uint16Array,
  labels: LabelVolume,
): { images: string[]; labels: string[] } {
  const [phases, slices, rows, columns] = study.shape;
  const [low, high] = study.window;
  const ids = { images: [] as string[], labels: [] as string[] };
  for (let phase = 0; phase < phases; phase++) {
    for (let slice = 0; slice < slices; slice++) {
      const start = (phase * slices + slice) * rows * columns;
      const imageId = `image:${phase}/${slice}`;
      const geometry = {
        dimensions: [columns, rows] as [number, number],
        spacing: [study.pixel_mm[1], study.pixel_mm[0]] as [number, number],
        origin: [0, 0, slice * study.slice_mm] as [number, number, number],
        direction: [1, 0, 0, 0, 1, 0, 0, 0, 1] as cornerstone.Types.Mat3,
        frameOfReferenceUID: FRAME_OF_REFERENCE,
      };
      const { createAndCacheLocalImage } = cornerstone.imageLoader;
      const scan = createAndCacheLocalImage(imageId, {
        ...geometry,
        scalarData: image.subarray(start, start + rows * columns),
      });
      Object.assign(scan, { windowCenter: (low + high) / 2, windowWidth: high - low }); // without, it shows a negative
      const labelId = `labels:${phase}/${slice}`;
      const scalarData = labels.plane({ phase, slice });
      createAndCacheLocalImage(labelId, { ...geometry, scalarData, referencedImageId: imageId });
      ids.images.push(imageId);
      ids.labels.push(labelId);
    }
  }
  return ids;
}

/** Colours by value, as red, green, blue and alpha from 0 to 255; values without a structure are not seen. */
export function colours(structures: readonly Structure[]): cornerstone.Types.ColorLUT {
  const table: cornerstone.Types.ColorLUT = Array.from({ length: LABEL_VALUES }, () => [0, 0, 0, 0]);
  for (const { value, colour } of structures) {
    const number = Number.parseInt(colour.slice(1), 16);
    table[value] = [(number >> 16) & 255, (number >> 8) & 255, number & 255, 255];
  }
  return table;
}
