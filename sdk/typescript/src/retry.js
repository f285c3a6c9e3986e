// When to ask again. Only what is safe: reads, and commands with an Idempotency-Key, which all of ours carry.

export class Retry {
  constructor({ tries = 5, pauseMs = 250, pauseMsMax = 8000, retryAfterMsMax = 90_000, random = Math.random } = {}) {
    Object.assign(this, { tries, pauseMs, pauseMsMax, retryAfterMsMax, random });
  }

  /** The pause after the attempt-th try, from 1 on: growing, with some chance in it. */
  pause(attempt) {
    return Math.min(this.pauseMs * 2 ** (attempt - 1), this.pauseMsMax) * (0.75 + this.random() / 2);
  }

  afterSilence(attempt) {
    return attempt < this.tries ? this.pause(attempt) : null;
  }

  afterRefusal(error, attempt) {
    const passes = ["RATE_LIMIT_EXCEEDED", "SERVICE_UNAVAILABLE"].includes(error.code)
      || (error.code === "IDEMPOTENCY_CONFLICT" && error.retryAfterMs !== null);
    if (!passes || attempt >= this.tries) return null;
    if (error.retryAfterMs === null) return this.pause(attempt);
    return error.retryAfterMs <= this.retryAfterMsMax ? error.retryAfterMs : null;
  }
}

export const sleep = (ms, signal) => new Promise((resolve) => {
  if (signal?.aborted) return resolve();
  const done = () => { clearTimeout(timer); signal?.removeEventListener("abort", done); resolve(); };
  const timer = setTimeout(done, ms);
  signal?.addEventListener("abort", done);
});
