//! What a person sees: bars in a real terminal, tmux, of several widths and while they change; and what is left of them.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::checks::{Checks, same};
use super::lab::Lab;
use super::layouts::Layout;
use super::peer::Peer;
use crate::sh::{self, Result};

/// How long anything may take to be seen.
const LIMIT: Duration = Duration::from_secs(120);

/// What is tried.
const COPY: &str = "copy --no-cache --all-images --jobs 2 --compress zstd:9";

pub(super) fn run(lab: &Lab, checks: &mut Checks<'_>) {
    let needs = &[Peer::Tmux];
    let mut made: Option<Result<String>> = None;
    let mut image = || made.get_or_insert_with(|| slow_images(lab)).clone();
    for columns in [20, 40, 80] {
        checks.check(&format!("bars in tmux: {columns} columns"), needs, || {
            to_the_end(lab, &image()?, columns)
        });
    }
    checks.check("bars in tmux: resized, and Ctrl-C", needs, || resized(lab, &image()?));
    checks.check("no bars in tmux: TERM=dumb", needs, || dumb(lab, &image()?));
    checks.check("no bars in tmux: stderr goes to a file", needs, || redirected(lab, &image()?));
}

/// Lines that are on the screen before. When a line gets folded, tmux scrolls one off at the top: these, not bars, of which
/// nobody could take anything away any more.
const EARLIER: usize = 15;

/// How long a process is stopped, in seconds, each time it has run for 20 ms: so that bars are there for some seconds however
/// fast the machine is.
#[derive(Clone, Copy)]
struct Stopped(&'static str);

/// A folder with a layout `from` of two images whose layers take a while to compress.
fn slow_images(lab: &Lab) -> Result<String> {
    let mut layout = Layout::new(lab, "slow")?;
    for (name, seed) in [("one", 1), ("two", 2)] {
        let image = layout.image_of("amd64", name, &noise(seed))?;
        layout.name(name, &image);
    }
    layout.finish()
}

/// Digits that no compressor makes much of.
fn noise(seed: u64) -> String {
    let mut state = seed;
    let mut text = String::with_capacity(SIZE + 20);
    while text.len() < SIZE {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(&(state >> 33).to_string());
    }
    text
}

/// Half of it is left by gzip, and is what bars count.
const SIZE: usize = 24 << 20;

/// Watches a copy from its first bar to its result, which has to be what another copy says that shows no bars.
fn to_the_end(lab: &Lab, from: &str, columns: usize) -> Result<()> {
    let here = Here::new(lab, from)?;
    let slowly = Some(Stopped("0.1"));
    let terminal = here.start(columns, slowly, "", &format!("{COPY} oci:from oci:to"))?;
    let mut seen = Seen::default();
    let ended = terminal.until("the end of the copy", |rows| {
        seen.look(rows, columns)?;
        Ok(rows.iter().any(|row| row.starts_with("code ")))
    });
    ended?;
    if seen.totals < 3 || seen.blobs < 3 {
        return Err(format!("bars were hardly seen: {seen:?}"));
    }
    if columns >= 80 && (seen.rates < 1 || seen.left < 1) {
        return Err(format!("there was no rate or no time left: {seen:?}"));
    }
    let quietly = lab.folder("quietly")?;
    link(from, &quietly)?;
    let mut command = lab.transship(&[]);
    command.current_dir(&quietly).args(COPY.split(' '));
    let said = sh::finish(command.args(["--progress", "none", "oci:from", "oci:to"]))?;
    let mut expected: Vec<String> = vec!["$ transship".to_owned()];
    expected.extend(String::from_utf8_lossy(&said.stderr).lines().map(str::to_owned));
    expected.push("code 0".to_owned());
    same("all that is left on the screen", &terminal.whole()?, &expected)
}

fn resized(lab: &Lab, from: &str) -> Result<()> {
    let here = Here::new(lab, from)?;
    let terminal = here.start(80, Some(Stopped("0.25")), "", &format!("{COPY} oci:from oci:to"))?;
    let moving = |rows: &[String]| rows.iter().any(|row| row.contains("/s"));
    terminal.until("a rate", |rows| Ok(moving(rows)))?;
    for columns in [40, 20, 80, 33, 200, 79] {
        terminal.resize(columns)?;
        // A frame or two with the new width.
        std::thread::sleep(Duration::from_millis(600));
        // tmux scrolls lines away when it gets narrow.
        let rows = terminal.history()?;
        let mut seen = Seen::default();
        seen.look(&rows, columns).map_err(|e| format!("resized: {e}"))?;
        let above = rows.iter().filter(|row| is_above(row)).count();
        let what = format!("lines above, and totals, of\n{rows:#?}\n");
        same(&what, &(above, seen.totals), &(EARLIER + 1, 1))?;
    }
    terminal.tmux(&["send-keys", "C-c"])?;
    terminal.until("the end", |rows| Ok(rows.iter().any(|row| row.starts_with("code "))))?;
    let left =
        ["$ transship", "transship: interrupted by SIGINT", "code 130"].map(str::to_owned).to_vec();
    same("all that is left on the screen", &terminal.whole()?, &left)?;
    same(
        "whether the cursor is seen",
        &terminal.tmux(&["display", "-p", "#{cursor_flag}"])?,
        &"1".to_owned(),
    )?;
    same(
        "what is left in the folder",
        &here.left()?,
        &["from", "pid", "script"].map(str::to_owned).to_vec(),
    )
}

fn dumb(lab: &Lab, from: &str) -> Result<()> {
    let here = Here::new(lab, from)?;
    let line = format!("{COPY} oci:from oci:to");
    let terminal = here.start(100, None, "TERM=dumb ", &line)?;
    terminal.until("the end", |rows| Ok(rows.iter().any(|row| row.starts_with("code "))))?;
    plain(&terminal.whole()?)
}

fn redirected(lab: &Lab, from: &str) -> Result<()> {
    let here = Here::new(lab, from)?;
    let line = format!("{COPY} oci:from oci:to 2>said");
    let terminal = here.start(100, None, "", &line)?;
    terminal.until("the end", |rows| Ok(rows.iter().any(|row| row.starts_with("code "))))?;
    let ends = ["$ transship", "code 0"].map(str::to_owned).to_vec();
    same("what is on the screen", &terminal.whole()?, &ends)?;
    let path = format!("{}/said", here.folder);
    let said = fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
    if let Some(control) = said.chars().find(|c| c.is_control() && *c != '\n') {
        return Err(format!("{control:?} is in the file:\n{said}"));
    }
    let lines = said.lines().map(str::to_owned);
    let rows: Vec<String> =
        ends[..1].iter().cloned().chain(lines).chain([ends[1].clone()]).collect();
    plain(&rows)
}

/// A line for each image as it starts, then the results, and nothing else.
fn plain(rows: &[String]) -> Result<()> {
    let is = |starts: &[&str]| {
        rows.len() == starts.len()
            && rows.iter().zip(starts).all(|(row, start)| row.starts_with(start))
    };
    let result = ["oci:from", "  digest ", "  was ", "oci:from", "  digest ", "  was "];
    let mut starts = vec!["$ transship", "copying oci:from", "copying oci:from"];
    starts.extend(result);
    starts.extend(["2 images copied: 4 blobs copied ", "code 0"]);
    if is(&starts) { Ok(()) } else { Err(format!("these are not the plain lines:\n{rows:#?}")) }
}

/// What was seen on several screens.
#[derive(Debug, Default)]
struct Seen {
    totals: usize,
    blobs: usize,
    rates: usize,
    left: usize,
}

impl Seen {
    /// Looks at a screen: the command's line, then at most a total and two blobs, all whole; or results, and no bars.
    fn look(&mut self, rows: &[String], columns: usize) -> Result<()> {
        let odd = |what: &str| Err(format!("{what} at {columns} columns:\n{}", rows.join("\n")));
        let bars: Vec<&String> =
            rows.iter().filter(|row| !row.is_empty() && !is_above(row)).collect();
        let results = rows.iter().any(|row| row.starts_with("oci:"));
        let totals = bars.iter().filter(|row| row.starts_with("total ")).count();
        if results {
            return if totals == 0 { Ok(()) } else { odd("bars among results") };
        }
        if let Some(litter) = bars.iter().find(|row| !is_bar(row, columns)) {
            return odd(&format!("litter, {litter:?},"));
        }
        if bars.len() > 3 || totals > 1 {
            return odd("too many bars");
        }
        self.totals += totals;
        self.blobs += bars.len() - totals;
        self.rates += bars.iter().filter(|row| row.contains("/s")).count();
        self.left += bars.iter().filter(|row| row.ends_with(" left")).count();
        Ok(())
    }
}

fn is_above(row: &str) -> bool {
    row.starts_with("earlier ") || row == "$ transship"
}

/// Whether it is a whole line of progress that leaves a column free.
fn is_bar(row: &str, columns: usize) -> bool {
    let name = row.split(' ').next().unwrap_or_default();
    let digest = matches!(name.len(), 6 | 12) && name.bytes().all(|b| b.is_ascii_hexdigit());
    let share = if columns < 55 { "% " } else { "] " };
    (name == "total" || digest) && format!("{row} ").contains(share) && row.len() < columns
}

/// A folder in which something is run.
struct Here<'a> {
    lab: &'a Lab,
    folder: String,
}

impl<'a> Here<'a> {
    fn new(lab: &'a Lab, from: &str) -> Result<Self> {
        let folder = lab.folder("terminal")?;
        link(from, &folder)?;
        Ok(Self { lab, folder })
    }

    /// Runs us in a terminal, with this before and that after the command's name.
    fn start(
        &self,
        columns: usize,
        slowly: Option<Stopped>,
        before: &str,
        line: &str,
    ) -> Result<Terminal> {
        let transship = self.lab.transship(&[]);
        let program = transship.get_program().to_string_lossy();
        let stops = slowly.map(stops).unwrap_or_default();
        // The trap lets the script outlive a Ctrl-C, and does not reach what it runs. Its end is what is waited for.
        let script = format!(
            "trap : INT\ncd '{}' || exit\nseq -f 'earlier %g' {EARLIER}\necho '$ transship'\n{stops}\
             {before}sh -c 'echo $$ >pid; exec \"$0\" \"$@\"' '{program}' {line}\n\
             echo \"code $?\"\nexec sleep 200\n",
            self.folder
        );
        let path = format!("{}/script", self.folder);
        fs::write(&path, script).map_err(|e| format!("{path}: {e}"))?;
        Terminal::start(self.lab, columns, &path)
    }

    fn left(&self) -> Result<Vec<String>> {
        let failed = |e: std::io::Error| format!("{}: {e}", self.folder);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }
}

/// A part of a script that stops and continues the process whose number is in the file `pid`, until it has ended.
fn stops(Stopped(pause): Stopped) -> String {
    format!(
        "(trap '' INT; until [ -s pid ]; do sleep 0.01; done; pid=$(cat pid)\n\
         while kill -STOP $pid; do sleep {pause}; kill -CONT $pid; sleep 0.02; done) 2>/dev/null &\n"
    )
}

fn link(from: &str, into: &str) -> Result<()> {
    let at = Path::new(into).join("from");
    std::os::unix::fs::symlink(from, &at).map_err(|e| format!("{}: {e}", at.display()))
}

/// A tmux server of its own, without a window that anybody sees. It ends when this is dropped, or with the script.
struct Terminal {
    socket: String,
}

impl Terminal {
    fn start(lab: &Lab, columns: usize, script: &str) -> Result<Self> {
        let socket = lab.short("t")?.join(format!("{}", lab.serial()));
        let this = Self { socket: socket.display().to_string() };
        let (columns, shell) = (columns.to_string(), format!("sh '{script}'"));
        this.tmux(&["new-session", "-d", "-x", &columns, "-y", "24", &shell])?;
        Ok(this)
    }

    fn tmux(&self, args: &[&str]) -> Result<String> {
        let mut command = sh::command("tmux", ["-f", "/dev/null", "-S", &self.socket]);
        // Not those of a tmux in which this runs itself; and a locale in which it draws.
        command.env_remove("TMUX").env_remove("STY").env("TERM", "xterm").env("LC_ALL", "C.UTF-8");
        sh::text(command.args(args))
    }

    fn resize(&self, columns: usize) -> Result<()> {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", "24"]).map(drop)
    }

    /// What is on the screen now, row by row.
    fn rows(&self) -> Result<Vec<String>> {
        Ok(self
            .tmux(&["capture-pane", "-p"])?
            .lines()
            .map(|row| row.trim_end().to_owned())
            .collect())
    }

    /// The same with what is above the screen.
    fn history(&self) -> Result<Vec<String>> {
        let all = self.tmux(&["capture-pane", "-p", "-S", "-"])?;
        Ok(all.lines().map(|row| row.trim_end().to_owned()).collect())
    }

    /// What is still there since the command's line, also above the screen, with lines that the terminal folded in one.
    fn whole(&self) -> Result<Vec<String>> {
        let all = self.tmux(&["capture-pane", "-p", "-J", "-S", "-"])?;
        let mut rows: Vec<String> = all.lines().map(|row| row.trim_end().to_owned()).collect();
        let earlier: Vec<String> = (1..=EARLIER).map(|line| format!("earlier {line}")).collect();
        same("what was there before", &rows.drain(..EARLIER.min(rows.len())).collect(), &earlier)?;
        Ok(rows)
    }

    /// Looks at the screen until it shows something.
    fn until(&self, what: &str, mut seen: impl FnMut(&[String]) -> Result<bool>) -> Result<()> {
        let begun = Instant::now();
        loop {
            let rows = self.rows()?;
            if seen(&rows)? {
                return Ok(());
            }
            if begun.elapsed() > LIMIT {
                return Err(format!("{what} was not seen:\n{}", rows.join("\n")));
            }
            std::thread::sleep(Duration::from_millis(60));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.tmux(&["kill-server"]);
    }
}
