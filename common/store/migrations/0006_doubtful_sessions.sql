-- Why a session of a log or an import may be part of another session; NULL: it is not, or an admin settled it.
ALTER TABLE charge_session ADD COLUMN IF NOT EXISTS doubt VARCHAR(16);
