import { describe, expect, it } from "vitest";
import type { CaseRow } from "../src/api";
import { niceStep } from "../src/curve";
import { COMMANDS, keyName, keysOf, shownKey } from "../src/keys";
import { flagPlace, shown, shownChange } from "../src/panel";
import { stepsMs } from "../src/player";
import { passes } from "../src/worklist";
import page from "../../docs/review.md?raw";

const key = (
  name: string,
  held: Partial<Record<"ctrlKey" | "shiftKey" | "altKey" | "metaKey", boolean>> = {},
): string => keyName({ key: name, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...held });

describe("keys", () => {
  it("are named as in the table, whatever the keyboard needs Shift for", () => {
    expect(key("Z", { ctrlKey: true, shiftKey: true })).toBe("Ctrl+Shift+z");
    expect(key("z", { metaKey: true })).toBe("Ctrl+z");
    expect([key("?", { shiftKey: true }), key("+", { shiftKey: true }), key(" ")]).toEqual(["?", "+", "Space"]);
    expect(key("ArrowUp", { shiftKey: true })).toBe("Shift+ArrowUp");
  });

  it("mean one thing each", () => {
    const keys = COMMANDS.flatMap((command) => command.keys);
    expect(new Set(keys).size).toBe(keys.length);
    const ids = COMMANDS.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("are shown to people", () => {
    expect(["Shift+ArrowUp", "Ctrl+Shift+z", "+", "Space", "["].map(shownKey)).toEqual([
      "Shift+↑",
      "Ctrl+Shift+Z",
      "+",
      "Space",
      "[",
    ]);
    expect(keysOf("undo")).toBe("Z or Ctrl+Z");
  });

  it("stand in docs/review.md as they are", () => {
    for (const { id, title } of COMMANDS) expect(page).toContain(`| ${keysOf(id)} | ${title} |`);
  });
});

describe("numbers and places", () => {
  it("have a true minus and a dash for what is unknown", () => {
    expect([shown(12.34), shown(-0.55), shown(null), shown(undefined)]).toEqual(["12.3", "−0.6", "–", "–"]);
    expect([shownChange(12, 10.5), shownChange(9, 10), shownChange(10.04, 10), shownChange(1, null)]).toEqual([
      "+1.5",
      "−1.0",
      "",
      "",
    ]);
  });

  it("count from 1", () => {
    expect(flagPlace({ phase: 0, slice: 4 })).toBe("phase 1, slice 5");
    expect(flagPlace({ phase: null, slice: null })).toBe("");
  });

  it("have round ticks", () => {
    expect([102, 9, 250, 31].map(niceStep)).toEqual([50, 5, 100, 20]);
  });
});

describe("cine", () => {
  it("plays at the scan's own times, or one beat a second", () => {
    expect(stepsMs([0, 40, 80, 130], 4)).toEqual([40, 40, 50, 40]);
    expect(stepsMs(null, 25)).toEqual(Array(25).fill(40));
    expect(stepsMs([0, 40, 20], 3)).toEqual([40, 40, 40]);
  });
});

describe("worklist", () => {
  const row = {
    name: "sub-03",
    verdict: "fail",
    status: "accepted",
    reasons: ["A hole in slice 3."],
    reader: "Curie",
    holder: null,
  } as unknown as CaseRow;
  const filter = { text: "", verdict: "all", status: "all" };

  it("finds every word, wherever it stands", () => {
    expect(passes(row, { ...filter, text: "HOLE sub-03" })).toBe(true);
    expect(passes(row, { ...filter, text: "hole sub-04" })).toBe(false);
  });

  it("filters by verdict and status", () => {
    expect(passes(row, { ...filter, verdict: "fail", status: "accepted" })).toBe(true);
    expect(passes(row, { ...filter, verdict: "pass" })).toBe(false);
    expect(passes(row, { ...filter, status: "rejected" })).toBe(false);
  });
});
