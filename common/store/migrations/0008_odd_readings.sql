-- Meter readings that were out of line, and what became of them (common/meters.py). meter is a path of the state, like
-- grid.imported_wh; instants whole Unix seconds; before_wh is the reading that was believed then. From now on
-- charge_session.energy_wh is meter_end_wh - meter_start_wh only where the meter began no new count in between: else it
-- is the sum of its segments' differences.
CREATE TABLE IF NOT EXISTS odd_reading (
  meter VARCHAR(64) NOT NULL,
  from_s BIGINT NOT NULL,
  to_s BIGINT NOT NULL,
  before_wh BIGINT NOT NULL,
  first_wh BIGINT NOT NULL,
  last_wh BIGINT NOT NULL,
  outcome VARCHAR(16) NOT NULL,
  PRIMARY KEY (meter, from_s)
) $clustered;

CREATE INDEX IF NOT EXISTS odd_reading_from_s ON odd_reading (from_s);
