/** The label map of a case, in display order: phases, slices, rows from the top, columns from the left. */

/** Sizes of a label map: phases, slices, rows, columns. */
export type Shape = readonly [phases: number, slices: number, rows: number, columns: number];

/** One plane: a slice of a phase, both from 0. */
export interface Place {
  readonly phase: number;
  readonly slice: number;
}

/** A plane's new labels, rows x columns values. */
export interface PlaneChange extends Place {
  readonly labels: Uint8Array;
}

/**
 * Labels as drawn, beside what the server has been told of.
 *
 * The viewer's label pictures are views into `values`, so what its tools paint stands here at once.
 */
export class LabelVolume {
  readonly values: Uint8Array;
  private readonly told: Uint8Array;

  constructor(
    readonly shape: Shape,
    values: Uint8Array,
  ) {
    const size = shape.reduce((product, length) => product * length, 1);
    if (values.length !== size) throw new Error(`a label map of ${size} values was needed, ${values.length} came`);
    this.values = values;
    this.told = values.slice();
  }

  /** Labels of a plane, as a view: writing to it writes to the label map. */
  plane(at: Place): Uint8Array {
    return this.values.subarray(...this.bounds(at));
  }

  /** Whether anything is drawn in a plane. */
  isDrawn(at: Place): boolean {
    return this.plane(at).some((value) => value > 0);
  }

  /** Take what differs from what the server knows, among some planes, and count it as told. */
  takeChanges(places: readonly Place[]): PlaneChange[] {
    const changes: PlaneChange[] = [];
    for (const { phase, slice } of places) {
      const [now, before] = [this.plane({ phase, slice }), this.told.subarray(...this.bounds({ phase, slice }))];
      if (now.every((value, index) => value === before[index])) continue;
      before.set(now);
      changes.push({ phase, slice, labels: now.slice() });
    }
    return changes;
  }

  /** Write planes that come from the server. */
  apply(changes: readonly PlaneChange[]): void {
    for (const change of changes) {
      this.plane(change).set(change.labels);
      this.told.subarray(...this.bounds(change)).set(change.labels);
    }
  }

  private bounds({ phase, slice }: Place): [number, number] {
    const [phases, slices, rows, columns] = this.shape;
    if (phase < 0 || phase >= phases || slice < 0 || slice >= slices)
      throw new RangeError(`no slice ${slice} of phase ${phase} in ${phases} phases of ${slices} slices`);
    const start = (phase * slices + slice) * rows * columns;
    return [start, start + rows * columns];
  }
}

/** The slice of a phase in which most is drawn; the first if nothing is. */
export function fullestSlice(labels: LabelVolume, phase: number): number {
  const counts = Array.from({ length: labels.shape[1] }, (_, slice) =>
    labels.plane({ phase, slice }).reduce((sum, label) => sum + Number(label > 0), 0),
  );
  return counts.indexOf(Math.max(...counts));
}

/** A hundredth of what is drawn may lie outside the heart's box: stray pixels do not rule the zoom. */
const STRAY_SHARE = 0.01;

/** The box around the heart, with a margin as a share of it; the whole picture if nothing is drawn. */
export function heartBox(
  labels: LabelVolume,
  margin = 0.35,
): { left: number; right: number; top: number; bottom: number } {
  const [, , rows, columns] = labels.shape;
  const [byColumn, byRow] = [new Float64Array(columns), new Float64Array(rows)];
  labels.values.forEach((value, index) => {
    if (!value) return;
    const [column, row] = [index % columns, Math.floor(index / columns) % rows];
    byColumn[column] = (byColumn[column] ?? 0) + 1;
    byRow[row] = (byRow[row] ?? 0) + 1;
  });
  const [[left, right], [top, bottom]] = [middle(byColumn), middle(byRow)];
  if (right < left) return { left: 0, right: columns - 1, top: 0, bottom: rows - 1 };
  const [x, y] = [4 + margin * (right - left + 1), 4 + margin * (bottom - top + 1)];
  return { left: left - x, right: right + x, top: top - y, bottom: bottom + y };
}

/** First and last index between which all but the stray counts lie; [0, -1] if there is none. */
function middle(counts: Float64Array): [number, number] {
  const stray = (STRAY_SHARE / 2) * counts.reduce((sum, count) => sum + count, 0);
  const past = (from: Float64Array): number => {
    let sum = 0;
    return from.findIndex((count) => (sum += count) > stray);
  };
  const first = past(counts);
  return first < 0 ? [0, -1] : [first, counts.length - 1 - past(counts.toReversed())];
}
