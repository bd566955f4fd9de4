import type { TabRequest } from "./stream-worker.ts";
import { type StreamMessage, TeamStream } from "./team-stream.ts";

let worker: SharedWorker | undefined;

/**
 * Tells what happens in the team of a session until the returned function is called. Tabs of one browser with the same
 * session, named by any text, share a stream where the browser has workers for that.
 */
export function followTeam(sessionName: string, tell: (message: StreamMessage) => void): () => void {
  if (!("SharedWorker" in globalThis)) {
    const stream = new TeamStream(tell);
    return () => stream.close();
  }
  worker ??= new SharedWorker(new URL("./stream-worker.ts", import.meta.url), { type: "module" });
  const { port } = worker;
  port.onmessage = ({ data }: MessageEvent<StreamMessage>) => tell(data);
  send(port, { follow: sessionName });
  return () => {
    port.onmessage = null;
    send(port, { leave: true });
  };
}

function send(port: MessagePort, request: TabRequest): void {
  port.postMessage(request);
}
