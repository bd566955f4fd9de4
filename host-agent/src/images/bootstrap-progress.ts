/** Where a run of mmdebstrap stands. */
export interface BootstrapNews {
  detail: string;
  /** From 0 to 1. */
  fraction: number;
}

/** Phases as mmdebstrap announces them, and the share of the time after which each begins. */
const PHASES: readonly { announcement: RegExp; detail: string; from: number; to: number }[] = [
  { announcement: /^I: running apt-get update/, detail: "fetching package lists", from: 0, to: 0.05 },
  { announcement: /^I: downloading packages/, detail: "downloading essential packages", from: 0.05, to: 0.1 },
  { announcement: /^I: extracting archives/, detail: "unpacking essential packages", from: 0.1, to: 0.2 },
  { announcement: /^I: installing essential packages/, detail: "essential packages", from: 0.2, to: 0.5 },
  { announcement: /^I: installing remaining packages/, detail: "packages", from: 0.5, to: 0.97 },
  { announcement: /^I: cleaning package lists/, detail: "cleaning up", from: 0.97, to: 1 },
];

/** Lines of dpkg that tell of one step on one package, such as "Unpacking sudo (1.9.13p3-1) ...". */
const STEP = /^(Unpacking|Setting up) (\S+) \(.*\)/;
const TOTAL = /^\d+ upgraded, (\d+) newly installed/;

/** Reads the verbose output of mmdebstrap. */
export class BootstrapProgress {
  #phase = PHASES[0]!;
  /** Packages of the phase; each is unpacked and set up. */
  #packages = 0;
  #steps = 0;

  /** Takes one line, and says where things stand if the line tells. */
  read(line: string): BootstrapNews | undefined {
    const phase = PHASES.find(({ announcement }) => announcement.test(line));
    if (phase) {
      this.#phase = phase;
      this.#steps = 0;
      return { detail: phase.detail, fraction: phase.from };
    }
    const total = TOTAL.exec(line);
    if (total) this.#packages = Number(total[1]);
    const step = STEP.exec(line);
    if (!step) return undefined;
    this.#steps++;
    const { from, to } = this.#phase;
    const share = Math.min(1, this.#steps / Math.max(1, 2 * this.#packages));
    const name = step[2]!.replace(/:\w+$/, "");
    return {
      detail: `${step[1] === "Unpacking" ? "unpacking" : "setting up"} ${name}`,
      fraction: from + share * (to - from),
    };
  }
}
