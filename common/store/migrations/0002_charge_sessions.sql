-- One row for each time that a car was plugged in. Energy Wh, SoC percent, cost in thousandths of a cent, instants whole
-- Unix seconds; NULL is unknown, ended_at NULL a session that runs. energy_wh is always meter_end_wh - meter_start_wh: a
-- meter that was reset or swapped ends a session and begins another. user_name and tag are who charged then, and stay.
CREATE TABLE IF NOT EXISTS charge_session (
  id $auto_id,
  charge_point VARCHAR(16) NOT NULL,
  started_at BIGINT NOT NULL,
  ended_at BIGINT,
  charging_s BIGINT NOT NULL,
  first_charged_at BIGINT,
  last_charged_at BIGINT,
  meter_start_wh BIGINT,
  meter_end_wh BIGINT,
  energy_wh BIGINT,
  grid_wh BIGINT,
  pv_wh BIGINT,
  battery_wh BIGINT,
  sources_method VARCHAR(16),
  cost_millicents BIGINT,
  cost_method VARCHAR(16),
  soc_start_percent BIGINT,
  soc_end_percent BIGINT,
  mode VARCHAR(16),
  vehicle VARCHAR(64),
  tag VARCHAR(64),
  user_name VARCHAR(64),
  origin VARCHAR(16) NOT NULL,
  UNIQUE (charge_point, started_at)
) $plain;

CREATE INDEX IF NOT EXISTS charge_session_started_at ON charge_session (started_at, id);

-- Stretches of a session in which the mode stayed and current flowed, or did not. Their energies add up to the session's.
CREATE TABLE IF NOT EXISTS charge_segment (
  session_id BIGINT NOT NULL,
  started_at BIGINT NOT NULL,
  ended_at BIGINT,
  is_charging BOOLEAN NOT NULL,
  mode VARCHAR(16),
  meter_start_wh BIGINT,
  meter_end_wh BIGINT,
  grid_wh BIGINT,
  pv_wh BIGINT,
  battery_wh BIGINT,
  cost_millicents BIGINT,
  PRIMARY KEY (session_id, started_at)
) $clustered;

-- What an admin changed of a session, and what stood there before: the session's row has the new value. Values are JSON.
CREATE TABLE IF NOT EXISTS session_correction (
  id $auto_id,
  session_id BIGINT NOT NULL,
  corrected_at BIGINT NOT NULL,
  corrected_by VARCHAR(64) NOT NULL,
  field VARCHAR(32) NOT NULL,
  old_value VARCHAR(255) NOT NULL,
  new_value VARCHAR(255) NOT NULL,
  reason VARCHAR(255) NOT NULL
) $plain;

CREATE INDEX IF NOT EXISTS session_correction_session ON session_correction (session_id, id);

-- The wallbox's own log as it was read, for comparing. session_id is the session it belongs to, NULL while there is none.
CREATE TABLE IF NOT EXISTS wallbox_log_entry (
  charge_point VARCHAR(16) NOT NULL,
  started_at BIGINT NOT NULL,
  ended_at BIGINT NOT NULL,
  energy_wh BIGINT NOT NULL,
  mode VARCHAR(16),
  vehicle VARCHAR(64),
  tag VARCHAR(64),
  read_at BIGINT NOT NULL,
  session_id BIGINT,
  PRIMARY KEY (charge_point, started_at)
) $clustered;
