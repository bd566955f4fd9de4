import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { ConnectResponseSchema, StartResponseSchema } from "@warren/contracts/gen/process/process_pb";
import { Allowance } from "./allowance.ts";
import { EnvelopeParser } from "./envelopes.ts";
import { refused } from "./errors.ts";
import { parseMessage, throwIfFailed } from "./messages.ts";
import { GatheredOutput, outputEvent, parseOutput } from "./output.ts";

/** Bytes of JSON, output aside, that a stream may begin with, and that more of them may come each second. */
const JSON_AT_ONCE = 256 * 1024;
const JSON_PER_SECOND = 1024;

/** Messages that may be output of a command; all are of the same form. */
const WITH_OUTPUT = new Set<string>([StartResponseSchema.typeName, ConnectResponseSchema.typeName]);

/**
 * Reads the messages of one Connect stream. Output of one of a command's streams that has come together is one message;
 * all else, of which the guest agent sends little, is bounded.
 */
export class MessageReader<O extends DescMessage> {
  readonly #schema: O;
  readonly #envelopes = new EnvelopeParser();
  /** Whether messages of this kind may be output of a command. */
  readonly #hasOutput: boolean;
  readonly #output = new GatheredOutput();
  readonly #json = new Allowance(JSON_AT_ONCE, JSON_PER_SECOND);

  constructor(schema: O) {
    this.#schema = schema;
    this.#hasOutput = WITH_OUTPUT.has(schema.typeName);
  }

  /** Whether the last message has come, which is no part of the content. */
  get ended(): boolean {
    return this.#envelopes.ended;
  }

  /**
   * Messages that `chunk` completes, as they are asked for; all are to be taken. Throws what the last message says of the
   * call, and `agent_error` at what no guest agent sends.
   */
  *push(chunk: Uint8Array): Generator<MessageShape<O>> {
    try {
      for (const { end, payload } of this.#envelopes.push(chunk)) {
        const output = end || !this.#hasOutput ? undefined : parseOutput(payload);
        if (output && this.#output.add(output)) continue;
        yield* this.#gathered();
        if (end) return throwIfFailed(payload);
        if (output) this.#output.add(output);
        else yield this.#parse(payload);
      }
    } catch (error) {
      yield* this.#gathered();
      throw error;
    }
    yield* this.#gathered();
  }

  *#gathered(): Generator<MessageShape<O>> {
    const output = this.#output.take();
    if (output) yield outputEvent(output) as MessageShape<O>;
  }

  #parse(payload: Buffer): MessageShape<O> {
    if (!this.#json.take(payload.length)) throw refused("it sends JSON without end");
    return parseMessage(this.#schema, payload);
  }
}
