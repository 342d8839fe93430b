/** Changes on their way to the server: one after another, each with the newest revision, tried again if it is away. */

import { type Answer, Refused } from "./api";

export type Saving = "kept" | "sending" | "waiting" | "stopped";

/** Sends one change; given the revision it builds on. */
export type Send = (revision: number) => Promise<Answer>;

const UNPROCESSABLE = 422;

interface Waiting {
  readonly send: Send;
  readonly isStroke: boolean;
}

export interface Listener {
  /** An answer came: its record replaces what is shown. */
  answered(answer: Answer): void;
  /** Where the changes stand: all kept by the server, on their way, waiting for it to come back, or refused. */
  state(saving: Saving, waiting: number): void;
  /** The server refused a stroke, or all; what waited behind it is dropped, since it builds on it. */
  refused(error: Refused): void;
  /** The server declined a choice or a decision: nothing changed, and the rest goes on. */
  declined(error: Refused): void;
}

export class ChangeQueue {
  private readonly waiting: Waiting[] = [];
  private running = false;
  private stopped = false;

  constructor(
    private revision: number,
    private readonly listener: Listener,
    private readonly pauseMs = 2000,
  ) {}

  /** Changes not yet kept by the server. */
  get length(): number {
    return this.waiting.length;
  }

  /**
   * Put a change at the end of the row.
   *
   * @param isStroke whether the page shows it already.
   */
  push(send: Send, isStroke = true): void {
    if (this.stopped) return;
    this.waiting.push({ send, isStroke });
    void this.run();
  }

  /** Drop what waits, for good: the case is left or read again. */
  stop(): void {
    this.stopped = true;
    this.waiting.length = 0;
  }

  private async run(): Promise<void> {
    if (this.running) return;
    this.running = true;
    for (let next = this.waiting[0]; next; next = this.waiting[0]) {
      this.listener.state("sending", this.waiting.length);
      try {
        this.take(await next.send(this.revision));
      } catch (error) {
        if (this.stopped) break;
        if (error instanceof Refused) this.refuse(error, next);
        else await this.pause();
      }
    }
    this.running = false;
    if (!this.stopped) this.listener.state("kept", 0);
  }

  private take(answer: Answer): void {
    if (this.stopped) return;
    this.waiting.shift();
    this.revision = answer.revision;
    this.listener.answered(answer);
  }

  private refuse(error: Refused, { isStroke }: Waiting): void {
    if (error.status === UNPROCESSABLE && !isStroke) {
      this.waiting.shift();
      return this.listener.declined(error);
    }
    this.stop();
    this.listener.state("stopped", 0);
    this.listener.refused(error);
  }

  private async pause(): Promise<void> {
    this.listener.state("waiting", this.waiting.length);
    await new Promise((resume) => setTimeout(resume, this.pauseMs));
  }
}
