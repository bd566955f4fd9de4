/** Bounds of the processes of one group together. */
export interface CgroupLimits {
  /** Bytes of memory, page cache included. */
  memoryBytes: number;
  /** Processes and threads. */
  tasks: number;
  /** Processors' worth of time, such as 1.5. */
  cpus: number;
  /** Part of the time that falls to the group where processors are short, in processors; undefined = `cpus`. */
  cpuShare?: number;
}

/** What the processes of a group have used. */
export interface CgroupUsage {
  /** Microseconds of processor time since the group was made; undefined where the kernel does not count it. */
  cpuMicroseconds: bigint | undefined;
  /** Bytes of memory now, page cache included; undefined where the kernel does not count it. */
  memoryBytes: number | undefined;
}

/** A control group: one directory in each hierarchy that the host has controllers in; none on a host without. */
export interface Cgroup {
  /** Absolute, in the order of the hierarchies. They find the group again after a restart of the host agent. */
  readonly directories: readonly string[];
  /** Files to which a process writes 0 or its id to enter the group. */
  readonly entrances: readonly string[];
  /** Makes the directories and sets the limits; what is there already is kept and its limits are set anew. */
  create(limits: CgroupLimits): Promise<void>;
  /** Changes the part of the time of processors and disks that falls to the group where it is short, in processors. */
  setCpuShare(cpus: number): Promise<void>;
  /** Ids of the processes inside. */
  processes(): Promise<number[]>;
  usage(): Promise<CgroupUsage>;
  /** Kills all processes inside, those that are being forked too, and resolves when none is left. */
  kill(): Promise<void>;
  /** Removes the directories of a group without processes. Does nothing when they are gone. */
  remove(): Promise<void>;
}

/** The control groups of a host. */
export interface Cgroups {
  readonly version: "v2" | "v1" | "none";
  /** What the operator should know about missing controllers, in a sentence. */
  readonly notice: string | undefined;
  /** The group of this name, such as warren/sb…, as it would be made by this host agent. Touches nothing. */
  group(name: string): Cgroup;
  /** A group by directories that were noted down earlier. */
  at(directories: readonly string[]): Cgroup;
  /** Names below `parent` of the groups that exist. */
  list(parent: string): Promise<string[]>;
}
