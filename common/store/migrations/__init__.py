"""The numbered forward migrations, `NNNN_name.sql`, one text for both databases; common/store/migrate.py runs them.

MariaDB commits each DDL statement by itself, so every statement must be repeatable (IF NOT EXISTS). A published file
is never edited. The words `$auto_id`, `$clustered` and `$plain` stand for what the two dialects spell differently.
"""
