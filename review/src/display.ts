/** What the page shows of a study: numbers, curve, flags, places and the state of saving. */

import type { Saving } from "./changes";
import { drawCurve } from "./curve";
import { h, icon } from "./dom";
import { type Layout, commandButton } from "./layout";
import { flagList, numbersTable, statusBadge, verdictBadge } from "./panel";
import type { Study } from "./study";
import { VIEWS } from "./viewer";

const TOGGLES = /^(structure-|brush|eraser|push|fill|outlines|fills|pen|mark|exclude)/;

export class Display {
  private unchanged = "No changes";

  constructor(
    private readonly study: Study,
    readonly layout: Layout,
  ) {}

  /** Show everything for the first time. */
  start(): void {
    const { lease, info } = this.study;
    if (lease.holder) this.layout.notice.replaceChildren(warning(`Held by ${lease.holder}: read only.`));
    else if (info.draft) this.layout.notice.replaceChildren(draftNotice());
    this.showSaving("kept");
    this.showRecord();
    this.showPlace();
    this.showSlices();
    this.layout.element.dataset["ready"] = "true";
  }

  /** Show the numbers, and whether steps can be undone and redone. */
  showRecord(): void {
    const { record, before, problem, steps, review, changed } = this.study.draft;
    this.layout.problem.textContent = problem ?? "";
    this.layout.numbers.replaceChildren(numbersTable(record, before));
    this.layout.flags.replaceChildren(flagList(record, (flag) => this.study.goToFlag(flag)));
    this.layout.badges.replaceChildren(verdictBadge(record.quality?.verdict), statusBadge(review.status, changed));
    const reader = review.reader ? h("span", { class: "muted" }, ` ${review.reader}`) : null;
    const said = review.comment ? [h("h2", {}, "Comment"), h("p", {}, review.comment, reader)] : [];
    this.layout.comment.replaceChildren(...said);
    this.button("undo")?.toggleAttribute("disabled", steps.undo === 0);
    this.button("redo")?.toggleAttribute("disabled", steps.redo === 0);
    this.showPlace();
  }

  /** All is written to the results: there is no draft any more. */
  saved(): void {
    this.unchanged = "Saved";
    this.layout.notice.replaceChildren();
  }

  /** Show the slice and the phases of all views. */
  showPlace(): void {
    const [phases, slices] = this.study.info.shape;
    for (const view of VIEWS) {
      const place = this.study.placeOf(view);
      const measured = view === "cine" ? place.phase : this.study.measured[view];
      this.study.stage.caption(view, place, [phases, slices], measured);
    }
    this.study.strip.show(this.slices, "none");
    this.showPhase();
    this.showTools();
  }

  /** Show the cine's phase. */
  showPhase(): void {
    const { info, phase, player, stage } = this.study;
    stage.caption("cine", this.study.placeOf("cine"), [info.shape[0], info.shape[1]], phase);
    this.layout.slider.value = String(phase);
    const time = info.times_ms?.[phase];
    this.layout.time.textContent = `phase ${phase + 1}/${info.shape[0]}${time === undefined ? "" : ` · ${time.toFixed(0)} ms`}`;
    this.layout.curve.replaceChildren(
      drawCurve(this.study.draft.record, phase, (at) => this.study.goTo({ phase: at })),
    );
    this.button("play")?.replaceChildren(icon(player.playing ? "pause" : "play"));
    if (stage.large === "cine" && !player.playing) this.showSlices();
  }

  /** Draw the small pictures of all or some slices again. */
  showSlices(redraw: readonly number[] | "all" = "all"): void {
    this.study.strip.show(this.slices, redraw);
  }

  showSaving(saving: Saving, waiting = 0): void {
    const kept = this.study.draft.changed ? "Draft kept" : this.unchanged;
    const text = { kept, sending: "Keeping …", waiting: `The server is away; ${waiting} to send`, stopped: "Stopped" }[
      saving
    ];
    this.layout.saving.textContent = text;
    this.layout.saving.dataset["state"] = saving;
  }

  showTools(): void {
    const { structure, pen, overlay, keyboardPen, marked, slice, draft } = this.study;
    const pressed = new Set<string>([`structure-${structure}`, pen.tool]);
    if (overlay.outlines) pressed.add("outlines");
    if (overlay.fills) pressed.add("fills");
    if (keyboardPen.active) pressed.add("pen");
    if (marked === slice) pressed.add("mark");
    if (draft.choices.excluded_slices.includes(slice)) pressed.add("exclude");
    for (const button of this.layout.element.querySelectorAll<HTMLElement>(".tools [data-command]")) {
      const id = button.dataset["command"] ?? "";
      if (TOGGLES.test(id)) button.setAttribute("aria-pressed", String(pressed.has(id)));
    }
    this.layout.size.textContent = `${pen.radiusMm} mm`;
  }

  private get slices() {
    const { slice, marked, draft, place } = this.study;
    return { phase: place.phase, slice, marked, excluded: draft.choices.excluded_slices };
  }

  private button(id: string): HTMLElement | null {
    return this.layout.element.querySelector(`[data-command="${id}"]`);
  }
}

function warning(text: string, ...more: readonly HTMLElement[]): HTMLElement {
  return h("p", { class: "warning" }, text, ...more);
}

function draftNotice(): HTMLElement {
  return warning("Corrections that were not saved yet are shown.", commandButton("discard", { text: "Discard them" }));
}
