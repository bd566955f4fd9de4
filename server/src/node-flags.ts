/**
 * Options with which Warren starts every Node; those of the launcher are in `cli/bootstrap.sh`. A thread that compiles may
 * wait for the garbage collector while the end of the process waits for the thread, for ever (nodejs/node issues 54918 and
 * 64274, both open): commands, and servers that were to stop, hung with their work done. So code is made by the main thread.
 */
export const NODE_FLAGS = ["--no-concurrent-sparkplug", "--no-maglev-build-code-on-background"] as const;

/**
 * Besides, for servers that stay. The young generation of a busy server grows to 32 MiB and more by default, and stays so;
 * what a request leaves fits into a small one. MiB.
 */
export const LASTING_SERVER_FLAGS = ["--max-semi-space-size=4"] as const;

/**
 * Besides, for servers that serve one command: the collector waits for more than a start allocates. MiB. Options that change
 * what V8 compiles are out of place here: Node's own modules are compiled ahead for the default ones, and take three times as
 * long to load with any other.
 */
export const SHORT_LIVED_SERVER_FLAGS = ["--min-semi-space-size=32"] as const;
