-- What a bidirectional car gave back, by the wallbox's log; NULL: none that is known.
ALTER TABLE charge_session ADD COLUMN IF NOT EXISTS discharged_wh BIGINT;
