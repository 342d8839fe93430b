/** Three views of one study in cornerstone3D: end-diastole, end-systole and the cine, with one label map over them. */

import * as cornerstone from "@cornerstonejs/core";
import * as csTools from "@cornerstonejs/tools";
import type { Case } from "./api";
import { LABEL_VALUES, cacheImages, colours } from "./images";
import { type LabelVolume, type Place, heartBox } from "./labels";

export type ViewName = "ed" | "es" | "cine";
export const VIEWS: readonly ViewName[] = ["ed", "es", "cine"];

/** How labels are drawn over the images. */
export interface Overlay {
  readonly outlines: boolean;
  readonly fills: boolean;
}

const ENGINE = "cmr-review";
export const SEGMENTATION = "labels";
const LABELMAP = csTools.Enums.SegmentationRepresentations.Labelmap;
const FILL_ALPHA = 0.28;
const OUTLINE_PIXELS = 2;

let ready = false;

/** Start the viewer's libraries once. */
function start(): void {
  if (ready) return;
  cornerstone.init();
  csTools.init();
  const ours = (id: unknown): boolean => /^(image|labels):/.test(String(id));
  const series = { modality: "MR", seriesInstanceUID: "cine", seriesNumber: 1 };
  cornerstone.metaData.addProvider((kind: string, id: unknown) =>
    kind === "generalSeriesModule" && ours(id) ? series : undefined,
  );
  ready = true;
}

export class Viewer {
  private readonly engine: cornerstone.RenderingEngine;
  private readonly places: Record<ViewName, Place>;
  private following = false;
  private overlay: Overlay = { outlines: true, fills: true };

  private constructor(
    private readonly study: Case,
    private readonly labels: LabelVolume,
    private readonly elements: Readonly<Record<ViewName, HTMLDivElement>>,
    places: Record<ViewName, Place>,
  ) {
    this.engine = new cornerstone.RenderingEngine(ENGINE);
    this.places = { ...places };
  }

  /** Load a study into three elements, each at its place. */
  static async open(
    study: Case,
    image: Uint16Array,
    labels: LabelVolume,
    elements: Readonly<Record<ViewName, HTMLDivElement>>,
    places: Record<ViewName, Place>,
  ): Promise<Viewer> {
    start();
    const ids = cacheImages(study, image, labels);
    const viewer = new Viewer(study, labels, elements, places);
    await viewer.fill(ids.images, ids.labels);
    return viewer;
  }

  viewport(view: ViewName): cornerstone.StackViewport {
    return this.engine.getViewport(view) as cornerstone.StackViewport;
  }

  element(view: ViewName): HTMLDivElement {
    return this.elements[view];
  }

  place(view: ViewName): Place {
    return this.places[view];
  }

  get engineId(): string {
    return ENGINE;
  }

  /** Show another phase or slice in a view. */
  async show(view: ViewName, place: Place): Promise<void> {
    this.places[view] = place;
    await this.viewport(view).setImageIdIndex(place.phase * this.study.shape[1] + place.slice);
    this.outline(view);
  }

  /** Draw the labels again, after they were changed. */
  redraw(): void {
    csTools.segmentation.triggerSegmentationEvents.triggerSegmentationDataModified(SEGMENTATION);
  }

  /** Draw labels as outlines, as fills, both or not at all. */
  setOverlay(overlay: Overlay): void {
    this.overlay = overlay;
    const { outlines, fills } = overlay;
    csTools.segmentation.config.style.setStyle(
      { type: LABELMAP },
      {
        renderOutline: outlines,
        renderFill: fills,
        fillAlpha: FILL_ALPHA,
        outlineWidth: OUTLINE_PIXELS,
        activeSegmentOutlineWidthDelta: 0,
      },
    );
    this.engine.render();
  }

  /** Intensities shown as black and as white. */
  get window(): readonly [number, number] {
    const range = this.viewport("ed").getProperties().voiRange;
    return range ? [range.lower, range.upper] : this.study.window;
  }

  setWindow([low, high]: readonly [number, number]): void {
    for (const view of VIEWS)
      this.viewport(view).setProperties({ voiRange: { lower: low, upper: Math.max(high, low + 1) } });
    this.engine.render();
  }

  /** Show `1 / factor` as much of the plane. */
  zoom(factor: number): void {
    const { parallelScale = 1 } = this.viewport("ed").getCamera();
    this.setCameras({ parallelScale: parallelScale / factor });
  }

  /** Move what is shown by shares of the view: right and down. */
  pan(right: number, down: number): void {
    const { focalPoint = [0, 0, 0], parallelScale = 1 } = this.viewport("ed").getCamera();
    const step = 2 * parallelScale;
    this.setCameras({ centre: [focalPoint[0] - right * step, focalPoint[1] - down * step] });
  }

  /** The heart fills the views, and the window is the study's. */
  reset(): void {
    const [rowMm, columnMm] = this.study.pixel_mm;
    const box = heartBox(this.labels);
    const [width, height] = [(box.right - box.left) * columnMm, (box.bottom - box.top) * rowMm];
    const centre: [number, number] = [((box.left + box.right) / 2) * columnMm, ((box.top + box.bottom) / 2) * rowMm];
    this.setCameras({ centre, parallelScale: Math.max(width, height) / 2 });
    this.setWindow(this.study.window);
  }

  /** Follow new sizes of the elements. */
  resize(): void {
    this.engine.resize(true, true);
  }

  /** A point of a view's canvas in pixels of the plane. */
  toPixels(view: ViewName, canvas: readonly [number, number]): { column: number; row: number } {
    const [x, y] = this.viewport(view).canvasToWorld([canvas[0], canvas[1]]);
    return { column: x / this.study.pixel_mm[1], row: y / this.study.pixel_mm[0] };
  }

  /** A pixel of the plane on a view's canvas. */
  toCanvas(view: ViewName, { column, row }: { column: number; row: number }): [number, number] {
    const { focalPoint = [0, 0, 0] } = this.viewport(view).getCamera();
    const world: [number, number, number] = [
      column * this.study.pixel_mm[1],
      row * this.study.pixel_mm[0],
      focalPoint[2],
    ];
    const [x, y] = this.viewport(view).worldToCanvas(world);
    return [x, y];
  }

  close(): void {
    csTools.segmentation.removeAllSegmentationRepresentations();
    csTools.segmentation.removeAllSegmentations();
    this.engine.destroy();
    cornerstone.cache.purgeCache();
  }

  private async fill(images: string[], labels: string[]): Promise<void> {
    for (const view of VIEWS) {
      const element = this.elements[view];
      const defaultOptions = { background: [0.02, 0.03, 0.04] as [number, number, number] };
      this.engine.enableElement({
        viewportId: view,
        type: cornerstone.Enums.ViewportType.STACK,
        element,
        defaultOptions,
      });
      const { phase, slice } = this.places[view];
      await this.viewport(view).setStack(images, phase * this.study.shape[1] + slice);
      element.addEventListener(cornerstone.Enums.Events.CAMERA_MODIFIED, () => this.follow(view));
      element.addEventListener(cornerstone.Enums.Events.VOI_MODIFIED, () => this.followWindow(view));
    }
    const data = { imageIds: labels };
    csTools.segmentation.addSegmentations([{ segmentationId: SEGMENTATION, representation: { type: LABELMAP, data } }]);
    const colorLUTOrIndex = colours(this.study.structures);
    for (const view of VIEWS) {
      await csTools.segmentation.addLabelmapRepresentationToViewport(view, [
        { segmentationId: SEGMENTATION, config: { colorLUTOrIndex } },
      ]);
    }
    this.reset();
  }

  /** A new plane's labels come without outlines and get them a picture later: a cine would flicker. */
  private outline(view: ViewName): void {
    for (const { actor, referencedId } of this.viewport(view).getActors()) {
      if (!referencedId?.startsWith("labels:")) continue;
      const property = (actor as cornerstone.Types.ImageActor).getProperty();
      property.setUseLabelOutline(this.overlay.outlines);
      property.setLabelOutlineThickness(Array<number>(LABEL_VALUES - 1).fill(OUTLINE_PIXELS));
      property.setLabelOutlineOpacity(1);
    }
  }

  /** Zoom and pan of one view go to the others, in mm. */
  private follow(view: ViewName): void {
    if (this.following) return;
    const { focalPoint, parallelScale } = this.viewport(view).getCamera();
    if (focalPoint && parallelScale) this.setCameras({ centre: [focalPoint[0], focalPoint[1]], parallelScale });
  }

  private followWindow(view: ViewName): void {
    if (this.following) return;
    const range = this.viewport(view).getProperties().voiRange;
    if (!range) return;
    this.following = true;
    this.setWindow([range.lower, range.upper]);
    this.following = false;
  }

  private setCameras({ centre, parallelScale }: { centre?: [number, number]; parallelScale?: number }): void {
    this.following = true;
    for (const view of VIEWS) {
      const viewport = this.viewport(view);
      const { focalPoint = [0, 0, 0], position = [0, 0, 0] } = viewport.getCamera();
      const [x, y] = centre ?? [focalPoint[0], focalPoint[1]];
      viewport.setCamera({
        focalPoint: [x, y, focalPoint[2]],
        position: [x, y, position[2]],
        ...(parallelScale && { parallelScale }),
      });
    }
    this.engine.render();
    this.following = false;
  }
}
