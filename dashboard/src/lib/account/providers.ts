import type { Schemas } from "#lib/api/client.ts";

type Provider = Schemas["LinkedProvider"];

/** Why an account cannot be unlinked from a provider, if so: nobody could sign in to it any more. */
export function unlinkProblem(
  provider: Pick<Provider, "name">,
  all: readonly Pick<Provider, "name" | "linked" | "available">[],
  hasPassword: boolean,
): string | undefined {
  if (hasPassword) return undefined;
  if (all.some(({ name, linked, available }) => name !== provider.name && linked && available)) return undefined;
  return "It is the last way to sign in to your account: set a password, or link another provider, first";
}
