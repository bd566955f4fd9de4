import koffi from "koffi";

/** Bytes of a connection that its other end has not acknowledged, sent or not (tcp(7)). */
const SIOCOUTQ = 0x5411;

let ioctl: ((fd: number, request: number, value: Int32Array) => number) | undefined;

/** Bytes that the kernel keeps for a connection until the other end has them; 0 where there is none of that. */
export function sendQueueOf(fd: number): number {
  ioctl ??= koffi.load(null).func("int ioctl(int fd, ulong request, _Out_ int32_t *value)");
  const value = new Int32Array(1);
  return ioctl(fd, SIOCOUTQ, value) === 0 ? value[0]! : 0;
}
