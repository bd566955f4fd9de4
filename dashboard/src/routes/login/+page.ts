import { redirect } from "@sveltejs/kit";
import { returnPath } from "#lib/session/return-path.ts";
import { session } from "#lib/session/session.svelte.ts";

export async function load({ url }) {
  if (await session.load()) redirect(307, returnPath(url.searchParams.get("to")));
}
