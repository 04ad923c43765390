-- Tags are text; tag_key is the tag in upper case (common/tags.py). user_id, never a name: a new user of an old name must
-- not inherit cards. A tag or profile whose user is gone is nobody's.
CREATE TABLE IF NOT EXISTS tag (
  tag_key VARCHAR(64) NOT NULL,
  tag VARCHAR(64) NOT NULL,
  user_id BIGINT NOT NULL,
  label VARCHAR(64),
  created_at BIGINT NOT NULL,
  PRIMARY KEY (tag_key)
) $clustered;

-- At most one row, id 1: who waits for a card, and what came. Instants in real time, also where a demo's runs faster.
CREATE TABLE IF NOT EXISTS tag_learning (
  id BIGINT NOT NULL,
  user_id BIGINT NOT NULL,
  label VARCHAR(64),
  ends_at BIGINT NOT NULL,
  learned_tag VARCHAR(64),
  PRIMARY KEY (id)
) $plain;

-- wishes is JSON (common/profiles.py), weekdays digits 0 (Monday) to 6, minutes are of the local day.
CREATE TABLE IF NOT EXISTS profile (
  id $auto_id,
  name VARCHAR(64) NOT NULL,
  user_id BIGINT NOT NULL,
  tag_key VARCHAR(64),
  charge_point VARCHAR(16),
  wishes VARCHAR(255) NOT NULL,
  weekdays VARCHAR(7),
  from_minute BIGINT,
  until_minute BIGINT,
  expires_at BIGINT,
  restores BOOLEAN NOT NULL,
  is_enabled BOOLEAN NOT NULL
) $plain;

-- scan_key is the edge's own name of a scan, so that delivering it twice is harmless. A tag that was nobody's is kept by
-- its last two characters. commands is JSON.
CREATE TABLE IF NOT EXISTS rfid_scan (
  id $auto_id,
  scan_key VARCHAR(32) NOT NULL UNIQUE,
  scanned_at BIGINT NOT NULL,
  tag VARCHAR(64) NOT NULL,
  charge_point VARCHAR(16),
  user_id BIGINT,
  profile VARCHAR(64),
  outcome VARCHAR(24) NOT NULL,
  detail VARCHAR(1000),
  commands VARCHAR(2000) NOT NULL
) $plain;

CREATE INDEX IF NOT EXISTS rfid_scan_scanned_at ON rfid_scan (scanned_at, id);
