//! Country codes.

use std::fmt;

/// A country by its ISO 3166-1 alpha-2 code, or `unknown`. There are 251 values, whatever a
/// database contains. Displays as `DE` or `unknown`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

/// All assigned codes in ascending order, and XK, a user-assigned code that databases use for
/// Kosovo. Codes of continents and of no country (`EU`, `AP`, `ZZ`) are not included.
const CODES: &[u8] = b"ADAEAFAGAIALAMAOAQARASATAUAWAXAZ\
    BABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZ\
    CACCCDCFCGCHCICKCLCMCNCOCRCUCVCWCXCYCZ\
    DEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFR\
    GAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGY\
    HKHMHNHRHTHUIDIEILIMINIOIQIRISITJEJMJOJP\
    KEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLY\
    MAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZ\
    NANCNENFNGNINLNONPNRNUNZOMPAPEPFPGPHPKPLPMPNPRPSPTPWPYQA\
    RERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZ\
    TCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZUAUGUMUSUYUZ\
    VAVCVEVGVIVNVUWFWSXKYEYTZAZMZW";

impl Country {
    /// No known country. It is greater than every other value, so that it sorts last.
    pub const UNKNOWN: Self = Self(*b"ZZ");

    /// Returns the country of a code in upper case; [`Country::UNKNOWN`] for other codes.
    pub fn of(code: [u8; 2]) -> Self {
        let (codes, _) = CODES.as_chunks::<2>();
        match codes.binary_search(&code) {
            Ok(_) => Self(code),
            Err(_) => Self::UNKNOWN,
        }
    }

    /// Returns the country of a code in any case.
    pub fn parse(code: &str) -> Self {
        match code.as_bytes() {
            &[a, b] => Self::of([a.to_ascii_uppercase(), b.to_ascii_uppercase()]),
            _ => Self::UNKNOWN,
        }
    }

    /// Returns the code, which [`of`](Self::of) converts back.
    pub const fn code(self) -> [u8; 2] {
        self.0
    }

    /// Returns the value of the `country` label.
    pub fn as_str(&self) -> &str {
        match str::from_utf8(&self.0) {
            Ok(code) if *self != Self::UNKNOWN => code,
            _ => "unknown",
        }
    }
}

impl Default for Country {
    fn default() -> Self {
        Self::UNKNOWN
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_complete() {
        let (codes, rest) = CODES.as_chunks::<2>();
        assert!(rest.is_empty());
        assert!(codes.is_sorted_by(|a, b| a < b));
        assert!(CODES.iter().all(u8::is_ascii_uppercase));
        // 249 ISO codes, and XK.
        assert_eq!(codes.len(), 250);
    }

    #[test]
    fn codes_are_read_in_any_case() {
        for code in ["DE", "de", "De"] {
            assert_eq!(Country::parse(code).as_str(), "DE");
        }
        assert_eq!(format!("{:>3}", Country::parse("XK")), " XK");
        assert_eq!(Country::of(Country::parse("us").code()).as_str(), "US");
    }

    #[test]
    fn other_codes_are_unknown() {
        for code in [
            "", "D", "DEU", "ZZ", "EU", "AP", "A1", "??", "é", "--", "T1", "XX", "UK", "SU", "AN",
        ] {
            assert_eq!(Country::parse(code), Country::UNKNOWN, "{code}");
        }
        assert_eq!(Country::UNKNOWN.to_string(), "unknown");
        assert_eq!(Country::default(), Country::UNKNOWN);
        assert_eq!(Country::of(Country::UNKNOWN.code()), Country::UNKNOWN);
        assert!(Country::parse("ZW") < Country::UNKNOWN);
    }
}
