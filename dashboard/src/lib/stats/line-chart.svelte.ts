import type { Chart, ChartConfiguration, ChartDataset, ScaleOptionsByType } from "chart.js";
import type { Attachment } from "svelte/attachments";
import { formatExact } from "#lib/format/time.ts";
import { theme } from "#lib/frame/theme.svelte.ts";
import { byteStep } from "./byte-step.ts";
import { markLabel, type Point, timeMarks } from "./time-axis.ts";

/** How a line is drawn. */
export interface LineLook {
  /** Name of the token of its colour. */
  colour: "accent" | "running" | "muted" | `series-${1 | 2 | 3 | 4 | 5 | 6}`;
  /** Pixels that are drawn and left out in turn, by which it is told from others without its colour; default: none is left out. */
  dash?: readonly number[];
}

/** A line that stands beside one that is drawn whole. */
export const DASHED: readonly number[] = [5, 3];

/** Looks of lines of one kind, such as those of several capsules: told apart by their colours, and without. */
export const SERIES: readonly LineLook[] = [
  { colour: "series-1" },
  { colour: "series-2", dash: [6, 3] },
  { colour: "series-3", dash: [2, 2] },
  { colour: "series-4", dash: [9, 3, 2, 3] },
  { colour: "series-5", dash: [12, 4] },
  { colour: "series-6", dash: [4, 2, 1, 2, 1, 2] },
];

/** A line of a chart. */
export interface Line extends LineLook {
  label: string;
  points: Point[];
  /** Which axis it is read on; default: the left one. */
  axis?: "left" | "right";
}

/** An axis of values. */
export interface ValueAxis {
  /** Whether only whole numbers are marked. */
  whole?: boolean;
  /** Whether values are bytes, and marks are round in units of 1,024 each. */
  bytes?: boolean;
  /** How a value is written. */
  format: (value: number) => string;
  /** End of the axis when no value is higher. */
  atLeast?: number;
}

export interface LineChart {
  fromMs: number;
  toMs: number;
  lines: Line[];
  left: ValueAxis;
  right?: ValueAxis;
}

type Config = ChartConfiguration<"line", Point[]>;

/** Pixels for a mark of the axis of time. */
const MARK_PX = 90;
const FONT_PX = 12;

/**
 * Draws lines over time on a canvas, straight from value to value, and draws them anew when what `read` gives is another.
 * The one place that knows Chart.js, which it loads by itself.
 */
export function lineChart(read: () => LineChart): Attachment<HTMLCanvasElement> {
  return (canvas) => {
    let chart = $state.raw<Chart<"line", Point[]>>();
    let isOver = false;
    void import("./chart-parts.ts").then(({ Chart }) => {
      if (!isOver) chart = new Chart<"line", Point[]>(canvas, { type: "line", data: { datasets: [] } });
    });
    $effect(() => {
      // Colours are those of the theme.
      void theme.current;
      const drawn = read();
      if (!chart) return;
      chart.data.datasets = drawn.lines.map(datasetOf);
      chart.options = optionsOf(drawn);
      chart.update("none");
    });
    return () => {
      isOver = true;
      chart?.destroy();
    };
  };
}

function datasetOf({ label, points, colour, dash = [], axis = "left" }: Line): ChartDataset<"line", Point[]> {
  return {
    label,
    data: points,
    yAxisID: axis,
    borderColor: token(colour),
    backgroundColor: token(colour),
    borderWidth: 1.5,
    borderDash: [...dash],
    tension: 0,
    // A single value between gaps would be no line.
    pointRadius: points.length < 3 ? 2 : 0,
    pointHoverRadius: 3,
    spanGaps: false,
  };
}

function optionsOf({ fromMs, toMs, lines, left, right }: LineChart): NonNullable<Config["options"]> {
  let stepSec = 0;
  const formats = { left: left.format, right: right?.format ?? left.format };
  return {
    animation: false,
    responsive: true,
    maintainAspectRatio: false,
    parsing: false,
    normalized: true,
    // Lines need not have values of the same times.
    interaction: { mode: "nearest", axis: "x", intersect: false },
    scales: {
      x: {
        type: "linear",
        min: fromMs,
        max: toMs,
        grid: { display: false },
        border: { color: token("line") },
        afterBuildTicks: (axis) => {
          const { marks, stepSec: step } = timeMarks(fromMs, toMs, Math.max(2, Math.floor(axis.width / MARK_PX)));
          stepSec = step;
          axis.ticks = marks.map((value) => ({ value }));
        },
        ticks: {
          ...ticks(),
          autoSkip: false,
          maxRotation: 0,
          callback: (value) => markLabel(Number(value), stepSec),
        },
      },
      left: valueAxis("left", left, mostOf(lines, "left")),
      ...(right ? { right: valueAxis("right", right, mostOf(lines, "right")) } : {}),
    },
    plugins: {
      tooltip: {
        backgroundColor: token("ink"),
        titleColor: token("page"),
        bodyColor: token("page"),
        cornerRadius: 4,
        boxWidth: 8,
        boxHeight: 8,
        callbacks: {
          title: (items) => formatExact(new Date(items[0]?.parsed.x ?? 0)),
          label: ({ dataset, parsed }) =>
            ` ${dataset.label}: ${formats[dataset.yAxisID === "right" ? "right" : "left"](parsed.y ?? 0)}`,
        },
      },
    },
  };
}

/** The highest value that is read on an axis. */
function mostOf(lines: readonly Line[], of: "left" | "right"): number {
  return lines
    .filter(({ axis = "left" }) => axis === of)
    .flatMap(({ points }) => points)
    .reduce((highest, { y }) => Math.max(highest, y ?? 0), 0);
}

function valueAxis(
  position: "left" | "right",
  { whole = false, bytes = false, format, atLeast = 1 }: ValueAxis,
  most: number,
): { type: "linear" } & Partial<Pick<ScaleOptionsByType<"linear">, "position">> & Record<string, unknown> {
  return {
    type: "linear",
    position,
    beginAtZero: true,
    suggestedMax: atLeast,
    border: { display: false },
    grid: { color: token("line"), drawOnChartArea: position === "left" },
    ticks: {
      ...ticks(),
      maxTicksLimit: 6,
      ...(whole ? { precision: 0 } : {}),
      ...(bytes ? { stepSize: byteStep(Math.max(most, atLeast)) } : {}),
      callback: (value: number | string) => format(Number(value)),
    },
  };
}

function ticks() {
  return { color: token("muted"), font: { size: FONT_PX, family: getComputedStyle(document.body).fontFamily } };
}

function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
