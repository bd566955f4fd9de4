/**
 * Options with which Warren starts every Node; those of the launcher are in `cli/bootstrap.sh`. A thread that compiles may
 * wait for the garbage collector while the end of the process waits for the thread, for ever (nodejs/node issues 54918 and
 * 64274): commands, and servers that were to stop, hung with their work done. So code is made by the main thread.
 */
export const NODE_FLAGS = ["--no-concurrent-sparkplug", "--no-maglev-build-code-on-background"] as const;
