-- The charge points that a user is limited to; a user without rows here is not limited.
CREATE TABLE IF NOT EXISTS user_charge_point (
  user_id BIGINT NOT NULL,
  charge_point VARCHAR(16) NOT NULL,
  PRIMARY KEY (user_id, charge_point)
) $clustered;

-- Users who were deleted while their sessions kept their name: nobody else may take it, or they would own those sessions.
CREATE TABLE IF NOT EXISTS former_user (
  name_key VARCHAR(255) NOT NULL,
  name VARCHAR(64) NOT NULL,
  user_id BIGINT NOT NULL,
  deleted_at BIGINT NOT NULL,
  PRIMARY KEY (name_key)
) $plain;

-- Everything that may act for a user: a phone that logged in or was paired, the existing app, an API token. id is what
-- access tokens name as their session. Of refresh tokens only SHA-256 is kept: family_hash finds the device, refresh_hash
-- is the one token of the family that is good now.
CREATE TABLE IF NOT EXISTS device (
  id VARCHAR(32) NOT NULL,
  user_id BIGINT NOT NULL,
  kind VARCHAR(16) NOT NULL,
  name VARCHAR(64) NOT NULL,
  scopes VARCHAR(255) NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  seen_at BIGINT NOT NULL,
  seen_from VARCHAR(64) NOT NULL,
  refreshed_at BIGINT,
  family_hash VARCHAR(64) UNIQUE,
  refresh_hash VARCHAR(64),
  PRIMARY KEY (id)
) $plain;

CREATE INDEX IF NOT EXISTS device_user ON device (user_id, seen_at);

-- A TOTP secret that was shown and not confirmed by a code yet.
CREATE TABLE IF NOT EXISTS totp_enrolment (
  user_id BIGINT NOT NULL,
  secret VARCHAR(255) NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (user_id)
) $plain;

-- SHA-256 of the recovery codes that are left; each has 80 random bits, so a slow hash would add nothing.
CREATE TABLE IF NOT EXISTS recovery_code (
  user_id BIGINT NOT NULL,
  code_hash VARCHAR(64) NOT NULL,
  PRIMARY KEY (user_id, code_hash)
) $clustered;

-- The one link with which the first user may be made; secret_hash is SHA-256.
CREATE TABLE IF NOT EXISTS setup_link (
  secret_hash VARCHAR(64) NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (secret_hash)
) $plain;

-- Who did what. Rows are added, and deleted when they are older than the retention; nothing changes one.
CREATE TABLE IF NOT EXISTS audit (
  id $auto_id,
  happened_at BIGINT NOT NULL,
  user_name VARCHAR(64),
  device_id VARCHAR(32),
  device_name VARCHAR(64),
  origin VARCHAR(8) NOT NULL,
  address VARCHAR(64) NOT NULL,
  action VARCHAR(40) NOT NULL,
  subject VARCHAR(128),
  old_value VARCHAR(1000),
  new_value VARCHAR(1000),
  result VARCHAR(40) NOT NULL
) $plain;

CREATE INDEX IF NOT EXISTS audit_happened_at ON audit (happened_at, id);
CREATE INDEX IF NOT EXISTS audit_user ON audit (user_name, id);
