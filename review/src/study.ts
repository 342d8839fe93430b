/** One study on the page: where the reader is, and what follows from what they do. */

import type { Api, Case, Flag } from "./api";
import { commandsOf } from "./commands";
import { Display } from "./display";
import { Draft } from "./draft";
import type { Edit } from "./edits";
import { KeyboardPen } from "./keyboard_pen";
import { COMMANDS, type Command, commandOf } from "./keys";
import { LabelVolume, type Place, type PlaneChange, fullestSlice } from "./labels";
import { layOut } from "./layout";
import { Lease } from "./lease";
import { Pen } from "./pen";
import { Player, stepsMs } from "./player";
import { Stage, followSizes } from "./stage";
import { Strip } from "./strip";
import { VIEWS, type ViewName, Viewer } from "./viewer";

/** What the page around a study does for it. */
export interface Around {
  readonly api: Api;
  readonly disclaimer: string;
  /** Read the study again and tell the reader why. */
  reload(reason: string): void;
  leave(): void;
  tell(message: string): void;
}

export class Study {
  readonly labels: LabelVolume;
  readonly draft: Draft;
  readonly stage: Stage;
  readonly strip: Strip;
  readonly display: Display;
  readonly player: Player;
  viewer!: Viewer;
  pen!: Pen;
  keyboardPen!: KeyboardPen;
  slice: number;
  phase: number;
  /** Phases in the views of ED and ES. They stay where the reader draws, also if ED or ES moves by that. */
  shown: { ed: number; es: number };
  structure = 1;
  marked: number | null = null;
  overlay = { outlines: true, fills: true };
  private readonly commands: Readonly<Record<string, () => void>>;
  private flagged = 0;
  private observer: ResizeObserver | null = null;

  /** Fetch a study and show it in `host`. */
  static async open(name: string, host: HTMLElement, around: Around): Promise<Study> {
    const { api } = around;
    const lease = await Lease.open(api, name, (reason) => around.reload(reason));
    try {
      const [info, image, labels] = await Promise.all([api.read(name), api.image(name), api.labels(name)]);
      const study = new Study(info, image, labels, lease, around);
      host.replaceChildren(study.display.layout.element);
      await study.start(image);
      return study;
    } catch (error) {
      await lease.close();
      throw error;
    }
  }

  private constructor(
    readonly info: Case,
    image: Uint16Array,
    labels: Uint8Array,
    readonly lease: Lease,
    readonly around: Around,
  ) {
    this.labels = new LabelVolume(info.shape, labels);
    this.draft = new Draft(around.api, info, lease, {
      answered: (planes) => this.answered(planes),
      saving: (state, waiting) => this.display.showSaving(state, waiting),
      saved: () => this.display.saved(),
      tell: (message) => around.tell(message),
      reload: (reason) => around.reload(reason),
    });
    this.shown = this.measured;
    this.phase = this.shown.ed;
    this.slice = fullestSlice(this.labels, this.phase);
    this.stage = new Stage(info, {
      enlarge: (view) => this.enlarge(view),
      mayDraw: () => (this.player.stop(), this.mayEdit()),
      drawn: (view) => this.commit(this.pen.tool, [this.viewer.place(view)]),
      scroll: (slices) => this.goTo({ slice: this.slice - slices * this.towardsBase }),
    });
    this.strip = new Strip(info, image, this.labels, (slice) => this.goTo({ slice }));
    const layout = layOut(info, this.stage.element, this.strip.element, around.disclaimer);
    this.display = new Display(this, layout);
    const steps = stepsMs(info.times_ms, info.shape[0]);
    this.player = new Player(
      steps,
      () => this.step(),
      () => this.phase,
    );
    this.commands = commandsOf(this);
    layout.element.addEventListener("click", (event) => this.clicked(event));
    layout.slider.addEventListener("input", () => this.goTo({ phase: Number(layout.slider.value) }));
  }

  /** Do what a command says, if the reader may. */
  run(command: Command): void {
    if (command.edits && !this.mayEdit()) return;
    if (command.id !== "pen-down") this.keyboardPen.lift();
    this.commands[command.id]?.();
    this.display.showTools();
  }

  /** Take a key; true if it had a meaning. */
  key(event: KeyboardEvent): boolean {
    const onButton = event.target instanceof HTMLElement && ["BUTTON", "A"].includes(event.target.tagName);
    if (onButton && ["Enter", " "].includes(event.key)) return false;
    if (!event.altKey && !event.ctrlKey && this.keyboardPen.move(event.key, event.shiftKey)) return true;
    const command = commandOf(event);
    if (command) this.run(command);
    return command !== undefined;
  }

  /** Step of the slice's number towards the base. */
  get towardsBase(): 1 | -1 {
    return this.info.base === "last" ? 1 : -1;
  }

  /** The plane that a view is to show. */
  placeOf(view: ViewName): Place {
    return { phase: view === "cine" ? this.phase : this.shown[view], slice: this.slice };
  }

  /** ED and ES as measured; the first phase where there is none. */
  get measured(): { ed: number; es: number } {
    const { ed_phase, es_phase } = this.draft.record;
    return { ed: ed_phase ?? 0, es: es_phase ?? 0 };
  }

  /** Where is drawn: the large view's plane. */
  get place(): Place {
    return this.placeOf(this.stage.large);
  }

  /** Make a view the large one; ED and ES then show the phases that are measured. */
  enlarge(view: ViewName, phase?: number): void {
    if (view !== "cine") this.shown[view] = phase ?? this.measured[view];
    this.showPlaces();
    this.keyboardPen.lift();
    this.pen.leave();
    this.stage.enlarge(view);
    this.display.showSlices();
    requestAnimationFrame(() => this.keyboardPen.show());
  }

  /** Show another slice in all views, another phase in the cine, or both. */
  goTo({ slice = this.slice, phase = this.phase }: Partial<Place>): void {
    const [phases, slices] = this.info.shape;
    this.slice = Math.min(slices - 1, Math.max(0, slice));
    this.phase = (phase + phases) % phases;
    this.showPlaces();
    this.display.showPlace();
  }

  /** Go where a flag points, in the view that shows its phase. */
  goToFlag({ phase, slice }: Pick<Flag, "phase" | "slice">): void {
    const [shown, measured] = [this.shown, this.measured];
    const isOf = (view: "ed" | "es"): boolean => phase === shown[view] || phase === measured[view];
    this.player.stop();
    if (phase !== null) this.enlarge(isOf("ed") ? "ed" : isOf("es") ? "es" : "cine", phase);
    this.goTo({ phase: phase ?? this.phase, slice: slice ?? this.slice });
    this.display.showSlices();
  }

  nextFlag(): void {
    const flags = this.draft.record.quality?.flags ?? [];
    const flag = flags[this.flagged++ % Math.max(1, flags.length)];
    if (flag) this.goToFlag(flag);
    else this.around.tell("There is no flag.");
  }

  /** Mark the slice as one end for interpolating, or take the mark away. */
  mark(): void {
    this.marked = this.marked === this.slice ? null : this.slice;
    this.display.showPlace();
  }

  /** Show and send an edit of whole planes, or tell why it cannot be done. */
  edit(tool: string, edit: Edit): void {
    if (typeof edit === "string") return this.around.tell(edit);
    this.viewer.redraw();
    this.commit(tool, edit);
  }

  /** Give the study back. What waits to be sent is dropped. */
  async close(): Promise<void> {
    this.player.stop();
    this.draft.stop();
    this.observer?.disconnect();
    this.pen.close();
    this.viewer.close();
    await this.lease.close();
  }

  private async start(image: Uint16Array): Promise<void> {
    const places = Object.fromEntries(VIEWS.map((view) => [view, this.placeOf(view)])) as Record<ViewName, Place>;
    this.viewer = await Viewer.open(this.info, image, this.labels, this.stage.canvases, places);
    this.pen = new Pen(this.viewer, this.info, this.labels);
    const parts = { viewer: this.viewer, stage: this.stage, pen: this.pen };
    const drawn = (view: ViewName): void => this.commit(this.pen.tool, [this.viewer.place(view)]);
    this.keyboardPen = new KeyboardPen(this.info, this.labels, parts, drawn);
    this.stage.attach(this.pen);
    this.pen.use(this.structure);
    this.viewer.setOverlay(this.overlay);
    this.observer = followSizes(this.stage, this.viewer);
    this.display.start();
  }

  /** Step the cine. */
  private async step(): Promise<void> {
    this.phase = (this.phase + 1) % this.info.shape[0];
    await this.viewer.show("cine", this.placeOf("cine"));
    this.display.showPhase();
  }

  /** Send what was drawn, if anything changed. */
  private commit(tool: string, places: readonly Place[]): void {
    const changes = this.labels.takeChanges(places);
    if (changes.length) this.draft.draw(tool, changes);
    this.display.showSlices(changes.map(({ slice }) => slice));
    this.showPlaces();
  }

  /** The server's numbers came, and with undo and redo planes, which are gone to. */
  private answered(planes: readonly PlaneChange[]): void {
    this.labels.apply(planes);
    if (planes.length) this.viewer.redraw();
    if (planes[0]) this.goToFlag(planes[0]);
    const { ed, es } = this.draft.choices;
    if (this.draft.chosen) this.shown = { ed: ed ?? this.measured.ed, es: es ?? this.measured.es };
    this.showPlaces();
    this.display.showRecord();
  }

  /** Let each view show its plane; not while a stroke is drawn, which belongs to the plane it began in. */
  private showPlaces(): void {
    if (this.pen.isDown) return;
    for (const view of VIEWS) {
      const [now, next] = [this.viewer.place(view), this.placeOf(view)];
      if (now.phase !== next.phase || now.slice !== next.slice) void this.viewer.show(view, next);
    }
  }

  private mayEdit(): boolean {
    const { holder } = this.lease;
    if (holder) this.around.tell(`Held by ${holder}: read only.`);
    return !holder;
  }

  private clicked(event: Event): void {
    const id = (event.target as Element).closest<HTMLElement>("[data-command]")?.dataset["command"];
    const command = COMMANDS.find((one) => one.id === id);
    if (command) this.run(command);
  }
}
