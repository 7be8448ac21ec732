//! `kill -9` during rotations and writes: every acknowledged change survives, and every revocation stays.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use countersign_issuer::FileStore;

use crate::store::{TempPath, is_active, issuer, mint};

/// The environment variable with the path of the file, for the killed process.
const FILE: &str = "COUNTERSIGN_CRASH_FILE";

/// The killed process. It prints each acknowledged change, and each key before it is dropped.
#[test]
#[ignore = "run by the test below, in a process of its own"]
fn the_killed_process() {
    let Some(file) = std::env::var_os(FILE) else { return };
    let (issuer, _) = issuer(Arc::new(FileStore::open(Path::new(&file)).expect("a store")), |builder| builder);
    loop {
        while issuer.keys().len() > 6 {
            let oldest = issuer.keys().pop().expect("one").key_id;
            println!("\ndropping {oldest}");
            issuer.revoke_key(&oldest).expect("dropped");
            println!("dropped {oldest}");
        }
        println!("\nkey {}", issuer.rotate_now().expect("a key").key_id);
        println!("key {}", issuer.rotate().expect("a key").key_id);
        let token = mint(&issuer);
        issuer.revoke_token(token.token_id(), token.expires_at()).expect("revoked");
        println!("revoked {}", token.as_str());
        println!("good {}", mint(&issuer).as_str());
    }
}

#[derive(Default)]
struct Acknowledged {
    keys: BTreeSet<String>,
    /// Being dropped; may be gone without an acknowledgement.
    dropping: BTreeSet<String>,
    dropped: BTreeSet<String>,
    revoked: Vec<String>,
    good: Vec<String>,
}

impl Acknowledged {
    fn take(&mut self, line: &str) {
        let Some((what, name)) = line.trim().split_once(' ') else { return };
        let name = name.to_owned();
        match what {
            "key" => drop(self.keys.insert(name)),
            "dropping" => drop(self.dropping.insert(name)),
            "dropped" => drop(self.dropped.insert(name)),
            "revoked" => self.revoked.push(name),
            "good" => self.good.push(name),
            _ => {}
        }
    }
}

#[tokio::test]
async fn s8_15_kills_lose_nothing_that_was_acknowledged() {
    let kills = countersign_tests::repeats(10, 200);
    let path = TempPath::new("crash");
    let mut all = Acknowledged::default();
    let mut writes = 0;
    for round in 0..kills {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["crash::the_killed_process", "--exact", "--ignored", "--nocapture"])
            .env(FILE, &path.0)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        // More writes in each round than in the last, so that every kind of write is interrupted.
        let limit = writes + 1 + round % 7;
        while writes < limit {
            let line = lines.next().unwrap_or_else(|| panic!("round {round}: it ended without a kill")).expect("text");
            writes += usize::from(line.contains("key ") || line.contains("revoked ") || line.contains("dropped "));
            all.take(&line);
        }
        child.kill().expect("SIGKILL"); // during the next write, or just before or after it
        lines.map_while(Result::ok).for_each(|line| all.take(&line));
        child.wait().expect("ended");

        let store = Arc::new(FileStore::open(&path.0).expect("the file is whole"));
        let (issuer, credentials) = issuer(store, |builder| builder);
        let keys: BTreeSet<String> = issuer.keys().into_iter().map(|key| key.key_id).collect();
        for key in all.keys.difference(&all.dropping) {
            assert!(keys.contains(key), "round {round}: an acknowledged key is lost");
        }
        assert!(all.dropped.is_disjoint(&keys), "round {round}: a dropped key is back");
        for token in all.revoked.iter().rev().take(16) {
            assert!(!is_active(&issuer, &credentials, token).await, "round {round}: a revocation is lost");
        }
        if let Some(token) = all.good.last() {
            let has_its_key = keys.contains(&key_of(token));
            assert_eq!(is_active(&issuer, &credentials, token).await, has_its_key, "round {round}");
        }
    }
    let store = Arc::new(FileStore::open(&path.0).expect("the file is whole"));
    let (issuer, credentials) = issuer(store, |builder| builder);
    for token in &all.revoked {
        assert!(!is_active(&issuer, &credentials, token).await);
    }
    println!("{} keys, {} dropped, {} revocations", all.keys.len(), all.dropped.len(), all.revoked.len());
    assert!(all.keys.len() > kills / 2 && all.dropped.len() > kills / 4 && all.revoked.len() > kills / 4);
}

fn key_of(token: &str) -> String {
    crate::service::segment(token, 0)["kid"].as_str().expect("a kid").to_owned()
}
