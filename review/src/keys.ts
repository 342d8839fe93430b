/** Every command of the page with its keys: the help, the tips of the buttons and docs/review.md say the same. */

export interface Command {
  readonly id: string;
  readonly keys: readonly string[];
  readonly title: string;
  readonly group: Group;
  /** Changes the study, so it is not for a second reader. */
  readonly edits?: boolean;
}

export type Group = "Go" | "Draw" | "Slices and phases" | "Look" | "Decide" | "Keyboard pen";

const list = (group: Group, edits: boolean, rows: readonly (readonly [string, string, string])[]): Command[] =>
  rows.map(([id, keys, title]) => ({ id, keys: keys.split(" "), title, group, edits }));

/** All commands. Letters mean the key without Shift unless it is named. */
export const COMMANDS: readonly Command[] = [
  ...list("Go", false, [
    ["phase-before", "ArrowLeft ,", "Cine one phase back"],
    ["phase-after", "ArrowRight .", "Cine one phase on"],
    ["slice-up", "ArrowUp PageUp", "Slice towards the base"],
    ["slice-down", "ArrowDown PageDown", "Slice towards the apex"],
    ["play", "Space", "Play or stop the cine"],
    ["view-ed", "d", "Enlarge end-diastole"],
    ["view-es", "s", "Enlarge end-systole"],
    ["view-cine", "c", "Enlarge the cine"],
    ["next-flag", "n", "Go to the next flag"],
    ["worklist", "h", "Back to the worklist"],
    ["help", "?", "Show or hide these keys"],
  ]),
  ...list("Draw", true, [
    ["structure-1", "1", "Draw the left ventricle's cavity"],
    ["structure-2", "2", "Draw the left ventricle's wall"],
    ["structure-3", "3", "Draw the right ventricle's cavity"],
    ["brush", "b", "Brush"],
    ["eraser", "e", "Eraser"],
    ["push", "p", "Push the structure's border"],
    ["fill", "f", "Fill an enclosed area"],
    ["smaller", "[", "Smaller tool"],
    ["larger", "]", "Larger tool"],
    ["undo", "z Ctrl+z", "Undo"],
    ["redo", "y Ctrl+y Ctrl+Shift+z", "Redo"],
  ]),
  ...list("Keyboard pen", true, [
    ["pen", "k", "Pen moved by the arrow keys; Shift moves five pixels"],
    ["pen-down", "Enter", "Put that pen down or lift it; with the fill tool, fill"],
    ["pen-off", "Escape", "Put the keyboard pen away"],
  ]),
  ...list("Slices and phases", true, [
    ["copy-up", "Shift+ArrowUp", "Copy labels to the next slice towards the base"],
    ["copy-down", "Shift+ArrowDown", "Copy labels to the next slice towards the apex"],
    ["copy-before", "Shift+ArrowLeft", "Copy labels to the phase before"],
    ["copy-after", "Shift+ArrowRight", "Copy labels to the phase after"],
    ["mark", "m", "Mark this slice as one end for interpolating"],
    ["interpolate", "i", "Interpolate: between mark and this slice, or this slice between its neighbours"],
    ["clear", "Delete Backspace", "Clear this slice"],
    ["exclude", "x", "Exclude this slice from the numbers, or take it back"],
    ["set-ed", "Shift+d", "The cine's phase is end-diastole"],
    ["set-es", "Shift+s", "The cine's phase is end-systole"],
    ["find-phases", "Shift+f", "End-diastole and end-systole from the curve"],
  ]),
  ...list("Look", false, [
    ["outlines", "o", "Outlines on or off"],
    ["fills", "u", "Fills on or off"],
    ["contrast-more", "w", "More contrast"],
    ["contrast-less", "Shift+w", "Less contrast"],
    ["lighter", "l", "Lighter"],
    ["darker", "Shift+l", "Darker"],
    ["zoom-in", "+ =", "Zoom in"],
    ["zoom-out", "-", "Zoom out"],
    ["pan-left", "Alt+ArrowLeft", "Move the picture left"],
    ["pan-right", "Alt+ArrowRight", "Move the picture right"],
    ["pan-up", "Alt+ArrowUp", "Move the picture up"],
    ["pan-down", "Alt+ArrowDown", "Move the picture down"],
    ["reset", "0", "Zoom and window as at first"],
    ["theme", "Shift+t", "Dark or light"],
  ]),
  ...list("Decide", true, [
    ["accept", "a", "Accept the study"],
    ["reject", "r", "Reject the study"],
    ["save", "Ctrl+s", "Save as corrected, with a comment"],
    ["discard", "Shift+Delete", "Discard all corrections since the last save"],
  ]),
  ...list("Decide", false, [
    ["history", "j", "History of this study"],
    ["report", "g", "Open the report"],
  ]),
];

const BY_KEY = new Map(COMMANDS.flatMap((command) => command.keys.map((key) => [key, command] as const)));

/** The command of a key, or undefined. */
export function commandOf(event: KeyboardEvent): Command | undefined {
  return BY_KEY.get(keyName(event));
}

/** A key as the table names it: `Ctrl+Shift+z`. Shift is not named for signs that need it, like `?` and `+`. */
export function keyName(event: Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">): string {
  const key = event.key === " " ? "Space" : event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const isSign = event.key.length === 1 && event.key.toLowerCase() === event.key.toUpperCase() && event.key !== " ";
  const held = [
    (event.ctrlKey || event.metaKey) && "Ctrl",
    event.altKey && "Alt",
    event.shiftKey && !isSign && "Shift",
  ].filter(Boolean);
  return [...held, key].join("+");
}

const SHOWN: Readonly<Record<string, string>> = {
  ArrowLeft: "←",
  ArrowRight: "→",
  ArrowUp: "↑",
  ArrowDown: "↓",
  Delete: "Del",
  PageUp: "PgUp",
  PageDown: "PgDn",
  Escape: "Esc",
};

/** A key as a person reads it: `Shift+D`, `Shift+↑`. */
export function shownKey(key: string): string {
  if (key === "+") return key;
  return key
    .split("+")
    .map((part) => SHOWN[part] ?? (part.length === 1 ? part.toUpperCase() : part))
    .join("+");
}

/** The keys of a command, as read: `Z or Ctrl+Z`. */
export function keysOf(id: string): string {
  return (COMMANDS.find((command) => command.id === id)?.keys ?? []).map(shownKey).join(" or ");
}
