/** All studies of the folder, with a search and filters. */

import type { CaseRow } from "./api";
import { h } from "./dom";
import { shown, statusBadge, verdictBadge } from "./panel";

const ALL = "all";
const STATUSES = ["unreviewed", "corrected", "accepted", "rejected", "failed"];
const VERDICTS = ["fail", "review", "pass"];

export interface Filter {
  readonly text: string;
  readonly verdict: string;
  readonly status: string;
}

/** Whether a study is shown: every word of the search is in its name, reasons or reader. */
export function passes(row: CaseRow, filter: Filter): boolean {
  const text = [row.name, ...row.reasons, row.reader ?? "", row.holder ?? ""].join(" ").toLowerCase();
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  return (
    words.every((word) => text.includes(word)) &&
    [ALL, row.verdict ?? "none"].includes(filter.verdict) &&
    [ALL, row.status].includes(filter.status)
  );
}

/** Build the page of the worklist. */
export function worklistPage(
  rows: readonly CaseRow[],
  disclaimer: string,
  buttons: readonly HTMLElement[],
): HTMLElement {
  const search = h("input", { type: "search", "aria-label": "Search", placeholder: "Search  /", title: "Search (/)" });
  const verdict = choice("Verdict", VERDICTS);
  const status = choice("Status", STATUSES);
  const body = h("tbody");
  const count = h("p", { class: "muted", role: "status" });
  const fill = (): void => {
    const left = rows.filter((row) =>
      passes(row, { text: search.value, verdict: verdict.value, status: status.value }),
    );
    body.replaceChildren(...left.map(tableRow));
    const done = rows.filter((row) => ["accepted", "rejected"].includes(row.status)).length;
    count.textContent = `${left.length} of ${rows.length} studies shown, ${done} decided.`;
  };
  for (const input of [search, verdict, status]) input.addEventListener("input", fill);
  fill();
  const heads = ["Study", "Verdict", "Status", "EF %", "EDV ml", "ESV ml", "RV EF %", "Look at", "Reader"];
  const head = h(
    "tr",
    {},
    ...heads.map((text) => h("th", { scope: "col", class: / (%|ml)$/.test(text) ? null : "text" }, text)),
  );
  const page = h(
    "main",
    { class: "worklist" },
    h(
      "header",
      {},
      h("h1", {}, "Worklist"),
      h("strong", { class: "disclaimer" }, disclaimer),
      h("nav", { "aria-label": "Page" }, ...buttons),
    ),
    h(
      "div",
      { class: "filters", role: "search" },
      search,
      h("label", {}, "Verdict", verdict),
      h("label", {}, "Status", status),
    ),
    count,
    h("div", { class: "scroll" }, h("table", {}, h("thead", {}, head), body)),
    rows.length ? null : h("p", {}, "There is no study in this folder yet: `cmr segment` puts them there."),
  );
  search.addEventListener("keydown", (event) => walk(page, event.key) && event.preventDefault());
  return page;
}

function choice(name: string, values: readonly string[]): HTMLSelectElement {
  const options = [ALL, ...values].map((value) => h("option", { value }, value === ALL ? "All" : capital(value)));
  return h("select", { name: name.toLowerCase() }, ...options);
}

function tableRow(row: CaseRow): HTMLElement {
  const [first, ...more] = row.reasons;
  const reasons = h(
    "td",
    { class: "text reasons", title: row.reasons.join("\n") },
    first ?? "",
    more.length ? h("span", { class: "muted" }, ` and ${more.length} more`) : null,
  );
  const name =
    row.status === "failed"
      ? h("span", { class: "name" }, row.name)
      : h("a", { class: "name", href: `#/case/${encodeURIComponent(row.name)}` }, row.name);
  const number = (value: number | null, label: string): HTMLElement => h("td", { "data-label": label }, shown(value));
  return h(
    "tr",
    { "data-case": row.name },
    h("td", { class: "text" }, name, row.holder ? h("span", { class: "muted holder" }, ` open: ${row.holder}`) : null),
    h("td", { class: "text" }, verdictBadge(row.verdict)),
    h("td", { class: "text" }, statusBadge(row.status, row.draft)),
    number(row.ef_percent, "EF"),
    number(row.edv_ml, "EDV"),
    number(row.esv_ml, "ESV"),
    number(row.rv_ef_percent, "RV EF"),
    reasons,
    h("td", { class: "text", "data-label": "Reader" }, row.reader ?? ""),
  );
}

/** Go to the next study by the arrow keys; true if the key was one. */
export function walk(page: ParentNode, key: string): boolean {
  const step = { ArrowDown: 1, ArrowUp: -1 }[key];
  if (!step) return false;
  const links = [...page.querySelectorAll<HTMLElement>("tbody a")];
  const at = links.indexOf(document.activeElement as HTMLElement);
  links[Math.min(links.length - 1, Math.max(0, at + step))]?.focus();
  return true;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
