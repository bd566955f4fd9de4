/** What went wrong with a request, in words for the person who made it. */
export class ApiError extends Error {
  /** Code of the error catalogue; `server_unreachable` when no answer came. */
  readonly code: string;
  /** HTTP status; 0 when no answer came. */
  readonly status: number;
  /** By which the server's log tells of the request. */
  readonly requestId: string | undefined;
  /** Seconds after which the server takes the request again, when it said so. */
  readonly retryAfterSec: number | undefined;

  constructor(
    code: string,
    message: string,
    more: { status?: number; requestId?: string; retryAfterSec?: number } = {},
  ) {
    super(message);
    this.name = "ApiError";
    this.code = code;
    this.status = more.status ?? 0;
    this.requestId = more.requestId;
    this.retryAfterSec = more.retryAfterSec;
  }

  /** The error that an answer with a status of 400 or more tells of. */
  static async of(response: Response): Promise<ApiError> {
    const { status, headers } = response;
    const more = {
      status,
      ...optional("requestId", headers.get("x-request-id") ?? undefined),
      ...optional("retryAfterSec", readSeconds(headers.get("retry-after"))),
    };
    const said = await response.json().then(readError, () => undefined);
    if (said) return new ApiError(said.code, sentence(said.message), more);
    return new ApiError("internal_error", `The server answered ${status} without saying why.`, more);
  }

  /** The error of a request that brought no answer. */
  static unreachable(): ApiError {
    return new ApiError(
      "server_unreachable",
      "The server does not answer. Check that it runs and that you are online.",
    );
  }

  /** Any error as one of these. */
  static from(error: unknown): ApiError {
    if (error instanceof ApiError) return error;
    return new ApiError("internal_error", error instanceof Error ? error.message : String(error));
  }
}

function readError(body: unknown): { code: string; message: string } | undefined {
  const error = (body as { error?: { code?: unknown; message?: unknown } } | null)?.error;
  if (typeof error?.code !== "string" || typeof error.message !== "string") return undefined;
  return { code: error.code, message: error.message };
}

function readSeconds(text: string | null): number | undefined {
  return text !== null && /^\d{1,6}$/.test(text) ? Number(text) : undefined;
}

/** Messages of the API begin as parts of a log line may: in lower case and without a stop. */
function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…:)]$/.test(begun) ? begun : `${begun}.`;
}

function optional<K extends string, T>(key: K, value: T | undefined): { [P in K]?: T } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: T });
}
