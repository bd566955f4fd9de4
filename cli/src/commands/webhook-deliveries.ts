import { DELIVERY_STATUSES, type DeliveryStatus } from "@warren/contracts/rest/webhooks";
import type { WebhookDelivery } from "@warren/sdk";
import { Command, Option } from "commander";
import { integer } from "../arguments/parse.ts";
import { findWebhook, managedWebhooks, type WebhooksAsked } from "../servers/webhooks.ts";
import { jsonText } from "../terminal/printable.ts";
import { table } from "../terminal/table.ts";

type Finish = (status: number) => void;
type Printed = WebhooksAsked & { json?: boolean };

/** Deliveries that are listed when nothing else is said, and at most. */
const LISTED = { usual: 50, most: 10_000 };

/** `warren webhook test`. */
export function testWebhookCommand(finish: Finish): Command {
  return new Command("test")
    .summary("send a test message; prints what came of it, and ends with 1 when it was not taken")
    .argument("<webhook>", "id or name, also of one that is off")
    .option("--json", "print a JSON object")
    .action(async (name: string, { json, ...asked }: Printed) => {
      const webhooks = await managedWebhooks(asked);
      finish(printAttempt(await webhooks.test((await findWebhook(webhooks, name)).id), json));
    });
}

/** `warren webhook deliveries`. */
export function deliveriesCommand(finish: Finish): Command {
  return new Command("deliveries")
    .summary("list what was sent to a webhook within a week, the newest first")
    .argument("<webhook>", "id or name")
    .addOption(new Option("--status <status>", "only those in this state").choices(DELIVERY_STATUSES))
    .option("--limit <number>", `how many (default: ${LISTED.usual})`, integer(1, LISTED.most))
    .option("--json", "print a JSON array, with the answers")
    .action(async (name: string, options: Printed & { status?: DeliveryStatus; limit?: number }) => {
      const { json, status, limit = LISTED.usual } = options;
      const webhooks = await managedWebhooks(options);
      const { id } = await findWebhook(webhooks, name);
      const deliveries: WebhookDelivery[] = [];
      for await (const delivery of webhooks.allDeliveries(id, { ...(status && { status }) })) {
        deliveries.push(delivery);
        if (deliveries.length === limit) break;
      }
      process.stdout.write(json ? `${jsonText(deliveries)}\n` : table(HEADINGS, deliveries.map(row)));
      finish(0);
    });
}

/** `warren webhook redeliver`. */
export function redeliverCommand(finish: Finish): Command {
  return new Command("redeliver")
    .summary("send a message again that is over; prints what came of it, and ends with 1 when it was not taken")
    .argument("<webhook>", "id or name")
    .argument("<delivery>", "id")
    .option("--json", "print a JSON object")
    .action(async (name: string, deliveryId: string, { json, ...asked }: Printed) => {
      const webhooks = await managedWebhooks(asked);
      finish(printAttempt(await webhooks.redeliver((await findWebhook(webhooks, name)).id, deliveryId), json));
    });
}

/** Prints what came of an attempt; returns the exit status. */
function printAttempt(delivery: WebhookDelivery, json = false): number {
  process.stdout.write(json ? `${jsonText(delivery)}\n` : table(HEADINGS, [row(delivery)]));
  return delivery.status === "delivered" ? 0 : 1;
}

const HEADINGS = ["ID", "EVENT", "STATUS", "ATTEMPTS", "LAST", "TOOK", "ANSWER"];

function row(delivery: WebhookDelivery): string[] {
  const { id, event, status, attempts, last_attempt_at, duration_ms, response_status, error } = delivery;
  const took = duration_ms === undefined ? "-" : `${duration_ms} ms`;
  return [id, event, status, String(attempts), last_attempt_at ?? "-", took, String(response_status ?? error ?? "-")];
}
