import type { components, paths } from "@warren/sdk/api";
import createClient from "openapi-fetch";
import { noteServerTime } from "#lib/format/server-time.ts";
import { ApiError } from "./api-error.ts";
import { askAgain } from "./ask-again.ts";

/** Bodies of the API by their names in its document, such as `Schemas["Sandbox"]`. */
export type Schemas = components["schemas"];

let whenSignedOut: () => void = () => undefined;

/** Says what to do when the server no longer knows the session. */
export function onSignedOut(handle: () => void): void {
  whenSignedOut = handle;
}

let whenTeamLost: () => void = () => undefined;

/** Says what to do when the person is no longer in the team that the session acts for, or it is gone. */
export function onTeamLost(handle: () => void): void {
  whenTeamLost = handle;
}

/** Addresses that answer 401 to a wrong password too. */
const SIGN_IN = /^\/v1\/auth\/(login|signup|setup)$/;

/** The API, typed by its document: `await answer(api.GET("/v1/me"))`. */
export const api = createClient<paths>({
  baseUrl: "",
  credentials: "same-origin",
  fetch: (request) => askAgain(request),
});

api.use({
  async onResponse({ response, schemaPath }) {
    noteServerTime(response.headers.get("date"));
    if (response.ok) return;
    const error = await ApiError.of(response);
    if (error.status === 401 && !SIGN_IN.test(schemaPath)) whenSignedOut();
    if (error.code === "no_team") whenTeamLost();
    throw error;
  },
  onError({ error }) {
    if (error instanceof ApiError || (error instanceof Error && error.name === "AbortError")) return error;
    return ApiError.unreachable();
  },
});

/** The body of an answer. Throws an {@link ApiError} when there is none of success. */
export async function answer<T>(request: Promise<{ data?: T }>): Promise<NonNullable<T>> {
  const { data } = await request;
  return data as NonNullable<T>;
}
