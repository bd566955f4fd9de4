import { type Sandbox, Warren } from "@warren/sdk";
import { PASSWORD } from "../support/dashboard.ts";

/** Somebody who signed in, for requests beside the pages. */
export interface Member {
  warren: Warren;
  teamId: string;
  /** Asks the API for what the client library has no method for. */
  post(path: string, body: object): Promise<void>;
}

const MEMORY_MB = 256;
/** Works for a part of each second and keeps what it made, so that there are lines to draw. */
const WORK = `import time
with open("build.log", "wb", buffering=0) as log:
    while True:
        end = time.time() + 0.6
        while time.time() < end:
            sum(range(1000))
        log.write(b"ok\\n" * 10000)
        time.sleep(0.4)
`;
const REPORT = `import csv
import sys
from collections import Counter


def totals(path):
    """Revenue by region, the largest first."""
    sums = Counter()
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            sums[row["region"]] += int(row["units"]) * float(row["price"])
    return sums.most_common()


for region, revenue in totals(sys.argv[1]):
    print(f"{region:<8}{revenue:>10.2f}")
`;
const SALES = "region,units,price\nNorth,120,9.50\nSouth,80,12.00\nEast,200,7.25\nNorth,40,9.50\nWest,64,11.75\n";

export async function signIn(url: string, email: string): Promise<Member> {
  const { token, team_id } = await new Warren({ url }).signIn.logIn({ email, password: PASSWORD });
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  return {
    warren: new Warren({ url, sessionToken: token! }),
    teamId: team_id!,
    async post(path, body) {
      const answer = await fetch(url + path, { method: "POST", headers, body: JSON.stringify(body) });
      if (!answer.ok) throw new Error(`${path} was refused: ${await answer.text()}`);
    },
  };
}

/** What a team may have after an evening: capsules at work, paused and over, a template, copies, a key. */
export async function spendEvening(
  { warren, teamId, post }: Member,
  colleague: string,
): Promise<{ main: Sandbox; worker: Sandbox }> {
  await post(`/v1/teams/${teamId}/members`, { email: colleague });
  await post("/v1/api-keys", { name: "nightly build" });
  const create = (name: string, template?: string) =>
    warren.sandboxes.create({ name, memoryMb: MEMORY_MB, ...(template !== undefined && { template }) });
  const main = await create("sales-report");
  await main.files.mkdir("data");
  await main.writeFile("data/sales.csv", SALES);
  await main.writeFile("report.py", REPORT);
  await main.writeFile("README.md", "# Sales report\n\nRun `python3 report.py data/sales.csv`.\n");
  await warren.templates.create(main, { name: "report-tools" });
  const worker = await create("nightly-build", "report-tools");
  await worker.writeFile("work.py", WORK);
  await worker.exec("sh", ["-c", "nohup python3 work.py > /dev/null 2>&1 &"]);
  const [attempt] = await main.fork();
  if (attempt && "update" in attempt) await (await attempt.update({ name: "other-approach" })).pause();
  const spare = await create("scratch");
  await spare.exec("sh", ["-c", "python3 --version && df -h /"]);
  await spare.destroy();
  return { main, worker };
}
