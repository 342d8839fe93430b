/** Questions to the reader, and what is told at length. */

import type { AuditEntry, Review } from "./api";
import { ask, h } from "./dom";
import { COMMANDS, shownKey } from "./keys";
import { shown } from "./panel";

/** Ask for the reader's name; it stands in the history of what they change. */
export async function askReader(known: string): Promise<string> {
  const name = h("input", { name: "reader", value: known, required: true, maxlength: 80, autocomplete: "name" });
  const dialog = h(
    "dialog",
    { class: "small", "aria-labelledby": "reader-title" },
    h(
      "form",
      { method: "dialog" },
      h("h2", { id: "reader-title" }, "Who is reading?"),
      h("p", { class: "muted" }, "Your name stands in the history of every study that you change."),
      h("label", {}, "Name", name),
      h("menu", {}, h("button", { value: "ok", class: "chief" }, "Start reading")),
    ),
  );
  const answer = await ask(dialog);
  return answer === "ok" ? name.value.trim() : known;
}

export interface Decision {
  readonly comment: string;
  readonly allPhases: boolean;
}

const DECISIONS: Readonly<Record<"accepted" | "rejected" | "corrected", readonly [string, string, string]>> = {
  accepted: ["Accept this study?", "Labels and numbers are right as they stand.", "Accept"],
  rejected: ["Reject this study?", "Its numbers are not to be used. Say why.", "Reject"],
  corrected: ["Save the corrections?", "Label map, numbers, DICOM files, report and tables are written anew.", "Save"],
};

/** Ask for the comment that goes with a decision; null where the reader changes their mind. */
export async function askDecision(status: keyof typeof DECISIONS, review: Review): Promise<Decision | null> {
  const [title, text, button] = DECISIONS[status];
  const comment = h("textarea", { name: "comment", rows: 4, required: status === "rejected" }, review.comment);
  const all = h("input", { type: "checkbox", name: "all-phases" });
  const form = h(
    "form",
    { method: "dialog" },
    h("h2", { id: "decision-title" }, title),
    h("p", { class: "muted" }, text),
    h("label", {}, "Comment", comment),
    status === "rejected" ? null : h("label", { class: "tick" }, all, "All phases were looked at, not only ED and ES"),
    h(
      "menu",
      {},
      h("button", { value: "", formnovalidate: true }, "Back"),
      h("button", { value: "ok", class: "chief" }, button),
    ),
  );
  comment.addEventListener("focus", () => comment.select(), { once: true });
  comment.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.ctrlKey) form.requestSubmit(form.querySelector<HTMLButtonElement>(".chief"));
  });
  const answer = await ask(h("dialog", { class: "small", "aria-labelledby": "decision-title" }, form));
  return answer === "ok" ? { comment: comment.value.trim(), allPhases: all.checked } : null;
}

/** Ask before something is lost. */
export async function confirm(title: string, text: string, button: string): Promise<boolean> {
  const form = h(
    "form",
    { method: "dialog" },
    h("h2", { id: "confirm-title" }, title),
    h("p", { class: "muted" }, text),
    h("menu", {}, h("button", { value: "" }, "Back"), h("button", { value: "ok", class: "chief" }, button)),
  );
  return (await ask(h("dialog", { class: "small", "aria-labelledby": "confirm-title" }, form))) === "ok";
}

/** All keys, by group. */
export async function showHelp(): Promise<void> {
  const groups = [...new Set(COMMANDS.map((command) => command.group))];
  const sections = groups.map((group) =>
    h(
      "section",
      {},
      h("h3", {}, group),
      h(
        "dl",
        {},
        ...COMMANDS.filter((command) => command.group === group).flatMap(({ keys, title }) => [
          h("dt", {}, ...keys.flatMap((key, index) => [index ? " " : null, h("kbd", {}, shownKey(key))])),
          h("dd", {}, title),
        ]),
      ),
    ),
  );
  await tell("Keys", h("div", { class: "keys" }, ...sections), mouseHelp());
}

function mouseHelp(): HTMLElement {
  const text =
    "Mouse: draw with the left button in the large view; right button for the window, middle button or Shift to move, " +
    "Ctrl to zoom, wheel for the slice. Touch: one finger draws, two zoom.";
  return h("p", { class: "muted" }, text);
}

const NUMBERS = [
  ["edv_ml", "EDV", "ml"],
  ["esv_ml", "ESV", "ml"],
  ["ef_percent", "EF", "%"],
] as const;

/** What was done to the study, newest first. */
export async function showHistory(entries: readonly AuditEntry[]): Promise<void> {
  const change = (entry: AuditEntry): string =>
    NUMBERS.flatMap(([key, title, unit]) => {
      const [before, after] = [entry.before?.[key], entry.after?.[key]];
      return before === after ? [] : [`${title} ${shown(before)} → ${shown(after)} ${unit}`];
    }).join(", ");
  const rows = [...entries]
    .reverse()
    .map((entry) =>
      h(
        "tr",
        {},
        h("td", { class: "text" }, new Date(entry.time).toLocaleString()),
        h("td", { class: "text" }, entry.reader),
        h("td", { class: "text" }, entry.what),
        h("td", {}, entry.voxels_changed === undefined ? "" : String(entry.voxels_changed)),
        h("td", { class: "text" }, change(entry)),
      ),
    );
  const heads = ["When", "Who", "What", "Voxels", "Left ventricle"].map((text) =>
    h("th", { scope: "col", class: text === "Voxels" ? null : "text" }, text),
  );
  const table = h("table", {}, h("thead", {}, h("tr", {}, ...heads)), h("tbody", {}, ...rows));
  const none = h("p", { class: "muted" }, "Nothing was changed yet.");
  await tell("History", rows.length ? h("div", { class: "scroll" }, table) : none);
}

async function tell(title: string, ...content: readonly HTMLElement[]): Promise<void> {
  const close = h("form", { method: "dialog" }, h("menu", {}, h("button", { value: "ok", class: "chief" }, "Close")));
  const dialog = h(
    "dialog",
    { "aria-labelledby": "told-title" },
    h("h2", { id: "told-title", tabindex: -1, autofocus: true }, title),
    ...content,
    close,
  );
  dialog.addEventListener("keydown", (event) => {
    if (event.key !== "?") return;
    event.stopPropagation(); // the page would open it again
    event.preventDefault();
    dialog.close();
  });
  await ask(dialog);
}
