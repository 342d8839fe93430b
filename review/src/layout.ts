/** The study's page: where things stand. What they do is in `study.ts`, by the names of `keys.ts`. */

import type { Case } from "./api";
import { h, icon } from "./dom";
import { COMMANDS, keysOf } from "./keys";

/** A button of a command, named by its title, with its keys as the tip. */
export function commandButton(
  id: string,
  look: { icon?: string; text?: string; class?: string } = {},
): HTMLButtonElement {
  const title = COMMANDS.find((command) => command.id === id)?.title ?? id;
  const tip = `${title} (${keysOf(id)})`;
  const name = look.text ? null : title;
  const picture = look.icon ? icon(look.icon) : null;
  return h(
    "button",
    { type: "button", class: look.class, "data-command": id, title: tip, "aria-label": name },
    picture,
    look.text,
  );
}

export interface Layout {
  readonly element: HTMLElement;
  readonly badges: HTMLElement;
  readonly saving: HTMLElement;
  readonly notice: HTMLElement;
  readonly slider: HTMLInputElement;
  readonly time: HTMLElement;
  readonly size: HTMLElement;
  readonly curve: HTMLElement;
  readonly numbers: HTMLElement;
  readonly problem: HTMLElement;
  readonly flags: HTMLElement;
  readonly comment: HTMLElement;
}

/** Build the page around the views and the strip of slices. */
export function layOut(study: Case, stage: HTMLElement, strip: HTMLElement, disclaimer: string): Layout {
  const part = (name: string, live = false): HTMLElement => h("div", { class: name, ...(live && { role: "status" }) });
  const parts = { badges: part("badges"), saving: part("saving", true), notice: part("notice", true) };
  const side = {
    curve: part("plot"),
    numbers: part("scroll"),
    problem: part("problem", true),
    flags: part("flag-list"),
    comment: part("comment"),
  };
  const time = h("output", { class: "time" });
  const size = h("output", { class: "size", title: `Radius of the tool (${keysOf("smaller")}, ${keysOf("larger")})` });
  const last = study.shape[0] - 1;
  const slider = h("input", {
    type: "range",
    min: 0,
    max: last,
    value: 0,
    "aria-label": "Phase of the cine",
    disabled: last === 0,
  });
  const element = h(
    "main",
    { class: "study" },
    header(study.name, parts, disclaimer),
    tools(study, size),
    h("div", { class: "middle" }, parts.notice, stage, transport(slider, time), strip),
    aside(side),
  );
  return { element, ...parts, ...side, slider, time, size };
}

function header(name: string, parts: { badges: HTMLElement; saving: HTMLElement }, disclaimer: string): HTMLElement {
  return h(
    "header",
    {},
    h("a", { href: "#/", title: `Worklist (${keysOf("worklist")})`, class: "back" }, "Worklist"),
    h("h1", { title: name }, name),
    parts.badges,
    h("strong", { class: "disclaimer" }, disclaimer),
    parts.saving,
    h(
      "nav",
      { "aria-label": "Study" },
      commandButton("report", { icon: "report" }),
      commandButton("history", { icon: "history" }),
      commandButton("theme", { icon: "theme" }),
      commandButton("help", { icon: "help" }),
      commandButton("save", { text: "Save" }),
      commandButton("reject", { text: "Reject", class: "reject" }),
      commandButton("accept", { text: "Accept", class: "chief" }),
    ),
  );
}

function tools(study: Case, size: HTMLElement): HTMLElement {
  const group = (name: string, ...buttons: readonly HTMLElement[]): HTMLElement =>
    h("div", { role: "group", "aria-label": name, class: "group" }, ...buttons);
  const plain = (...ids: readonly string[]): HTMLElement[] => ids.map((id) => commandButton(id, { icon: id }));
  const structures = study.structures.map(({ value, title, short, colour }) => {
    const button = commandButton(`structure-${value}`, { text: short, class: "structure" });
    button.setAttribute("aria-label", title);
    button.style.setProperty("--tint", colour);
    return button;
  });
  const copies = [
    commandButton("copy-up", { icon: "up" }),
    commandButton("copy-down", { icon: "down" }),
    commandButton("copy-before", { icon: "left" }),
    commandButton("copy-after", { icon: "right" }),
  ];
  return h(
    "div",
    { class: "tools", role: "toolbar", "aria-label": "Tools", "aria-orientation": "vertical" },
    group("Structure", ...structures),
    group("Tool", ...plain("brush", "eraser", "push", "fill")),
    group("Size", commandButton("smaller", { text: "−" }), size, commandButton("larger", { text: "+" })),
    group("Steps", ...plain("undo", "redo")),
    group("Copy labels", h("span", { class: "label", "aria-hidden": "true" }, "Copy"), ...copies),
    group("Slice", ...plain("mark", "interpolate", "clear", "exclude")),
    group("Look", ...plain("outlines", "fills", "reset"), commandButton("pen", { icon: "keyboard" })),
  );
}

function transport(slider: HTMLElement, time: HTMLElement): HTMLElement {
  return h(
    "div",
    { class: "transport", role: "group", "aria-label": "Cine" },
    commandButton("play", { icon: "play" }),
    slider,
    time,
    commandButton("set-ed", { text: "Set ED" }),
    commandButton("set-es", { text: "Set ES" }),
    commandButton("find-phases", { text: "Find" }),
  );
}

function aside(side: {
  curve: HTMLElement;
  numbers: HTMLElement;
  problem: HTMLElement;
  flags: HTMLElement;
  comment: HTMLElement;
}): HTMLElement {
  const section = (title: string, content: HTMLElement): HTMLElement => h("section", {}, h("h2", {}, title), content);
  return h(
    "aside",
    { "aria-label": "Measurements" },
    section("Volume over the beat", side.curve),
    section("Numbers", side.numbers),
    side.problem,
    section("Flags", side.flags),
    side.comment,
  );
}
