import { type RawBuilder, sql } from "kysely";
import pg from "pg";

/** How a statement that is to be prepared begins, and the name that it has on each connection. */
const PREPARED = /^select \/\* prepared as (\w{1,60}) \*\//;

/**
 * Has each connection parse and plan a query once: `selectFrom(…).modifyFront(preparedAs("name"))`. Its text must always be
 * the same, with parameters for all that differs (`= any(…)` for a list), and it must name its columns: what `*` stands for
 * changes when a newer control plane adds one, and a statement that is prepared fails then.
 */
export function preparedAs(name: string): RawBuilder<unknown> {
  return sql.raw(`/* prepared as ${name} */`);
}

/** A client that prepares what {@link preparedAs} marks. */
export class PreparingClient extends pg.Client {
  // biome-ignore lint/suspicious/noExplicitAny: one signature stands for all of pg's.
  override query(statement: any, ...rest: any[]): any {
    const [, name] = (typeof statement === "string" && PREPARED.exec(statement)) || [];
    if (name === undefined) return super.query(statement, ...(rest as []));
    const [values, ...others] = rest;
    return super.query({ name, text: statement, values }, ...(others as []));
  }
}
