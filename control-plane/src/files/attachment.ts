/**
 * What not every client takes as it stands in a quoted string: all but printing ASCII, what ends the string or an escape in it,
 * and the sign of percent, which some decode.
 */
const UNSAFE = /[^\x20-\x7e]|["\\%]/g;
/** Characters that encodeURIComponent leaves and RFC 8187 does not allow. */
const NO_ATTRIBUTE = /['()*]/g;

/**
 * Value of a Content-Disposition header with which browsers save an answer, whatever it is, under a name (RFC 6266). The name may
 * be anything: what is not plain is encoded beside a form of it that is.
 */
export function attachment(name: string): string {
  const text = name.toWellFormed();
  const plain = text.replace(UNSAFE, "_");
  if (plain === text) return `attachment; filename="${plain}"`;
  const encoded = encodeURIComponent(text).replace(
    NO_ATTRIBUTE,
    (found) => `%${found.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
