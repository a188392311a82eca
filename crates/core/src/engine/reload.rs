//! Applies configurations, and other torrents of the same one.

use super::{Engine, Settings, geo_row, swarm_config};
use crate::snapshot::ConfigRow;
use seedwatch_clock::Now;
use seedwatch_torrent::address::Accept;

impl Engine {
    /// Applies a new configuration. What did not change keeps its state and its due time.
    pub fn reload(&mut self, settings: &Settings, now: Now) {
        self.update(settings, now);
        self.config.last_reload_successful = true;
        self.config.last_reload_success = now.unix;
    }

    /// Applies other torrents of the same configuration, as [`Engine::reload`] does: entries of
    /// its lists came and went. The last reload stays the one of the configuration.
    pub fn update(&mut self, settings: &Settings, now: Now) {
        self.swarms.flush(&self.roster);
        let schedule = &self.schedule;
        let changes = self
            .roster
            .update(&settings.torrents, |id| schedule.is_busy(id));
        let politeness = settings.politeness.clone();
        self.schedule
            .update(politeness, &self.roster, &changes, now.mono);
        self.swarms
            .update(swarm_config(settings), &self.roster, &changes, now);
        for (tracker, family) in self.schedule.closed() {
            self.swarms.mark_closed(tracker, family, now.mono);
        }
        self.trust_local = settings.accept == Accept::Any;
        self.roster.plan_lookups(settings.dht.enabled);
        let round = settings.dht.round(self.roster.dht_hashes().len());
        self.swarms
            .update_lookups(settings.stale_after.max(round * 3 / 2), &self.roster);
        self.dht.configure(&settings.dht, self.trust_local);
        self.canaries
            .configure(&settings.canaries, &self.roster, self.trust_local);
        self.config = ConfigRow {
            per_tracker: settings.per_tracker,
            countries: settings.countries,
            country_limit: settings.country_limit,
            ..self.config
        };
        let geo = geo_row(settings);
        if geo.built != self.geo.built {
            self.cliffs.mark_changed(self.swarms.running_time(now));
        }
        self.geo = geo;
        self.cliffs.forget_rows();
    }

    /// Notes that a reload failed. The configuration stays as it was.
    pub fn reload_failed(&mut self) {
        self.config.last_reload_successful = false;
    }
}
