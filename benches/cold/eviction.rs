//! Code and data that take the place of others in the processor's first caches.

use std::hint::black_box;

/// More than the first cache of data of common processors, in bytes.
const DATA: usize = 128 << 10;

const CACHE_LINE: usize = 64;

pub(crate) struct Eviction {
    data: Vec<u8>,
}

impl Eviction {
    pub(crate) fn new() -> Self {
        Eviction { data: vec![1; DATA] }
    }

    /// Runs each function and writes each line of the data once.
    pub(crate) fn run(&mut self) {
        let state = black_box(FUNCTIONS).iter().flatten().fold(7, |state, function| function(state));
        for byte in self.data.iter_mut().step_by(CACHE_LINE) {
            *byte = byte.wrapping_add(state);
        }
        black_box(&self.data);
    }
}

/// A function of some 250 bytes, another one for each number.
#[inline(never)]
fn function<const NUMBER: u16>(mut state: u8) -> u8 {
    macro_rules! steps {
        ($($step:literal)*) => { $(state = (state ^ black_box((NUMBER >> 2) as u8 + $step)).rotate_left(3).wrapping_add($step);)* };
    }
    steps!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
    state.wrapping_add(NUMBER as u8)
}

macro_rules! functions {
    ($($row:literal)*) => {
        &[$([
            function::<{ $row * 16 }>,
            function::<{ $row * 16 + 1 }>,
            function::<{ $row * 16 + 2 }>,
            function::<{ $row * 16 + 3 }>,
            function::<{ $row * 16 + 4 }>,
            function::<{ $row * 16 + 5 }>,
            function::<{ $row * 16 + 6 }>,
            function::<{ $row * 16 + 7 }>,
            function::<{ $row * 16 + 8 }>,
            function::<{ $row * 16 + 9 }>,
            function::<{ $row * 16 + 10 }>,
            function::<{ $row * 16 + 11 }>,
            function::<{ $row * 16 + 12 }>,
            function::<{ $row * 16 + 13 }>,
            function::<{ $row * 16 + 14 }>,
            function::<{ $row * 16 + 15 }>,
        ]),*]
    };
}

/// 256 KB, several times the first cache of code.
const FUNCTIONS: &[[fn(u8) -> u8; 16]] = functions!(
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
    32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62
);
