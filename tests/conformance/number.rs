//! Large numbers as octets, the greatest first: just enough to make signatures that are wrong in one respect.

pub type Number = Vec<u8>;

pub fn from_hex(text: &str) -> Number {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
}

/// `a + b`, of as many octets as `a` has; for sums that fit.
pub fn sum(a: &[u8], b: &[u8]) -> Number {
    let mut result = a.to_vec();
    let mut carry = 0_u16;
    for (index, octet) in result.iter_mut().rev().enumerate() {
        let other = b.len().checked_sub(index + 1).map_or(0, |at| b[at]);
        let total = u16::from(*octet) + u16::from(other) + carry;
        [_, *octet] = total.to_be_bytes();
        carry = total >> 8;
    }
    assert_eq!(carry, 0, "the sum does not fit");
    result
}

/// `a - b` where b is the lesser, of as many octets as `a` has.
pub fn difference(a: &[u8], b: &[u8]) -> Number {
    let mut result = a.to_vec();
    let mut borrow = 0_i16;
    for (index, octet) in result.iter_mut().rev().enumerate() {
        let other = b.len().checked_sub(index + 1).map_or(0, |at| b[at]);
        let rest = i16::from(*octet) - i16::from(other) - borrow;
        borrow = i16::from(rest < 0);
        *octet = u8::try_from(rest.rem_euclid(256)).expect("below 256");
    }
    assert_eq!(borrow, 0, "b is the greater");
    result
}

/// Two numbers as a DER sequence of integers, as X.509 writes a signature.
pub fn der_pair(first: &[u8], second: &[u8]) -> Vec<u8> {
    let element = |tag: u8, content: &[u8]| {
        let length = u8::try_from(content.len()).expect("short");
        let length = if length < 128 { vec![length] } else { vec![0x81, length] };
        [&[tag][..], &length, content].concat()
    };
    let integer = |number: &[u8]| {
        let start = number.iter().position(|octet| *octet != 0).unwrap_or(number.len() - 1);
        let sign: &[u8] = if number[start] >= 0x80 { &[0] } else { &[] };
        element(0x02, &[sign, &number[start..]].concat())
    };
    element(0x30, &[integer(first), integer(second)].concat())
}

#[test]
fn sums_and_differences_carry() {
    assert_eq!(sum(&[0, 255, 255], &[1]), [1, 0, 0]);
    assert_eq!(difference(&[1, 0, 0], &[1]), [0, 255, 255]);
    assert_eq!(der_pair(&[0, 0x80], &[1]), [0x30, 7, 2, 2, 0, 0x80, 2, 1, 1]);
}
