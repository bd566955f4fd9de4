import type { NewHost } from "@warren/sdk";
import { Command } from "commander";
import { type ManagedHosts, managedHosts } from "../servers/hosts.ts";
import { findLocalServer } from "../servers/local-server.ts";
import { Operator } from "../servers/operator.ts";
import { warn } from "../terminal/messages.ts";
import { jsonText } from "../terminal/printable.ts";

interface CreateHostOptions {
  dataDir: string;
  team?: string;
  provider?: string;
  zone?: string;
  json?: boolean;
}

/** `warren host create`: makes a host known, and the token with which it registers. */
export function createHostCommand(finish: (status: number) => void): Command {
  return new Command("create")
    .summary("make a host known; prints the token with which it registers")
    .description(
      "Makes a host known and prints a token, with which the host agent of a machine registers. The token is shown only " +
        "here, and works once and for an hour.",
    )
    .option("--team <team>", "team that has it for itself, by its id; at the server's machine by its slug too")
    .option("--provider <text>", "where the machine comes from, in your own words")
    .option("--zone <text>", "where the machine stands, in your own words")
    .option("--json", "print a JSON object with the host and the token")
    .action(async ({ dataDir, team, provider, zone, json }: CreateHostOptions) => {
      const managed = await managedHosts(dataDir);
      const made = await managed.hosts.create({
        ...(team !== undefined && { teamId: managed.url === undefined ? await teamIdOf(dataDir, team) : team }),
        ...(provider !== undefined && { provider }),
        ...(zone !== undefined && { availabilityZone: zone }),
      });
      await print(made, { json, dataDir, managed, id: made.host.id });
      finish(0);
    });
}

/** `warren host token`: another token for a host that has not used its own, or has lost what it was given. */
export function hostTokenCommand(finish: (status: number) => void): Command {
  return new Command("token")
    .summary("make another token for a host that has not registered, or is unreachable")
    .argument("<host>", "id")
    .option("--json", "print a JSON object")
    .action(async (id: string, { dataDir, json }: { dataDir: string; json?: boolean }) => {
      const managed = await managedHosts(dataDir);
      await print(await managed.hosts.newToken(id), { json, dataDir, managed, id });
      finish(0);
    });
}

/** Id of a team that the operator names by its slug, or by its id. */
async function teamIdOf(dataDir: string, team: string): Promise<string> {
  const known = (await new Operator(dataDir).teams()).find(({ id, slug }) => id === team || slug === team);
  if (!known) throw new Error(`There is no team with the slug ${team}: 'warren admin teams' lists them.`);
  return known.id;
}

interface Printed {
  json: boolean | undefined;
  dataDir: string;
  managed: ManagedHosts;
  id: string;
}

async function print(
  made: Pick<NewHost, "registration_token">,
  { json, dataDir, managed, id }: Printed,
): Promise<void> {
  if (json) {
    process.stdout.write(`${jsonText(made)}\n`);
    return;
  }
  const { registration_token: token } = made;
  process.stdout.write(`${token}\n`);
  const url = managed.url ?? (await findLocalServer(dataDir))?.url ?? "URL";
  warn(`${id} waits for its host agent. Within the hour, on the machine that it is to be, as root:`);
  warn(`./warren host join --control-plane ${url} --token ${token}`);
}
