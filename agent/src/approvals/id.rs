//! Ids that people read out and type.

use ring::rand::{SecureRandom, SystemRandom};

/// Digits and letters without those that look or sound alike (0 o, 1 i l, u v). There are 30.
const ALPHABET: &[u8; 30] = b"23456789abcdefghjkmnpqrstvwxyz";

/// How many of them an id has: 24 million ids.
const LENGTH: usize = 5;

/// What the ids of one session's holds begin with, such as `h-7k3f9`, or `None` where the system has no random
/// numbers. Not a secret, and not certain to be new.
pub fn session_id() -> Option<String> {
    let random = SystemRandom::new();
    let mut id = String::from("h-");
    while id.len() < 2 + LENGTH {
        let mut byte = [0; 1];
        random.fill(&mut byte).ok()?;
        // 240 is the greatest multiple of 30 in a byte: above it some letters would be likelier.
        if byte[0] < 240 {
            id.push(char::from(*ALPHABET.get(usize::from(byte[0]) % ALPHABET.len())?));
        }
    }
    Some(id)
}
