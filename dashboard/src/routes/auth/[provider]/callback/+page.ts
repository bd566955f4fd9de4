import { redirect } from "@sveltejs/kit";
import { session } from "#lib/session/session.svelte.ts";

/** A browser comes back from a provider: with the session in the cookie, or with the code of what went wrong. */
export async function load({ url }) {
  const error = url.searchParams.get("error");
  if (error === null && (await session.load())) redirect(307, "/dashboard/capsules/list");
  const query = new URLSearchParams({ error: error ?? "invalid_state" });
  const reason = url.searchParams.get("reason");
  if (reason !== null) query.set("reason", reason);
  redirect(307, `/login?${query}`);
}
