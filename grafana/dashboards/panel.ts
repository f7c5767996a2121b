import { PanelBuilder as BarGauge } from "@grafana/grafana-foundation-sdk/bargauge";
import {
  BarGaugeDisplayMode,
  BigValueColorMode,
  BigValueGraphMode,
  GraphDrawStyle,
  GraphGradientMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizOrientation,
  VizTooltipOptionsBuilder,
} from "@grafana/grafana-foundation-sdk/common";
import {
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
} from "@grafana/grafana-foundation-sdk/dashboard";
import type { ValueMapping } from "@grafana/grafana-foundation-sdk/dashboard";
import { DataqueryBuilder } from "@grafana/grafana-foundation-sdk/prometheus";
import { PanelBuilder as Stat } from "@grafana/grafana-foundation-sdk/stat";
import { PanelBuilder as Timeseries } from "@grafana/grafana-foundation-sdk/timeseries";

/** The kinds of panel that the dashboards are made of, each with one look. */

/** One line, or one set of lines, of a panel. `legend` may name labels: `{{node}}`. */
export interface Query {
  readonly expr: string;
  readonly legend: string;
}

interface Shown {
  readonly title: string;
  /** What it shows and what to make of it, for someone who sees it for the first time. */
  readonly description: string;
  readonly unit: string;
  readonly queries: readonly Query[];
  /** Of 24 columns. */
  readonly width: number;
  readonly height?: number;
}

export const TOKENS = "short";
export const TOKENS_PER_SECOND = "suffix: tok/s";
export const TOKENS_PER_HOUR = "suffix: tok/h";
export const SECONDS = "s";
export const RATIO = "percentunit";
export const COUNT = "short";
export const BYTES = "bytes";

/**
 * Quantile of a histogram over a window.
 * @param by labels to tell apart, with commas between; none: ""
 */
export const quantile = (q: number, metric: string, by: string, window = "5m"): string =>
  `histogram_quantile(${q}, sum by (le${by === "" ? "" : `, ${by}`}) (rate(${metric}_bucket[${window}])))`;

const DATASOURCE = { type: "prometheus", uid: "${datasource}" };
const USUAL_HEIGHT = 8;
const STAT_HEIGHT = 4;

const target = ({ expr, legend }: Query, index: number): DataqueryBuilder =>
  new DataqueryBuilder()
    .datasource(DATASOURCE)
    .expr(expr)
    .legendFormat(legend)
    .refId("ABCDEFGH".charAt(index));

const targets = (queries: readonly Query[]): DataqueryBuilder[] => queries.map(target);

/** Green below the first limit, then amber, then red; `falling`: the reverse, for what is left of something. */
export interface Limits {
  readonly amber: number;
  readonly red: number;
}

function thresholds({ amber, red }: Limits): ThresholdsConfigBuilder {
  const rising = red > amber;
  const steps = rising
    ? [
        { value: null, color: "green" },
        { value: amber, color: "orange" },
        { value: red, color: "red" },
      ]
    : [
        { value: null, color: "red" },
        { value: red, color: "orange" },
        { value: amber, color: "green" },
      ];
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps);
}

const PLAIN = new ThresholdsConfigBuilder()
  .mode(ThresholdsMode.Absolute)
  .steps([{ value: null, color: "blue" }]);

/** Lines over time. */
export function series(
  shown: Shown & { readonly stacked?: true; readonly max?: number; readonly mappings?: ValueMapping[] },
): Timeseries {
  const panel = new Timeseries()
    .title(shown.title)
    .description(shown.description)
    .datasource(DATASOURCE)
    .unit(shown.unit)
    .min(0)
    .span(shown.width)
    .height(shown.height ?? USUAL_HEIGHT)
    .targets(targets(shown.queries))
    .drawStyle(GraphDrawStyle.Line)
    .lineWidth(2)
    .fillOpacity(shown.stacked ? 45 : 12)
    .gradientMode(GraphGradientMode.Opacity)
    .showPoints(VisibilityMode.Never)
    .spanNulls(false)
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.Table)
        .placement(LegendPlacement.Bottom)
        .showLegend(true)
        .calcs(["lastNotNull", "max"]),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending));
  if (shown.stacked) panel.stacking(new StackingConfigBuilder().mode(StackingMode.Normal).group("A"));
  if (shown.max !== undefined) panel.max(shown.max);
  if (shown.mappings !== undefined) panel.mappings(shown.mappings);
  return panel;
}

const last = (): ReduceDataOptionsBuilder =>
  new ReduceDataOptionsBuilder().calcs(["lastNotNull"]).values(false);

/** One large figure. */
export const figure = (shown: Shown & { readonly limits?: Limits; readonly decimals?: number }): Stat => {
  const panel = new Stat()
    .title(shown.title)
    .description(shown.description)
    .datasource(DATASOURCE)
    .unit(shown.unit)
    .span(shown.width)
    .height(shown.height ?? STAT_HEIGHT)
    .targets(targets(shown.queries))
    .reduceOptions(last())
    .graphMode(BigValueGraphMode.Area)
    .colorMode(BigValueColorMode.Value)
    .thresholds(shown.limits ? thresholds(shown.limits) : PLAIN);
  if (shown.decimals !== undefined) panel.decimals(shown.decimals);
  return panel;
};

/** A bar for each of several things, filled towards its maximum. */
export const bars = (shown: Shown & { readonly limits: Limits; readonly max: number }): BarGauge =>
  new BarGauge()
    .title(shown.title)
    .description(shown.description)
    .datasource(DATASOURCE)
    .unit(shown.unit)
    .min(0)
    .max(shown.max)
    .span(shown.width)
    .height(shown.height ?? USUAL_HEIGHT)
    .targets(targets(shown.queries))
    .reduceOptions(last())
    .orientation(VizOrientation.Horizontal)
    .displayMode(BarGaugeDisplayMode.Basic)
    .thresholds(thresholds(shown.limits));

/** An empty dashboard with what all of them share; the others are a click away. */
export const dashboard = (uid: string, title: string, description: string): DashboardBuilder =>
  new DashboardBuilder(title)
    .uid(uid)
    .description(description)
    .tags(["coop"])
    .timezone("browser")
    .refresh("30s")
    .time({ from: "now-6h", to: "now" })
    .tooltip(DashboardCursorSync.Crosshair)
    .link(
      new DashboardLinkBuilder("Co-op")
        .type(DashboardLinkType.Dashboards)
        .tags(["coop"])
        .asDropdown(false)
        .includeVars(false)
        .keepTime(true),
    )
    .withVariable(new DatasourceVariableBuilder("datasource").label("Prometheus").type("prometheus"));
