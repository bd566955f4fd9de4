import type { Db } from "./tables.ts";

/** What each transaction under way has left to do after its commit. */
const tasks = new WeakMap<Db, (() => void)[]>();

/** Runs `work` in a transaction; what it has left to `whenCommitted` is done after the commit, and never without one. */
export async function transact<T>(db: Db, work: (transaction: Db) => Promise<T>): Promise<T> {
  const left: (() => void)[] = [];
  const result = await db.transaction().execute((transaction) => {
    tasks.set(transaction, left);
    return work(transaction);
  });
  for (const task of left) task();
  return result;
}

/** Does something once what was written through `db` is committed: now, unless it is a transaction of `transact`. */
export function whenCommitted(db: Db, task: () => void): void {
  const left = tasks.get(db);
  if (left) left.push(task);
  else if (db.isTransaction) throw new Error("the transaction was not begun by transact()");
  else task();
}
