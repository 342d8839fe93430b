/** What each command of `keys.ts` does. */

import { reportUrl } from "./api";
import { askDecision, confirm, showHelp, showHistory } from "./dialogs";
import { clear, copyTo, interpolate } from "./edits";
import type { ToolName } from "./pen";
import type { Study } from "./study";
import { switchTheme } from "./theme";

const SIZE_STEP_MM = 1;
const ZOOM = 1.2;
const PAN = 0.1;
const CONTRAST = 1.15;
const BRIGHTNESS = 0.05;

type Actions = Readonly<Record<string, () => void>>;

/** The actions of a study by the commands' names. */
export function commandsOf(study: Study): Actions {
  return { ...movement(study), ...drawing(study), ...planes(study), ...looks(study), ...decisions(study) };
}

function movement(study: Study): Actions {
  const step = (phases: number): void => {
    study.player.stop();
    study.goTo({ phase: study.phase + phases });
  };
  return {
    "phase-before": () => step(-1),
    "phase-after": () => step(1),
    "slice-up": () => study.goTo({ slice: study.slice + study.towardsBase }),
    "slice-down": () => study.goTo({ slice: study.slice - study.towardsBase }),
    play: () => {
      study.player.toggle();
      study.display.showPhase();
    },
    "view-ed": () => study.enlarge("ed"),
    "view-es": () => study.enlarge("es"),
    "view-cine": () => study.enlarge("cine"),
    "next-flag": () => study.nextFlag(),
    worklist: () => study.around.leave(),
    help: () => void showHelp(),
  };
}

function drawing(study: Study): Actions {
  const tool = (name: ToolName) => [name, () => study.pen.choose(name)] as const;
  const structures = study.info.structures.map(({ value }) => [
    `structure-${value}`,
    () => {
      study.structure = value;
      study.pen.use(value);
    },
  ]);
  return {
    ...Object.fromEntries([...structures, ...(["brush", "eraser", "push", "fill"] as const).map(tool)]),
    smaller: () => study.pen.resize(study.pen.radiusMm - SIZE_STEP_MM),
    larger: () => study.pen.resize(study.pen.radiusMm + SIZE_STEP_MM),
    undo: () => study.draft.back("undo"),
    redo: () => study.draft.back("redo"),
    pen: () => study.keyboardPen.toggle(),
    "pen-down": () => {
      study.player.stop();
      study.keyboardPen.press();
    },
    "pen-off": () => study.keyboardPen.putAway(),
  };
}

function planes(study: Study): Actions {
  const copy = (phases: number, slices: number) => () => {
    study.edit("copy", copyTo(study.labels, study.place, { phases, slices }));
  };
  const { draft } = study;
  return {
    "copy-up": copy(0, study.towardsBase),
    "copy-down": copy(0, -study.towardsBase),
    "copy-before": copy(-1, 0),
    "copy-after": copy(1, 0),
    mark: () => study.mark(),
    interpolate: () => {
      const [, , rows, columns] = study.info.shape;
      const values = study.info.structures.map(({ value }) => value);
      const size = { rows, columns, pixelMm: study.info.pixel_mm };
      study.edit("interpolate", interpolate(study.labels, study.place, { marked: study.marked, values, size }));
    },
    clear: () => study.edit("clear", clear(study.labels, study.place)),
    exclude: () => {
      const others = draft.choices.excluded_slices.filter((slice) => slice !== study.slice);
      const excluded = others.length < draft.choices.excluded_slices.length ? others : [...others, study.slice];
      draft.choose({ excluded_slices: excluded.sort((a, b) => a - b) });
    },
    "set-ed": () => draft.choose({ ed: study.phase }),
    "set-es": () => draft.choose({ es: study.phase }),
    "find-phases": () => draft.choose({ ed: null, es: null }),
  };
}

function looks(study: Study): Actions {
  const toggle = (what: "outlines" | "fills") => () => {
    study.overlay = { ...study.overlay, [what]: !study.overlay[what] };
    study.viewer.setOverlay(study.overlay);
  };
  const window = (width: number, shift: number) => () => {
    const [low, high] = study.viewer.window;
    const [centre, half] = [(low + high) / 2 + shift * (high - low), ((high - low) / 2) * width];
    study.viewer.setWindow([centre - half, centre + half]);
  };
  const moved = (act: () => void) => () => {
    act();
    study.keyboardPen.show();
  };
  return {
    outlines: toggle("outlines"),
    fills: toggle("fills"),
    "contrast-more": window(1 / CONTRAST, 0),
    "contrast-less": window(CONTRAST, 0),
    lighter: window(1, -BRIGHTNESS),
    darker: window(1, BRIGHTNESS),
    "zoom-in": moved(() => study.viewer.zoom(ZOOM)),
    "zoom-out": moved(() => study.viewer.zoom(1 / ZOOM)),
    "pan-left": moved(() => study.viewer.pan(-PAN, 0)),
    "pan-right": moved(() => study.viewer.pan(PAN, 0)),
    "pan-up": moved(() => study.viewer.pan(0, -PAN)),
    "pan-down": moved(() => study.viewer.pan(0, PAN)),
    reset: moved(() => study.viewer.reset()),
    theme: switchTheme,
  };
}

function decisions(study: Study): Actions {
  const { draft } = study;
  const decide = (status: "accepted" | "rejected" | "corrected") => async () => {
    const decision = await askDecision(status, draft.review);
    if (decision) draft.save(status, decision);
  };
  return {
    accept: () => void decide("accepted")(),
    reject: () => void decide("rejected")(),
    save: () => void decide("corrected")(),
    history: () => void draft.history().then(showHistory),
    report: () => void window.open(reportUrl(study.info.name), "_blank", "noopener"),
    discard: async () => {
      const text = "All corrections since the last save are dropped.";
      if (await confirm("Discard the corrections?", text, "Discard")) draft.discard();
    },
  };
}
