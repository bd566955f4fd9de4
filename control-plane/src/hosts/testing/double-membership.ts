import { WarrenError } from "@warren/contracts/errors";
import type { JoinControlPlaneRequest } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { type Heartbeat, HOST_TOKEN_HEADER, type HostCredentials } from "@warren/contracts/rest/hosts";

/** Templates that every team may use. */
export const BUILT_IN = ["minimal", "node"];

/** What the double says of itself. */
export const DOUBLE_REPORT = {
  arch: "amd64",
  cpu_cores: 2,
  memory_mb: 4096,
  disk_gb: 10,
  version: "0.1.0",
  vmm: "qemu 10.0.2",
  accelerator: "tcg",
  templates: BUILT_IN.map((name) => ({ name })),
} satisfies Heartbeat;

/** A host's registration, which gives signs of life only when it is told to. */
export class DoubleMembership {
  /** What the control plane has given; absent until it has. */
  credentials: HostCredentials | undefined;
  #url = "";

  /** Registers with a token; without one, shows the credentials that it has. */
  async join(
    { controlPlaneUrl, hostId, token }: JoinControlPlaneRequest,
    address: string,
  ): Promise<{ joined: boolean }> {
    this.#url = controlPlaneUrl;
    if (token === "") {
      return { joined: this.credentials?.host.id === hostId && (await this.heartbeat()).status === 204 };
    }
    const response = await this.#post("/v1/hosts/register", { token, address, ...DOUBLE_REPORT });
    if (response.status === 401) throw new WarrenError("unauthorized", await response.text());
    if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
    this.credentials = (await response.json()) as HostCredentials;
    return { joined: true };
  }

  /** Gives a sign of life. */
  heartbeat(report: Heartbeat = DOUBLE_REPORT): Promise<Response> {
    const { host, token } = this.credentials!;
    return this.#post(`/v1/hosts/${host.id}/heartbeat`, report, { [HOST_TOKEN_HEADER]: token });
  }

  #post(path: string, body: object, headers: Record<string, string> = {}): Promise<Response> {
    const init = { method: "POST", headers: { "content-type": "application/json", ...headers } };
    return fetch(`${this.#url}${path}`, { ...init, body: JSON.stringify(body) });
  }
}
