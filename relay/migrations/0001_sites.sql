-- Instants are whole Unix seconds, UTC. public_key is base64 of the edge's Ed25519 key, NULL before the first enrolment.
-- Of a code only the SHA-256 is kept, and only until it is used; site_id never changes and is never used twice.
CREATE TABLE IF NOT EXISTS relay_site (
  site_id VARCHAR(32) NOT NULL PRIMARY KEY,
  name VARCHAR(63) NOT NULL UNIQUE,
  public_key VARCHAR(64),
  code_hash VARCHAR(64) UNIQUE,
  code_expires_at BIGINT,
  created_at BIGINT NOT NULL,
  enrolled_at BIGINT
) $plain;
