//! When the leases of copies that were killed end.

use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::proxy::{EXPIRE, Proxy};
use super::sample::Sample;
use super::server::Running;

const HOUR: u64 = 3600;

/// Leases, and when they end. It is after a day, as with containerd's own client.
pub(crate) fn of(running: &Running) -> Vec<(String, u64)> {
    let (listed, day) = (listed(running), now() + 23 * HOUR..now() + 25 * HOUR);
    for (id, ends) in &listed {
        assert!(day.contains(ends), "{id} ends at {ends}, and {day:?} is a day ahead");
    }
    listed
}

fn listed(running: &Running) -> Vec<(String, u64)> {
    let said = running.ctr_ok("default", &["leases", "ls"]);
    let ends = |labels: &str| {
        let label =
            labels.split(',').find_map(|label| label.strip_prefix(EXPIRE)?.strip_prefix('='));
        date(&["-d", label.unwrap_or_else(|| panic!("it never ends: {said}")), "+%s"])
    };
    let lease = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        (words[0].to_owned(), ends(words[2]).parse().unwrap())
    };
    said.lines().skip(1).map(lease).collect()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A time, as the system's own command reads and writes it.
fn date(args: &[&str]) -> String {
    let output = Command::new("date").arg("-u").args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_copy_has_left_goes_when_its_lease_expires() {
    // On a slow machine the first may expire before it was looked at.
    for seconds in [10, 20, 40, 80] {
        let Some(running) = Running::start("day") else { return };
        if expires_after(&running, seconds).await {
            return;
        }
    }
    panic!("too slow to see it kept");
}

/// Whether there was time to see it kept.
async fn expires_after(running: &Running, seconds: u64) -> bool {
    Sample::new(&["a"], 5000).write(&running.store(), "x:1").await.unwrap();
    let mut kept = running.content("default");
    kept.sort();
    // It has written a layer, and dies in the next one. Everything of its lease is as always but the day.
    let killed = Proxy::that_ends_after(running, 3 << 20);
    let ends = now() + seconds;
    killed.let_leases_end(date(&["-d", &format!("@{ends}"), "+%Y-%m-%dT%H:%M:%SZ"]));
    let image = Sample::new(&["b", "c"], 2 << 20);
    image.write(&killed.store(), "x:1").await.unwrap_err();
    let leases = listed(running);
    running.collect("default");
    let (content, is_tidy) = (running.content("default"), running.is_tidy("default"));
    if now() >= ends {
        return false;
    }
    let [(lease, at)] = &leases[..] else { panic!("{leases:?}") };
    assert!(lease.starts_with("transship-") && *at == ends, "{lease} {at}");
    assert_eq!(content.len(), kept.len() + 1, "the layer is kept");
    assert!(!is_tidy);
    tokio::time::sleep(Duration::from_secs(ends + 1 - now())).await;
    // Nobody deletes it: containerd collects as it does with any image that goes.
    running.collect("default");
    assert_eq!(running.content("default"), kept);
    assert!(running.is_tidy("default"));
    true
}
