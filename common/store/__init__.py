"""The store: Pony entities, one schema for MariaDB and SQLite, and its numbered migrations."""
