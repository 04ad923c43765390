-- Instants are whole Unix seconds, UTC. Powers W, meters Wh, states of charge percent, all whole numbers; NULL is unknown.
-- The key leads with the instant, and rows lie in its order: a period is one range on disk.
CREATE TABLE IF NOT EXISTS sample (
  sampled_at BIGINT NOT NULL,
  grid_power_w BIGINT,
  grid_imported_wh BIGINT,
  grid_exported_wh BIGINT,
  pv_power_w BIGINT,
  pv_produced_wh BIGINT,
  battery_power_w BIGINT,
  battery_soc_percent BIGINT,
  battery_charged_wh BIGINT,
  battery_discharged_wh BIGINT,
  home_power_w BIGINT,
  PRIMARY KEY (sampled_at)
) $clustered;

CREATE TABLE IF NOT EXISTS charge_point_sample (
  sampled_at BIGINT NOT NULL,
  charge_point VARCHAR(16) NOT NULL,
  power_w BIGINT,
  meter_wh BIGINT,
  soc_percent BIGINT,
  is_plugged BOOLEAN,
  is_charging BOOLEAN,
  current_a DOUBLE,
  PRIMARY KEY (sampled_at, charge_point)
) $clustered;

-- An id of its own, never used twice: a new user of an old name must not inherit what belonged to the old one.
-- name_key is the name without the difference of upper and lower case (common/store/users.py), alike on both databases.
CREATE TABLE IF NOT EXISTS user (
  id $auto_id,
  name VARCHAR(64) NOT NULL,
  name_key VARCHAR(255) NOT NULL UNIQUE,
  password_hash VARCHAR(255) NOT NULL,
  role VARCHAR(16) NOT NULL,
  created_at BIGINT NOT NULL,
  is_disabled BOOLEAN NOT NULL,
  totp_secret VARCHAR(255),
  totp_last_step BIGINT
) $plain;
