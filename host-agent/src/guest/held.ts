import { type ContextKey, createContextKey } from "@connectrpc/connect";

/** Told of bytes of an answer as they come, which are held until the call has ended; throws when they may not be. */
export type Hold = (bytes: number) => void;

/** Context of a call whose answer is counted. */
export const HOLD: ContextKey<Hold> = createContextKey<Hold>(() => undefined);
