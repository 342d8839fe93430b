/** Edits of whole planes: copy, clear, interpolate. Each changes the label map and names the planes it wrote. */

import { interpolatePlanes, interpolationEnds } from "./interpolate";
import type { LabelVolume, Place } from "./labels";
import type { PlaneSize } from "./push";

/** What an edit did: the planes written, or a sentence on why it could not be done. */
export type Edit = readonly Place[] | string;

/** Copy a plane's labels to a neighbour. */
export function copyTo(labels: LabelVolume, from: Place, step: { phases: number; slices: number }): Edit {
  const to = { phase: from.phase + step.phases, slice: from.slice + step.slices };
  const [phases, slices] = labels.shape;
  if (to.slice < 0 || to.slice >= slices) return "There is no slice beyond this one.";
  const around = { ...to, phase: (to.phase + phases) % phases }; // the beat is a circle
  if (around.phase === from.phase && around.slice === from.slice) return "There is no other phase.";
  labels.plane(around).set(labels.plane(from));
  return [around];
}

/** Take everything off a plane. */
export function clear(labels: LabelVolume, at: Place): Edit {
  if (!labels.isDrawn(at)) return "Nothing is drawn in this slice.";
  labels.plane(at).fill(0);
  return [at];
}

/** Draw the slices between two drawn ones by shape. */
export function interpolate(
  labels: LabelVolume,
  at: Place,
  { marked, values, size }: { marked: number | null; values: readonly number[]; size: PlaneSize },
): Edit {
  const { phase } = at;
  const drawn = Array.from({ length: labels.shape[1] }, (_, slice) => labels.isDrawn({ phase, slice }));
  const ends = interpolationEnds(drawn, at.slice, marked);
  if (typeof ends === "string") return ends;
  const [first, last] = ends;
  const planes = interpolatePlanes(labels.plane({ phase, slice: first }), labels.plane({ phase, slice: last }), {
    values,
    between: last - first - 1,
    size,
  });
  return planes.map((plane, step) => {
    const place = { phase, slice: first + 1 + step };
    labels.plane(place).set(plane);
    return place;
  });
}
