/** What the page shows of a study: numbers, curve, flags, places and the state of saving. */

import type { Answer } from "./api";
import type { Saving } from "./changes";
import { drawCurve } from "./curve";
import { h, icon } from "./dom";
import type { Layout } from "./layout";
import { flagList, numbersTable, statusBadge, verdictBadge } from "./panel";
import { commandButton } from "./layout";
import type { Study } from "./study";
import { VIEWS } from "./viewer";

const TOGGLES = /^(structure-|brush|eraser|push|fill|outlines|fills|pen|mark|exclude)/;

export class Display {
  /** Steps that can be undone and redone. */
  steps: { undo: number; redo: number };
  private changed: boolean;

  constructor(
    private readonly study: Study,
    readonly layout: Layout,
  ) {
    const { info } = study;
    this.changed = info.draft !== null;
    this.steps = { undo: info.undo, redo: info.redo };
  }

  /** Show everything for the first time. */
  start(): void {
    const { holder, info } = this.study;
    if (holder) this.layout.notice.replaceChildren(h("p", { class: "warning" }, `Held by ${holder}: read only.`));
    else if (info.draft) this.layout.notice.replaceChildren(this.draftNotice());
    this.showSaving("kept");
    this.showRecord({});
    this.showPlace();
    this.showSlices();
    this.showTools();
    this.layout.element.dataset["ready"] = "true";
  }

  /** Show the numbers, and how many steps can be undone and redone. */
  showRecord({ undo = this.steps.undo, redo = this.steps.redo }: Partial<Answer>): void {
    const { record, before, problem } = this.study;
    this.steps = { undo, redo };
    this.layout.problem.textContent = problem ?? "";
    this.layout.numbers.replaceChildren(numbersTable(record, before));
    this.layout.flags.replaceChildren(flagList(record, (flag) => this.study.goToFlag(flag)));
    const { status, reader, comment } = this.study.review;
    this.layout.badges.replaceChildren(verdictBadge(record.quality?.verdict), statusBadge(status, this.changed));
    const said = comment
      ? [h("h2", {}, "Comment"), h("p", {}, comment, reader ? h("span", { class: "muted" }, ` ${reader}`) : null)]
      : [];
    this.layout.comment.replaceChildren(...said);
    this.button("undo")?.toggleAttribute("disabled", undo === 0);
    this.button("redo")?.toggleAttribute("disabled", redo === 0);
    this.showPlace();
  }

  /** The draft differs from the results. */
  drawn(): void {
    this.changed = true;
  }

  /** All is written to the results: there is no draft any more. */
  saved(): void {
    this.changed = false;
    this.layout.notice.replaceChildren();
  }

  /** Show the slice and the phases of all views. */
  showPlace(): void {
    const [phases, slices] = this.study.info.shape;
    for (const view of VIEWS) this.study.stage.caption(view, this.study.placeOf(view), [phases, slices]);
    this.study.strip.show(this.slices, "none");
    this.showPhase();
    this.showTools();
  }

  /** Show the cine's phase. */
  showPhase(): void {
    const { info, phase, record, player, stage } = this.study;
    stage.caption("cine", this.study.placeOf("cine"), [info.shape[0], info.shape[1]]);
    this.layout.slider.value = String(phase);
    const time = info.times_ms?.[phase];
    this.layout.time.textContent = `phase ${phase + 1}/${info.shape[0]}${time === undefined ? "" : ` · ${time.toFixed(0)} ms`}`;
    this.layout.curve.replaceChildren(drawCurve(record, phase, (at) => this.study.goTo({ phase: at })));
    this.button("play")?.replaceChildren(icon(player.playing ? "pause" : "play"));
    if (stage.large === "cine" && !player.playing) this.showSlices();
  }

  /** Draw the small pictures of all or some slices again. */
  showSlices(redraw: readonly number[] | "all" = "all"): void {
    this.study.strip.show(this.slices, redraw);
  }

  showSaving(saving: Saving, waiting = 0): void {
    const kept = this.changed ? "Draft kept" : "Saved";
    const text = { kept, sending: "Keeping …", waiting: `The server is away; ${waiting} to send`, stopped: "Stopped" }[
      saving
    ];
    this.layout.saving.textContent = text;
    this.layout.saving.dataset["state"] = saving;
  }

  showTools(): void {
    const { structure, pen, overlay, keyboardPen, marked, slice, choices } = this.study;
    const pressed = new Set<string>([`structure-${structure}`, pen.tool]);
    if (overlay.outlines) pressed.add("outlines");
    if (overlay.fills) pressed.add("fills");
    if (keyboardPen.active) pressed.add("pen");
    if (marked === slice) pressed.add("mark");
    if (choices.excluded_slices.includes(slice)) pressed.add("exclude");
    for (const button of this.layout.element.querySelectorAll<HTMLElement>(".tools [data-command]")) {
      const id = button.dataset["command"] ?? "";
      if (TOGGLES.test(id)) button.setAttribute("aria-pressed", String(pressed.has(id)));
    }
    this.layout.size.textContent = `${pen.radiusMm} mm`;
  }

  private get slices() {
    const { slice, marked, choices, place } = this.study;
    return { phase: place.phase, slice, marked, excluded: choices.excluded_slices };
  }

  private button(id: string): HTMLElement | null {
    return this.layout.element.querySelector(`[data-command="${id}"]`);
  }

  private draftNotice(): HTMLElement {
    const text = "Corrections that were not saved yet are shown.";
    return h("p", { class: "warning" }, text, " ", commandButton("discard", { text: "Discard them" }));
  }
}
