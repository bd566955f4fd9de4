/** Path of a curve of values in a field of a size; `full` is the upper edge unless a value is higher. */
export function sparkPath(values: readonly number[], full: number, width: number, height: number): string {
  if (values.length < 2) return "";
  const top = Math.max(full, ...values);
  const step = width / (values.length - 1);
  const y = (value: number) => height - 1 - (top > 0 ? value / top : 0) * (height - 2);
  return values.map((value, index) => `${index === 0 ? "M" : "L"}${round(index * step)} ${round(y(value))}`).join("");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
