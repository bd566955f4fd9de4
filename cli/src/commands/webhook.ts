import { WEBHOOK_FORMATS, type WebhookFormat, type WebhookPattern } from "@warren/contracts/rest/webhooks";
import type { Webhook } from "@warren/sdk";
import { Command, Option } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import { list } from "../arguments/parse.ts";
import { forEachName } from "../servers/each.ts";
import { findWebhook, managedWebhooks, type WebhooksAsked } from "../servers/webhooks.ts";
import { jsonText } from "../terminal/printable.ts";
import { table } from "../terminal/table.ts";
import { deliveriesCommand, redeliverCommand, testWebhookCommand } from "./webhook-deliveries.ts";

type Finish = (status: number) => void;
type Printed = WebhooksAsked & { json?: boolean };

/** `warren webhook`: where the server sends what changes. */
export function webhookCommand(finish: Finish): Command {
  const webhook = new Command("webhook")
    .summary("have what changes sent to programs and chats")
    .description(
      "Manages webhooks: addresses to which the server sends what changes in the team of the session whose token is in " +
        "WARREN_SESSION_TOKEN, or with --platform in all teams. A WEBHOOK is named by its id or its name.",
    );
  const commands = [
    listCommand(finish),
    createCommand(finish),
    updateCommand(finish),
    removeCommand(finish),
    secretCommand(finish),
    testWebhookCommand(finish),
    deliveriesCommand(finish),
    redeliverCommand(finish),
  ];
  for (const command of commands) {
    command
      .option("--platform", "those of the platform, for its administrators")
      .addOption(dataDirOption())
      .exitOverride()
      .helpOption("-h, --help", "print help");
    webhook.addCommand(command.showHelpAfterError("(--help says more)"));
  }
  return webhook;
}

function listCommand(finish: Finish): Command {
  return new Command("ls")
    .summary("list webhooks, the oldest first")
    .option("-q, --quiet", "print ids only")
    .option("--json", "print a JSON array")
    .action(async ({ json, quiet, ...asked }: Printed & { quiet?: boolean }) => {
      const hooks = await (await managedWebhooks(asked)).list();
      if (json) process.stdout.write(`${jsonText(hooks)}\n`);
      else if (quiet) process.stdout.write(hooks.map(({ id }) => `${id}\n`).join(""));
      else process.stdout.write(table(HEADINGS, hooks.map(row)));
      finish(0);
    });
}

interface Settings {
  events?: WebhookPattern[];
  format?: WebhookFormat;
}

const EVENTS = "what it is told of, such as sandbox.* or template.deleted (repeatable, or a,b)";
const formatOption = (text: string) => new Option("--format <format>", text).choices(WEBHOOK_FORMATS);

function createCommand(finish: Finish): Command {
  return new Command("create")
    .summary("make a webhook; prints its id and its secret, which is shown only once")
    .argument("<name>")
    .argument("<url>", "where messages are sent")
    .option("--events <event>", `${EVENTS} (default: *)`, list)
    .addOption(formatOption("signed JSON, or a text as this chat takes it (default: standard)"))
    .option("--off", "tell it of nothing yet")
    .option("--json", "print a JSON object")
    .action(async (name: string, url: string, options: Printed & Settings & { off?: boolean }) => {
      const { json, events = ["*"], format, off } = options;
      const webhooks = await managedWebhooks(options);
      const hook = await webhooks.create({
        name,
        url,
        events,
        ...(format && { format }),
        ...(off && { enabled: false }),
      });
      process.stdout.write(json ? `${jsonText(hook)}\n` : table(["WEBHOOK", "SECRET"], [[hook.id, hook.secret]]));
      finish(0);
    });
}

function updateCommand(finish: Finish): Command {
  return new Command("update")
    .summary("change a webhook, switch it on or off")
    .argument("<webhook>", "id or name")
    .addOption(new Option("-n, --name <name>", "new name"))
    .option("--url <url>", "new address, to which what waits goes too")
    .option("--events <event>", `${EVENTS}, in place of all before`, list)
    .addOption(formatOption("signed JSON, or a text as this chat takes it"))
    .option("--on", "tell it of what happens from now on, and send what waits")
    .addOption(new Option("--off", "tell it of nothing; what waits for it waits on").conflicts("on"))
    .option("--json", "print a JSON object")
    .action(
      async (named: string, options: Printed & Settings & { name?: string; url?: string; on?: true; off?: true }) => {
        const { json, name, url, events, format, on, off } = options;
        const changes = {
          ...(name !== undefined && { name }),
          ...(url !== undefined && { url }),
          ...(events && { events }),
          ...(format && { format }),
          ...(on && { enabled: true }),
          ...(off && { enabled: false }),
        };
        if (Object.keys(changes).length === 0) throw new Error("Say what to change; --help lists it.");
        const webhooks = await managedWebhooks(options);
        const changed = await webhooks.update((await findWebhook(webhooks, named)).id, changes);
        if (json) process.stdout.write(`${jsonText(changed)}\n`);
        finish(0);
      },
    );
}

function removeCommand(finish: Finish): Command {
  return new Command("rm")
    .summary("delete webhooks, with their logs and what waits for them")
    .argument("<webhooks...>", "ids or names")
    .action(async (names: string[], asked: WebhooksAsked) => {
      const webhooks = await managedWebhooks(asked);
      finish(await forEachName(names, async (name) => webhooks.delete((await findWebhook(webhooks, name)).id)));
    });
}

function secretCommand(finish: Finish): Command {
  return new Command("secret")
    .summary("give a webhook another secret; prints it, the only time that it is shown")
    .description("For a day, messages are signed with the former secret as well.")
    .argument("<webhook>", "id or name")
    .option("--json", "print a JSON object, with the end of the former secret")
    .action(async (name: string, { json, ...asked }: Printed) => {
      const webhooks = await managedWebhooks(asked);
      const made = await webhooks.rotateSecret((await findWebhook(webhooks, name)).id);
      process.stdout.write(json ? `${jsonText(made)}\n` : `${made.secret}\n`);
      finish(0);
    });
}

const HEADINGS = ["ID", "NAME", "STATE", "FORMAT", "EVENTS", "URL"];

function row({ id, name, enabled, disabled_reason, failing_since, format, events, url }: Webhook): string[] {
  const off = disabled_reason === undefined ? "off" : `off (${disabled_reason})`;
  const on = failing_since === undefined ? "on" : `failing since ${failing_since}`;
  return [id, name, enabled ? on : off, format, events.join(","), url];
}
