/** The parts of Chart.js that line charts need; loaded when the first chart is shown. */
import { Chart, Filler, LinearScale, LineController, LineElement, PointElement, Tooltip } from "chart.js";

Chart.register(LineController, LineElement, PointElement, LinearScale, Tooltip, Filler);

export { Chart };
