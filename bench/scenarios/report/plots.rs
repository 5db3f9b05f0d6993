//! The plots of the report, as SVG for light and dark pages.

use super::{Lines, tables};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 380.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 560.0;
const TOP: f64 = 48.0;
const BOTTOM: f64 = 330.0;
/// Distance between the baselines of two labels.
const LINE: f64 = 16.0;

const STYLE: &str = "<style>
text { font: 13px system-ui, sans-serif; fill: #24292f } .title { font-size: 15px; font-weight: 600 }
.grid { stroke: #8c959f; stroke-opacity: .3 } .line { fill: none; stroke-width: 2.2 } .dashed { stroke-dasharray: 5 4 }
.a { stroke: #0969da; fill: #0969da } .b { stroke: #bc4c00; fill: #bc4c00 } .c { stroke: #6e7781; fill: #6e7781 }
text.a, text.b, text.c, rect.a, rect.b { stroke: none } .goal { stroke: #24292f; stroke-width: 2.2 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .a { stroke: #58a6ff; fill: #58a6ff } .b { stroke: #f0883e; fill: #f0883e }
.c { stroke: #9ea7b3; fill: #9ea7b3 } .goal { stroke: #e6edf3 } }
.line { fill: none }
</style>";

/// Every plot and its file name.
pub(super) fn all(lines: &Lines) -> Vec<(&'static str, String)> {
    vec![
        ("goals.svg", goals(lines)),
        ("delivery-by-readers.svg", by_readers(lines).draw()),
        ("delivery-by-rate.svg", by_rate(lines).draw()),
    ]
}

fn by_readers(lines: &Lines) -> Plot {
    let series = |name, class, pointer| Series {
        name: String::from(name),
        class,
        points: points(lines, "delivery-by-readers", "/readers", pointer),
    };
    Plot {
        title: "Server CPU microseconds per delivery, send included, by readers of the room, at full speed",
        x: "readers",
        scale: Scale::Linear,
        series: vec![series("LiveChat", "a", "/redis"), series("floor", "c", "/floor")],
    }
}

fn by_rate(lines: &Lines) -> Plot {
    let mut all = Vec::new();
    for (name, class, dashed, key) in [
        ("on Redis", "a", "a dashed", "redis"),
        ("embedded", "b", "b dashed", "embedded"),
        ("floor", "c", "c dashed", "floor"),
    ] {
        for (class, percentile) in [(class, "p50"), (dashed, "p99")] {
            let points =
                points(lines, "delivery-by-rate", "/messages_a_second", &format!("/latency_ms/{key}/{percentile}"));
            all.push(Series { name: format!("{name}, {percentile}"), class, points });
        }
    }
    Plot {
        title: "Milliseconds from the scheduled send of a message to its delivery to 100 readers",
        x: "messages per second",
        scale: Scale::Logarithmic,
        series: all,
    }
}

fn points(lines: &Lines, scenario: &str, x: &str, y: &str) -> Vec<(f64, f64)> {
    let points = lines.get(scenario, "/points").and_then(|points| points.as_array()).into_iter().flatten();
    points.filter_map(|point| Some((point.pointer(x)?.as_f64()?, point.pointer(y)?.as_f64()?))).collect()
}

#[derive(Clone, Copy)]
enum Scale {
    Linear,
    Logarithmic,
}

struct Series {
    name: String,
    class: &'static str,
    points: Vec<(f64, f64)>,
}

/// Series over a logarithmic x axis, each labeled at its end.
struct Plot {
    title: &'static str,
    x: &'static str,
    scale: Scale,
    series: Vec<Series>,
}

impl Plot {
    fn draw(&self) -> String {
        let all: Vec<_> = self.series.iter().flat_map(|series| &series.points).copied().collect();
        let mut svg = begin(HEIGHT, self.title);
        if all.is_empty() {
            return svg + "</svg>\n";
        }
        let range = |values: &mut dyn Iterator<Item = f64>| {
            values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)))
        };
        let (first, last) = range(&mut all.iter().map(|point| point.0));
        let (low, high) = range(&mut all.iter().map(|point| point.1));
        let ticks = self.scale.ticks(low, high);
        let (bottom, top) = (ticks[0], ticks[ticks.len() - 1]);
        let x = |value: f64| LEFT + (value / first).ln() / (last / first).ln().max(f64::MIN_POSITIVE) * (RIGHT - LEFT);
        let y = |value: f64| BOTTOM - self.scale.position(value, bottom, top) * (BOTTOM - TOP);
        for tick in &ticks {
            let y = y(*tick);
            svg += &format!("<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>");
            svg += &format!("<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{tick}</text>\n", LEFT - 8.0, y + 4.0);
        }
        let mut values: Vec<_> = all.iter().map(|point| point.0).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        for value in values {
            let x = x(value);
            svg += &format!("<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{value}</text>\n", BOTTOM + 20.0);
        }
        let middle = f64::midpoint(LEFT, RIGHT);
        svg += &format!("<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", BOTTOM + 40.0, self.x);
        let mut labels = Vec::new();
        for series in self.series.iter().filter(|series| !series.points.is_empty()) {
            let path: Vec<_> =
                series.points.iter().map(|point| format!("{:.1} {:.1}", x(point.0), y(point.1))).collect();
            svg += &format!("<path class=\"line {}\" d=\"M{}\"/>\n", series.class, path.join("L"));
            labels.push((y(series.points[series.points.len() - 1].1) + 4.0, series));
        }
        // From the top, each below the one before.
        labels.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut free = f64::MIN;
        for (place, series) in labels {
            let place = place.max(free);
            free = place + LINE;
            svg += &format!(
                "<text class=\"{}\" x=\"{}\" y=\"{place:.1}\">{}</text>\n",
                series.class,
                RIGHT + 10.0,
                series.name
            );
        }
        svg + "</svg>\n"
    }
}

impl Scale {
    /// Round values that enclose the data.
    fn ticks(self, low: f64, high: f64) -> Vec<f64> {
        match self {
            Self::Linear => {
                let step = round_up(high / 5.0);
                (0..=(high / step).ceil() as usize).map(|i| i as f64 * step).collect()
            }
            Self::Logarithmic => {
                let mut ticks = vec![round_up(low) / 2.5];
                while ticks[ticks.len() - 1] < high {
                    let next = round_up(ticks[ticks.len() - 1] * 1.01);
                    ticks.push(next);
                }
                ticks[0] = round_up(ticks[0] * 0.99);
                ticks.dedup();
                ticks
            }
        }
    }

    /// The position of a value between the bottom (0) and the top (1).
    fn position(self, value: f64, bottom: f64, top: f64) -> f64 {
        match self {
            Self::Linear => (value - bottom) / (top - bottom),
            Self::Logarithmic => (value / bottom).ln() / (top / bottom).ln(),
        }
    }
}

/// The next larger of 1, 2, 5, 10, 20, 50, …
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powi(value.log10().floor() as i32);
    let lead = value / power;
    let lead = if lead <= 1.0 {
        1.0
    } else if lead <= 2.0 {
        2.0
    } else if lead <= 5.0 {
        5.0
    } else {
        10.0
    };
    // Without binary rounding errors.
    format!("{:.6}", lead * power).parse().unwrap_or(lead * power)
}

/// A bar for each ratio, with a mark at its goal.
fn goals(lines: &Lines) -> String {
    let goals = tables::goals(lines);
    let most = goals.iter().fold(1.0_f64, |most, (_, ratio, goal)| most.max(*ratio).max(*goal));
    let x = |value: f64| LEFT + value / most * (RIGHT - LEFT);
    let height = TOP + goals.len() as f64 * 46.0 + 10.0;
    let mut svg = begin(height, "Ratio to the floor (bar) and goal (mark)");
    for (i, (work, ratio, goal)) in goals.iter().enumerate() {
        let (y, colour) = (TOP + i as f64 * 46.0, if ratio <= goal { "a" } else { "b" });
        svg += &format!("<text x=\"{LEFT}\" y=\"{:.1}\">{work}</text>\n", y + 12.0);
        svg += &format!(
            "<rect class=\"{colour}\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"14\" rx=\"2\"/>",
            y + 18.0,
            x(*ratio) - LEFT
        );
        svg += &format!("<path class=\"goal\" d=\"M{:.1} {:.1}v20\"/>", x(*goal), y + 15.0);
        let end = x(ratio.max(*goal)) + 10.0;
        svg += &format!("<text x=\"{end:.1}\" y=\"{:.1}\">{ratio} of {goal}</text>\n", y + 30.0);
    }
    svg + "</svg>\n"
}

fn begin(height: f64, title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" role=\"img\" \
         aria-label=\"{title}\">\n{STYLE}\n<text class=\"title\" x=\"16\" y=\"24\">{title}</text>\n"
    )
}
