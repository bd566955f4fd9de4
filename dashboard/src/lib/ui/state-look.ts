/** How a state is told: a word, a colour, and whether it is on its way to another. */
export interface StateLook {
  word: string;
  /** Class of the colour of texts and what stands in their colour. */
  text: string;
  moves: boolean;
}

const RUNNING = "text-running";
const PAUSED = "text-paused";
const STOPPED = "text-stopped";
const MISSING = "text-missing";
const FAILED = "text-failed";

const LOOKS: Record<string, StateLook> = {
  running: { word: "running", text: RUNNING, moves: false },
  online: { word: "online", text: RUNNING, moves: false },
  paused: { word: "paused", text: PAUSED, moves: false },
  pending: { word: "starting", text: PAUSED, moves: true },
  starting: { word: "starting", text: PAUSED, moves: true },
  pausing: { word: "pausing", text: PAUSED, moves: true },
  resuming: { word: "resuming", text: PAUSED, moves: true },
  stopping: { word: "stopping", text: STOPPED, moves: true },
  draining: { word: "draining", text: PAUSED, moves: false },
  unregistered: { word: "not registered", text: STOPPED, moves: false },
  unreachable: { word: "unreachable", text: MISSING, moves: false },
  missing: { word: "missing", text: MISSING, moves: false },
  stopped: { word: "stopped", text: STOPPED, moves: false },
  offline: { word: "offline", text: STOPPED, moves: false },
  error: { word: "failed", text: FAILED, moves: false },
  failed: { word: "failed", text: FAILED, moves: false },
  on: { word: "on", text: RUNNING, moves: false },
  off: { word: "off", text: STOPPED, moves: false },
  failing: { word: "failing", text: FAILED, moves: false },
  delivered: { word: "delivered", text: RUNNING, moves: false },
  waiting: { word: "waiting", text: PAUSED, moves: false },
};

/** How a status is told; one that is not known by itself, in grey. */
export function stateLook(status: string): StateLook {
  return LOOKS[status] ?? { word: status, text: STOPPED, moves: false };
}
