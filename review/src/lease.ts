/** Who may change a study: one reader at a time, as the server says. */

import type { Api, Held } from "./api";
import { confirm } from "./dialogs";

const RENEW_MS = 20_000;

export class Lease {
  private readonly timer: ReturnType<typeof setInterval>;

  private constructor(
    private readonly api: Api,
    private readonly name: string,
    private readonly held: Held,
    changed: (reason: string) => void,
  ) {
    this.timer = setInterval(() => void this.renew(changed).catch(() => undefined), RENEW_MS);
  }

  /**
   * Ask for a study, and go on with it after a reload.
   *
   * @param changed called with a sentence once another reader has left or taken the study.
   */
  static async open(api: Api, name: string, changed: (reason: string) => void): Promise<Lease> {
    let held = await api.open(name, sessionStorage.getItem(keyOf(name)), false);
    if (held.holder === api.reader) {
      const text = "It is open under your name, perhaps in another window. That one can then only read.";
      if (await confirm("Take the study over?", text, "Take over")) held = await api.open(name, held.session, true);
    }
    sessionStorage.setItem(keyOf(name), held.session);
    return new Lease(api, name, held, changed);
  }

  get session(): string {
    return this.held.session;
  }

  /** The other reader who has the study, or null: it is ours. */
  get holder(): string | null {
    return this.held.holder;
  }

  /** Give the study back. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    sessionStorage.removeItem(keyOf(this.name));
    await this.api.close(this.name, this.session).catch(() => undefined);
  }

  private async renew(changed: (reason: string) => void): Promise<void> {
    const { holder } = await this.api.renew(this.name, this.session);
    if (!holder && this.holder) changed("The study is free now: you can correct it.");
    if (holder && !this.holder) changed(`${holder} has taken the study over.`);
  }
}

function keyOf(name: string): string {
  return `cmr-session:${name}`;
}
