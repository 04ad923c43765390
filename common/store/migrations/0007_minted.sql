-- minted_by: the login that asked for this device by a pairing, or for this API token; NULL: its user typed a password.
-- previous_hash: the refresh token before the one that is good now, and repeat_proof: SHA-256 of what shows that whoever
-- sends that one again is who sent it first.
ALTER TABLE device ADD COLUMN IF NOT EXISTS minted_by VARCHAR(32);
ALTER TABLE device ADD COLUMN IF NOT EXISTS previous_hash VARCHAR(64);
ALTER TABLE device ADD COLUMN IF NOT EXISTS repeat_proof VARCHAR(64);

-- No API token lives for more than a year, also none that was made for longer.
UPDATE device SET expires_at = created_at + 31536000 WHERE kind = 'api' AND expires_at > created_at + 31536000;
