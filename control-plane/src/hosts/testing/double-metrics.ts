import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  CollectMetricsRequest,
  CollectMetricsResponseSchema,
  MetricPointSchema,
  SandboxUsageSchema,
} from "@warren/contracts/gen/hostagent/v1/hostagent_pb";

type Point = MessageInitShape<typeof MetricPointSchema> & { sandboxId: string };
type Usage = MessageInitShape<typeof SandboxUsageSchema> & { sandboxId: string; day: string };

/** What a host of tests has measured, as a test says, until it is acknowledged. */
export class DoubleMetrics {
  /** Made anew by a test whose host has lost what it counted. */
  ledger = "ledger-1";
  /** Most that one answer holds of each. */
  answerSize = 1000;
  /** Answers that were given. */
  collected = 0;
  #round = 0;
  #points: { round: number; point: Point }[] = [];
  readonly #usage = new Map<string, { round: number; usage: Usage }>();

  add(...points: Point[]): void {
    for (const point of points) this.#points.push({ round: ++this.#round, point });
  }

  /** What a sandbox has used in a day up to now, all of it: no host of ours has two entries of one day. */
  count(usage: Usage, entry = `${usage.sandboxId} ${usage.day}`): void {
    this.#usage.set(entry, { round: ++this.#round, usage });
  }

  collect({ acknowledged }: CollectMetricsRequest): MessageInitShape<typeof CollectMetricsResponseSchema> {
    this.collected += 1;
    const isOurs = acknowledged?.ledger === this.ledger;
    const [keptPoints, keptUsage] = isOurs ? [Number(acknowledged.points), Number(acknowledged.usage)] : [0, 0];
    this.#points = this.#points.filter(({ round }) => round > keptPoints);
    const points = this.#points.slice(0, this.answerSize);
    const changed = [...this.#usage.values()].filter(({ round }) => round > keptUsage);
    const usage = changed.sort((one, other) => one.round - other.round).slice(0, this.answerSize);
    return {
      points: points.map(({ point }) => point),
      usage: usage.map((each) => each.usage),
      cursor: {
        ledger: this.ledger,
        points: BigInt(points.at(-1)?.round ?? keptPoints),
        usage: BigInt(usage.at(-1)?.round ?? keptUsage),
      },
      more: points.length < this.#points.length || usage.length < changed.length,
    };
  }
}
