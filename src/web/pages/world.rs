//! Names and shapes of countries. `src/web/world/refresh` makes them from public data.

use std::sync::LazyLock;

use seedwatch_core::snapshot::Country;

/// The size of the picture that the shapes fit into.
pub(super) const VIEW_BOX: &str = "0 0 900 389";

/// A country of the map.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) country: Country,
    pub(super) name: &'static str,
    /// An SVG path; empty if the country is too small, or part of another one.
    pub(super) path: &'static str,
}

impl Shape {
    /// Returns whether the country is drawn as a dot, because its shape would not be seen.
    pub(super) fn is_dot(&self) -> bool {
        self.path.contains('a')
    }
}

/// All countries, in the order of their codes.
static SHAPES: LazyLock<Vec<Shape>> = LazyLock::new(|| {
    let lines = include_str!("../world/countries.tsv").lines();
    let shape = |line: &'static str| {
        let (code, rest) = line.split_once('\t')?;
        let (name, path) = rest.split_once('\t')?;
        Some(Shape {
            country: Country::parse(code),
            name,
            path,
        })
    };
    lines.filter_map(shape).collect()
});

/// Returns all countries, in the order of their codes.
pub(super) fn shapes() -> &'static [Shape] {
    &SHAPES
}

/// Returns the name of a country.
pub(super) fn name(country: Country) -> &'static str {
    let found = SHAPES.binary_search_by(|shape| shape.country.cmp(&country));
    let shape = found.ok().and_then(|index| SHAPES.get(index));
    shape.map_or("unknown country", |shape| shape.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_country_has_a_name_and_most_have_a_shape() {
        assert_eq!(SHAPES.len(), 250);
        assert!(SHAPES.is_sorted_by_key(|shape| shape.country));
        for shape in shapes() {
            assert_ne!(shape.country, Country::UNKNOWN, "{}", shape.name);
            assert!(!shape.name.is_empty());
            let allowed = |c: char| c.is_ascii_digit() || "Mmlza -".contains(c);
            assert!(shape.path.chars().all(allowed), "{}", shape.name);
        }
        let drawn = shapes().iter().filter(|shape| !shape.path.is_empty());
        assert!(drawn.count() > 230);
        assert_eq!(name(Country::parse("DE")), "Germany");
        assert_eq!(name(Country::UNKNOWN), "unknown country");
    }
}
