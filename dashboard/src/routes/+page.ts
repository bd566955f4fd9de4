import { redirect } from "@sveltejs/kit";
import { session } from "#lib/session/session.svelte.ts";

export async function load() {
  redirect(307, (await session.load()) ? "/dashboard/capsules/list" : "/login");
}
