//! Codes of countries.

use std::fmt;

/// A country by its code of ISO 3166-1 alpha-2, or `unknown`: one of 251 values whatever a database
/// says. Displays as `DE` or `unknown`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

/// All assigned codes in their order, and XK, which ISO leaves to its users and databases use for
/// Kosovo. The codes for continents and for what is no country (`EU`, `AP`, `ZZ`) are not among them.
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
    /// No country, or none that we know. Greater than every other, so that it comes last.
    pub const UNKNOWN: Self = Self(*b"ZZ");

    /// The country of a code in upper case; what is no code is unknown.
    pub fn of(code: [u8; 2]) -> Self {
        let (codes, _) = CODES.as_chunks::<2>();
        match codes.binary_search(&code) {
            Ok(_) => Self(code),
            Err(_) => Self::UNKNOWN,
        }
    }

    /// The same for text, in any case.
    pub fn parse(code: &str) -> Self {
        match code.as_bytes() {
            &[a, b] => Self::of([a.to_ascii_uppercase(), b.to_ascii_uppercase()]),
            _ => Self::UNKNOWN,
        }
    }

    /// The code, for keeping; [`of`](Self::of) reads it again.
    pub const fn code(self) -> [u8; 2] {
        self.0
    }

    /// As in labels of metrics.
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
        // 249 of ISO's, and XK.
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
    fn what_is_no_country_is_unknown() {
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
