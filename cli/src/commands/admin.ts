import {
  type AdminTeam,
  type AdminUser,
  PLATFORM_PERMISSIONS,
  type PlatformPermission,
} from "@warren/contracts/rest/admin";
import { QUOTA_RESOURCES, type QuotaAmounts, type SetTeamQuota, type TeamQuota } from "@warren/contracts/rest/quotas";
import { Command, InvalidArgumentError, Option } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import { Operator } from "../servers/operator.ts";
import { warn } from "../terminal/messages.ts";
import { readNewPassword } from "../terminal/password.ts";
import { jsonText } from "../terminal/printable.ts";
import { table } from "../terminal/table.ts";
import { usageLimitsCommand } from "./admin-usage-limits.ts";
import { backupCommand, databaseCommand, restoreCommand } from "./database.ts";

interface DataDir {
  dataDir: string;
}

type Finish = (status: number) => void;

/** `warren admin`: what only the operator of the machine may do, on the server that runs there. */
export function adminCommand(finish: Finish): Command {
  const admin = new Command("admin")
    .summary("administer the server on this machine")
    .description(
      "Administers the server that runs on this machine, through a socket in its data directory that only the server's " +
        "user and root can open. Teams are named by their slugs. Its database can be backed up, restored and upgraded.",
    );
  const commands = [
    createCommand(finish),
    linkCommand(finish),
    grantCommand(finish),
    revokeCommand(finish),
    deactivateCommand(finish),
    activateCommand(finish),
    passwordCommand(finish),
    usersCommand(finish),
    teamsCommand(finish),
    byocCommand(finish),
    quotaCommand(finish),
    usageLimitsCommand(finish),
    rotateKeysCommand(finish),
    backupCommand(finish),
    restoreCommand(finish),
  ];
  for (const command of commands) {
    command.addOption(dataDirOption()).exitOverride().helpOption("-h, --help", "print help");
    admin.addCommand(command.showHelpAfterError("(--help says more)"));
  }
  return admin.addCommand(databaseCommand(finish));
}

function createCommand(finish: Finish): Command {
  return new Command("create")
    .summary("make an account that administers the platform")
    .description(
      "Makes an account that administers the platform. It becomes the owner of teams that nobody has taken over, such as " +
        "the one of the server's own API key. The password is asked for, or read as one line from standard input.",
    )
    .argument("<email>")
    .requiredOption("--name <name>", "name of the person")
    .action(async (email: string, { dataDir, name }: DataDir & { name: string }) => {
      await new Operator(dataDir).createAdmin({ email, name, password: await readNewPassword() });
      warn(`${email} has an account and administers the platform.`);
      finish(0);
    });
}

function linkCommand(finish: Finish): Command {
  return new Command("link")
    .summary("print a link to the page that makes the first account")
    .description(
      "Prints a link to the page of the dashboard that makes the first account, which administers the platform. It works " +
        "once, for a day, while nobody administers the platform; a new link replaces the one before.",
    )
    .action(async ({ dataDir }: DataDir) => {
      const { url } = await new Operator(dataDir).setupLink();
      process.stdout.write(`${url}\n`);
      finish(0);
    });
}

function permissionOption(): Option {
  return new Option("--permission <right>", "one right instead of all of them").choices([...PLATFORM_PERMISSIONS]);
}

interface Grant extends DataDir {
  permission?: PlatformPermission;
}

function grantCommand(finish: Finish): Command {
  return new Command("grant")
    .summary("let a user administer the platform")
    .argument("<email>")
    .addOption(permissionOption())
    .action(async (email: string, { dataDir, permission }: Grant) => {
      await new Operator(dataDir).grant({ email, ...(permission ? { permission } : {}) });
      warn(permission ? `${email} has the right "${permission}".` : `${email} administers the platform.`);
      finish(0);
    });
}

function revokeCommand(finish: Finish): Command {
  return new Command("revoke")
    .summary("no longer let a user administer the platform")
    .argument("<email>")
    .addOption(permissionOption())
    .action(async (email: string, { dataDir, permission }: Grant) => {
      await new Operator(dataDir).revoke({ email, ...(permission ? { permission } : {}) });
      warn(permission ? `${email} has no right "${permission}".` : `${email} does not administer the platform.`);
      finish(0);
    });
}

function deactivateCommand(finish: Finish): Command {
  return new Command("deactivate")
    .summary("shut a user out, at once")
    .argument("<email>")
    .action(async (email: string, { dataDir }: DataDir) => {
      await new Operator(dataDir).setDeactivated(email, true);
      warn(`${email} is shut out.`);
      finish(0);
    });
}

function activateCommand(finish: Finish): Command {
  return new Command("activate")
    .summary("let a user in again who was shut out")
    .argument("<email>")
    .action(async (email: string, { dataDir }: DataDir) => {
      await new Operator(dataDir).setDeactivated(email, false);
      warn(`${email} is let in again.`);
      finish(0);
    });
}

function passwordCommand(finish: Finish): Command {
  return new Command("password")
    .summary("give a user a new password, and end the user's sessions")
    .description("The password is asked for, or read as one line from standard input.")
    .argument("<email>")
    .action(async (email: string, { dataDir }: DataDir) => {
      await new Operator(dataDir).resetPassword({ email, password: await readNewPassword() });
      warn(`${email} has a new password.`);
      finish(0);
    });
}

function usersCommand(finish: Finish): Command {
  return new Command("users")
    .summary("list all users")
    .option("--json", "print a JSON array")
    .action(async ({ dataDir, json }: DataDir & { json?: boolean }) => {
      const users = await new Operator(dataDir).users();
      const row = ({ email, name, is_admin, permissions, created_at, deactivated_at }: AdminUser) => [
        email,
        name,
        is_admin ? "all" : permissions.join(","),
        created_at,
        deactivated_at === undefined ? "active" : "deactivated",
      ];
      print(json, users, () => table(["EMAIL", "NAME", "RIGHTS", "CREATED", "STATE"], users.map(row)));
      finish(0);
    });
}

function teamsCommand(finish: Finish): Command {
  return new Command("teams")
    .summary("list all teams")
    .option("--json", "print a JSON array")
    .action(async ({ dataDir, json }: DataDir & { json?: boolean }) => {
      const teams = await new Operator(dataDir).teams();
      const row = ({ slug, name, owner_email, members, is_byoc, deleted_at }: AdminTeam) => [
        slug,
        name,
        owner_email ?? "-",
        String(members),
        is_byoc ? "own" : "shared",
        deleted_at ? "deleted" : "live",
      ];
      print(json, teams, () => table(["SLUG", "NAME", "OWNER", "MEMBERS", "HOSTS", "STATE"], teams.map(row)));
      finish(0);
    });
}

function byocCommand(finish: Finish): Command {
  return new Command("byoc")
    .summary("say whether a team runs its sandboxes on hosts of its own")
    .argument("<team>", "slug")
    .argument("<on|off>", "", (text) => {
      if (text !== "on" && text !== "off") throw new InvalidArgumentError("It must be on or off.");
      return text === "on";
    })
    .action(async (slug: string, isByoc: boolean, { dataDir }: DataDir) => {
      await new Operator(dataDir).setByoc(slug, isByoc);
      warn(`Team ${slug} runs its sandboxes on ${isByoc ? "hosts of its own" : "the shared hosts"}.`);
      finish(0);
    });
}

function quotaCommand(finish: Finish): Command {
  const command = new Command("quota")
    .summary("show or set what a team may use")
    .argument("<team>", "slug")
    .option("--json", "print a JSON object");
  for (const resource of QUOTA_RESOURCES) {
    command.addOption(new Option(`--${flagOf(resource)} <limit>`, "a number, or `default`").argParser(parseLimit));
  }
  return command.action(async (slug: string, options: DataDir & { json?: boolean } & Record<string, unknown>) => {
    const limits: SetTeamQuota = {};
    for (const resource of QUOTA_RESOURCES) {
      const limit = command.getOptionValue(camelCase(flagOf(resource)));
      if (limit !== undefined) limits[resource] = limit === "default" ? null : limit;
    }
    const operator = new Operator(options.dataDir);
    const quota = Object.keys(limits).length > 0 ? await operator.setQuota(slug, limits) : await operator.quota(slug);
    print(options.json, quota, () => quotaTable(quota));
    finish(0);
  });
}

function rotateKeysCommand(finish: Finish): Command {
  return new Command("rotate-keys")
    .summary("make a new key that signs session tokens")
    .option("--revoke", "end the keys before at once, and with them all sessions")
    .action(async ({ dataDir, revoke = false }: DataDir & { revoke?: boolean }) => {
      await new Operator(dataDir).rotateKeys(revoke);
      warn(revoke ? "A new key signs; everybody has to sign in again." : "A new key signs; sessions go on.");
      finish(0);
    });
}

function quotaTable({ limits, usage }: TeamQuota): string {
  const row = (resource: keyof QuotaAmounts) => [resource, String(usage[resource]), String(limits[resource])];
  return table(["RESOURCE", "USED", "LIMIT"], QUOTA_RESOURCES.map(row));
}

function flagOf(resource: string): string {
  return resource.replaceAll("_", "-");
}

function camelCase(flag: string): string {
  return flag.replace(/-(.)/g, (_match, letter: string) => letter.toUpperCase());
}

function parseLimit(text: string): number | "default" {
  if (text === "default") return text;
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("It must be a number, or `default`.");
  return Number(text);
}

function print(json: boolean | undefined, value: object, show: () => string): void {
  process.stdout.write(json ? `${jsonText(value)}\n` : show());
}
