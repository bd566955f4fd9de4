import { sql } from "kysely";
import { REMOVED_TOGETHER, Retention, type RetentionParts } from "../database/retention.ts";
import type { Db } from "../database/tables.ts";

/** Days for which deliveries that are over are told of, and those that wait for a webhook that is off are kept. */
const KEPT_DAYS = 7;

/** Removes deliveries that are too old, and the webhooks of teams that were deleted as long ago. */
export function webhookRetention({ db, ...parts }: Pick<RetentionParts, "leadership" | "log"> & { db: Db }): Retention {
  const removeSome = async () => (await removeDeliveries(db)) + (await removeWebhooks(db));
  return new Retention({ ...parts, name: "webhook retention", what: "the log of webhooks", removeSome });
}

async function removeDeliveries(db: Db): Promise<number> {
  const { numAffectedRows = 0n } = await sql`
    delete from webhook_deliveries where ctid = any(array(
      select ctid from webhook_deliveries as delivery where created_at < now() - ${KEPT_DAYS} * interval '1 day'
        and (status <> 'pending' or not (select enabled from webhooks where webhooks.id = delivery.webhook_id))
      limit ${REMOVED_TOGETHER}
    ))
  `.execute(db);
  return Number(numAffectedRows);
}

async function removeWebhooks(db: Db): Promise<number> {
  const { numAffectedRows = 0n } = await sql`
    delete from webhooks using teams
    where teams.id = webhooks.team_id and teams.deleted_at < now() - ${KEPT_DAYS} * interval '1 day'
  `.execute(db);
  return Number(numAffectedRows);
}
