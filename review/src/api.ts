/** The server's answers, and the one way to ask for them. `pipeline/app/review` has the other half. */

import type { Place, PlaneChange, Shape } from "./labels";

export type Status = "unreviewed" | "corrected" | "accepted" | "rejected" | "failed";

/** A row of the worklist. Numbers are null where they are not known. */
export interface CaseRow {
  readonly name: string;
  readonly verdict: "pass" | "review" | "fail" | null;
  readonly reasons: readonly string[];
  readonly status: Status;
  readonly draft: boolean;
  readonly ef_percent: number | null;
  readonly edv_ml: number | null;
  readonly esv_ml: number | null;
  readonly rv_ef_percent: number | null;
  readonly reader: string | null;
  readonly holder: string | null;
}

export interface Flag {
  readonly rule: string;
  readonly severity: "note" | "review" | "fail";
  readonly message: string;
  readonly phase: number | null;
  readonly slice: number | null;
}

/** Function of one ventricle, as in `measurements.json`. */
export interface Ventricle {
  readonly edv_ml: number;
  readonly esv_ml: number;
  readonly sv_ml: number;
  readonly ef_percent: number | null;
}

/** The part of `measurements.json` that this page shows. */
export interface Measured {
  readonly ed_phase?: number | null;
  readonly es_phase?: number | null;
  readonly myocardial_mass_g?: number | null;
  readonly left_ventricle?: Ventricle | null;
  readonly right_ventricle?: Ventricle | null;
  readonly volumes_ml: Readonly<Record<string, readonly number[]>>;
  readonly quality?: { readonly verdict: "pass" | "review" | "fail"; readonly flags: readonly Flag[] } | null;
}

export interface Structure {
  readonly value: number;
  readonly name: string;
  readonly short: string;
  readonly title: string;
  readonly colour: string;
}

export interface Review {
  readonly status: Status;
  readonly reader: string | null;
  readonly comment: string;
  readonly excluded_slices: readonly number[];
}

/** ED and ES as the reader gave them (null: from the curve), and the slices left out of the numbers. */
export interface Choices {
  readonly ed: number | null;
  readonly es: number | null;
  readonly excluded_slices: readonly number[];
}

export interface Case {
  readonly name: string;
  readonly revision: number;
  readonly shape: Shape;
  readonly pixel_mm: readonly [row: number, column: number];
  readonly slice_mm: number;
  /** At which end of the slices the base is. */
  readonly base: "first" | "last" | null;
  readonly times_ms: readonly number[] | null;
  readonly sides: Partial<Record<"left" | "right" | "top" | "bottom", string>> | null;
  readonly window: readonly [low: number, high: number];
  readonly structures: readonly Structure[];
  readonly record: Measured | null;
  readonly problem?: string | null;
  readonly review: Review;
  readonly choices: Choices;
  readonly draft: unknown;
  readonly undo: number;
  readonly redo: number;
}

/** What every change answers. */
export interface Answer {
  readonly revision: number;
  /** Null where the labels and choices cannot be measured: `problem` says why. */
  readonly record: Measured | null;
  readonly problem?: string | null;
  readonly undo?: number;
  readonly redo?: number;
  readonly choices?: Choices;
  readonly review?: Review;
  readonly changes?: readonly (Place & { readonly labels: string })[];
}

export interface AuditEntry {
  readonly time: string;
  readonly reader: string;
  readonly what: string;
  readonly phases?: readonly number[];
  readonly slices?: readonly number[];
  readonly voxels_changed?: number;
  readonly before?: Readonly<Record<string, number | null>>;
  readonly after?: Readonly<Record<string, number | null>>;
}

/** Who has a study: another reader by name, or null if it is ours. */
export interface Held {
  readonly holder: string | null;
  readonly session: string;
}

/** The server said no: its sentence, and the HTTP status. */
export class Refused extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

/** The server's address and who reads. */
export class Api {
  reader = "";

  async worklist(): Promise<{ cases: CaseRow[]; disclaimer: string }> {
    return this.json("GET", "/api/worklist");
  }

  /** Ask for a study; `session` goes on after a reload, `take` takes it from another tab of the same reader. */
  async open(name: string, session: string | null, take: boolean): Promise<Held> {
    return this.json("POST", `${path(name)}/open`, { session, take });
  }

  async renew(name: string, session: string): Promise<Held> {
    return this.json("POST", `${path(name)}/renew`, { session });
  }

  /** Leave a case; also while the page is being closed. */
  async close(name: string, session: string): Promise<void> {
    await this.json("POST", `${path(name)}/close`, { session }, { keepalive: true });
  }

  async read(name: string): Promise<Case> {
    return this.json("GET", path(name));
  }

  async image(name: string): Promise<Uint16Array> {
    return new Uint16Array(await (await this.ask("GET", `${path(name)}/image`)).arrayBuffer());
  }

  async labels(name: string): Promise<Uint8Array> {
    return new Uint8Array(await (await this.ask("GET", `${path(name)}/labels`)).arrayBuffer());
  }

  async change(
    name: string,
    what: "strokes" | "undo" | "redo" | "choices" | "save" | "discard",
    body: object,
  ): Promise<Answer> {
    return this.json("POST", `${path(name)}/${what}`, body);
  }

  async audit(name: string): Promise<{ entries: AuditEntry[] }> {
    return this.json("GET", `${path(name)}/audit`);
  }

  private async json<T>(method: string, url: string, body?: object, options: RequestInit = {}): Promise<T> {
    return (await (await this.ask(method, url, body, options)).json()) as T;
  }

  private async ask(method: string, url: string, body?: object, options: RequestInit = {}): Promise<Response> {
    const headers: Record<string, string> = { "X-CMR-Review": "1", "X-CMR-Reader": encodeURIComponent(this.reader) };
    if (body) headers["Content-Type"] = "application/json";
    const answer = await fetch(url, { method, headers, ...(body && { body: JSON.stringify(body) }), ...options });
    if (answer.ok) return answer;
    const said = (await answer.json().catch(() => ({}))) as { error?: string };
    throw new Refused(said.error ?? `The server answered ${answer.status}.`, answer.status);
  }
}

/** Address of a case's report. */
export function reportUrl(name: string): string {
  return `${path(name)}/report`;
}

function path(name: string): string {
  return `/api/cases/${encodeURIComponent(name)}`;
}

/** Labels as the server sends and takes them in JSON. */
export function toBase64(labels: Uint8Array): string {
  let text = "";
  for (let start = 0; start < labels.length; start += 8192)
    text += String.fromCharCode(...labels.subarray(start, start + 8192));
  return btoa(text);
}

export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** Planes of an answer as arrays. */
export function planesOf(answer: Answer): PlaneChange[] {
  return (answer.changes ?? []).map(({ phase, slice, labels }) => ({ phase, slice, labels: fromBase64(labels) }));
}
