/**
 * One pen for mouse, touch and keyboard: it draws with the viewer's tools.
 *
 * The viewer's own mouse listener waits 400 ms for a double click before it draws a dab, and drops two quick ones, so
 * the pen hands the tools their events itself.
 */

import * as cornerstone from "@cornerstonejs/core";
import * as csTools from "@cornerstonejs/tools";
import type { Case } from "./api";
import type { LabelVolume } from "./labels";
import { pushBorder, pushGrows } from "./push";
import { SEGMENTATION, VIEWS, type ViewName, type Viewer } from "./viewer";

export type ToolName = "brush" | "eraser" | "push" | "fill";
export const SIZES_MM = { least: 1, most: 40, first: 6 } as const;

const GROUP = "pen";
const { Events, MouseBindings, KeyboardBindings } = csTools.Enums;
type Canvas = [number, number];
type Strategy = ((...args: never[]) => unknown) & { calculateCursorGeometry?: unknown; renderCursor?: unknown };

/** What the pen needs of the viewer's tools. */
interface DrawingTool {
  configuration: { activeStrategy: string; brushSize: number; strategies: Record<string, Strategy> };
  preMouseDownCallback(event: unknown): boolean;
  mouseMoveCallback?(event: unknown): void;
  setActiveStrategy(name: string): void;
  disableCursor(): void;
  isPrimary: boolean;
}

interface Operation {
  readonly segmentIndex: number;
  readonly strokePointsWorld?: readonly (readonly number[])[];
  readonly configuration: { readonly brushSize: number };
}

export class Pen {
  tool: ToolName = "brush";
  private sizeMm: number = SIZES_MM.first;
  private drawing: { view: ViewName; grows: boolean; before: Uint8Array } | null = null;

  constructor(
    private readonly viewer: Viewer,
    private readonly study: Case,
    private readonly labels: LabelVolume,
  ) {
    for (const tool of [
      csTools.BrushTool,
      csTools.PaintFillTool,
      csTools.WindowLevelTool,
      csTools.PanTool,
      csTools.ZoomTool,
    ])
      csTools.addTool(tool);
    const group = csTools.ToolGroupManager.createToolGroup(GROUP);
    if (!group) throw new Error("the viewer gave no group of tools");
    const preview = { enabled: false, dragMoveDistance: 0, dragTimeMs: 0 };
    const strategies = { ...strategiesOf(), PUSH: this.pushStrategy() };
    group.addTool(csTools.BrushTool.toolName, { preview, strategies });
    group.addTool(csTools.PaintFillTool.toolName);
    for (const view of VIEWS) group.addViewport(view, viewer.engineId);
    bindViewTools(group);
    group.setToolActive(csTools.BrushTool.toolName, { bindings: [] });
    group.setToolPassive(csTools.PaintFillTool.toolName);
    this.resize(this.sizeMm);
  }

  get radiusMm(): number {
    return this.sizeMm;
  }

  get isDown(): boolean {
    return this.drawing !== null;
  }

  /** Structure that is drawn. */
  use(value: number): void {
    csTools.segmentation.segmentIndex.setActiveSegmentIndex(SEGMENTATION, value);
  }

  choose(tool: ToolName): void {
    this.tool = tool;
    const strategies = {
      brush: "FILL_INSIDE_CIRCLE",
      eraser: "ERASE_INSIDE_CIRCLE",
      push: "PUSH",
      fill: "FILL_INSIDE_CIRCLE",
    };
    this.brush.setActiveStrategy(strategies[tool]);
  }

  /** Radius of brush, eraser and push. */
  resize(radiusMm: number): void {
    this.sizeMm = Math.min(SIZES_MM.most, Math.max(SIZES_MM.least, radiusMm));
    csTools.utilities.segmentation.setBrushSizeForToolGroup(GROUP, this.sizeMm);
  }

  /** Show where the pen is. */
  hover(view: ViewName, canvas: Canvas): void {
    if (this.tool === "fill") return;
    this.brush.isPrimary = true; // else the brush hides its circle, having no button of its own
    this.brush.mouseMoveCallback?.(this.event(view, canvas, Events.MOUSE_MOVE));
  }

  /** Take the tool's circle off the views. */
  leave(): void {
    this.brush.disableCursor();
    csTools.utilities.triggerAnnotationRenderForViewportIds([...VIEWS]);
  }

  /** Put the pen down. The fill tool is done at once. */
  down(view: ViewName, canvas: Canvas): void {
    if (this.drawing) this.up(canvas);
    const plane = this.labels.plane(this.viewer.place(view));
    const before = plane.slice();
    if (this.tool === "fill") {
      const fill = this.instance(csTools.PaintFillTool.toolName);
      fill.preMouseDownCallback(this.event(view, canvas, Events.MOUSE_DOWN));
      return;
    }
    const value = csTools.segmentation.segmentIndex.getActiveSegmentIndex(SEGMENTATION) ?? 0;
    const grows = pushGrows(plane, this.size, this.viewer.toPixels(view, canvas), value);
    this.drawing = { view, grows, before };
    if (!this.brush.preMouseDownCallback(this.event(view, canvas, Events.MOUSE_DOWN))) this.drawing = null;
  }

  move(canvas: Canvas): void {
    if (this.drawing) this.trigger(this.drawing.view, canvas, Events.MOUSE_DRAG);
  }

  up(canvas: Canvas): void {
    if (!this.drawing) return;
    const { view } = this.drawing;
    this.trigger(view, canvas, Events.MOUSE_UP);
    this.drawing = null;
  }

  /** Take back the stroke in hand. */
  cancel(canvas: Canvas): void {
    if (!this.drawing) return;
    const { view, before } = this.drawing;
    this.up(canvas);
    this.labels.plane(this.viewer.place(view)).set(before);
    this.viewer.redraw();
  }

  close(): void {
    csTools.ToolGroupManager.destroyToolGroup(GROUP);
  }

  private get size() {
    const [, , rows, columns] = this.study.shape;
    return { rows, columns, pixelMm: this.study.pixel_mm };
  }

  private get brush(): DrawingTool {
    return this.instance(csTools.BrushTool.toolName);
  }

  private instance(name: string): DrawingTool {
    return csTools.ToolGroupManager.getToolGroup(GROUP)?.getToolInstance(name) as unknown as DrawingTool;
  }

  /** The viewer's brush, its circle and its way with drags, with another effect: `pushBorder`. */
  private pushStrategy(): Strategy {
    const push = (_: unknown, operation: Operation): { modified: boolean } => {
      if (!this.drawing) return { modified: false };
      const { view, grows } = this.drawing;
      const points = (operation.strokePointsWorld ?? []).map(([x = 0, y = 0]) => ({
        column: x / this.study.pixel_mm[1],
        row: y / this.study.pixel_mm[0],
      }));
      const [from, to] = [points[0], points.at(-1)];
      if (!from || !to) return { modified: false };
      const radiusMm = operation.configuration.brushSize;
      const plane = this.labels.plane(this.viewer.place(view));
      const changed = pushBorder(plane, this.size, { value: operation.segmentIndex, grows, from, to, radiusMm });
      if (changed) this.viewer.redraw();
      return { modified: changed > 0 };
    };
    const { calculateCursorGeometry, renderCursor } = strategiesOf()["FILL_INSIDE_CIRCLE"] as Strategy;
    return Object.assign(push, { calculateCursorGeometry, renderCursor }) as unknown as Strategy;
  }

  private trigger(view: ViewName, canvas: Canvas, name: csTools.Enums.Events): void {
    cornerstone.triggerEvent(this.viewer.element(view), name, this.event(view, canvas, name).detail);
  }

  private event(view: ViewName, canvas: Canvas, eventName: csTools.Enums.Events) {
    const points = { canvas, page: canvas, client: canvas, world: this.viewer.viewport(view).canvasToWorld(canvas) };
    const element = this.viewer.element(view);
    const still = { canvas: [0, 0], page: [0, 0], client: [0, 0], world: [0, 0, 0] };
    const detail = {
      event: {},
      eventName,
      element,
      viewportId: view,
      renderingEngineId: this.viewer.engineId,
      mouseButton: 0,
    };
    const moved = { startPoints: points, lastPoints: points, currentPoints: points, deltaPoints: still };
    return { detail: { ...detail, ...moved }, preventDefault: () => undefined };
  }
}

function strategiesOf(): Record<string, Strategy> {
  return (new csTools.BrushTool() as unknown as DrawingTool).configuration.strategies;
}

/** Window with the right button, pan with the middle one or Shift, zoom with Ctrl or two fingers. */
function bindViewTools(group: csTools.Types.IToolGroup): void {
  const names = [csTools.WindowLevelTool, csTools.PanTool, csTools.ZoomTool].map((tool) => tool.toolName as string);
  for (const name of names) group.addTool(name);
  const [window, pan, zoom] = names as [string, string, string];
  group.setToolActive(window, { bindings: [{ mouseButton: MouseBindings.Secondary }] });
  const shifted = { mouseButton: MouseBindings.Primary, modifierKey: KeyboardBindings.Shift };
  group.setToolActive(pan, { bindings: [{ mouseButton: MouseBindings.Auxiliary }, shifted] });
  const controlled = { mouseButton: MouseBindings.Primary, modifierKey: KeyboardBindings.Ctrl };
  group.setToolActive(zoom, { bindings: [controlled, { numTouchPoints: 2 }] });
}
