//! A simulated month of 1,000 countries of torrents with a daily rhythm and correlated noise.

use std::f64::consts::TAU;

use super::super::{Cliffs, LIST, RunningMinute, SourceLists};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

const GROUPS: u32 = 100;
const MEMBERS: u32 = 10;
const HOURS: u32 = 30 * 24;
/// Minutes between two samples.
const STEP: u8 = 15;

/// A country of a swarm: Poisson noise around a daily rhythm and a slow random walk.
struct Country {
    mean: f64,
    rhythm: f64,
    phase: f64,
    drift: f64,
}

impl Country {
    fn random(rng: &mut SmallRng) -> Self {
        Self {
            mean: 30.0 * 40f64.powf(rng.random::<f64>()),
            rhythm: rng.random_range(0.0..0.5),
            phase: rng.random_range(0.0..TAU),
            drift: 0.0,
        }
    }

    fn peers(&mut self, rng: &mut SmallRng, at: RunningMinute) -> u32 {
        // Mean-reverting noise of the logarithm: its standard deviation is 12 %.
        self.drift = self.drift * 0.98 + 0.024 * normal(rng);
        let time = f64::from(at.hour) + f64::from(at.minute) / 60.0;
        let wave = 1.0 + self.rhythm * (time / 24.0 * TAU + self.phase).sin();
        let mean = self.mean * wave * self.drift.exp();
        (mean + mean.sqrt() * normal(rng)).max(0.0) as u32
    }
}

/// Returns a number of the standard normal distribution (Box and Muller).
pub(super) fn normal(rng: &mut SmallRng) -> f64 {
    let (a, b): (f64, f64) = (rng.random_range(1e-9..1.0), rng.random());
    (-2.0 * a.ln()).sqrt() * (b * TAU).cos()
}

#[test]
fn in_a_month_of_1000_countries_without_a_fall_none_is_reported() {
    let rng = &mut SmallRng::seed_from_u64(2021);
    let mut cliffs = Cliffs::default();
    let mut countries: Vec<Country> = (0..GROUPS * MEMBERS)
        .map(|_| Country::random(rng))
        .collect();
    let sources = SourceLists {
        lists: &[(0, LIST), (1, LIST), (2, LIST)],
        tolerance: LIST / 10,
    };
    let mut reported = 0;
    for hour in 1..=HOURS {
        for minute in (0..60).step_by(STEP.into()) {
            let at = RunningMinute { hour, minute };
            let groups = (0..GROUPS).zip(countries.chunks_mut(MEMBERS as usize));
            for (group, members) in groups {
                let peers: Vec<(u32, u32)> = (0..)
                    .zip(members)
                    .map(|(key, country)| (key, country.peers(rng, at)))
                    .collect();
                cliffs.sample(group, at, sources, 0, peers.into_iter());
                reported += cliffs.of(&group).count();
            }
        }
    }
    println!(
        "{reported} reports in {} series-days",
        GROUPS * MEMBERS * 30
    );
    assert_eq!(reported, 0);
}
