-- Energy by quarter of an hour, hour, local day and local month: what series (docs/records.md) had, how much of the time
-- samples cover, and by which method it was computed (meter, power or mixed).
CREATE TABLE IF NOT EXISTS energy_rollup (
  resolution VARCHAR(8) NOT NULL,
  starts_at BIGINT NOT NULL,
  series VARCHAR(32) NOT NULL,
  energy_wh BIGINT NOT NULL,
  covered_s BIGINT NOT NULL,
  method VARCHAR(8) NOT NULL,
  PRIMARY KEY (resolution, starts_at, series)
) $clustered;

-- Stretches whose rollups are to be computed anew, written with the samples that make it so. Rows are never changed, so
-- that whoever computes deletes exactly what it has seen. is_new: samples arrived there; else they lie beside such ones.
CREATE TABLE IF NOT EXISTS rollup_mark (
  id $auto_id,
  from_s BIGINT NOT NULL,
  to_s BIGINT NOT NULL,
  is_new BOOLEAN NOT NULL
) $plain;

-- Whose midnights the days and months have; one row.
CREATE TABLE IF NOT EXISTS rollup_zone (
  name VARCHAR(64) NOT NULL PRIMARY KEY
) $plain;

INSERT INTO rollup_mark (from_s, to_s, is_new)
  SELECT MIN(sampled_at), MAX(sampled_at) + 1, TRUE FROM sample
  HAVING COUNT(*) > 0 AND NOT EXISTS (SELECT id FROM rollup_mark);
