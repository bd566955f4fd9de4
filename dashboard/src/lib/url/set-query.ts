import { goto } from "$app/navigation";
import { page } from "$app/state";
import { withQuery } from "./query.ts";

/** Writes filters into the address of the page, without a step in the browser's history. */
export async function setQuery(values: Record<string, string | undefined>): Promise<void> {
  const changed = withQuery(page.url, values);
  if (changed.href !== page.url.href) await goto(changed, { replace: true, reset: false });
}
