-- What the audit log is asked by, beside the columns that events had from the beginning. The texts are folded. end_at is
-- the end of what an event tells of, the greatest number for none; detail is the first fact told, name and
-- value; subject_id is whom it is about, be it of a case or of the directory.
-- The rows that are there are filled from doc when this is run, see fill.go.

ALTER TABLE events ADD COLUMN action BIGINT NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN kind BIGINT NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN success BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE events ADD COLUMN end_at BIGINT NOT NULL DEFAULT 9223372036854775807;
ALTER TABLE events ADD COLUMN actor_kind BIGINT NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN actor_name TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN actor_account TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN subject_id TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN subject TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN subject_kind BIGINT NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN role_name TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN detail TEXT NOT NULL DEFAULT '';

DROP INDEX events_principal;
CREATE INDEX events_actor ON events (tenant, actor, at, id);
CREATE INDEX events_subject ON events (tenant, subject_id, at, id);
CREATE INDEX events_role ON events (tenant, role, at, id);
CREATE INDEX events_scope ON events (tenant, scope, at, id);
