//! The recall-QPS curves as an SVG image: recall to the right, queries a second upwards on a logarithmic axis.
//!
//! Up and to the right is better. The image carries its own colours on a white ground, so that it reads the same on
//! light and dark pages. Colour says which server, the dashes say how many clients.

use std::fmt::Write;

use super::report::labels;
use super::results::{Point, Results};
use crate::bench::report::figure;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 460.0;
/// The plot's area inside the image.
const LEFT: f64 = 74.0;
const RIGHT: f64 = 736.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 408.0;
const COLOURS: [&str; 2] = ["#0b62c4", "#c2410c"];
const DASHES: [&str; 3] = ["", "7 4", "2 3"];

/// The two axes.
struct Axes {
    recall: (f64, f64),
    /// Exponents of ten.
    rate: (f64, f64),
}

impl Axes {
    /// Wide enough for all points: recall from the twentieth below the lowest to 1, speed to whole halves of a decade.
    fn of(points: &[&Point]) -> Option<Self> {
        let rates: Vec<f64> = points.iter().map(|p| p.window.rate).filter(|r| *r > 0.0).map(f64::log10).collect();
        let least = rates.iter().copied().reduce(f64::min)?;
        let most = rates.iter().copied().reduce(f64::max)?;
        let lowest = points.iter().map(|p| p.recall).reduce(f64::min)?;
        let start = ((lowest * 20.0).floor() / 20.0).clamp(0.0, 0.95);
        let (bottom, top) = ((least * 2.0 - 0.05).floor() / 2.0, (most * 2.0 + 0.05).ceil() / 2.0);
        Some(Self { recall: (start, 1.0), rate: (bottom, top.max(bottom + 0.5)) })
    }

    fn x(&self, recall: f64) -> f64 {
        LEFT + (recall - self.recall.0) / (self.recall.1 - self.recall.0) * (RIGHT - LEFT)
    }

    fn y(&self, rate: f64) -> f64 {
        BOTTOM - (rate.log10() - self.rate.0) / (self.rate.1 - self.rate.0) * (BOTTOM - TOP)
    }
}

/// Draws the image; without a measured point there is none.
pub fn svg(results: &Results) -> Option<String> {
    let points: Vec<&Point> = results.systems.iter().flat_map(|s| &s.curve).collect();
    let axes = Axes::of(&points)?;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
         height=\"{HEIGHT}\" font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"#1f2933\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n"
    );
    text(&mut out, (LEFT, 24.0), "start", &results.data);
    grid(&mut out, &axes);
    let mut clients: Vec<usize> = points.iter().map(|p| p.clients).collect();
    clients.sort_unstable();
    clients.dedup();
    // Curves fall to the right, so the lower left corner is free.
    let mut legend = BOTTOM - 10.0 - 18.0 * (results.systems.len() * clients.len() - 1) as f64;
    for (at, (system, label)) in results.systems.iter().zip(labels(&results.systems)).enumerate() {
        for (dash, clients) in clients.iter().enumerate() {
            let mut curve: Vec<&Point> =
                system.curve.iter().filter(|p| p.clients == *clients && p.window.rate > 0.0).collect();
            if curve.is_empty() {
                continue;
            }
            curve.sort_by_key(|p| p.ef);
            let style = (COLOURS[at % COLOURS.len()], DASHES[dash % DASHES.len()]);
            line(&mut out, &axes, &curve, style);
            let many = if *clients == 1 { "" } else { "s" };
            key(&mut out, legend, style, &format!("{label}, {clients} client{many}"));
            legend += 18.0;
        }
    }
    out.push_str("</svg>\n");
    Some(out)
}

fn grid(out: &mut String, axes: &Axes) {
    let step = if axes.recall.1 - axes.recall.0 > 0.3 { 0.05 } else { 0.01 };
    let steps = ((axes.recall.1 - axes.recall.0) / step).round() as usize;
    let every = steps.div_ceil(10).max(1);
    for n in (0..=steps).filter(|n| (steps - n).is_multiple_of(every)) {
        let recall = axes.recall.0 + n as f64 * step;
        let x = axes.x(recall);
        rule(out, (x, TOP), (x, BOTTOM));
        text(out, (x, BOTTOM + 18.0), "middle", &format!("{recall:.2}"));
    }
    for exponent in axes.rate.0.floor() as i32..=axes.rate.1.ceil() as i32 {
        for factor in [1.0, 2.0, 5.0] {
            let rate = factor * 10_f64.powi(exponent);
            let y = axes.y(rate);
            if (TOP - 0.5..=BOTTOM + 0.5).contains(&y) {
                rule(out, (LEFT, y), (RIGHT, y));
                text(out, (LEFT - 8.0, y + 4.0), "end", &tick(rate));
            }
        }
    }
    let middle = (TOP + BOTTOM) / 2.0;
    text(out, ((LEFT + RIGHT) / 2.0, HEIGHT - 14.0), "middle", "recall");
    let _ = writeln!(
        out,
        "<text x=\"18\" y=\"{middle:.1}\" text-anchor=\"middle\" transform=\"rotate(-90 18 {middle:.1})\">\
         queries per second</text>"
    );
}

fn tick(rate: f64) -> String {
    if rate >= 100.0 { figure(rate) } else { rate.to_string() }
}

fn rule(out: &mut String, from: (f64, f64), to: (f64, f64)) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(out, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#dde3ea\"/>");
}

fn text(out: &mut String, (x, y): (f64, f64), anchor: &str, words: &str) {
    let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", escape(words));
}

fn line(out: &mut String, axes: &Axes, curve: &[&Point], (colour, dash): (&str, &str)) {
    let place = |p: &Point| (axes.x(p.recall), axes.y(p.window.rate));
    let path: Vec<String> = curve.iter().map(|p| place(p)).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ = writeln!(
        out,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dash}\"/>",
        path.join(" ")
    );
    for point in curve {
        let (x, y) = place(point);
        let (ef, recall, rate) = (point.ef, point.recall, point.window.rate);
        let _ = writeln!(
            out,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\">\
             <title>ef_search {ef}: recall {recall:.4}, {rate:.0} queries/s</title></circle>"
        );
    }
}

fn key(out: &mut String, y: f64, (colour, dash): (&str, &str), words: &str) {
    let x = LEFT + 14.0;
    let _ = writeln!(
        out,
        "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"190\" height=\"18\" fill=\"#ffffff\"/>",
        x - 4.0,
        y - 13.0
    );
    let _ = writeln!(
        out,
        "<line x1=\"{x:.1}\" y1=\"{0:.1}\" x2=\"{1:.1}\" y2=\"{0:.1}\" stroke=\"{colour}\" stroke-width=\"2\" \
         stroke-dasharray=\"{dash}\"/>",
        y - 4.0,
        x + 30.0
    );
    text(out, (x + 38.0, y), "start", words);
}

fn escape(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::results::{System, Window};
    use super::*;

    fn results(points: &[(u32, usize, f64, f64)]) -> Results {
        let window = |rate| Window { rate, p50_us: 0.0, p99_us: 0.0 };
        let curve: Vec<Point> = points
            .iter()
            .map(|(ef, clients, recall, rate)| Point {
                ef: *ef,
                clients: *clients,
                recall: *recall,
                window: window(*rate),
            })
            .collect();
        let theirs = curve.iter().cloned().map(|mut p| {
            p.window.rate /= 10.0;
            p
        });
        let theirs = System { curve: theirs.collect(), ..System::default() };
        let ours = System { version: "OmenDB".into(), curve, ..System::default() };
        Results { data: "300,000 <rows> & \"more\"".into(), systems: vec![ours, theirs] }
    }

    /// Every element that opens closes, in order, and attributes are quoted; returns the elements' names.
    fn elements(svg: &str) -> Vec<String> {
        let (mut open, mut seen) = (Vec::new(), Vec::new());
        for (at, piece) in svg.split('<').enumerate().skip(1) {
            let (tag, words) = piece.split_once('>').unwrap_or_else(|| panic!("piece {at} does not close"));
            assert!(
                !words.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "").replace("&quot;", "").contains('&')
            );
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop().as_deref(), Some(name));
                continue;
            }
            let name = tag.split([' ', '/']).next().expect("split has a first part").to_string();
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            assert_eq!(tag.matches("=\"").count() * 2, tag.matches('"').count(), "{tag}");
            assert!(!tag.contains("NaN") && !tag.contains("inf"), "{tag}");
            if !tag.ends_with('/') {
                open.push(name.clone());
            }
            seen.push(name);
        }
        assert!(open.is_empty(), "{open:?}");
        seen
    }

    #[test]
    fn the_image_is_well_formed_and_has_every_point() {
        let of = [(10, 1, 0.86, 9000.0), (40, 1, 0.95, 5000.0), (400, 1, 0.999, 800.0), (40, 2, 0.95, 11_000.0)];
        let image = svg(&results(&of)).expect("there are points");
        let names = elements(&image);
        assert_eq!(names.iter().filter(|n| *n == "circle").count(), 8);
        assert_eq!(names.iter().filter(|n| *n == "polyline").count(), 4);
        for words in
            ["&lt;rows&gt; &amp; &quot;more&quot;", "OmenDB, 1 client<", "pgvector, 2 clients", ">1.00<", ">5,000<"]
        {
            assert!(image.contains(words), "{words}");
        }
    }

    #[test]
    fn points_lie_inside_the_axes() {
        for of in [
            vec![(10, 1, 1.0, 1.0)],
            vec![(10, 1, 0.0, 0.02), (11, 1, 1.0, 123_456.0)],
            vec![(10, 1, 0.97, 0.0), (10, 1, 0.99, 316.3)],
        ] {
            let image = svg(&results(&of)).expect("there are points");
            elements(&image);
            for circle in image.split("<circle cx=\"").skip(1) {
                let numbers: Vec<f64> = circle.split('"').step_by(2).take(2).map(|n| n.parse().unwrap()).collect();
                assert!((LEFT..=RIGHT).contains(&numbers[0]) && (TOP..=BOTTOM).contains(&numbers[1]), "{numbers:?}");
            }
        }
        assert_eq!(svg(&Results::default()), None);
    }
}
