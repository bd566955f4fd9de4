"""Sums up a CSV of sales: report.py SALES.csv DIRECTORY writes summary.json and chart.svg into the directory.

Runs inside a sandbox with nothing but Python's standard library. The last lines on standard output are the SHA-256 sums
of the two files, to be compared with those of the copies that come out.
"""

import csv
import hashlib
import json
import sys
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

WIDTH, HEIGHT, MARGIN = 720, 360, 48
MONTHS = [f"{month:02}" for month in range(1, 13)]
COLOURS = {"North": "#2f6690", "South": "#d1495b", "East": "#66a182", "West": "#edae49"}


def read_sales(path):
    """Revenue by region and month, revenue by product, and the number of orders."""
    by_region = defaultdict(lambda: defaultdict(Decimal))
    by_product = defaultdict(Decimal)
    orders = 0
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            revenue = int(row["quantity"]) * Decimal(row["unit_price"])
            by_region[row["region"]][row["date"][5:7]] += revenue
            by_product[row["product"]] += revenue
            orders += 1
    return by_region, by_product, orders


def summarise(by_region, by_product, orders):
    """The figures, as text so that no cent is lost."""
    regions = {region: sum(months.values()) for region, months in by_region.items()}
    return {
        "orders": orders,
        "revenue": str(sum(regions.values())),
        "by_region": {region: str(revenue) for region, revenue in sorted(regions.items())},
        "by_product": {product: str(revenue) for product, revenue in sorted(by_product.items())},
    }


def draw(by_region):
    """A line per region over the months, as SVG."""
    highest = max(revenue for months in by_region.values() for revenue in months.values())
    step = (WIDTH - 2 * MARGIN) / (len(MONTHS) - 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for index, month in enumerate(MONTHS):
        parts.append(f'<text x="{MARGIN + index * step:.1f}" y="{HEIGHT - 16}" text-anchor="middle">{month}</text>')
    for index, (region, months) in enumerate(sorted(by_region.items())):
        points = [
            (MARGIN + place * step, HEIGHT - MARGIN - float(months[month] / highest) * (HEIGHT - 2 * MARGIN))
            for place, month in enumerate(MONTHS)
        ]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{COLOURS[region]}" stroke-width="2"/>')
        parts.append(f'<text x="{MARGIN + index * 80}" y="24" fill="{COLOURS[region]}">{region}</text>')
    return "\n".join([*parts, "</svg>", ""])


def main():
    source, directory = sys.argv[1], Path(sys.argv[2])
    by_region, by_product, orders = read_sales(source)
    summary = summarise(by_region, by_product, orders)
    files = {"summary.json": json.dumps(summary, indent=2) + "\n", "chart.svg": draw(by_region)}
    print(f"{orders} orders, revenue {summary['revenue']}")
    for name, content in files.items():
        data = content.encode()
        (directory / name).write_bytes(data)
        print(f"{hashlib.sha256(data).hexdigest()}  {name}")


if __name__ == "__main__":
    main()
