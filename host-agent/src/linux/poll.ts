import koffi from "koffi";

// Without a name, so that each thread may declare it.
const pollfd = koffi.struct({ fd: "int", events: "short", revents: "short" });
const cPoll = koffi.load(null).func("poll", "int", [koffi.inout(koffi.pointer(pollfd)), "unsigned long", "int"]);

export const POLLIN = 1;
export const POLLPRI = 2;
export const POLLERR = 8;

/** A descriptor and the events that it is asked for, poll(2); `revents` has those that happened. */
export interface Polled {
  fd: number;
  events: number;
  revents: number;
}

/** Waits on this thread until something happens, for ever if nothing does. Gives how many descriptors it happened to. */
export function poll(set: Polled[]): number {
  for (;;) {
    const count: number = cPoll(set, set.length, -1);
    if (count >= 0) return count;
    if (koffi.errno() !== koffi.os.errno.EINTR) throw new Error(`poll: errno ${koffi.errno()}`);
  }
}

/** Waits, in a thread of the pool, until a descriptor can be read; false when `milliseconds` passed first. */
export function readableInThread(fd: number, milliseconds: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const set = [{ fd, events: POLLIN, revents: 0 }];
    cPoll.async(set, 1, milliseconds, (error: Error | null, count: number) => {
      if (error) reject(error);
      else if (count < 0) reject(new Error(`poll on descriptor ${fd} failed`));
      else resolve(count > 0);
    });
  });
}
