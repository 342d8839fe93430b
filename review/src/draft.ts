/** The reader's draft of a study, as the server keeps and measures it. */

import {
  type Answer,
  type Api,
  type AuditEntry,
  type Case,
  type Choices,
  type Measured,
  type Refused,
  type Review,
  planesOf,
  toBase64,
} from "./api";
import { ChangeQueue, type Saving } from "./changes";
import type { Decision } from "./dialogs";
import type { PlaneChange } from "./labels";
import type { Lease } from "./lease";

const STALE = 409;
const SAVED = { accepted: "Accepted.", rejected: "Rejected.", corrected: "Saved." } as const;
const NOTHING_MEASURED: Measured = { volumes_ml: {} };

/** What the page hears of its draft. */
export interface DraftListener {
  /** Numbers changed, and with undo and redo also planes. */
  answered(planes: readonly PlaneChange[]): void;
  saving(state: Saving, waiting: number): void;
  /** All is in the results now. */
  saved(): void;
  tell(message: string): void;
  reload(reason: string): void;
}

export class Draft {
  record: Measured;
  /** What the numbers were when the study was opened or last saved. */
  before: Measured;
  /** Why the draft cannot be measured; the last numbers then stay. */
  problem: string | null;
  review: Review;
  choices: Choices;
  /** Steps that can be undone and redone. */
  steps: { undo: number; redo: number };
  /** Whether the draft differs from the results. */
  changed: boolean;
  /** Whether the last answer brought other choices. */
  chosen = false;
  private kept: Choices;
  private readonly queue: ChangeQueue;

  constructor(
    private readonly api: Api,
    private readonly info: Case,
    private readonly lease: Lease,
    private readonly listener: DraftListener,
  ) {
    this.record = this.before = info.record ?? NOTHING_MEASURED;
    [this.problem, this.review] = [info.problem ?? null, info.review];
    this.choices = this.kept = info.choices;
    this.steps = { undo: info.undo, redo: info.redo };
    this.changed = info.draft !== null;
    this.queue = new ChangeQueue(info.revision, {
      answered: (answer) => this.take(answer),
      state: (state, waiting) => listener.saving(state, waiting),
      refused: (error) => this.refused(error),
      declined: (error) => this.declined(error),
    });
  }

  /** Whether closing the page now would lose something. */
  get hasUnsent(): boolean {
    return this.queue.length > 0;
  }

  /** Send planes as they were drawn. */
  draw(tool: string, planes: readonly PlaneChange[]): void {
    const changes = planes.map(({ phase, slice, labels }) => ({ phase, slice, labels: toBase64(labels) }));
    this.changed = true;
    this.send("strokes", { changes, tool });
  }

  /** Undo or redo a step, if there is one. */
  back(what: "undo" | "redo"): void {
    if (this.steps[what] || this.hasUnsent) this.send(what, {});
    else this.listener.tell(`There is nothing to ${what}.`);
  }

  /** Choose ED and ES, or the slices that count. */
  choose(choices: Partial<Choices>): void {
    this.choices = { ...this.choices, ...choices };
    this.changed = true;
    this.send("choices", this.choices);
  }

  /** Write the study's results with the reader's decision. */
  save(status: keyof typeof SAVED, { comment, allPhases }: Decision): void {
    const phases = allPhases && { checked_phases: Array.from({ length: this.info.shape[0] }, (_, phase) => phase) };
    this.send("save", { status, comment, ...phases }, (answer) => {
      this.before = answer.record ?? this.record;
      this.changed = false;
      this.listener.saved();
      this.listener.tell(`${SAVED[status]} Label map, numbers, DICOM files, report and tables are written.`);
    });
  }

  /** Drop what was not saved. */
  discard(): void {
    this.send("discard", {}, () => this.listener.reload("The corrections were discarded."));
  }

  async history(): Promise<readonly AuditEntry[]> {
    return (await this.api.audit(this.info.name)).entries;
  }

  stop(): void {
    this.queue.stop();
  }

  private send(what: Parameters<Api["change"]>[1], body: object, then?: (answer: Answer) => void): void {
    const { session } = this.lease;
    this.queue.push(async (revision) => {
      const answer = await this.api.change(this.info.name, what, { revision, session, ...body });
      then?.(answer);
      return answer;
    }, what === "strokes");
  }

  private take(answer: Answer): void {
    this.record = answer.record ?? this.record;
    this.problem = answer.problem ?? null;
    this.review = answer.review ?? this.review;
    const before = this.kept;
    this.kept = answer.choices ?? this.kept;
    this.chosen = before.ed !== this.kept.ed || before.es !== this.kept.es;
    if (!this.hasUnsent) this.choices = this.kept;
    this.steps = { undo: answer.undo ?? this.steps.undo, redo: answer.redo ?? this.steps.redo };
    this.listener.answered(planesOf(answer));
  }

  private declined(error: Refused): void {
    this.choices = this.kept;
    this.listener.tell(error.message);
    this.listener.answered([]);
  }

  /** The study moved on elsewhere, or the stroke made no sense: what is on disk counts. */
  private refused(error: Refused): void {
    this.listener.reload(error.status === STALE ? `${error.message} The study was read again.` : error.message);
  }
}
