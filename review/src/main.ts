/** The page of `cmr review`: a worklist, and one study at a time. */

import "./style.css";
import { Api, type CaseRow } from "./api";
import { askReader, showHelp } from "./dialogs";
import { h, icon } from "./dom";
import { keyName } from "./keys";
import type { Study } from "./study";
import { restoreTheme, switchTheme } from "./theme";
import { walk, worklistPage } from "./worklist";

const READER = "cmr-reader";
const TOLD_MS = 6000;
const host = document.createElement("div");
const toast = h("div", { class: "toast", role: "status" });
const api = new Api();
let study: Study | null = null;
let turn = 0;
let toldUntil: ReturnType<typeof setTimeout> | undefined;

async function start(): Promise<void> {
  restoreTheme();
  document.body.append(host, toast);
  api.reader = localStorage.getItem(READER) ?? "";
  window.addEventListener("hashchange", () => void show());
  document.addEventListener("keydown", (event) => keyed(event));
  window.addEventListener("pagehide", () => void study?.close());
  window.addEventListener("beforeunload", (event) => {
    if (study?.draft.hasUnsent) event.preventDefault();
  });
  if (!api.reader) await nameReader();
  await show();
}

/** Show what the address says: `#/case/NAME`, else the worklist. */
async function show(reason = ""): Promise<void> {
  const mine = ++turn;
  const left = study;
  study = null;
  await left?.close();
  try {
    const { cases, disclaimer } = await api.worklist();
    const name = /^#\/case\/(.+)$/.exec(location.hash)?.[1];
    if (name === undefined) showWorklist(cases, disclaimer);
    else await showStudy(decodeURIComponent(name), disclaimer, mine);
  } catch (error) {
    if (mine === turn) host.replaceChildren(failure(error));
  }
  if (reason) tell(reason);
}

function showWorklist(cases: readonly CaseRow[], disclaimer: string): void {
  document.title = "Worklist · cmr review";
  const button = (name: string, text: string, act: () => void): HTMLElement =>
    h("button", { type: "button", "aria-label": text, title: text, onclick: act }, icon(name));
  const reader = h(
    "button",
    { type: "button", title: "Change the reader's name", onclick: () => void nameReader().then(() => show()) },
    api.reader || "Reader",
  );
  host.replaceChildren(
    worklistPage(cases, disclaimer, [
      reader,
      button("theme", "Dark or light (Shift+T)", switchTheme),
      button("help", "Keys (?)", () => void showHelp()),
    ]),
  );
}

async function showStudy(name: string, disclaimer: string, mine: number): Promise<void> {
  document.title = `${name} · cmr review`;
  host.replaceChildren(h("p", { class: "loading", role: "status" }, `Opening ${name} …`));
  const { Study } = await import("./study"); // the viewer is large: the worklist need not wait for it
  const opened = await Study.open(name, host, {
    api,
    disclaimer,
    tell,
    reload: (reason) => void show(reason),
    leave: () => {
      location.hash = "#/";
    },
  });
  if (mine === turn) study = opened;
  else await opened.close();
}

function failure(error: unknown): HTMLElement {
  const said = error instanceof Error ? error.message : String(error);
  return h(
    "main",
    { class: "worklist" },
    h("h1", {}, "This cannot be shown"),
    h("p", { class: "warning", role: "alert" }, said),
    h(
      "p",
      {},
      h("a", { href: "#/" }, "Worklist"),
      " · ",
      h("a", { href: "", onclick: () => location.reload() }, "Try again"),
    ),
  );
}

async function nameReader(): Promise<void> {
  api.reader = (await askReader(api.reader)) || api.reader || "Reader";
  localStorage.setItem(READER, api.reader);
}

function keyed(event: KeyboardEvent): void {
  if (document.querySelector("dialog[open]") || event.isComposing) return;
  const inField = event.target instanceof HTMLElement && ["INPUT", "TEXTAREA", "SELECT"].includes(event.target.tagName);
  if (inField && !(event.ctrlKey && event.key === "s")) return;
  if (study ? study.key(event) : worklistKey(keyName(event))) event.preventDefault();
}

function worklistKey(key: string): boolean {
  const actions: Record<string, () => void> = {
    "?": () => void showHelp(),
    "Shift+t": switchTheme,
    "/": () => host.querySelector<HTMLElement>("input[type=search]")?.focus(),
  };
  actions[key]?.();
  return key in actions || walk(host, key);
}

/** Tell the reader something that needs no answer. */
function tell(message: string): void {
  toast.textContent = message;
  toast.classList.add("shown");
  clearTimeout(toldUntil);
  toldUntil = setTimeout(() => toast.classList.remove("shown"), TOLD_MS);
}

void start();
