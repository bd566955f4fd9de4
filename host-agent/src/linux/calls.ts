import koffi from "koffi";

type NativeCall = ReturnType<ReturnType<typeof koffi.load>["func"]>;

/** What a call of the C library gave. */
export interface Outcome {
  result: number;
  /** Valid when the result says that the call failed. */
  errno: number;
}

/** Runs a call on this thread. */
export function onThread(call: NativeCall, ...values: unknown[]): Outcome {
  return { result: Number(call(...values)), errno: koffi.errno() };
}

/** Runs a call on another thread. The error number is at hand only while the callback runs. */
export function offThread(call: NativeCall, ...values: unknown[]): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    call.async(...values, (error: Error | null, result: number | bigint) => {
      if (error) reject(error);
      else resolve({ result: Number(result), errno: koffi.errno() });
    });
  });
}
