import { answer, api, type Schemas } from "#lib/api/client.ts";

/** All sandboxes of the team that are not over, newest first, or those in given states. */
export async function listCapsules(
  init: { signal?: AbortSignal; params?: { query: { status: string[] } } } = {},
): Promise<Schemas["Sandbox"][]> {
  const listed = await answer(api.GET("/v1/sandboxes", init));
  // A page comes to those alone who ask for one.
  return Array.isArray(listed) ? listed : listed.items;
}
