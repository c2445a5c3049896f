//! One timed run of one command, and medians of several.

use std::fs;
use std::path::Path;
use std::time::Instant;

use super::rows::Way;
use crate::sh::{self, Result};

/// Where skopeo, podman and buildah remember blobs: with it, a second run is another one's work.
const CACHE: &str = "/var/lib/containers/cache";

/// What is measured: seconds, MiB and MB.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Figures {
    pub(super) wall: f64,
    pub(super) best: f64,
    pub(super) cpu: f64,
    /// Peak resident memory, MiB.
    pub(super) peak: f64,
    /// Bytes handed to file systems, MB.
    pub(super) written: f64,
    /// Size of what was made, MB.
    pub(super) result: f64,
}

/// Runs it once, from a clean place, with nothing of an earlier run waiting to be written.
pub(super) fn measure(way: &Way, makes: &Path) -> Result<Figures> {
    remove(makes)?;
    remove(Path::new(CACHE))?;
    sh::stdout(&mut sh::command("sync", [""; 0]))?;
    let figures = makes.with_extension("time");
    let told = figures.display().to_string();
    let mut time = sh::command("time", ["-f", "%U %S %M %O", "-o", &told]);
    time.args(&way.command);
    let begun = Instant::now();
    sh::stdout(&mut time)?;
    let wall = begun.elapsed().as_secs_f64();
    let text = fs::read_to_string(&figures).map_err(|e| format!("{told}: {e}"))?;
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [user, system, kibibytes, blocks] = numbers[..] else {
        return Err(format!("time said {text:?}"));
    };
    Ok(Figures {
        wall,
        best: wall,
        cpu: user + system,
        peak: kibibytes / 1024.0,
        written: blocks * 512.0 / 1e6,
        result: if makes.exists() { size(makes)? } else { 0.0 },
    })
}

/// Each figure's median; of the wall clock the best too.
pub(super) fn medians(of: &[Figures]) -> Figures {
    let median = |figure: fn(&Figures) -> f64| {
        let mut figures: Vec<f64> = of.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied().unwrap_or_default()
    };
    Figures {
        wall: median(|it| it.wall),
        best: of.iter().map(|it| it.wall).fold(f64::INFINITY, f64::min),
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
        let runs = [3.0, 1.0, 9.0].map(|wall| Figures { wall, best: wall, ..Figures::default() });
        let middle = medians(&runs);
        assert!((middle.wall - 3.0).abs() < 1e-9);
        assert!((middle.best - 1.0).abs() < 1e-9);
    }
}
