// Writes a CSV of sales to standard output: node generate.mjs [ROWS] > sales.csv. The same rows every time.
const rows = Number(process.argv[2] ?? 100_000);
const REGIONS = ["North", "South", "East", "West"];
const PRODUCTS = { Lamp: 39.9, Chair: 84.5, Desk: 249, Shelf: 119.95, "Rug, woven": 64 };
const FIRST_DAY = Date.UTC(2025, 0, 1);
const DAY_MS = 24 * 60 * 60 * 1000;

// Mulberry32: small, fast, and the same numbers on every machine.
let state = 20_250_101;
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

function pick(list) {
  return list[Math.floor(random() * list.length)];
}

const lines = ["order,date,region,product,quantity,unit_price"];
for (let order = 1; order <= rows; order++) {
  const date = new Date(FIRST_DAY + Math.floor(random() * 365) * DAY_MS).toISOString().slice(0, 10);
  const product = pick(Object.keys(PRODUCTS));
  const quantity = 1 + Math.floor(random() ** 2 * 9);
  const price = (PRODUCTS[product] * (0.9 + random() * 0.2)).toFixed(2);
  lines.push(`${order},${date},${pick(REGIONS)},"${product}",${quantity},${price}`);
}
process.stdout.write(`${lines.join("\n")}\n`);
