import { describe, expect, it } from "vitest";
import { type Answer, Refused, fromBase64, toBase64 } from "../src/api";
import { ChangeQueue, type Listener, type Saving } from "../src/changes";

class Told implements Listener {
  readonly states: Saving[] = [];
  readonly revisions: number[] = [];
  refusal = "";
  answered(answer: Answer): void {
    this.revisions.push(answer.revision);
  }
  state(saving: Saving): void {
    this.states.push(saving);
  }
  refused(error: Refused): void {
    this.refusal = error.message;
  }
  declined(error: Refused): void {
    this.refusal = `declined: ${error.message}`;
  }
}
const settled = async (told: Told): Promise<void> => {
  while (!["kept", "stopped"].includes(told.states.at(-1) ?? "")) await new Promise((resume) => setTimeout(resume, 1));
};
const answer = (revision: number): Answer => ({ revision, record: { volumes_ml: {} } });

describe("changes on their way", () => {
  it("sends one after another, each on the newest revision", async () => {
    const told = new Told();
    const queue = new ChangeQueue(4, told);
    const seen: number[] = [];
    let open = 0;
    for (let n = 0; n < 3; n++)
      queue.push(async (revision) => {
        expect(++open).toBe(1);
        seen.push(revision);
        await new Promise((resume) => setTimeout(resume, 2));
        open--;
        return answer(revision + 1);
      });
    await settled(told);
    expect([seen, told.revisions, queue.length]).toEqual([[4, 5, 6], [5, 6, 7], 0]);
  });

  it("waits for a server that is away, and loses nothing", async () => {
    const told = new Told();
    const queue = new ChangeQueue(0, told, 1);
    let tries = 0;
    queue.push(async (revision) => {
      if (++tries < 3) throw new TypeError("Failed to fetch");
      return answer(revision + 1);
    });
    await settled(told);
    expect([tries, told.states, told.revisions]).toEqual([
      3,
      ["sending", "waiting", "sending", "waiting", "sending", "kept"],
      [1],
    ]);
  });

  it("stops at a refusal, with what waited behind it", async () => {
    const told = new Told();
    const queue = new ChangeQueue(0, told);
    let later = false;
    queue.push(() => Promise.reject(new Refused("stale", 409)));
    queue.push(async () => ((later = true), answer(1)));
    await settled(told);
    await new Promise((resume) => setTimeout(resume, 5));
    expect([told.refusal, later, queue.length]).toEqual(["stale", false, 0]);
  });
});

describe("a choice that makes no sense", () => {
  it("is declined, and what waits behind it goes on", async () => {
    const told = new Told();
    const queue = new ChangeQueue(7, told);
    queue.push(() => Promise.reject(new Refused("ED is ES", 422)), false);
    queue.push(async (revision) => answer(revision + 1));
    await settled(told);
    expect([told.refusal, told.revisions]).toEqual(["declined: ED is ES", [8]]);
  });
});

describe("labels in JSON", () => {
  it("come back as they went, in pieces of any length", () => {
    const labels = Uint8Array.from({ length: 20000 }, (_, index) => index % 251);
    expect(fromBase64(toBase64(labels))).toEqual(labels);
  });
});
