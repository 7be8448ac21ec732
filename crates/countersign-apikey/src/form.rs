//! The text of a key: `prefix_id_secret`, with a checksum at its end.

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use countersign_core::error::Fault;
use countersign_core::integration::sha256;
use countersign_core::secret::Secret;

/// The digits of secrets and checksums.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The characters of ids, which people read aloud.
const ID_DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The length of an id: 80 random bits.
const ID_CHARS: usize = 16;

/// The length of a secret: 43 digits of 62 are more than 256 bits.
const SECRET_CHARS: usize = 43;

/// The length of a checksum: six digits of 62 hold 32 bits.
const CHECKSUM_CHARS: usize = 6;

/// The longest prefix.
const MAX_PREFIX_CHARS: usize = 16;

/// The word before each key, which tells people and scanners whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prefix(String);

impl Prefix {
    /// The length of a key beyond its prefix: two underscores, id, secret and checksum.
    const REST: usize = 2 + ID_CHARS + SECRET_CHARS + CHECKSUM_CHARS;

    pub(crate) fn new(prefix: &str) -> Result<Self, Fault> {
        let is_first = prefix.starts_with(|first: char| first.is_ascii_lowercase());
        let is_word = prefix.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        match is_first && is_word && prefix.len() <= MAX_PREFIX_CHARS {
            true => Ok(Prefix(prefix.to_owned())),
            false => Err(Fault::new("prefix", "not a word for keys; use 1 to 16 of a-z and 0-9, a letter first")),
        }
    }

    /// Returns whether a credential begins as keys of this prefix do, and may only be one of them.
    #[inline]
    pub(crate) fn starts(&self, credential: &str) -> bool {
        let Prefix(prefix) = self;
        credential.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with('_'))
    }

    /// Reads a credential; the reason if it is no key.
    #[inline]
    pub(crate) fn read<'k>(&self, credential: &'k str) -> Result<&'k str, &'static str> {
        let Prefix(prefix) = self;
        if credential.len() != prefix.len() + Self::REST || !credential.is_ascii() || !self.starts(credential) {
            return Err("not an API key of this service: it has another length, or begins otherwise");
        }
        let (text, checksum) = credential.split_at(credential.len() - CHECKSUM_CHARS);
        if Checksum::of(text).0 != *checksum.as_bytes() {
            return Err("the checksum of the API key does not fit: it was mistyped or cut");
        }
        let id = &text[prefix.len() + 1..];
        match id.split_at(ID_CHARS) {
            (id, secret) if secret.starts_with('_') => Ok(id),
            _ => Err("not an API key of this service: its underscores are elsewhere"),
        }
    }

    /// A new key and its id.
    ///
    /// # Errors
    /// The system's generator fails.
    pub(crate) fn generate(&self) -> Result<(Secret<String>, String), Unspecified> {
        let Prefix(prefix) = self;
        let id: String = digits::<ID_CHARS, 32>(ID_DIGITS)?.into_iter().map(char::from).collect();
        let mut key = String::with_capacity(prefix.len() + Self::REST);
        key.push_str(prefix);
        key.push('_');
        key.push_str(&id);
        key.push('_');
        let mut secret = digits::<SECRET_CHARS, 62>(DIGITS)?;
        key.extend(secret.iter().copied().map(char::from));
        zeroize::Zeroize::zeroize(&mut secret);
        let Checksum(checksum) = Checksum::of(&key);
        key.extend(checksum.into_iter().map(char::from));
        Ok((Secret::new(key), id))
    }
}

/// The checksum of a key: the first 32 bits of its SHA-256 in digits of 62, the highest first. It tells a typo and protects
/// nothing.
struct Checksum([u8; CHECKSUM_CHARS]);

impl Checksum {
    fn of(text: &str) -> Self {
        let hash = sha256(text);
        let mut rest = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
        let mut checksum = [0; CHECKSUM_CHARS];
        for place in checksum.iter_mut().rev() {
            *place = DIGITS[(rest % 62) as usize];
            rest /= 62;
        }
        Checksum(checksum)
    }
}

/// `N` random digits, each as likely as any other.
fn digits<const N: usize, const DIGITS: usize>(digits: &[u8; DIGITS]) -> Result<[u8; N], Unspecified> {
    let mut result = [0; N];
    let fair = 256 - 256 % DIGITS; // bytes from here on would favour the first digits
    let mut filled = 0;
    while filled < N {
        let mut random = [0; 64];
        rand::fill(&mut random)?;
        let fair = random.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < fair);
        for (place, byte) in result[filled..].iter_mut().zip(fair) {
            *place = digits[byte % DIGITS];
            filled += 1;
        }
        zeroize::Zeroize::zeroize(&mut random);
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn s13_09_a_key_has_its_id_and_256_bits_of_its_own() {
        let prefix = Prefix::new("shop").expect("a prefix");
        let mut seen = HashSet::new();
        let mut used = HashSet::new();
        for _ in 0..200 {
            let (key, id) = prefix.generate().expect("a key");
            let text = key.expose();
            assert_eq!(prefix.read(text), Ok(&*id));
            let parts: Vec<&str> = text.split('_').collect();
            let [name, own, secret] = parts[..] else { panic!("{} parts", parts.len()) };
            assert_eq!((name, own, secret.len()), ("shop", &*id, SECRET_CHARS + CHECKSUM_CHARS));
            assert!(seen.insert(id) && seen.insert(secret.to_owned()));
            used.extend(secret[..SECRET_CHARS].bytes());
        }
        assert_eq!(used.len(), 62, "all digits occur");
        assert!(62f64.log2() * SECRET_CHARS as f64 >= 256.0);
    }

    #[test]
    fn s13_09_a_typo_is_told_by_the_checksum() {
        let prefix = Prefix::new("shop").expect("a prefix");
        let (key, _) = prefix.generate().expect("a key");
        let text = key.expose();
        for place in 5..text.len() {
            let mut typo = text.clone().into_bytes();
            typo[place] = if typo[place] == b'7' { b'8' } else { b'7' };
            let typo = String::from_utf8(typo).expect("ASCII");
            assert!(prefix.read(&typo).is_err(), "{place}");
        }
        let swapped = [&text[..30], &text[31..32], &text[30..31], &text[32..]].concat();
        assert!(&swapped == text || prefix.read(&swapped).is_err());
        for wrong in ["", "shop", "shop_", &text[..text.len() - 1], &format!("{text}x"), &format!("é{}", &text[2..])] {
            assert!(prefix.read(wrong).is_err(), "{wrong}");
        }
        assert!(Prefix::new("other").expect("a prefix").read(text).is_err());
    }

    #[test]
    fn a_checksum_can_be_computed_by_others() {
        // Python: int.from_bytes(hashlib.sha256(b"shop_0123456789abcdef_a").digest()[:4], "big") in digits of 62
        assert_eq!(&Checksum::of("shop_0123456789abcdef_a").0, b"1ZWElL");
    }

    #[test]
    fn a_prefix_is_a_word_of_lower_case() {
        for good in ["a", "shop", "shop2", "abcdefghijklmnop"] {
            assert!(Prefix::new(good).is_ok(), "{good}");
        }
        for bad in ["", "2shop", "Shop", "shop_", "a-b", "é", "abcdefghijklmnopq"] {
            assert!(Prefix::new(bad).is_err(), "{bad}");
        }
    }
}
