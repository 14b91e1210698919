-- bin keeps deleted objects that may be restored, in the columns of objects: names are unique among what is there only.
-- external_id is the object's name in the directory that it comes from.

ALTER TABLE objects ADD COLUMN external_id TEXT NOT NULL DEFAULT '';
CREATE INDEX objects_external_id ON objects (tenant, external_id) WHERE external_id <> '';

CREATE TABLE bin (
    tenant         TEXT    NOT NULL,
    id             TEXT    NOT NULL,
    kind           BIGINT  NOT NULL,
    display_name   TEXT    NOT NULL,
    enabled        BOOLEAN NOT NULL,
    created        BIGINT  NOT NULL,
    principal_name TEXT    NOT NULL,
    mail           TEXT    NOT NULL,
    mail_nickname  TEXT    NOT NULL,
    client_id      TEXT    NOT NULL,
    doc            TEXT    NOT NULL,
    external_id    TEXT    NOT NULL,
    deleted        BIGINT  NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX bin_kind ON bin (tenant, kind, id);
CREATE INDEX bin_deleted ON bin (tenant, deleted, id);

-- What is held for one object or administrative unit, which is asked when that is deleted.
CREATE INDEX schedules_scope ON schedules (tenant, scope, id) WHERE provider = 'directory' AND scope <> '/';
CREATE INDEX requests_scope ON requests (tenant, scope, id) WHERE provider = 'directory' AND scope <> '/';
