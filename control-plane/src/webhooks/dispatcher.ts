import { setTimeout as delay } from "node:timers/promises";
import type { Leadership } from "../database/leadership.ts";
import type { Messages } from "../database/messages.ts";
import { EVENTS_CHANNEL } from "../events/event-waker.ts";
import type { Logger } from "../logging.ts";
import type { DeliverySender } from "./delivery-sender.ts";
import type { DeliveryRow, DeliveryStore } from "./delivery-store.ts";
import type { EventFanOut } from "./event-fan-out.ts";

/** Attempts under way at the same time: of one webhook, of one that fails, of all, and of all that fail. */
const MOST = { hook: 4, failingHook: 1, all: 256, failing: 128 };
/** Milliseconds between two looks: what comes meanwhile is looked at together. */
const LOOK_INTERVAL_MS = 20;
/** Milliseconds after which it looks without a reason: a control plane that died may have told of nothing. */
const IDLE_MS = 15_000;
/** Milliseconds before it looks again after the database has failed. */
const RETRY_MS = 1000;

export interface DispatcherParts {
  fanOut: EventFanOut;
  deliveries: DeliveryStore;
  sender: DeliverySender;
  messages: Messages;
  leadership: Leadership;
  log: Logger;
}

/**
 * Has events told to webhooks, and sends what is due. Runs in one control plane at a time; what another one leaves when it
 * dies is due again once its claim has run out. A webhook that does not answer holds up no other: each has its share of the
 * attempts under way, and those that fail together have half of all.
 */
export class Dispatcher {
  readonly #parts: DispatcherParts;
  readonly #stop = new AbortController();
  /** Attempts under way by webhook. */
  readonly #underWay = new Map<string, number>();
  readonly #attempts = new Set<Promise<void>>();
  #failingUnderWay = 0;
  #wake: () => void = () => undefined;
  #isWoken = true;
  #leading: Promise<void> = Promise.resolve();

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
  }

  /** Starts to compete for the task and to do it. */
  start(): void {
    this.#leading = this.#parts.leadership.lead("webhooks", (signal) => this.#follow(signal), this.#stop.signal);
  }

  /** Stops; attempts that are under way are broken off, and made again by the next one. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#leading;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const wake = () => this.#look();
    const stopListening = await this.#parts.messages.listen(EVENTS_CHANNEL, { onMessage: wake, onGap: wake });
    try {
      this.#isWoken = true;
      while (!signal.aborted) await this.#round(signal);
    } finally {
      await stopListening();
      await Promise.all(this.#attempts);
    }
  }

  async #round(signal: AbortSignal): Promise<void> {
    this.#isWoken = false;
    let waitMs: number;
    try {
      if (await this.#parts.fanOut.takeSome()) this.#isWoken = true;
      await this.#sendDue(signal);
      waitMs = Math.min((await this.#parts.deliveries.untilNext()) ?? IDLE_MS, IDLE_MS);
    } catch (error) {
      if (signal.aborted) return;
      this.#parts.log.warn({ err: error }, "webhooks could not be looked after; trying again");
      waitMs = RETRY_MS;
    }
    await delay(LOOK_INTERVAL_MS, undefined, { signal }).catch(() => undefined);
    await this.#untilWoken(waitMs, signal);
  }

  #look(): void {
    this.#isWoken = true;
    this.#wake();
  }

  async #untilWoken(milliseconds: number, signal: AbortSignal): Promise<void> {
    if (this.#isWoken || signal.aborted) return;
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    const either = AbortSignal.any([signal, woken.signal]);
    await delay(Math.max(milliseconds, 0), undefined, { signal: either }).catch(() => undefined);
  }

  async #sendDue(signal: AbortSignal): Promise<void> {
    const { deliveries } = this.#parts;
    const due = await deliveries.due(MOST.hook);
    const planned = new Map<string, number>();
    const failing = new Map<string, boolean>();
    let free = MOST.all - this.#attempts.size;
    let freeForFailing = MOST.failing - this.#failingUnderWay;
    for (const { id, webhookId, failing: fails } of due) {
      const underWay = (this.#underWay.get(webhookId) ?? 0) + (planned.get(webhookId) ?? 0);
      if (underWay >= (fails ? MOST.failingHook : MOST.hook) || free === 0 || (fails && freeForFailing === 0)) continue;
      planned.set(webhookId, (planned.get(webhookId) ?? 0) + 1);
      failing.set(id, fails);
      free--;
      if (fails) freeForFailing--;
    }
    if (failing.size === 0) return;
    for (const delivery of await deliveries.claim([...failing.keys()])) {
      this.#begin(delivery, failing.get(delivery.id)!, signal);
    }
  }

  #begin(delivery: DeliveryRow, fails: boolean, signal: AbortSignal): void {
    const { sender, log } = this.#parts;
    const { webhook_id: hook } = delivery;
    this.#underWay.set(hook, (this.#underWay.get(hook) ?? 0) + 1);
    if (fails) this.#failingUnderWay++;
    const attempt = sender
      .attempt(delivery, signal)
      .catch((error: unknown) => {
        if (!signal.aborted)
          log.warn({ err: error, webhook: hook }, "what came of a message to a webhook was not noted");
      })
      .then(() => {
        const left = this.#underWay.get(hook)! - 1;
        if (left === 0) this.#underWay.delete(hook);
        else this.#underWay.set(hook, left);
        if (fails) this.#failingUnderWay--;
        this.#attempts.delete(attempt);
        this.#look();
      });
    this.#attempts.add(attempt);
  }
}
