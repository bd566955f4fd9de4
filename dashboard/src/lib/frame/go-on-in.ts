import { session } from "#lib/session/session.svelte.ts";
import { goto } from "$app/navigation";

/** Continues in another team, from its capsules on: what is shown may be of the former one. */
export async function goOnIn(teamId: string): Promise<void> {
  if (teamId === session.team?.team_id) return;
  if (await session.switchTeam(teamId)) await goto("/dashboard/capsules/list");
}
