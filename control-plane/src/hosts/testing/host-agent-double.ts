import { mkdtemp, rm } from "node:fs/promises";
import { createServer as createFileServer } from "node:http";
import { createServer as createCallServer } from "node:http2";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { WarrenError } from "@warren/contracts/errors";
import {
  type CollectMetricsRequest,
  type CreateSandboxRequest,
  HostAgentService,
  type JoinControlPlaneRequest,
  type UpdateSandboxRequest,
} from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { commandHandlers } from "./double-commands.ts";
import { answering, rpcError, streaming } from "./double-errors.ts";
import { contentHandlers, directoryHandlers, fileListener } from "./double-files.ts";
import { DoubleGuest } from "./double-guest.ts";
import { BUILT_IN, DoubleMembership } from "./double-membership.ts";
import { DoubleMetrics } from "./double-metrics.ts";
import { type DoubleTemplate, snapshotHandlers, templateKey } from "./double-snapshots.ts";
import { transferHandlers } from "./double-transfers.ts";

/** What a test may have happen in place of the next creation. */
export type CreateFault = (request: CreateSandboxRequest) => Promise<void> | void;

/**
 * A host agent that answers the real protocol on a real socket, with processes and a directory of this machine for a
 * guest. It confines nothing: for the tests of the control plane only.
 */
export class HostAgentDouble {
  readonly guests = new Map<string, DoubleGuest>();
  /** Templates by team and name. */
  readonly templates = new Map<string, DoubleTemplate>();
  templateBytes = 8192;
  /** What it has measured of its sandboxes: nothing, unless a test says otherwise. */
  readonly metrics = new DoubleMetrics();
  /** Its registration with a control plane. */
  readonly membership = new DoubleMembership();
  /** Directories of the only programs that commands find, written as PATH; absent = those of the test. */
  programs: string | undefined;
  /** Sandboxes that were asked to be destroyed, in order. */
  readonly destroyed: string[] = [];
  /** Sandboxes that were pinged, in order. */
  readonly pinged: string[] = [];
  /** Runs before a sandbox is created; an error that it throws is the answer. */
  onCreate: CreateFault = () => undefined;
  /** Runs before a sandbox is destroyed. */
  onDestroy: () => Promise<void> | void = () => undefined;
  /** Runs when a sandbox has been destroyed. */
  onDestroyed: (sandboxId: string) => void = () => undefined;
  /** Runs before a sandbox is paused, or resumed; an error that it throws is the answer. */
  onPause: () => Promise<void> | void = () => undefined;
  onResume: () => Promise<void> | void = () => undefined;
  /** Runs before a template is deleted; an error that it throws is the answer. */
  onDeleteTemplate: () => Promise<void> | void = () => undefined;
  /** Run before a file of a template is read, and before a template is fetched; an error that they throw is the answer. */
  onReadTemplate: (offset: number) => Promise<void> | void = () => undefined;
  onFetchTemplate: () => Promise<void> | void = () => undefined;
  /** Runs before each copy is made; an error that it throws is what becomes of that copy. */
  onFork: (index: number) => void = () => undefined;
  /** Runs before settings are changed; an error that it throws is the answer. */
  onUpdate: () => Promise<void> | void = () => undefined;
  /** Runs before sandboxes are listed. */
  onList: () => Promise<void> | void = () => undefined;
  /** Runs when a caller begins to watch. */
  onWatch: () => void = () => undefined;
  readonly directory: string;
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();
  readonly #watchers = new Set<(sandboxIds: string[]) => void>();

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async start(): Promise<HostAgentDouble> {
    const double = new HostAgentDouble(await mkdtemp(join(tmpdir(), "warren-host-double-")));
    await double.listen();
    return double;
  }

  /** Address under which the control plane reaches it. */
  get address(): string {
    return `unix:${join(this.directory, "agent.sock")}`;
  }

  /** Takes calls, again after `hangUp`. */
  async listen(): Promise<void> {
    const routes = connectNodeAdapter({
      routes: (router) => router.service(HostAgentService, this.#handlers()),
      acceptCompression: [],
    });
    const calls = createCallServer({ settings: { initialWindowSize: 1024 * 1024 } }, routes);
    calls.on("session", (session) => session.on("error", () => undefined));
    const files = createFileServer(fileListener((id) => this.guest(id)));
    const server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => undefined).on("close", () => this.#sockets.delete(socket));
      socket.once("data", (head) => {
        socket.pause();
        socket.unshift(head);
        if (head.toString("latin1", 0, 3) === "PRI") calls.emit("connection", socket);
        else files.emit("connection", socket.resume());
      });
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(join(this.directory, "agent.sock"), resolve);
    });
  }

  /** Stops to answer, as a host does that is switched off; its sandboxes stay. */
  async hangUp(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** Ends everything and removes all files. */
  async close(): Promise<void> {
    await this.hangUp();
    for (const guest of this.guests.values()) guest.kill();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** The guest of a sandbox, or the error of the catalogue. */
  guest(sandboxId: string): DoubleGuest {
    const guest = this.guests.get(sandboxId);
    if (!guest) throw rpcError("not_found", `there is no sandbox ${sandboxId} on this host`);
    return guest;
  }

  /** Says that sandboxes changed, as a host does of those that changed without a call. */
  announce(...sandboxIds: string[]): void {
    for (const watcher of this.#watchers) watcher(sandboxIds);
  }

  /** Pauses a sandbox as a host does that nothing has used for its timeout. */
  pauseForInactivity(sandboxId: string): Promise<void> {
    return this.guest(sandboxId)
      .pauseForInactivity()
      .then(() => this.announce(sandboxId));
  }

  async *#watchSandboxes({ signal }: HandlerContext): AsyncGenerator<{ sandboxIds: string[] }> {
    const said: string[][] = [[]];
    let wake = () => {};
    const watcher = (ids: string[]) => {
      said.push(ids);
      wake();
    };
    this.#watchers.add(watcher);
    signal.addEventListener("abort", () => wake());
    this.onWatch();
    while (!signal.aborted) {
      const sandboxIds = said.shift();
      if (sandboxIds) yield { sandboxIds };
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
    this.#watchers.delete(watcher);
  }

  /** Where the files of a template are, if it has some. */
  #filesOf({ teamId, spec }: CreateSandboxRequest): string | undefined {
    const template = this.templates.get(templateKey(teamId, spec?.template ?? ""));
    if (!template && !BUILT_IN.includes(spec?.template ?? "")) {
      throw new WarrenError("template_not_found", `there is no template ${spec?.template} on this host`);
    }
    return template?.directory;
  }

  #handlers() {
    const { pauseSandbox, resumeSandbox, rollbackSandbox, forkSandbox, createTemplate, deleteTemplate } =
      snapshotHandlers(this);
    const { describeTemplate, readTemplateFile, fetchTemplate } = transferHandlers(this);
    return {
      pauseSandbox: answering(pauseSandbox),
      resumeSandbox: answering(resumeSandbox),
      rollbackSandbox: answering(rollbackSandbox),
      forkSandbox: answering(forkSandbox),
      createTemplate: answering(createTemplate),
      deleteTemplate: answering(deleteTemplate),
      describeTemplate: answering(describeTemplate),
      readTemplateFile: streaming(readTemplateFile),
      fetchTemplate: streaming(fetchTemplate),
      createSandbox: answering(async (request: CreateSandboxRequest) => {
        await this.onCreate(request);
        if (this.guests.has(request.sandboxId))
          throw new WarrenError("already_exists", "there is this sandbox already");
        const files = this.#filesOf(request);
        const guest = await DoubleGuest.create(join(this.directory, request.sandboxId), request, files);
        this.guests.set(request.sandboxId, guest);
        return { sandbox: guest.info() };
      }),
      destroySandbox: answering(async ({ sandboxId }: { sandboxId: string }) => {
        await this.onDestroy();
        this.destroyed.push(sandboxId);
        await this.guests.get(sandboxId)?.destroy();
        this.guests.delete(sandboxId);
        this.onDestroyed(sandboxId);
        return {};
      }),
      updateSandbox: answering(async ({ sandboxId, spec }: UpdateSandboxRequest) => {
        const guest = this.guest(sandboxId);
        await this.onUpdate();
        const { template, vcpus, memoryMb } = spec ?? {};
        if ((template ?? vcpus ?? memoryMb) !== undefined) {
          throw new WarrenError("invalid_request", "a sandbox keeps its template and its shape");
        }
        guest.change(spec);
        return { sandbox: guest.info() };
      }),
      pingSandbox: answering(async ({ sandboxId }: { sandboxId: string }) => {
        this.guest(sandboxId).requireRunning();
        this.pinged.push(sandboxId);
        return {};
      }),
      listSandboxes: answering(async () => {
        const guests = [...this.guests];
        const sandboxes = guests.map(([, guest]) => guest.info());
        await this.onList();
        const autoPaused = guests.filter(([, { status, autoPaused }]) => status === "paused" && autoPaused);
        return { sandboxes, autoPausedSandboxIds: autoPaused.map(([id]) => id) };
      }),
      collectMetrics: answering(async (request: CollectMetricsRequest) => this.metrics.collect(request)),
      watchSandboxes: (_: unknown, context: HandlerContext) => this.#watchSandboxes(context),
      getHost: answering(async () => ({
        arch: "amd64",
        cpuCores: 2,
        memoryMb: 4096,
        diskGb: 10,
        accelerator: "tcg",
        version: "0.1.0",
        templates: BUILT_IN.map((name) => ({ name, type: "base", vcpus: 1, memoryMb: 512, sizeBytes: 4096n })),
      })),
      joinControlPlane: answering((request: JoinControlPlaneRequest) => this.membership.join(request, this.address)),
      ...directoryHandlers((id) => this.guest(id)),
      ...contentHandlers((id) => this.guest(id)),
      ...commandHandlers(
        (id) => this.guest(id),
        () => this.programs,
      ),
    };
  }
}
