-- At most one row, number 1: `revision` grows with every change of a site that running relays must see at once.
CREATE TABLE IF NOT EXISTS relay_change (
  number BIGINT NOT NULL PRIMARY KEY,
  revision BIGINT NOT NULL
) $plain;
