//! Counts in 12 bits: exact below 512, and with an error below one 256th above.
//!
//! A count of 512 or more is kept as its nine leading bits and its length, rounded down. The order
//! of codes is the order of counts.

/// The code of a count that is not known.
pub(super) const UNKNOWN: u16 = 0xfff;

/// The bits of a code.
pub(super) const BITS: u32 = 12;

/// Counts below it stand for themselves.
const EXACT: u32 = 512;

/// Codes per length of a count.
const STEPS: u32 = EXACT / 2;

/// Returns the code of a count. Counts above 8,355,840 have the same code.
pub(super) fn encode(count: Option<u32>) -> u16 {
    match count {
        None => UNKNOWN,
        Some(count) if count < EXACT => count as u16,
        Some(count) => {
            let shift = count.ilog2() - STEPS.ilog2();
            let code = EXACT + (shift - 1) * STEPS + (count >> shift) - STEPS;
            code.min(u32::from(UNKNOWN) - 1) as u16
        }
    }
}

/// Returns the largest count that is not above those of a code.
pub(super) fn decode(code: u16) -> Option<u32> {
    let code = u32::from(code);
    match code.checked_sub(EXACT) {
        None => Some(code),
        Some(_) if code >= u32::from(UNKNOWN) => None,
        Some(above) => Some((above % STEPS + STEPS) << (above / STEPS + 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn codes_are_those_of_their_counts() {
        for code in 0..UNKNOWN {
            assert_eq!(encode(decode(code)), code);
        }
        assert_eq!((encode(None), decode(UNKNOWN)), (UNKNOWN, None));
        assert_eq!(decode(encode(Some(u32::MAX))), Some(8_355_840));
        assert_eq!(decode(u16::MAX), None);
    }

    proptest! {
        #[test]
        fn counts_are_rounded_down_by_less_than_a_256th(count in 0..8_355_840_u32) {
            let shown = decode(encode(Some(count))).unwrap();
            prop_assert!(shown <= count);
            prop_assert!(u64::from(count - shown) * 256 < u64::from(count).max(1));
            prop_assert!(count >= EXACT || shown == count);
        }

        #[test]
        fn larger_counts_have_no_smaller_codes(a: u32, b: u32) {
            let (a, b) = (a.min(b), a.max(b));
            prop_assert!(encode(Some(a)) <= encode(Some(b)));
        }
    }
}
