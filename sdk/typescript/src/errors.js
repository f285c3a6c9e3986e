// What can go wrong. `code` is the API's own and stable; see ErrorCode in api.d.ts.

export class HedgingError extends Error {
  constructor(code, message, { details = {}, status = null, requestId = null, retryAfterMs = null } = {}) {
    super(message);
    this.name = "HedgingError";
    Object.assign(this, { code, details, status, requestId, retryAfterMs });
  }
}

/** No answer came: what became of the call is unknown, so ask before acting on it. */
export class ConnectionFailed extends HedgingError {
  constructor(message) {
    super("CONNECTION_FAILED", message);
    this.name = "ConnectionFailed";
  }
}

/** An answer that this client cannot read; nothing is guessed from it. */
export class UnexpectedAnswer extends HedgingError {
  constructor(message, more) {
    super("UNEXPECTED_ANSWER", message, more);
    this.name = "UnexpectedAnswer";
  }
}

/** The error an answer stands for. */
export async function refusalOf(response) {
  const requestId = response.headers.get("X-Request-Id");
  const more = { status: response.status, requestId, retryAfterMs: retryAfterMs(response.headers) };
  const error = await response.json().then((document) => document?.error, () => null);
  if (error?.code) return new HedgingError(error.code, error.message, { details: error.details, ...more });
  const text = `something that is not the service answered ${response.status}`;
  if ([502, 503, 504].includes(response.status)) return new HedgingError("SERVICE_UNAVAILABLE", text, more);
  return new UnexpectedAnswer(text, more);
}

function retryAfterMs(headers) {
  const text = headers.get("Retry-After");
  if (text === null) return null;
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const wait = Date.parse(text) - Date.parse(headers.get("Date") ?? "");
  return Number.isFinite(wait) ? Math.max(0, wait) : null;
}
