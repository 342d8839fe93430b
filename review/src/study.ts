/** One study on the page: what is shown, and what follows from a change. */

import {
  type Answer,
  type Api,
  type AuditEntry,
  type Case,
  type Choices,
  type Flag,
  type Measured,
  type Refused,
  type Review,
  planesOf,
  toBase64,
} from "./api";
import { ChangeQueue } from "./changes";
import { commandsOf } from "./commands";
import type { Decision } from "./dialogs";
import { Display } from "./display";
import type { Edit } from "./edits";
import { KeyboardPen } from "./keyboard_pen";
import { COMMANDS, type Command, commandOf } from "./keys";
import { LabelVolume, type Place } from "./labels";
import { layOut } from "./layout";
import { Lease } from "./lease";
import { Pen } from "./pen";
import { Player, stepsMs } from "./player";
import { Stage, followSizes } from "./stage";
import { Strip } from "./strip";
import { VIEWS, type ViewName, Viewer } from "./viewer";

const SAVED = { accepted: "Accepted.", rejected: "Rejected.", corrected: "Saved." } as const;
const NOTHING_MEASURED: Measured = { volumes_ml: {} };

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
  readonly stage: Stage;
  readonly strip: Strip;
  readonly display: Display;
  readonly player: Player;
  record: Measured;
  /** Why the draft cannot be measured; the last numbers then stay. */
  problem: string | null;
  review: Review;
  choices: Choices;
  slice: number;
  phase: number;
  structure = 1;
  marked: number | null = null;
  overlay = { outlines: true, fills: true };
  viewer!: Viewer;
  pen!: Pen;
  keyboardPen!: KeyboardPen;
  /** What the numbers were when the study was opened or last saved. */
  before: Measured;
  private readonly queue: ChangeQueue;
  private readonly commands: Readonly<Record<string, () => void>>;
  private flagged = 0;
  private observer: ResizeObserver | null = null;

  /** Fetch a study and show it in `host`. */
  static async open(name: string, host: HTMLElement, around: Around): Promise<Study> {
    const lease = await Lease.open(around.api, name, (reason) => around.reload(reason));
    const [info, image, labels] = await Promise.all([
      around.api.read(name),
      around.api.image(name),
      around.api.labels(name),
    ]);
    const study = new Study(info, image, labels, lease, around);
    host.replaceChildren(study.display.layout.element);
    await study.start(image);
    return study;
  }

  private constructor(
    readonly info: Case,
    image: Uint16Array,
    labels: Uint8Array,
    readonly lease: Lease,
    readonly around: Around,
  ) {
    this.labels = new LabelVolume(info.shape, labels);
    [this.review, this.choices, this.problem] = [info.review, info.choices, info.problem ?? null];
    this.record = this.before = info.record ?? NOTHING_MEASURED;
    this.phase = this.record.ed_phase ?? 0;
    this.slice = this.mostDrawn();
    this.queue = new ChangeQueue(info.revision, {
      answered: (answer) => this.answered(answer),
      state: (saving, waiting) => this.display.showSaving(saving, waiting),
      refused: (error) => this.refused(error),
      declined: (error) => around.tell(error.message),
    });
    this.stage = new Stage(info, {
      enlarge: (view) => this.enlarge(view),
      mayDraw: () => this.mayEdit(),
      drawn: (view) => this.commit(this.pen.tool, [this.viewer.place(view)]),
      scroll: (slices) => this.goTo({ slice: this.slice - slices * this.towardsBase }),
    });
    this.strip = new Strip(info, image, this.labels, (slice) => this.goTo({ slice }));
    const layout = layOut(info, this.stage.element, this.strip.element, around.disclaimer);
    this.display = new Display(this, layout);
    this.player = new Player(
      stepsMs(info.times_ms, info.shape[0]),
      () => this.step(1),
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

  get holder(): string | null {
    return this.lease.holder;
  }

  /** Phases of end-diastole and end-systole as measured; the first where there is none. */
  placeOf(view: ViewName): Place {
    const phase = { ed: this.record.ed_phase ?? 0, es: this.record.es_phase ?? 0, cine: this.phase }[view];
    return { phase, slice: this.slice };
  }

  /** Where is drawn: the large view's plane. */
  get place(): Place {
    return this.placeOf(this.stage.large);
  }

  enlarge(view: ViewName): void {
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
    for (const view of VIEWS) void this.viewer.show(view, this.placeOf(view));
    this.display.showPlace();
  }

  /** Go where a flag points, in the view that shows its phase. */
  goToFlag(flag: Pick<Flag, "phase" | "slice">): void {
    this.player.stop();
    const { phase, slice } = flag;
    if (phase !== null)
      this.enlarge(phase === this.record.ed_phase ? "ed" : phase === this.record.es_phase ? "es" : "cine");
    this.goTo({ phase: phase ?? this.phase, slice: slice ?? this.slice });
    this.display.showSlices();
  }

  /** Step the cine. */
  async step(phases: number): Promise<void> {
    const count = this.info.shape[0];
    this.phase = (this.phase + phases + count) % count;
    await this.viewer.show("cine", this.placeOf("cine"));
    this.display.showPhase();
  }

  /** Send what was drawn, if anything changed. */
  commit(tool: string, places: readonly Place[]): void {
    const changes = this.labels.takeChanges(places);
    if (!changes.length) return;
    const content = changes.map(({ phase, slice, labels }) => ({ phase, slice, labels: toBase64(labels) }));
    this.display.drawn();
    this.send("strokes", { changes: content, tool });
    this.display.showSlices(changes.map(({ slice }) => slice));
  }

  /** Show and send an edit of whole planes, or tell why it cannot be done. */
  edit(tool: string, edit: Edit): void {
    if (typeof edit === "string") return this.around.tell(edit);
    this.viewer.redraw();
    this.commit(tool, edit);
  }

  /** Put a change into the row. */
  send(what: Parameters<Api["change"]>[1], body: object): void {
    const { session } = this.lease;
    const change = (revision: number) => this.around.api.change(this.info.name, what, { revision, session, ...body });
    this.queue.push(change, what === "strokes");
  }

  /** Undo or redo a step, if there is one. */
  back(what: "undo" | "redo"): void {
    if (this.display.steps[what] || this.hasUnsent) this.send(what, {});
    else this.around.tell(`There is nothing to ${what}.`);
  }

  choose(choices: Choices): void {
    this.display.drawn();
    this.send("choices", choices);
  }

  /** Mark the slice as one end for interpolating, or take the mark away. */
  mark(): void {
    this.marked = this.marked === this.slice ? null : this.slice;
    this.display.showPlace();
  }

  /** Write the study's results with the reader's decision. */
  save(status: "accepted" | "rejected" | "corrected", { comment, allPhases }: Decision): void {
    const phases = allPhases && { checked_phases: Array.from({ length: this.info.shape[0] }, (_, phase) => phase) };
    const body = { session: this.lease.session, status, comment, ...phases };
    this.queue.push(async (revision) => {
      const answer = await this.around.api.change(this.info.name, "save", { revision, ...body });
      this.before = answer.record ?? this.record;
      this.display.saved();
      this.around.tell(`${SAVED[status]} Label map, numbers, DICOM files, report and tables are written.`);
      return answer;
    }, false);
  }

  discard(): void {
    this.queue.push(async (revision) => {
      const answer = await this.around.api.change(this.info.name, "discard", { revision, session: this.lease.session });
      this.around.reload("The corrections were discarded.");
      return answer;
    }, false);
  }

  async history(): Promise<readonly AuditEntry[]> {
    return (await this.around.api.audit(this.info.name)).entries;
  }

  nextFlag(): void {
    const flags = this.record.quality?.flags ?? [];
    const flag = flags[this.flagged++ % Math.max(1, flags.length)];
    if (flag) this.goToFlag(flag);
    else this.around.tell("There is no flag.");
  }

  mayEdit(): boolean {
    if (this.holder) this.around.tell(`Held by ${this.holder}: read only.`);
    return !this.holder;
  }

  /** Whether closing the page now would lose something. */
  get hasUnsent(): boolean {
    return this.queue.length > 0;
  }

  close(): void {
    this.player.stop();
    this.queue.stop();
    this.observer?.disconnect();
    this.pen.close();
    this.viewer.close();
    this.lease.close();
  }

  private async start(image: Uint16Array): Promise<void> {
    const places = Object.fromEntries(VIEWS.map((view) => [view, this.placeOf(view)])) as Record<ViewName, Place>;
    this.viewer = await Viewer.open(this.info, image, this.labels, this.stage.canvases, places);
    this.pen = new Pen(this.viewer, this.info, this.labels);
    const parts = { viewer: this.viewer, stage: this.stage, pen: this.pen };
    this.keyboardPen = new KeyboardPen(this.info, this.labels, parts, (view) =>
      this.commit(this.pen.tool, [this.viewer.place(view)]),
    );
    this.stage.attach(this.pen);
    this.pen.use(this.structure);
    this.viewer.setOverlay(this.overlay);
    this.observer = followSizes(this.stage, this.viewer);
    this.display.start();
  }

  private clicked(event: Event): void {
    const id = (event.target as Element).closest<HTMLElement>("[data-command]")?.dataset["command"];
    const command = COMMANDS.find((one) => one.id === id);
    if (command) this.run(command);
  }

  /** The server's numbers replace those shown; planes that undo and redo brought are drawn and gone to. */
  private answered(answer: Answer): void {
    this.record = answer.record ?? this.record;
    this.problem = answer.problem ?? null;
    this.choices = answer.choices ?? this.choices;
    this.review = answer.review ?? this.review;
    const planes = planesOf(answer);
    this.labels.apply(planes);
    if (planes.length) this.viewer.redraw();
    const [first] = planes;
    if (first) this.goToFlag(first);
    else for (const view of VIEWS) void this.viewer.show(view, this.placeOf(view));
    this.display.showRecord(answer);
  }

  /** The study moved on elsewhere, or the change made no sense: what is on disk counts. */
  private refused(error: Refused): void {
    this.around.reload(error.status === 409 ? `${error.message} It was read again.` : error.message);
  }

  /** The slice with most drawn, where the reader starts. */
  private mostDrawn(): number {
    const counts = Array.from({ length: this.info.shape[1] }, (_, slice) =>
      this.labels.plane({ phase: this.phase, slice }).reduce((sum, label) => sum + Number(label > 0), 0),
    );
    return counts.indexOf(Math.max(...counts));
  }
}
