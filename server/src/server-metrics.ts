import type { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { EndedOperation } from "./operation-timing.ts";

/** Bounds of the buckets of durations of requests, seconds. */
const REQUEST_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60];
/** The same of operations on microVMs and their steps, which may take long where they are emulated. */
const OPERATION_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180];

const BUCKETS = { request: REQUEST_BUCKETS, operation: OPERATION_BUCKETS };

/** What each of the metrics is called and what it says. */
interface Description<Label extends string> {
  /** Without the prefix of the server. */
  name: string;
  help: string;
  labels?: readonly Label[];
}

/**
 * The metrics of one server process, in the format of Prometheus. Their library is loaded when one is opened: a server whose
 * metrics nobody reads has no share of it.
 */
export class ServerMetrics {
  readonly #library: typeof import("prom-client");
  readonly #registry: Registry;
  readonly #prefix: string;
  readonly #readings: (() => Promise<void> | void)[] = [];
  #reading: Promise<string> | undefined;
  readonly #operations: Histogram<"operation" | "outcome">;
  readonly #steps: Histogram<"operation" | "step">;

  private constructor(library: typeof import("prom-client"), prefix: string, version: string) {
    this.#library = library;
    this.#registry = new library.Registry();
    this.#prefix = prefix;
    library.collectDefaultMetrics({ register: this.#registry });
    this.gauge({ name: "info", help: "1, with the version of the server", labels: ["version"] }).set({ version }, 1);
    this.#operations = this.histogram("operation", {
      name: "operation_duration_seconds",
      help: "Operations on sandboxes, by how they ended: ok, or the code of an error",
      labels: ["operation", "outcome"],
    });
    this.#steps = this.histogram("operation", {
      name: "operation_step_duration_seconds",
      help: "Steps of operations on sandboxes",
      labels: ["operation", "step"],
    });
  }

  /** `prefix` begins the name of every metric that is not one of any Node process. */
  static async open(prefix: string, version: string): Promise<ServerMetrics> {
    const { default: library } = await import("prom-client");
    return new ServerMetrics(library, prefix, version);
  }

  /** Media type of what {@link read} gives. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  counter<Label extends string>(description: Description<Label>): Counter<Label> {
    return new this.#library.Counter(this.#configuration(description));
  }

  gauge<Label extends string>(description: Description<Label>): Gauge<Label> {
    return new this.#library.Gauge(this.#configuration(description));
  }

  histogram<Label extends string>(kind: keyof typeof BUCKETS, description: Description<Label>): Histogram<Label> {
    return new this.#library.Histogram({ ...this.#configuration(description), buckets: BUCKETS[kind] });
  }

  /** Has something measured whenever the metrics are read. */
  beforeReading(measure: () => Promise<void> | void): void {
    this.#readings.push(measure);
  }

  /** Counts an operation that has ended, and its steps. */
  operation({ operation, outcome, ms, steps }: EndedOperation): void {
    this.#operations.observe({ operation, outcome }, ms / 1000);
    for (const [step, time] of steps) this.#steps.observe({ operation, step }, time / 1000);
  }

  /** All metrics as text. Readers that come at the same time share one reading. */
  read(): Promise<string> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<string> {
    await Promise.all(this.#readings.map((measure) => measure()));
    return this.#registry.metrics();
  }

  #configuration<Label extends string>({ name, help, labels = [] }: Description<Label>) {
    return { name: `${this.#prefix}_${name}`, help, labelNames: labels, registers: [this.#registry] };
  }
}
