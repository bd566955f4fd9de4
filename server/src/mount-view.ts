/**
 * A view is all that a process sees of the host's files: it is mounted in a mount namespace of the process's own, has programs
 * and libraries for reading, and becomes its root.
 */

/** Folders of programs and libraries. On most systems all but the first are links into it. */
export const SYSTEM_FOLDERS = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/** Options of the mounts of what is in a view for reading alone. */
export const READ_ONLY = "ro,nosuid,nodev";

/** The empty folder of a view at which the host's files hang for the moment of the change. */
export const HOST_FOLDER = "host";

/** Shell commands that make the view in which they are run the root, and take all other mounts out of the namespace. */
export const LEAVE_HOST = `pivot_root . ${HOST_FOLDER}
umount --no-mtab --lazy /${HOST_FOLDER}`;
