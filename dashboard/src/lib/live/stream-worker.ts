import { type StreamMessage, TeamStream } from "./team-stream.ts";

// The streams of all tabs of a browser: HTTP/1.1 has six connections to a server, which as many tabs with a stream of their own
// would take, so that no tab could ask for anything any more.

/** What a tab asks for: to be told of what happens in a session's team, or nothing more. */
export type TabRequest = { follow: string } | { leave: true };

/** A stream and who reads it. */
interface Shared {
  stream: TeamStream;
  ports: Set<MessagePort>;
}

const shared = new Map<string, Shared>();

addEventListener("connect", (event) => {
  const port = (event as MessageEvent).ports[0]!;
  port.onmessage = ({ data }: MessageEvent<TabRequest>) => {
    leave(port);
    if ("follow" in data) follow(data.follow, port);
  };
  // A tab that crashed says nothing; not all browsers do.
  port.addEventListener("close", () => leave(port));
});

function follow(session: string, port: MessagePort): void {
  const known = shared.get(session);
  if (known) {
    known.ports.add(port);
    tell(port, { kind: "state", isOpen: known.stream.isOpen });
    // What this tab has read may be older than the last event that the others were told of.
    if (known.stream.isOpen) tell(port, { kind: "gap" });
    return;
  }
  const ports = new Set([port]);
  const stream = new TeamStream((message) => {
    for (const reader of ports) tell(reader, message);
  });
  shared.set(session, { stream, ports });
}

function leave(port: MessagePort): void {
  for (const [session, { stream, ports }] of shared) {
    if (!ports.delete(port) || ports.size > 0) continue;
    stream.close();
    shared.delete(session);
  }
}

function tell(port: MessagePort, message: StreamMessage): void {
  port.postMessage(message);
}
