//! The verifiers of all processes, and what they depend on.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command as Program, Stdio};
use std::time::Duration;

use countersign::secret::Secret;
use countersign_benches::sample::ISSUER;
use countersign_core::revocation::RevocationNotice;
use countersign_core::status::StatusList;
use countersign_redis::{RedisSettings, RevocationPublisher, RevocationStream};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::durable::Durable;
use crate::host::Host;
use crate::member::Settings;
use crate::plane::Plane;
use crate::redis::Redis;
use crate::verifiers::{Answer, Command, VERIFIERS};
use crate::world::{LISTED, World, micros, now};
use crate::{Result, usage};

/// The processes of a fleet.
const PROCESSES: usize = 4;

/// The longest wait for anything.
pub(crate) const LONGEST: Duration = Duration::from_secs(600);

/// Tokens have numbers from here on; those below are revoked before the fleet starts.
pub(crate) const FIRST_TOKEN: usize = 10_000_000;

pub(crate) struct Fleet {
    pub(crate) world: World,
    pub(crate) host: Host,
    pub(crate) plane: Plane,
    pub(crate) redis: Redis,
    pub(crate) size: usize,
    pub(crate) revision: u64,
    processes: Vec<Process>,
    durable: Durable,
    statuses: StatusList,
    next_token: usize,
    _publisher: RevocationPublisher,
    _runtime: Runtime,
}

struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Fleet {
    /// Starts a fleet, with so many revoked identifiers in the durable list.
    pub(crate) fn start(size: usize, interval: Duration, identifiers: usize) -> Result<Self> {
        let (world, host, plane, redis) = (World::new()?, Host::start()?, Plane::start()?, Redis::start()?);
        let (durable, statuses) = (Durable::default(), StatusList::new(1, LISTED)?);
        durable.add((0..identifiers).map(notice));
        host.bundle.publish(world.bundle(1)?);
        host.list.publish(world.status_list(&statuses, &host.list_uri())?);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("fleet-publisher")
            .enable_all()
            .build()?;
        let settings = RedisSettings::new(Secret::from(redis.url()));
        let publisher = {
            let _within = runtime.enter();
            RevocationStream::connect_in_background(settings, ISSUER)?.publish(durable.clone())?
        };
        let jwks = |jwk: Option<serde_json::Value>| json!({ "keys": [jwk] }).to_string();
        let settings = Settings {
            bundle_url: host.bundle_url(),
            list_uri: host.list_uri(),
            plane: plane.url().to_owned(),
            redis: redis.url(),
            bundle_keys: jwks(world.bundles.public_jwk()),
            token_keys: jwks(world.tokens.public_jwk()),
            interval,
        };
        let mut fleet = Fleet {
            world,
            host,
            plane,
            redis,
            size,
            revision: 1,
            processes: Vec::new(),
            durable,
            statuses,
            next_token: FIRST_TOKEN,
            _publisher: publisher,
            _runtime: runtime,
        };
        for number in 0..PROCESSES.min(size) {
            fleet.processes.push(Process::start()?);
            let count = size / PROCESSES.min(size) + usize::from(number < size % PROCESSES.min(size));
            fleet.processes[number].send(&Command::Start(count, settings.clone()))?;
        }
        fleet.receive()?;
        Ok(fleet)
    }

    /// Sends a command to all processes, does something, and returns what the verifiers answer.
    pub(crate) fn ask(&mut self, command: &Command, then: impl FnOnce(&mut Self) -> Result<()>) -> Result<Vec<Answer>> {
        for process in &mut self.processes {
            process.send(command)?;
        }
        if matches!(command, Command::Revision(..) | Command::Status(..)) {
            std::thread::sleep(Duration::from_millis(100)); // they look from now on
        }
        then(self)?;
        self.receive()
    }

    /// As [`Self::ask`], for the moments of all verifiers.
    ///
    /// # Errors
    /// If it is not so for one of them.
    pub(crate) fn moments(
        &mut self,
        command: &Command,
        then: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<Vec<u64>> {
        let values: Vec<u64> = self.ask(command, then)?.into_iter().flat_map(|answer| answer.values).collect();
        let missing = values.iter().filter(|value| **value == 0).count();
        if missing > 0 || values.len() != self.size {
            return Err(format!("{missing} of {} verifiers never came so far: {command:?}", self.size).into());
        }
        Ok(values)
    }

    /// Publishes the next revision; returns when.
    pub(crate) fn publish_revision(&mut self) -> Result<u64> {
        self.revision += 1;
        let bundle = self.world.bundle(self.revision)?;
        let at = micros();
        self.host.bundle.publish(bundle);
        Ok(at)
    }

    /// A token that nobody has seen, and its number.
    pub(crate) fn token(&mut self) -> (String, usize) {
        self.next_token += 1;
        (self.world.token(self.next_token), self.next_token)
    }

    /// Revokes the token of this number; returns when.
    pub(crate) fn revoke(&self, number: usize) -> u64 {
        let at = micros();
        self.durable.add([notice(number)]);
        at
    }

    /// Sets the bit of an index and publishes the status list; returns when.
    pub(crate) fn publish_status(&mut self, index: u64) -> Result<u64> {
        if !self.statuses.set(index, 1) {
            return Err("the index is not in the list".into());
        }
        let list = self.world.status_list(&self.statuses, &self.host.list_uri())?;
        let at = micros();
        self.host.list.publish(list);
        Ok(at)
    }

    /// Seconds that the processes of the verifiers have used the processors, and their resident bytes.
    pub(crate) fn verifiers_usage(&self) -> (f64, f64) {
        let ids = || self.processes.iter().map(|process| process.child.id());
        (ids().map(usage::busy_of_process).sum(), ids().map(usage::resident).sum())
    }

    fn receive(&mut self) -> Result<Vec<Answer>> {
        self.processes.iter_mut().map(Process::receive).collect()
    }
}

impl Process {
    fn start() -> Result<Self> {
        let mut child = Program::new(std::env::current_exe()?)
            .arg(VERIFIERS)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (input, output) = child.stdin.take().zip(child.stdout.take()).ok_or("no pipes")?;
        Ok(Process { child, input, output: BufReader::new(output) })
    }

    fn send(&mut self, command: &Command) -> Result<()> {
        writeln!(self.input, "{}", serde_json::to_string(command)?)?;
        Ok(())
    }

    fn receive(&mut self) -> Result<Answer> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let answer: Answer = serde_json::from_str(&line).map_err(|error| format!("a process ended: {error}"))?;
        match answer.error {
            Some(error) => Err(error.into()),
            None => Ok(answer),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The revocation of the token of this number.
fn notice(number: usize) -> RevocationNotice {
    let in_a_day = now().saturating_add(Duration::from_secs(86_400));
    RevocationNotice::token(ISSUER, &crate::world::token_id(number), in_a_day).expect("a sound name")
}
