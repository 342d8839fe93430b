/** Elements from plain calls. Texts become text nodes, never markup. */

type Child = Node | string | null | false | undefined;
type Attributes = Readonly<Record<string, string | number | boolean | null | undefined | ((event: Event) => void)>>;

/** Make an element. `on...` are listeners, true is an attribute without a value, null and false leave it out. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  return dress(document.createElement(tag), attributes, children);
}

/** Make an element of a drawing. */
export function s<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[K] {
  return dress(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function dress<E extends Element>(element: E, attributes: Attributes, children: readonly Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false)
      element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child): child is Node | string => !!child));
  return element;
}

const ICONS: Readonly<Record<string, string>> = {
  brush: "M4 20c2 0 4-1 4-3a2 2 0 1 0-4 0c0 1-1 2-2 2 1 1 1 1 2 1zM9 14 19 3l2 2L11 16z",
  eraser: "M3 15 13 5l6 6-8 8H7zM11 19h10",
  push: "M4 12a5 5 0 0 1 5-5v10a5 5 0 0 1-5-5zM12 12h8m-3-3 3 3-3 3",
  fill: "M10 3 3 10l7 7 7-7zM3 10h14M20 14c1 2 2 3 2 4a2 2 0 0 1-4 0c0-1 1-2 2-4z",
  undo: "M9 5 4 10l5 5M4 10h10a5 5 0 0 1 0 10h-3",
  redo: "m15 5 5 5-5 5M20 10H10a5 5 0 0 0 0 10h3",
  up: "M12 20V5m-6 6 6-6 6 6",
  down: "M12 4v15m-6-6 6 6 6-6",
  left: "M20 12H5m6-6-6 6 6 6",
  right: "M4 12h15m-6-6 6 6-6 6",
  mark: "M6 3h12v18l-6-5-6 5z",
  interpolate: "M4 5h16M4 19h16M7 10h10M7 14h10",
  clear: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13",
  exclude: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM6 18 18 6",
  outlines: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8z",
  fills: "M12 4a8 8 0 1 0 0 16z M12 4a8 8 0 0 1 0 16",
  keyboard: "M2 6h20v12H2zM6 10h1m4 0h1m4 0h1M7 14h10",
  play: "M7 4v16l13-8z",
  pause: "M7 4h3v16H7zM14 4h3v16h-3z",
  help: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM9.5 9.5a2.5 2.5 0 1 1 3.5 2.3c-.7.3-1 .8-1 1.7m0 3v.1",
  theme: "M20 14a8 8 0 1 1-10-10 7 7 0 0 0 10 10z",
  history: "M12 7v5l3 2M4 12a8 8 0 1 0 2.5-5.8L4 8m0-4v4h4",
  report: "M6 3h9l4 4v14H6zM14 3v5h5M9 13h7M9 17h7",
  reset: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
};

/** A line drawing of 24 x 24, beside a text that names it. */
export function icon(name: string): SVGSVGElement {
  const stroke = {
    fill: "none",
    stroke: "currentColor",
    "stroke-width": 1.7,
    "stroke-linejoin": "round",
    "stroke-linecap": "round",
  };
  return s(
    "svg",
    { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true", ...stroke },
    s("path", { d: ICONS[name] ?? "" }),
  );
}

/** Give a dialog its answer: resolves with the value of the button that closed it, "" for Escape. */
export function ask(dialog: HTMLDialogElement): Promise<string> {
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) =>
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue);
    }),
  );
}
