//! Options and commands of skopeo and crane. Those that mean the same here work, hidden from help; for others, a tip names the
//! right words.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, ValueEnum};
use transship::Platform;

/// `skopeo --override-os`, `--override-arch` and `--override-variant`: the platform that is copied or inspected.
#[derive(Debug, Args)]
pub(crate) struct Overrides {
    #[arg(long = "override-os", hide = true, value_name = "OS")]
    os: Option<String>,
    #[arg(long = "override-arch", hide = true, value_name = "ARCH")]
    arch: Option<String>,
    #[arg(long = "override-variant", hide = true, value_name = "VARIANT")]
    variant: Option<String>,
}

impl Overrides {
    /// The platform, if one of them is given; the rest is completed from this machine.
    pub(crate) fn platform(&self) -> Option<Platform> {
        let Self { os, arch, variant } = self;
        if os.is_none() && arch.is_none() && variant.is_none() {
            return None;
        }
        let host = Platform::host();
        let own = if arch.is_none() { host.variant } else { None };
        let mut platform =
            Platform::new(os.clone().unwrap_or(host.os), arch.clone().unwrap_or(host.architecture));
        platform.variant = variant.clone().or(own);
        Some(platform.normalized())
    }
}

/// `skopeo copy --multi-arch`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MultiArch {
    All,
    System,
}

/// Options that skopeo and crane take before the subcommand and that have a value.
const WITH_VALUE: [&str; 11] = [
    "--command-timeout",
    "--deadline",
    "--option",
    "--override-arch",
    "--override-os",
    "--override-variant",
    "--platform",
    "--policy",
    "--progress",
    "--registries.d",
    "--tmpdir",
];

/// Subcommands of crane that are options here.
const SUBCOMMANDS: [(&str, &[&str]); 3] = [
    ("manifest", &["inspect", "--raw"]),
    ("config", &["inspect", "--config"]),
    ("digest", &["inspect", "--digest"]),
];

/// Translates a command line: options before the subcommand move behind it, and crane's `manifest`, `config` and `digest`
/// become options of `inspect`.
pub(crate) fn translated(typed: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut typed = typed.into_iter();
    let mut all: Vec<OsString> = typed.next().into_iter().collect();
    let mut before = Vec::new();
    while let Some(next) = typed.next() {
        if !moves(&next) {
            let word = next.to_str().unwrap_or_default();
            match SUBCOMMANDS.iter().find(|(name, _)| *name == word) {
                Some((_, ours)) => all.extend(ours.iter().map(OsString::from)),
                None => all.push(next),
            }
            all.extend(before);
            all.extend(typed);
            return all;
        }
        let has_value = WITH_VALUE.iter().any(|option| next == *option);
        before.push(next);
        if has_value {
            before.extend(typed.next());
        }
    }
    all.extend(before);
    all
}

/// Whether it is an option of a subcommand.
fn moves(word: &OsString) -> bool {
    let ours = ["-h", "--help", "-V", "--version", "-", "--"];
    word.to_str().is_some_and(|word| word.starts_with('-') && !ours.contains(&word))
}

/// Adds a tip to a usage error about an option or command of another tool.
pub(crate) fn advised(mut error: clap::Error) -> clap::Error {
    let (of, table) = match error.kind() {
        ErrorKind::UnknownArgument => (ContextKind::InvalidArg, OPTIONS),
        ErrorKind::InvalidSubcommand => (ContextKind::InvalidSubcommand, COMMANDS),
        _ => return error,
    };
    let Some(ContextValue::String(typed)) = error.get(of) else { return error };
    let word = typed.split('=').next().unwrap_or_default();
    let Some((_, tip)) = table.iter().find(|(words, _)| words.contains(&word)) else {
        return error;
    };
    for guess in [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand] {
        error.remove(guess);
    }
    let words = tip.starts_with("--") || tip.starts_with("transship ");
    let tip = if words { format!("use {tip}") } else { (*tip).to_owned() };
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    error
}

/// What to type in place of a transport that only other tools have.
pub(crate) fn transport_tip(word: &str) -> Option<&'static str> {
    Some(match word {
        "http" | "https" | "registry" => "an image in a registry is docker://HOST/REPOSITORY:TAG",
        "ocidir" | "oci-layout" | "oci-dir" | "layout" => "a layout is oci:PATH[:NAME]",
        "tar" | "tarball" | "file" => {
            "an archive is docker-archive:PATH or oci-archive:PATH; one that exists needs only its path"
        }
        _ => return None,
    })
}

/// Words of other tools, and what to type here.
type Tips = &'static [(&'static [&'static str], &'static str)];

const COMMANDS: Tips = &[
    (&["pull", "save", "export"], "transship copy docker://IMAGE docker-archive:FILE.tar"),
    (&["push", "load", "import"], "transship copy FILE.tar docker://IMAGE"),
    (&["manifest-digest"], "transship inspect --digest REFERENCE"),
    (
        &["tag"],
        "transship copy REFERENCE NEW-REFERENCE: only the name is new, blobs are not copied again",
    ),
    (&["auth"], "transship login HOST"),
    (&["images"], "transship list PLACE"),
    (&["catalog"], "transship list docker://HOST"),
    (&["standalone-sign"], "transship sign --key KEY REFERENCE"),
    (&["standalone-verify"], "transship verify --key KEY REFERENCE"),
    (&["prune"], "transship gc PLACE"),
];

const OPTIONS: Tips = &[
    (&["--dest-compress"], "--compress gzip, or --compress zstd"),
    (&["--dest-compress-level"], "--compress gzip:LEVEL, or --compress zstd:LEVEL"),
    (
        &["--dest-force-compress-format"],
        "--compress FORM, which changes every layer of another form",
    ),
    (&["--dest-decompress"], "--compress none"),
    (&["--dest-oci-accept-uncompressed-layers"], "--compress none, or --compress keep"),
    (&["--src-username", "--src-password"], "--src-creds USER:PASSWORD, or --src-creds-file FILE"),
    (
        &["--dest-username", "--dest-password"],
        "--dest-creds USER:PASSWORD, or --dest-creds-file FILE",
    ),
    (&["--username", "--password"], "--creds USER:PASSWORD, or --creds-file FILE"),
    (&["--retry-times", "--retry-delay"], "--retries N; how long to wait follows from the answers"),
    (
        &["--insecure", "--plain-http", "--skip-verify"],
        "--tls-verify=false, or --src-tls-verify=false for the sources alone",
    ),
    (
        &[
            "--sign-by",
            "--sign-by-sigstore",
            "--sign-by-sigstore-private-key",
            "--sign-by-sq-fingerprint",
        ],
        "--sign-key KEY, an ECDSA P-256 key in PEM",
    ),
    (
        &["--encryption-key", "--encrypt-layer", "--decryption-key"],
        "layers are copied as they are, encrypted ones too",
    ),
    (
        &["--src", "--dest", "--scoped"],
        "transship sync FILE.yaml DESTINATION, or transship copy --all-images SOURCE DESTINATION: references say the transports",
    ),
    (&["--tag"], "--name NAME, or the name in the destination"),
    (
        &["--output", "--input"],
        "files are references: docker-archive:FILE.tar, oci-archive:FILE.tar",
    ),
    (&["--no-tags", "-n"], "leave it out: inspect lists no tags"),
    // Only `copy` has an option of this name.
    (&["--format", "-f"], "--json, for example with jq -r .digest"),
    (&["--os", "--arch", "--variant"], "--platform OS/ARCH[/VARIANT]"),
    (&["--force", "--overwrite"], "--replace"),
    (&["--no-clobber"], "leave it out: archives are overwritten only with --replace"),
    (&["--recursive"], "--referrers"),
    (&["--concurrency", "--max-concurrent-downloads"], "--jobs N"),
    (&["--tarball"], "leave it out: the path of the archive is enough"),
    (&["--multi-arch"], "--platform PLATFORM"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_before_the_subcommand_and_subcommands_of_crane() {
        for (typed, ours) in [
            ("t --override-arch arm64 copy a b", "t copy --override-arch arm64 a b"),
            ("t --debug --tmpdir=/x list a", "t list --debug --tmpdir=/x a"),
            ("t -v ls a", "t ls -v a"),
            ("t --insecure-policy copy a b", "t copy --insecure-policy a b"),
            ("t --registries.d d copy a b", "t copy --registries.d d a b"),
            ("t manifest a", "t inspect --raw a"),
            ("t --platform arm64 digest a", "t inspect --digest --platform arm64 a"),
            ("t copy manifest digest", "t copy manifest digest"),
            ("t --help", "t --help"),
            ("t", "t"),
            ("t -v", "t -v"),
        ] {
            let translated = translated(typed.split(' ').map(OsString::from));
            assert_eq!(translated, ours.split(' ').map(OsString::from).collect::<Vec<_>>());
        }
    }

    #[test]
    fn no_word_has_two_tips() {
        for table in [COMMANDS, OPTIONS] {
            let mut words: Vec<_> = table.iter().flat_map(|(words, _)| *words).collect();
            let all = words.len();
            words.sort_unstable();
            words.dedup();
            assert_eq!(words.len(), all);
        }
    }
}
