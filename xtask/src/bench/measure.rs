//! One timed run of one command, and medians of several.

use std::path::Path;

use super::rows::{Contender, Row};
use crate::sh::{self, Cost, Result};

/// Where skopeo, podman and buildah remember blobs: with it, a second run is another one's work.
const CACHE: &str = "/var/lib/containers/cache";

/// What is measured: seconds, MiB and MB.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Figures {
    pub(super) wall: f64,
    pub(super) best: f64,
    pub(super) worst: f64,
    pub(super) cpu: f64,
    /// Peak resident memory, MiB.
    pub(super) peak: f64,
    /// Bytes handed to file systems, MB.
    pub(super) written: f64,
    /// Size of what was made, MB.
    pub(super) result: f64,
}

/// Runs it once, from a clean place, with nothing of an earlier run waiting to be written.
pub(super) fn measure(contender: &Contender, row: &Row) -> Result<Figures> {
    let makes = row.makes.as_path();
    remove(makes)?;
    if let Some(script) = &row.before {
        sh::stdout(&mut sh::command("sh", ["-c", script.as_str()]))?;
    }
    remove(Path::new(CACHE))?;
    sh::stdout(&mut sh::command("sync", [""; 0]))?;
    let mut words = contender.command.iter();
    let program = words.next().ok_or("a contender has no command")?;
    let cost = sh::timed(&sh::command(program, words), &makes.with_extension("time"))?;
    let Cost { wall, cpu, peak, written } = cost;
    Ok(Figures {
        wall,
        best: wall,
        worst: wall,
        cpu,
        peak,
        written,
        result: if makes.exists() { size(makes)? } else { 0.0 },
    })
}

/// Each figure's median; of the wall clock also the best and the worst.
pub(super) fn medians(of: &[Figures]) -> Figures {
    let median = |figure: fn(&Figures) -> f64| {
        let mut figures: Vec<f64> = of.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied().unwrap_or_default()
    };
    Figures {
        wall: median(|it| it.wall),
        best: of.iter().map(|it| it.wall).fold(f64::INFINITY, f64::min),
        worst: of.iter().map(|it| it.wall).fold(0.0, f64::max),
        cpu: median(|it| it.cpu),
        peak: median(|it| it.peak),
        written: median(|it| it.written),
        result: median(|it| it.result),
    }
}

fn size(of: &Path) -> Result<f64> {
    let of = of.display().to_string();
    let said = sh::text(&mut sh::command("du", ["--summarize", "--bytes", &of]))?;
    let bytes = said.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    bytes.map(|bytes| bytes / 1e6).ok_or_else(|| format!("du said {said:?}"))
}

fn remove(path: &Path) -> Result<()> {
    let path = path.display().to_string();
    sh::stdout(&mut sh::command("rm", ["-rf", &path])).map(drop)
}

#[cfg(test)]
mod tests {
    use super::{Figures, medians};

    #[test]
    fn the_middle_one_counts() {
        let runs = [3.0, 1.0, 9.0].map(|wall| Figures {
            wall,
            best: wall,
            worst: wall,
            ..Figures::default()
        });
        let middle = medians(&runs);
        assert!((middle.wall - 3.0).abs() < 1e-9);
        assert!((middle.best - 1.0).abs() < 1e-9);
        assert!((middle.worst - 9.0).abs() < 1e-9);
    }
}
