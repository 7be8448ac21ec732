//! Interleaved measurement: contenders take turns, so that a machine that slows down slows all of them.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::allocations;

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How often each contender has its turn.
    pub rounds: usize,
    /// How long one turn takes, about.
    pub turn: Duration,
    /// The most live tokens, keys or issuers tried.
    pub most: usize,
}

impl Plan {
    /// For figures that are written down.
    pub const FULL: Plan = Plan { rounds: 31, turn: Duration::from_millis(6), most: 1_000_000 };
    /// For a look while working.
    pub const QUICK: Plan = Plan { rounds: 9, turn: Duration::from_millis(2), most: 100_000 };
}

/// Something to be measured.
pub struct Contender<'a> {
    name: String,
    run: Box<dyn FnMut(u64) + 'a>,
}

impl<'a> Contender<'a> {
    /// Measures one call of `once`.
    pub fn new(name: impl Into<String>, mut once: impl FnMut() + 'a) -> Self {
        let run = move |times| {
            for _ in 0..times {
                once();
            }
        };
        Contender { name: name.into(), run: Box::new(run) }
    }
}

/// What came of it; times in nanoseconds a call.
#[derive(Clone, Debug)]
pub struct Figure {
    pub name: String,
    /// The median over the rounds.
    pub nanos: f64,
    /// The median of what it took longer than the first contender in the same round.
    pub over: f64,
    /// The median of its time divided by the first contender's in the same round.
    pub ratio: f64,
    /// Rust allocations a call.
    pub allocations: f64,
}

/// Measures `contenders`, comparing each with the first.
#[must_use]
pub fn interleave(plan: &Plan, mut contenders: Vec<Contender<'_>>) -> Vec<Figure> {
    let times: Vec<u64> = contenders.iter_mut().map(|contender| calibrate(contender, plan.turn)).collect();
    let allocated: Vec<f64> = contenders.iter_mut().map(count_allocations).collect();
    let mut nanos = vec![Vec::with_capacity(plan.rounds); contenders.len()];
    for round in 0..plan.rounds {
        for turn in 0..contenders.len() {
            let who = (round + turn) % contenders.len(); // nobody is always first
            let start = Instant::now();
            (contenders[who].run)(times[who]);
            nanos[who].push(as_nanos(start.elapsed()) / times[who] as f64);
        }
    }
    let compare = |who: usize, with: fn(f64, f64) -> f64| {
        median(nanos[who].iter().zip(&nanos[0]).map(|(mine, first)| with(*mine, *first)).collect())
    };
    contenders
        .iter()
        .enumerate()
        .map(|(who, contender)| Figure {
            name: contender.name.clone(),
            nanos: median(nanos[who].clone()),
            over: compare(who, |mine, first| mine - first),
            ratio: compare(who, |mine, first| mine / first),
            allocations: allocated[who],
        })
        .collect()
}

/// How many calls fill a turn.
fn calibrate(contender: &mut Contender<'_>, turn: Duration) -> u64 {
    let mut times = 1;
    loop {
        let start = Instant::now();
        (contender.run)(times);
        let taken = start.elapsed();
        if taken * 2 >= turn {
            return (as_nanos(turn) / as_nanos(taken) * times as f64).max(1.0) as u64;
        }
        times *= 2;
    }
}

fn count_allocations(contender: &mut Contender<'_>) -> f64 {
    const CALLS: u64 = 64;
    let before = allocations::calls();
    (contender.run)(CALLS);
    (allocations::calls() - before) as f64 / CALLS as f64
}

/// Nanoseconds a call of `once` on one thread, and on each of two at the same time.
pub fn by_two_threads(plan: &Plan, once: &(impl Fn() + Sync)) -> (f64, f64) {
    let mut alone = Vec::new();
    let mut both = Vec::new();
    for _ in 0..plan.rounds {
        alone.push(nanos_a_call(plan.turn, once, &Barrier::new(1)));
        let barrier = Barrier::new(2);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| nanos_a_call(plan.turn, once, &barrier));
            let mine = nanos_a_call(plan.turn, once, &barrier);
            both.push((mine + other.join().expect("a thread that ends")) / 2.0);
        });
    }
    (median(alone), median(both))
}

fn nanos_a_call(turn: Duration, once: &impl Fn(), together: &Barrier) -> f64 {
    const AT_ONCE: u32 = 100;
    let mut calls = 0;
    together.wait();
    let start = Instant::now();
    while start.elapsed() < turn {
        (0..AT_ONCE).for_each(|_| once());
        calls += AT_ONCE;
    }
    as_nanos(start.elapsed()) / f64::from(calls)
}

/// The middle value.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A duration as nanoseconds.
#[must_use]
pub fn as_nanos(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

/// Numbers that look random and come out the same in every run (xorshift).
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice that begin with `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Dice(seed | 1)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }
}
