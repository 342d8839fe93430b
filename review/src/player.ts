/** The beating heart: steps the cine at the speed of the scan. */

const BEAT_MS = 1000;
const LEAST_STEP_MS = 15;

/** How long each phase is shown: its own share of the beat, or an equal one of a second where times are unknown. */
export function stepsMs(times: readonly number[] | null, phases: number): number[] {
  if (!times || times.length !== phases || phases < 2) return Array<number>(phases).fill(BEAT_MS / phases);
  const steps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
  const median = [...steps].sort((a, b) => a - b)[Math.floor(steps.length / 2)] ?? BEAT_MS / phases;
  return [...steps, median].map((step) => (step > 0 ? Math.max(LEAST_STEP_MS, step) : median));
}

export class Player {
  private timer: ReturnType<typeof setTimeout> | null = null;
  private run = 0;

  constructor(
    private readonly steps: readonly number[],
    private readonly step: () => Promise<void>,
    private readonly phase: () => number,
  ) {}

  get playing(): boolean {
    return this.timer !== null;
  }

  toggle(): void {
    if (this.playing) this.stop();
    else this.wait(++this.run, 0);
  }

  stop(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }

  /** Wait for what is left of the phase shown, after the time that drawing it took. */
  private wait(run: number, tookMs: number): void {
    this.timer = setTimeout(() => void this.turn(run), Math.max(0, (this.steps[this.phase()] ?? 0) - tookMs));
  }

  private async turn(run: number): Promise<void> {
    const started = performance.now();
    await this.step();
    if (this.playing && run === this.run) this.wait(run, performance.now() - started);
  }
}
