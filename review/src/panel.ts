/** Numbers and flags of the study as it stands. */

import type { Flag, Measured, Ventricle } from "./api";
import { h } from "./dom";

interface Row {
  readonly key: keyof Ventricle;
  readonly title: string;
  readonly unit: string;
  readonly digits: number;
}

const ROWS: readonly Row[] = [
  { key: "edv_ml", title: "EDV", unit: "ml", digits: 1 },
  { key: "esv_ml", title: "ESV", unit: "ml", digits: 1 },
  { key: "sv_ml", title: "Stroke volume", unit: "ml", digits: 1 },
  { key: "ef_percent", title: "EF", unit: "%", digits: 1 },
];
const SIDES = ["left_ventricle", "right_ventricle"] as const;

/** A number with a true minus sign, or a dash where there is none. */
export function shown(value: number | null | undefined, digits = 1): string {
  return value === null || value === undefined ? "–" : value.toFixed(digits).replace("-", "−");
}

/** Difference to an earlier value, `+1.2`, or nothing where it rounds to 0 or either is unknown. */
export function shownChange(now: number | null | undefined, before: number | null | undefined, digits = 1): string {
  if (typeof now !== "number" || typeof before !== "number") return "";
  const change = now - before;
  if (Number(change.toFixed(digits)) === 0) return "";
  return `${change > 0 ? "+" : ""}${shown(change, digits)}`;
}

/** The table of numbers, each with its change since the study was opened. */
export function numbersTable(now: Measured, before: Measured): HTMLTableElement {
  const cell = (
    name: string,
    value: number | null | undefined,
    old: number | null | undefined,
    digits: number,
  ): HTMLElement =>
    h(
      "td",
      { "data-number": name, "data-value": value ?? "" },
      shown(value, digits),
      h("span", { class: "change" }, shownChange(value, old, digits)),
    );
  const rows = ROWS.map(({ key, title, unit, digits }) =>
    h(
      "tr",
      { class: key === "ef_percent" ? "chief" : null },
      h("th", { scope: "row" }, `${title} `, h("span", { class: "unit" }, unit)),
      ...SIDES.map((side) => cell(`${side}.${key}`, now[side]?.[key], before[side]?.[key], digits)),
    ),
  );
  const mass = cell("myocardial_mass_g", now.myocardial_mass_g, before.myocardial_mass_g, 1);
  rows.push(
    h("tr", {}, h("th", { scope: "row" }, "Wall mass ", h("span", { class: "unit" }, "g")), mass, h("td", {}, "")),
  );
  const head = h(
    "tr",
    {},
    h("td", {}),
    h("th", { scope: "col", class: "lv" }, "LV"),
    h("th", { scope: "col", class: "rv" }, "RV"),
  );
  return h("table", { class: "numbers" }, h("thead", {}, head), h("tbody", {}, ...rows));
}

/** Where a flag points, counted from 1 as on all pages. */
export function flagPlace(flag: Pick<Flag, "phase" | "slice">): string {
  const parts = [flag.phase !== null && `phase ${flag.phase + 1}`, flag.slice !== null && `slice ${flag.slice + 1}`];
  return parts.filter(Boolean).join(", ");
}

/** The flags as buttons that go to their phase and slice. */
export function flagList(record: Measured, go: (flag: Flag) => void): HTMLElement {
  const flags = record.quality?.flags ?? [];
  if (!flags.length) {
    const said = record.quality ? "No rule found anything to look at." : "No quality rule was applied.";
    return h("p", { class: "muted" }, said);
  }
  return h(
    "ul",
    { class: "flags" },
    ...flags.map((flag) =>
      h(
        "li",
        {},
        h(
          "button",
          { class: `flag ${flag.severity}`, type: "button", "data-rule": flag.rule, onclick: () => go(flag) },
          h("span", { class: "message" }, flag.message),
          h("span", { class: "place" }, flagPlace(flag) || "whole beat"),
        ),
      ),
    ),
  );
}

const VERDICTS: Readonly<Record<string, string>> = { pass: "Pass", review: "Review", fail: "Fail" };

/** The verdict of the rules as a badge. */
export function verdictBadge(verdict: string | null | undefined): HTMLElement {
  return h("span", { class: `badge ${verdict ?? "none"}` }, VERDICTS[verdict ?? ""] ?? "Not assessed");
}

/** The reader's word on a study as a badge. */
export function statusBadge(status: string, draft = false): HTMLElement {
  const title = status.charAt(0).toUpperCase() + status.slice(1);
  return h("span", { class: `badge status ${status}` }, draft ? `${title}, draft` : title);
}
