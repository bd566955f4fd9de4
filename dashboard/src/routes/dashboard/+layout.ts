import { redirect } from "@sveltejs/kit";
import { logInPath, session } from "#lib/session/session.svelte.ts";

/** All pages below need a session. */
export async function load({ url }) {
  if (!(await session.load())) redirect(307, logInPath(url.pathname + url.search));
}
