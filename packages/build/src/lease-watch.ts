/**
 * Which claims have fallen silent, found without asking any clock on the wall.
 *
 * A claim counts its renewals. Who coordinates looks at the counts again and again, and adds up, by a clock that only runs
 * forward, how long each has stood still while it was looking. Time in which it did not look (the server was away,
 * the process was stopped) says nothing about a worker and hardly counts. So neither a clock that is set, on whatever
 * machine, nor a restart of the server takes a task from a worker that lives, and none keeps one for a dead one.
 */

/** A count that goes on while its owner lives. */
export interface Beating {
  readonly id: string;
  readonly token: string;
  readonly beats: number;
}

interface Watched extends Beating {
  silentMs: number;
}

/** Watches claims for one coordinator. */
export class LeaseWatch<Claim extends Beating = Beating> {
  readonly #leaseMs: number;
  readonly #watched = new Map<string, Watched>();
  #lastLook: number | undefined;

  /** `leaseMs`: how long a count may stand still. */
  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs;
  }

  /** Takes what is held at `now` (milliseconds of a monotonic clock) and returns what has been silent for longer than a lease. */
  look(claims: readonly Claim[], now: number): Claim[] {
    const gap = this.#lastLook === undefined ? 0 : now - this.#lastLook;
    // A longer gap is time in which nobody listened: workers need a chance to be heard again after it.
    const heard = Math.max(0, Math.min(gap, this.#leaseMs / 4));
    this.#lastLook = now;
    const silent: Claim[] = [];
    const there = new Set<string>();
    for (const claim of claims) {
      there.add(claim.id);
      const known = this.#watched.get(claim.id);
      if (known === undefined || known.token !== claim.token || known.beats !== claim.beats) {
        const { id, token, beats } = claim;
        this.#watched.set(id, { id, token, beats, silentMs: 0 });
      } else {
        known.silentMs += heard;
        if (known.silentMs > this.#leaseMs) silent.push(claim);
      }
    }
    for (const id of this.#watched.keys()) if (!there.has(id)) this.#watched.delete(id);
    return silent;
  }
}
