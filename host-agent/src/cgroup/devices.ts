/** A device that a process may open: its numbers (Documentation/admin-guide/devices.txt) and what for. */
export interface AllowedDevice {
  type: "char" | "block";
  major: number;
  minor: number;
  access: "r" | "w" | "rw";
}

/** What a VMM may open: null, urandom, net/tun and kvm. */
export const VMM_DEVICES: readonly AllowedDevice[] = [
  { type: "char", major: 1, minor: 3, access: "rw" },
  { type: "char", major: 1, minor: 9, access: "r" },
  { type: "char", major: 10, minor: 200, access: "rw" },
  { type: "char", major: 10, minor: 232, access: "rw" },
];
