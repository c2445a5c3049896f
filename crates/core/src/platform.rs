//! [`Platform`]: what an image runs on, and which images a machine can run.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Error, ErrorKind, Result};

/// What an image runs on, as in the descriptors of an
/// [index](https://github.com/opencontainers/image-spec/blob/main/image-index.md).
///
/// Its text is `os/arch[/variant][:os.version]`.
///
/// ```
/// use transship_core::Platform;
/// let arm = Platform::parse("linux/aarch64")?;
/// assert_eq!(arm.to_string(), "linux/arm64");
/// # Ok::<(), transship_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Platform {
    /// In the values of `GOARCH`.
    #[serde(default, deserialize_with = "crate::descriptor::or_default")]
    pub architecture: String,
    /// In the values of `GOOS`.
    #[serde(default, deserialize_with = "crate::descriptor::or_default")]
    pub os: String,
    /// The version of the operating system; Windows images need it.
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Features that the operating system must have.
    #[serde(
        rename = "os.features",
        default,
        deserialize_with = "crate::descriptor::texts",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub os_features: Vec<String>,
    /// The variant of the CPU, e.g. `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Fields that this release does not know, as they stood.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Systems that may stand alone.
const SYSTEMS: [&str; 8] =
    ["linux", "windows", "darwin", "macos", "freebsd", "netbsd", "openbsd", "wasip1"];

/// Architectures that may stand alone, as they are spelled when normalized.
const ARCHITECTURES: [&str; 11] = [
    "386", "amd64", "arm", "arm64", "loong64", "mips64le", "ppc64le", "riscv64", "s390x", "mips64",
    "wasm",
];

impl Platform {
    /// A platform of an operating system and an architecture, as given.
    pub fn new(os: impl Into<String>, architecture: impl Into<String>) -> Self {
        Self {
            architecture: architecture.into(),
            os: os.into(),
            os_version: None,
            os_features: Vec::new(),
            variant: None,
            other: Map::new(),
        }
    }

    /// The machine this runs on, for container images: Linux on anything but Windows.
    pub fn host() -> Self {
        let os = if cfg!(windows) { "windows" } else { "linux" };
        let endian = if cfg!(target_endian = "little") { Endian::Little } else { Endian::Big };
        let mut host = Self::new(os, go_arch(std::env::consts::ARCH, endian));
        if host.architecture == "arm" {
            let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
            host.variant = arm_variant(&cpu).map(str::to_owned);
        }
        host.normalized()
    }

    /// Parses `os/arch[/variant][:os.version]` and normalizes it. As in docker, a system alone (`windows`) has the
    /// architecture of this machine, and an architecture alone (`arm64`) has the system of its containers.
    ///
    /// # Errors
    /// `InvalidInput` when it is not of that form.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = || {
            Error::new(ErrorKind::InvalidInput, format!("{text:?} is not a platform"))
                .hint("the form is os[/arch[/variant]][:os.version], as in linux/arm64")
        };
        let (path, version) = match text.split_once(':') {
            Some((path, version)) => (path, Some(version)),
            None => (text, None),
        };
        let parts: Vec<&str> = path.split('/').collect();
        let ok = |part: &&str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        };
        if !(1..=3).contains(&parts.len()) || !parts.iter().all(ok) || version == Some("") {
            return Err(bad());
        }
        let mut platform = match parts[..] {
            [one] => Self::of_one_word(one).ok_or_else(bad)?,
            _ => Self::new(parts[0], parts[1]),
        };
        platform.variant = parts.get(2).map(|v| (*v).to_owned()).or(platform.variant);
        platform.os_version = version.map(str::to_owned);
        Ok(platform.normalized())
    }

    /// A system or an architecture; the rest is of this machine.
    fn of_one_word(word: &str) -> Option<Self> {
        let (word, host) = (word.to_ascii_lowercase(), Self::host());
        if SYSTEMS.contains(&word.as_str()) {
            return Some(Self { os: word, ..host });
        }
        let known = ARCHITECTURES.contains(&normal_cpu(&word, None).0.as_str());
        known.then(|| Self { architecture: word, variant: None, ..host })
    }

    /// With the one spelling that containerd uses: `aarch64` is `arm64`, `x86_64` is `amd64`, `arm` is `arm/v7`,
    /// `arm64/v8` is `arm64`, `amd64/v1` is `amd64`, `macos` is `darwin`.
    #[must_use]
    pub fn normalized(mut self) -> Self {
        self.os = self.os.to_ascii_lowercase();
        if self.os == "macos" {
            "darwin".clone_into(&mut self.os);
        }
        let variant = self.variant.take().map(|v| v.to_ascii_lowercase()).filter(|v| !v.is_empty());
        let (architecture, variant) = normal_cpu(&self.architecture.to_ascii_lowercase(), variant);
        self.architecture = architecture;
        self.variant = variant;
        self
    }

    /// How well an image for `image` fits this machine: 0 is exact, higher is worse, `None` does not run.
    ///
    /// A machine runs the lower variants of its own architecture (`amd64/v3` runs v2 and v1; `arm/v7` v6 and v5;
    /// `arm64` runs `arm/v8` and lower).
    pub fn fit(&self, image: &Self) -> Option<u32> {
        let (machine, image) = (self.clone().normalized(), image.clone().normalized());
        if machine.os != image.os {
            return None;
        }
        if machine.os_version.is_some() && machine.os_version != image.os_version {
            return None;
        }
        let (have, want) = (level(&machine), level(&image));
        if machine.architecture == image.architecture {
            if machine.variant == image.variant {
                return Some(0);
            }
            return have?.checked_sub(want?);
        }
        let arm_on_arm64 = machine.architecture == "arm64" && image.architecture == "arm";
        if arm_on_arm64 { 8_u32.checked_sub(want?).map(|worse| worse + 100) } else { None }
    }

    /// Whether it says nothing, as the platform `unknown/unknown` of attestations does.
    pub fn is_unknown(&self) -> bool {
        let nothing = |s: &str| s.is_empty() || s == "unknown";
        nothing(&self.os) && nothing(&self.architecture)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if let Some(variant) = self.variant.as_deref().filter(|v| !v.is_empty()) {
            write!(f, "/{variant}")?;
        }
        if let Some(version) = &self.os_version {
            write!(f, ":{version}")?;
        }
        Ok(())
    }
}

/// The order of bytes, which is part of some of Go's names.
#[derive(Clone, Copy)]
enum Endian {
    Little,
    Big,
}

/// Go's name of an architecture of Rust.
fn go_arch(rust: &str, endian: Endian) -> &str {
    match (rust, endian) {
        ("x86_64", _) => "amd64",
        ("x86", _) => "386",
        ("aarch64", _) => "arm64",
        ("powerpc64", Endian::Little) => "ppc64le",
        ("powerpc64", Endian::Big) => "ppc64",
        ("powerpc", _) => "ppc",
        ("loongarch64", _) => "loong64",
        ("mips" | "mips32r6", Endian::Little) => "mipsle",
        ("mips" | "mips32r6", Endian::Big) => "mips",
        ("mips64" | "mips64r6", Endian::Little) => "mips64le",
        ("mips64" | "mips64r6", Endian::Big) => "mips64",
        ("riscv32", _) => "riscv",
        ("wasm32" | "wasm64", _) => "wasm",
        // s390x, riscv64, arm, sparc64 are the same.
        (same, _) => same,
    }
}

/// The variant of a 32-bit ARM machine, as Linux tells it in `/proc/cpuinfo`, and as containerd reads it.
fn arm_variant(cpuinfo: &str) -> Option<&'static str> {
    let value = |key: &str| {
        let mut fields = cpuinfo.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim())
    };
    // The first Raspberry Pi says 7 and is a 6.
    if value("model name").is_some_and(|model| model.to_ascii_lowercase().starts_with("armv6")) {
        return Some("v6");
    }
    match value("CPU architecture")?.to_ascii_lowercase().as_str() {
        "8" | "aarch64" => Some("v8"),
        text if text.starts_with('7') => Some("v7"),
        text if text.starts_with('6') => Some("v6"),
        text if text.starts_with('5') => Some("v5"),
        _ => None,
    }
}

fn normal_cpu(architecture: &str, variant: Option<String>) -> (String, Option<String>) {
    let owned = |s: &str| s.to_owned();
    match (architecture, variant.as_deref()) {
        ("i386" | "i686", _) => (owned("386"), None),
        ("x86_64" | "x86-64" | "amd64", None | Some("v1")) => (owned("amd64"), None),
        ("x86_64" | "x86-64" | "amd64", _) => (owned("amd64"), variant),
        ("aarch64" | "arm64", None | Some("8" | "v8" | "v8.0")) => (owned("arm64"), None),
        ("aarch64" | "arm64", _) => (owned("arm64"), variant),
        ("armel", _) => (owned("arm"), Some(owned("v6"))),
        ("armhf", _) | ("arm", None | Some("7")) => (owned("arm"), Some(owned("v7"))),
        ("arm", Some(v @ ("5" | "6" | "8"))) => (owned("arm"), Some(format!("v{v}"))),
        _ => (owned(architecture), variant),
    }
}

/// The variant as a number, where the variants of an architecture are ordered.
fn level(platform: &Platform) -> Option<u32> {
    let number = |v: &str| {
        v.strip_prefix('v').and_then(|n| n.split('.').next()).and_then(|n| n.parse().ok())
    };
    match (platform.architecture.as_str(), platform.variant.as_deref()) {
        ("amd64", None) => Some(1),
        ("arm64", None) => Some(8),
        ("amd64" | "arm" | "arm64", Some(variant)) => number(variant),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(machine: &str, image: &str) -> Option<u32> {
        Platform::parse(machine).unwrap().fit(&Platform::parse(image).unwrap())
    }

    #[test]
    fn normal_forms() {
        for (text, normal) in [
            ("linux/x86_64", "linux/amd64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm64/v8", "linux/arm64"),
            ("Linux/ARM/6", "linux/arm/v6"),
            ("windows/amd64:10.0.17763.1", "windows/amd64:10.0.17763.1"),
        ] {
            let platform = Platform::parse(text).unwrap();
            assert_eq!(platform.to_string(), normal);
            assert_eq!(Platform::parse(normal).unwrap(), platform);
        }
        let host = Platform::host();
        assert_eq!(Platform::parse("Windows").unwrap().os, "windows");
        assert_eq!(Platform::parse("windows").unwrap().architecture, host.architecture);
        assert_eq!(
            Platform::parse("windows:10.0.1").unwrap().os_version.as_deref(),
            Some("10.0.1")
        );
        assert_eq!(Platform::parse("aarch64").unwrap().to_string(), format!("{}/arm64", host.os));
        assert_eq!(Platform::parse("arm").unwrap().to_string(), format!("{}/arm/v7", host.os));
        for bad in
            ["host2", "lin", "linux/", "/amd64", "linux/a/b/c", "", "linux/amd64:", "linux/a b"]
        {
            assert_eq!(Platform::parse(bad).unwrap_err().kind(), ErrorKind::InvalidInput, "{bad}");
        }
    }

    #[test]
    fn machines_have_the_names_that_go_has() {
        for (rust, little, big) in [
            ("x86_64", "amd64", "amd64"),
            ("x86", "386", "386"),
            ("aarch64", "arm64", "arm64"),
            ("arm", "arm", "arm"),
            ("powerpc64", "ppc64le", "ppc64"),
            ("mips", "mipsle", "mips"),
            ("mips64", "mips64le", "mips64"),
            ("loongarch64", "loong64", "loong64"),
            ("s390x", "s390x", "s390x"),
            ("riscv64", "riscv64", "riscv64"),
        ] {
            assert_eq!((go_arch(rust, Endian::Little), go_arch(rust, Endian::Big)), (little, big));
        }
        for (told, variant) in [
            ("processor\t: 0\nmodel name\t: ARMv7 Processor\nCPU architecture: 7\n", Some("v7")),
            ("model name : ARMv6-compatible processor rev 7\nCPU architecture: 7\n", Some("v6")),
            ("CPU architecture: 8\n", Some("v8")),
            ("CPU architecture: 5TEJ\n", Some("v5")),
            ("flags: fpu\n", None),
        ] {
            assert_eq!(arm_variant(told), variant, "{told}");
        }
        assert!(!Platform::host().is_unknown());
    }

    #[test]
    fn a_machine_runs_what_is_lower() {
        assert_eq!(fit("linux/amd64/v3", "linux/amd64/v3"), Some(0));
        assert!(fit("linux/amd64/v3", "linux/amd64/v2") < fit("linux/amd64/v3", "linux/amd64"));
        assert_eq!(fit("linux/amd64", "linux/amd64/v2"), None);
        assert_eq!(fit("linux/arm/v6", "linux/arm/v7"), None);
        assert!(fit("linux/arm64", "linux/arm/v7").is_some());
        assert_eq!(fit("linux/arm64", "linux/amd64"), None);
        assert_eq!(fit("linux/amd64", "windows/amd64"), None);
        assert_eq!(fit("linux/s390x", "linux/s390x"), Some(0));
    }
}
